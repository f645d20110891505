"""A user's own table as a problem with a hidden term: ``t, x, y`` per row and what is known of ``x' = …``."""

import hashlib
import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pydantic
import sympy as sp
import torch

from sciml.core.capabilities import HasHiddenTerm, HeldOut, HiddenSpec, ObservationPlan, Observations
from sciml.core.config import Config
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import UserError
from sciml.core.marks import hidden
from sciml.core.problem import Field
from sciml.core.statement import Statement
from sciml.core.tensors import TensorField
from sciml.discovery._algebra import replaced, symbol_names
from sciml.discovery._parse import NAMES, FormulaError, parse_equations

FEWEST = 6
"""Least number of rows of a trajectory."""
RESERVED = frozenset({"t", "time", "trajectory", "sample", "status", "spread", *NAMES})
"""What cannot be the name of a column: functions of formulas, and names in the files of a run."""
_PREFIXES = ("hidden_", "formula_", "trial_", "held_", "observed_")
_SPARE = 3
"""Trajectories from which on the last one is held out."""


class TableData(Config):
    """A table of trajectories and the known part of its equations, as a run keeps it: all its problem is made of.

    Raises: UserError for trajectories that are not finite tables of time and columns, times increasing.
    """

    title: str
    """What it is called, such as the name of its file."""
    columns: tuple[str, ...] = pydantic.Field(min_length=1)
    """Names of the quantities."""
    known: str
    """``"x' = a*x; y' = -d*y"``, an equation for every column."""
    values: dict[str, float] = {}
    """Of scalars in `known`; those without one are unknown."""
    trajectories: tuple[TensorField, ...] = pydantic.Field(min_length=1)
    """Rows of time and columns, float64; of three or more trajectories the last one is held out."""

    @pydantic.model_validator(mode="after")
    def _is_in_order(self) -> "TableData":
        if clash := self.unusable_names():
            raise UserError(f"a column of a table cannot be called {clash[0]!r}", got=", ".join(self.columns))
        width = 1 + len(self.columns)
        for number, rows in enumerate(self.trajectories):
            if rows.ndim != 2 or rows.shape[1] != width or len(rows) < FEWEST or rows.dtype != torch.float64:
                raise UserError(f"trajectory {number} of the table {self.title!r} has the wrong shape",
                                got=f"{rows.dtype} {tuple(rows.shape)}",
                                expected=f"float64, at least {FEWEST} rows of {width} numbers")  # fmt: skip
            if not rows.isfinite().all() or (rows[:, 0].diff() <= 0).any():
                raise UserError(f"trajectory {number} of the table {self.title!r} is not in order",
                                expected="finite numbers and increasing times")  # fmt: skip
        return self

    def unusable_names(self) -> list[str]:
        """Columns whose names are no identifiers, stand twice, or mean something else in a formula."""
        return [
            name
            for i, name in enumerate(self.columns)
            if not name.isidentifier()
            or name.startswith("_")
            or keyword.iskeyword(name)
            or name in RESERVED
            or name.startswith(_PREFIXES)
            or name in self.columns[:i]
        ]

    @property
    def digest(self) -> str:
        """Hash of all it holds."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def problem(self) -> "TableProblem":
        """The problem of finding what is not known. Raises FormulaError for a known part that is not in order."""
        known_terms, multipliers = _known(self.known, list(self.columns), self.values)
        known = parse_equations(self.known, self.columns)
        tables = tuple(Observations(rows[:, :1], rows[:, 1:], None) for rows in self.trajectories)
        held = tables[-1] if len(tables) >= _SPARE else None
        seen = tables[:-1] if held is not None else tables
        pairs = [f"{a}*{b}" for i, a in enumerate(self.columns) for b in self.columns[i:]]
        return TableProblem(
            name="table",
            title=self.title,
            equation="\n".join(f"d{name}/dt = {known[name]} + hidden" for name in self.columns),
            fields=tuple(Field(name, name, "1", name) for name in self.columns),
            boundary={},
            presets=("tiny",),
            citation=self.title,
            solver="upinn",
            hidden=HiddenSpec(
                plan=ObservationPlan(len(seen), max(len(entry.values) for entry in seen), 0.0),
                trajectories=len(seen),
                library=("1", *self.columns, *pairs),
            ),
            source=self,
            tables=seen,
            spare=held,
            known_terms=known_terms,
            multipliers=multipliers,
        )


@dataclass(frozen=True, kw_only=True)
class TableProblem(HasHiddenTerm):
    """Trajectories from a file, with a known part from a formula.

    Unknown scalars of the known part must multiply functions of the columns. The hidden term could absorb such
    products, so they are left to it while measuring, and read off the formula afterwards (see `split_scalars`).
    """

    hidden: HiddenSpec
    source: TableData
    tables: tuple[Observations, ...] = ()
    spare: Observations | None = None
    known_terms: tuple[sp.Expr, ...] = ()
    multipliers: Mapping[str, tuple[sp.Expr, ...]] = field(default_factory=dict)

    def hidden_statement(self, trajectory: int = 0) -> Statement:
        """The known formulas without the terms of unknown scalars; the hidden terms and the starts are not known."""
        names = [entry.symbol for entry in self.fields]
        time = sp.Symbol("t")
        functions = {sp.Symbol(name): sp.Function(name)(time) for name in names}
        known = [term.xreplace(functions) for term in self.known_terms]
        times = torch.cat([table.coordinates for table in self.tables])
        return Statement(
            domain=Domain((Coordinate("t", float(times.min()), float(times.max())),), time="t"),
            fields=tuple(names),
            equations=tuple(
                sp.Eq(function.diff(time), term + hidden())
                for function, term in zip(functions.values(), known, strict=True)
            ),
        )

    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """The rows of the file. Raises UserError for more trajectories than it has, or for other points or noise."""
        if plan.trajectories > len(self.tables):
            raise UserError("the table has fewer trajectories", got=plan.trajectories, expected=len(self.tables))
        if (plan.points, plan.noise) != (self.hidden.plan.points, self.hidden.plan.noise):
            raise UserError("a table has the points and the noise it was measured with",
                            got=f"{plan.points} points, noise {plan.noise:g}",
                            fix="Leave out task.points and task.noise.")  # fmt: skip
        return self.tables[: plan.trajectories]

    def held_out(self) -> HeldOut | None:
        """The last trajectory, if there are enough; its values are measurements, the first of them the start."""
        if self.spare is None:
            return None
        return HeldOut(self.spare.coordinates[:, 0], self.spare.values)

    def split_scalars(self, formulas: Sequence[sp.Expr]) -> tuple[dict[str, float | None], tuple[sp.Expr, ...]]:
        """The unknown scalars, and the formulas without them.

        A scalar is the coefficient of what it multiplies in the known part, in the first equation it stands in, on the
        assumption that the hidden part has no such term; None where the formula has no such term either.
        """
        rest, found = [sp.expand(expr) for expr in formulas], {}
        for name, shapes in self.multipliers.items():
            value = None
            for i, shape in enumerate(shapes):
                if shape != 0 and value is None:
                    number, core = shape.as_coeff_Mul()
                    parts = (term.as_coeff_Mul() for term in sp.Add.make_args(rest[i]))
                    value = next((float(c / number) for c, rest_of in parts if rest_of == core), None)
            found[name] = value
            if value is not None:
                rest = [_without_zeros(sp.expand(e - value * s)) for e, s in zip(rest, shapes, strict=True)]
        return found, tuple(rest)


def _known(
    text: str, names: list[str], values: dict[str, float]
) -> tuple[tuple[sp.Expr, ...], dict[str, tuple[sp.Expr, ...]]]:
    """Formulas without unknown scalars, and what each unknown scalar multiplies in every equation."""
    equations = parse_equations(text, names)
    formulas = [replaced(equations[name], {sp.Symbol(k): sp.Float(v) for k, v in values.items()}) for name in names]
    columns = {*names, "t"}
    unknown = sorted({name for expr in formulas for name in symbol_names(expr)} - columns)
    strange = sorted(set(values) - {name for expr in equations.values() for name in symbol_names(expr)})
    if strange:
        raise FormulaError(f"a value is given for {strange[0]!r}, which does not occur in the known part", got=text)
    if given := sorted(set(values) & columns):
        raise FormulaError(f"a value is given for {given[0]!r}, which is a column of the table",
                           fix="Give values of scalars only.")  # fmt: skip
    multipliers: dict[str, tuple[sp.Expr, ...]] = {}
    for name in unknown:
        symbol = sp.Symbol(name)
        shapes = tuple(sp.diff(expr, symbol) for expr in formulas)
        if any(symbol_names(shape) - columns for shape in shapes):
            close = next((column for column in names if column.lower() == name.lower()), None)
            raise FormulaError(
                f"the unknown {name!r} does not enter the known part as a factor, so it cannot be told from the hidden "
                "part", got=text,
                fix=f"Give its value: --value {name}=1.0" + (f"; or is it the column {close!r}?" if close else ""),
            )  # fmt: skip
        multipliers[name] = shapes
    zero = [(sp.Symbol(name), sp.Integer(0)) for name in unknown]
    return tuple(sp.expand(expr.subs(zero)) for expr in formulas), multipliers


def _without_zeros(expr: sp.Expr) -> sp.Expr:
    """Terms that cancelled but for rounding are dropped."""
    terms = [(term.as_coeff_Mul()[0], term) for term in sp.Add.make_args(expr)]
    return sp.Add(*(term for number, term in terms if not number.is_Float or abs(number) > 1e-12))
