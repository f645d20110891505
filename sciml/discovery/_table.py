"""A user's own table as a run keeps it: ``t, x, y`` per row and what is known of ``x' = …``."""

import hashlib

import pydantic
import sympy as sp
import torch

from sciml.core.capabilities import HiddenSpec, ObservationPlan, Observations
from sciml.core.config import Config
from sciml.core.errors import UnknownNameError, UnsupportedError, UserError
from sciml.core.formulas import parse_equations, parse_formula
from sciml.core.problem import Field
from sciml.core.tensors import TensorField
from sciml.discovery._algebra import symbol_names
from sciml.discovery._guess import guess_scalars
from sciml.discovery._headers import RESERVED
from sciml.discovery._known import known_part
from sciml.discovery._prior import HiddenPrior, check_prior
from sciml.discovery._signal import Signal
from sciml.discovery._table_problem import TableProblem

FEWEST = 6
"""Least number of rows of a trajectory."""
_PREFIXES = ("hidden_", "formula_", "trial_", "held_", "observed_")
_SPARE = 3
"""Trajectories from which on the last one is held out."""


class TableData(Config):
    """A table of trajectories and the known part of its equations, as a run keeps it: all its problem is made of.

    Raises: UserError for trajectories that are not tables of increasing times and columns.
    """

    title: str
    """What it is called, such as the name of its file."""
    columns: tuple[str, ...] = pydantic.Field(min_length=1)
    """Names of the quantities."""
    known: str
    """``"x' = a*x; y' = -d*y"``, an equation for every column that is not an input."""
    values: dict[str, float] = {}
    """Of scalars in `known`; those without one are unknown."""
    trajectories: tuple[TensorField, ...] = pydantic.Field(min_length=1)
    """Rows of time, space and columns, float64, NaN where a column was not measured."""
    space: tuple[str, ...] = ()
    """Names of the axes in space, one letter each."""
    sigmas: tuple[TensorField, ...] = ()
    """Standard deviations of the columns, row by row, in the shape of the trajectories without their times; empty where
    nobody knows them."""
    units: tuple[str, ...] = ()
    """Of the columns; empty for pure numbers."""
    time_units: str = "1"
    """Of the times."""
    prior: HiddenPrior = HiddenPrior()
    """Inputs, complete equations, and what the hidden part may be made of."""
    hold_out: bool = True
    """Whether of three or more trajectories the last one is kept for a trial."""
    notes: tuple[str, ...] = ()
    """How the file was read."""

    @pydantic.model_validator(mode="after")
    def _is_in_order(self) -> "TableData":
        if clash := self.unusable_names():
            raise UserError(f"a column of a table cannot be called {clash[0]!r}", got=", ".join(self.columns))
        width = 1 + len(self.space) + len(self.columns)
        for number, rows in enumerate(self.trajectories):
            if rows.ndim != 2 or rows.shape[1] != width or len(rows) < FEWEST or rows.dtype != torch.float64:
                raise UserError(f"trajectory {number} of the table {self.title!r} has the wrong shape",
                                got=f"{rows.dtype} {tuple(rows.shape)}",
                                expected=f"float64, at least {FEWEST} rows of {width} numbers")  # fmt: skip
            coordinates = rows[:, : 1 + len(self.space)]
            is_ordered = bool((rows[:, 0].diff() > 0).all()) if not self.space else bool(coordinates.isfinite().all())
            if rows.isinf().any() or not is_ordered:
                raise UserError(f"trajectory {number} of the table {self.title!r} is not in order",
                                expected="finite numbers and increasing times")  # fmt: skip
        shapes = [(len(rows), len(self.columns)) for rows in self.trajectories]
        if self.sigmas and [tuple(sigma.shape) for sigma in self.sigmas] != shapes:
            raise UserError(f"the standard deviations of the table {self.title!r} have other shapes than its values",
                            expected=shapes)  # fmt: skip
        if self.units and len(self.units) != len(self.columns):
            raise UserError(f"the table {self.title!r} needs one unit per column", got=", ".join(self.units))
        return self

    def unusable_names(self) -> list[str]:
        """Columns whose names are no identifiers, stand twice, or mean something else in a formula."""
        return [
            name
            for i, name in enumerate(self.columns)
            if not name.isidentifier()
            or name.startswith("_")
            or name in RESERVED
            or name.startswith(_PREFIXES)
            or name in self.columns[:i]
        ]

    @property
    def digest(self) -> str:
        """Hash of all it holds."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that have a rate."""
        return tuple(name for name in self.columns if name not in self.prior.inputs)

    @property
    def derivatives(self) -> dict[str, tuple[str, str]]:
        """Names of the derivatives along the axes in space that formulas may have: ``u_xx`` to ``(u, xx)``."""
        return {f"{f}_{axis * n}": (f, axis * n) for f in self.fields for axis in self.space for n in (1, 2)}

    @property
    def complete(self) -> tuple[str, ...]:
        """The fields in whose rate nothing is hidden."""
        left_out = [name for name in self.fields if self.prior.hidden and name not in self.prior.hidden]
        return tuple(name for name in self.fields if name in (*self.prior.complete, *left_out))

    def problem(self) -> TableProblem:
        """The problem of finding what is not known.

        Raises: FormulaError and UnknownNameError for a known part or a prior that is not in order.
        """
        _check_own(self)
        names = (*self.columns, *self.derivatives)
        check_prior(self.prior, self.columns, names)
        known = known_part(self.known, (*names, *self.space), self.fields, self.values, self.complete, self.prior.own)
        if self.space and (known.fitted or self.prior.own or self.prior.inputs):
            raise UnsupportedError(
                "a table in space has no inputs, and no unknown scalars in complete equations or per trajectory",
                got=", ".join((*known.fitted, *self.prior.own, *self.prior.inputs)),
                fix="Give their values.",
            )
        usual = [name for name in names if name not in self.derivatives or len(self.derivatives[name][1]) == 1]
        chosen = sum(self.prior.hidden.values(), ())
        allowed = [n for n in names if n in chosen] if chosen else usual if self.space else list(self.columns)
        library = self._library(allowed)
        is_held = self.hold_out and len(self.trajectories) >= _SPARE and not self.prior.own
        seen = self.trajectories[: -1 if is_held else None]
        guesses, per_trajectory = {}, {}
        if known.fitted or self.prior.own:
            terms = {
                n: [] if n in self.complete else _terms(library, self.prior.hidden.get(n, self.columns))
                for n in self.fields
            }
            terms = {n: [e for e in entries if not known.absorbs(n, e)] for n, entries in terms.items() if entries}
            guesses, per_trajectory = guess_scalars(
                seen, self.columns, self.fields, known.formulas, known.fitted, self.prior.own, terms
            )  # fmt: skip
        tables = tuple(map(self._observations, range(len(self.trajectories))))
        units = dict(zip(self.columns, self.units or ["1"] * len(self.columns), strict=True))
        named = {name: Field(name, name, units[name], name) for name in self.columns}
        return TableProblem(
            name="table",
            title=self.title,
            equation="\n".join(
                f"d{name}/dt = {known.written[name]}" + (" + hidden" if name not in self.complete else "")
                for name in self.fields
            ),
            fields=tuple(named[name] for name in self.fields),
            boundary=dict.fromkeys(self.space, "wall"),
            presets=("tiny",),
            citation=self.title,
            solver="upinn",
            hidden=HiddenSpec(
                plan=ObservationPlan(len(seen), max(len(rows) for rows in seen), 0.0),
                trajectories=len(seen),
                inputs=tuple(allowed) if self.space or len(allowed) < len(self.columns) else (),
                library=library,
                operators=self.prior.operators or ("add", "sub", "mul", "div"),
                complete=self.complete,
                inputs_of=self.prior.hidden,
                drivers=tuple(named[name] for name in self.prior.inputs),
            ),
            source=self,
            tables=tables[: len(seen)],
            spare=tables[-1] if is_held else None,
            signals=tuple(map(self._signal, self.prior.inputs)),
            known_terms=known.formulas,
            multipliers=known.multipliers,
            guesses=guesses,
            own=per_trajectory,
        )

    def _library(self, allowed: list[str]) -> tuple[str, ...]:
        for term in self.prior.library:
            parse_formula(term, allowed)
        slopes = self.derivatives
        pairs = [f"{a}*{b}" for i, a in enumerate(allowed) for b in allowed[i:] if {a, b} - set(slopes)]
        return self.prior.library or ("1", *allowed, *pairs)

    def _observations(self, number: int) -> Observations:
        rows = self.trajectories[number]
        chosen = [self.columns.index(name) for name in self.fields]
        at = 1 + len(self.space)
        sigma = self.sigmas[number][:, chosen] if self.sigmas else None
        if sigma is not None and bool((sigma == sigma[0]).all()):
            sigma = sigma[0]
        return Observations(rows[:, :at].contiguous(), rows[:, at:][:, chosen], sigma)

    def _signal(self, name: str) -> Signal:
        column = 1 + self.columns.index(name)
        return Signal.through([(rows[:, 0], rows[:, column]) for rows in self.trajectories], name)


def _check_own(source: TableData) -> None:
    """Raise UnknownNameError for a scalar with a value per trajectory that is none, or has a value."""
    equations = parse_equations(source.known, source.fields, source.columns)
    used = {name for expr in equations.values() for name in symbol_names(expr)}
    for name in source.prior.own:
        if name not in used - {*source.columns, *source.values, "t"}:
            raise UnknownNameError("unknown scalar", name, used - {*source.columns, *source.values, "t"})


def _terms(library: tuple[str, ...], names: tuple[str, ...]) -> list[sp.Expr]:
    """The candidate terms made of some columns only."""
    return [expr for term in library if symbol_names(expr := parse_formula(term, spelling=names)) <= set(names)]
