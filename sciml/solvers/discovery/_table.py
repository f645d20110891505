"""A user's own table as a problem with a hidden term: ``t, x, y`` per row and what is known of ``x' = …``."""

import csv
import keyword
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sympy as sp
import torch
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, HeldOut, ObservationPlan, Observations
from sciml.core.errors import DataError, UserError
from sciml.core.problem import Field
from sciml.core.types import Params
from sciml.solvers.discovery._parse import NAMES, FormulaError, parse_equations
from sciml.solvers.discovery._tree import evaluate

TIME, TRAJECTORY = ("t", "time"), ("trajectory", "run", "id")
FEWEST = 6
"""Least number of rows of a trajectory."""
LARGEST = 64 * 2**20
_SPARE = 3
"""Trajectories from which on the last one is held out."""


@dataclass(frozen=True, kw_only=True)
class TableProblem(HasHiddenTerm):
    """Trajectories from a file, with a known part from a formula.

    Unknown scalars of the known part must multiply functions of the columns. The hidden term could absorb such
    products, so they are left to it while measuring, and read off the formula afterwards (see `split_scalars`).
    """

    inputs: tuple[str, ...] = ()
    hidden_inputs: tuple[str, ...] = ()
    library: tuple[str, ...] = ()
    operators: tuple[str, ...] = ("add", "sub", "mul", "div")
    unknowns: Mapping[str, float] = field(default_factory=dict)
    plan: ObservationPlan = field(default_factory=lambda: ObservationPlan(1, 1, 0.0))
    tables: tuple[Observations, ...] = ()
    spare: Observations | None = None
    told: tuple[sp.Expr, ...] = ()
    multipliers: Mapping[str, tuple[sp.Expr, ...]] = field(default_factory=dict)

    def known(self, time: Tensor, inputs: Tensor, scalars: Params) -> Tensor:
        """The known formulas without the terms of unknown scalars."""
        values = {name: inputs[..., i] for i, name in enumerate(self.inputs)} | {"t": time}
        return torch.stack([evaluate(expr, values, inputs[..., 0]) for expr in self.told], dim=-1)

    def known_formulas(self) -> tuple[str, ...]:
        """The same as text."""
        return tuple(map(str, self.told))

    def hidden(self, time: Tensor, inputs: Tensor) -> None:
        """None: nobody knows it."""
        return

    def hidden_formulas(self) -> tuple[str, ...]:
        """None are known."""
        return ()

    def observations(self, plan: ObservationPlan, generator: torch.Generator) -> tuple[Observations, ...]:
        """The rows of the file. Raises UserError for more trajectories than it has."""
        if plan.trajectories > len(self.tables):
            raise UserError("the table has fewer trajectories", got=plan.trajectories, expected=len(self.tables))
        return self.tables[: plan.trajectories]

    def ansatz(self, trajectory: int, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """(0, 1): nothing is known exactly."""
        zero = coordinates.new_zeros(len(coordinates), len(self.fields))
        return zero, zero + 1

    def reference(self, trajectory: int, coordinates: Tensor) -> None:
        """None: there are measurements only."""
        return

    def held_out(self) -> HeldOut | None:
        """The last trajectory, if there are enough; its values are measurements, the first of them the start."""
        if self.spare is None:
            return None
        return HeldOut(self.spare.coordinates[:, 0], self.spare.values)

    def spread(self, states: Tensor) -> Tensor:
        """The columns themselves."""
        return states

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


def read_table(path: Path, known: str, values: Mapping[str, float] | None = None) -> TableProblem:
    """A problem from a CSV file and formulas.

    Arguments:
        path: a header line, then numbers. A column ``t`` (or ``time``); perhaps one called ``trajectory`` (or ``run``,
            ``id``); all others are fields.
        known: ``"x' = a*x; y' = -d*y"``, an equation for every field.
        values: of scalars in `known`; those without one are unknown.

    Raises: DataError for a file that is not in order; FormulaError for a known part that is not.
    """
    header, rows = _rows(path)
    time = next((name for name in TIME if name in header), None)
    if time is None:
        fix = "Separate the cells by commas." if len(header) == 1 and set(header[0]) & set(";\t|") else ""
        raise DataError(f"{path} has no column of times", got=", ".join(header), expected="a column called t or time",
                        fix=fix)  # fmt: skip
    group = next((name for name in TRAJECTORY if name in header), None)
    names = [name for name in header if name not in (time, group)]
    bad = [name for name in names if not name.isidentifier() or name.startswith("_")]
    if not names or bad:
        raise DataError(f"{path} has no usable columns besides the times", got=", ".join(bad) or "none",
                        expected="names of letters, digits and _, no digit first")  # fmt: skip
    taken = [name for name in names if name in NAMES or keyword.iskeyword(name)]
    if taken:
        raise DataError(f"{path}: a column cannot be called {taken[0]!r}, which means something else in a formula",
                        fix=f"Call it {taken[0]}_ in the header and in the known part.")  # fmt: skip
    tables = _tables(path, header, rows, time, group, names)
    told, multipliers = _known(known, names, dict(values or {}))
    held = tables[-1] if len(tables) >= _SPARE else None
    seen = tables[:-1] if held is not None else tables
    symbols = [*names]
    pairs = [f"{a}*{b}" for i, a in enumerate(symbols) for b in symbols[i:]]
    return TableProblem(
        name="table",
        title=path.name,
        equation="\n".join(f"d{n}/dt = {e} + hidden" for n, e in zip(names, told, strict=True)),
        fields=tuple(Field(name, name, "1", name) for name in names),
        boundary={},
        presets=("tiny",),
        citation=str(path),
        solver="upinn",
        inputs=tuple(names),
        hidden_inputs=tuple(names),
        library=("1", *symbols, *pairs),
        plan=ObservationPlan(len(seen), max(len(entry.values) for entry in seen), 0.0),
        tables=seen,
        spare=held,
        told=told,
        multipliers=multipliers,
    )


def parse_values(texts: Sequence[str]) -> dict[str, float]:
    """``["a=1.3"]`` as numbers by name. Raises FormulaError for anything else."""
    found: dict[str, float] = {}
    for text in texts:
        name, sign, number = text.partition("=")
        try:
            value = float(number) if sign and name.strip().isidentifier() else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise FormulaError(f"{text!r} gives no value", expected="the form a=1.3")
        found[name.strip()] = value
    return found


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path} is too large for discovery", got=f"{path.stat().st_size} bytes",
                            expected=f"at most {LARGEST}")  # fmt: skip
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a CSV file", got=error) from None
    lines = [line for line in csv.reader(text.splitlines()) if line and any(cell.strip() for cell in line)]
    if len(lines) < 2:
        raise DataError(f"{path} holds no rows", expected="a header line and numbers below it")
    header = [cell.strip() for cell in lines[0]]
    if len(set(header)) < len(header) or not all(header):
        raise DataError(f"{path} has a header with empty or repeated names", got=", ".join(header))
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise DataError(f"{path}, row {number} has another number of cells than the header",
                            got=len(line), expected=len(header))  # fmt: skip
    return header, lines[1:]


def _tables(
    path: Path, header: list[str], rows: list[list[str]], time: str, group: str | None, names: list[str]
) -> tuple[Observations, ...]:
    grouped: dict[str, list[list[float]]] = {}
    for number, line in enumerate(rows, start=2):
        cells = dict(zip(header, (cell.strip() for cell in line), strict=True))
        row = [_number(path, number, name, cells[name]) for name in (time, *names)]
        grouped.setdefault(cells[group] if group else "", []).append(row)
    found = []
    for label, lines in grouped.items():
        where = f"{path}" + (f", trajectory {label}" if group else "")
        table = torch.tensor(lines, dtype=torch.float64)
        if len(table) < FEWEST:
            raise DataError(f"{where} has too few points", got=len(table), expected=f"at least {FEWEST}")
        steps = table[:, 0].diff()
        if (steps <= 0).any():
            at = int((steps <= 0).nonzero()[0])
            if (steps[at] == 0).all():
                raise DataError(f"{where}: a time comes twice", got=f"{float(table[at, 0]):g}",
                                fix="Keep one row of it, or their mean; rows of several trajectories need a number in "
                                "a column called trajectory.")  # fmt: skip
            raise DataError(f"{where}: the times are not increasing", got=f"{float(table[at, 0]):g} then "
                            f"{float(table[at + 1, 0]):g}", fix="Sort the rows by time, and give every trajectory a "
                            "number in a column called trajectory.")  # fmt: skip
        found.append(Observations(table[:, :1], table[:, 1:], None))
    whole = torch.cat([entry.values for entry in found])
    for i, name in enumerate(names):
        if float(whole[:, i].max() - whole[:, i].min()) <= 1e-12 * float(whole[:, i].abs().max()):
            raise DataError(f"{path}: column {name!r} is constant", got=float(whole[0, i]),
                            fix="Leave it out; a number can stand in the known part.")  # fmt: skip
    return tuple(found)


def _number(path: Path, row: int, name: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}, row {row}: column {name!r} has {'a gap' if not cell else 'no finite number'}",
                        got=repr(cell), expected="a number",
                        fix="Leave such rows out; times need not be equidistant.")  # fmt: skip
    return value


def _known(
    text: str, names: list[str], values: dict[str, float]
) -> tuple[tuple[sp.Expr, ...], dict[str, tuple[sp.Expr, ...]]]:
    """Formulas without unknown scalars, and what each unknown scalar multiplies in every equation."""
    equations = parse_equations(text, names)
    formulas = [equations[name].xreplace({sp.Symbol(k): sp.Float(v) for k, v in values.items()}) for name in names]
    columns = {sp.Symbol(name) for name in (*names, "t")}
    unknown = sorted({s.name for expr in formulas for s in expr.free_symbols if s not in columns})
    strange = sorted(set(values) - {s.name for expr in equations.values() for s in expr.free_symbols})
    if strange:
        raise FormulaError(f"a value is given for {strange[0]!r}, which does not occur in the known part", got=text)
    if given := sorted(set(values) & {s.name for s in columns}):
        raise FormulaError(f"a value is given for {given[0]!r}, which is a column of the table",
                           fix="Give values of scalars only.")  # fmt: skip
    multipliers: dict[str, tuple[sp.Expr, ...]] = {}
    for name in unknown:
        symbol = sp.Symbol(name)
        shapes = tuple(sp.diff(expr, symbol) for expr in formulas)
        if any(shape.free_symbols - columns for shape in shapes):
            close = next((column for column in names if column.lower() == name.lower()), None)
            raise FormulaError(
                f"the unknown {name!r} does not enter the known part as a factor, so it cannot be told from the hidden "
                "part", got=text,
                fix=f"Give its value: --value {name}=1.0" + (f"; or is it the column {close!r}?" if close else ""),
            )  # fmt: skip
        multipliers[name] = shapes
    zero = {sp.Symbol(name): sp.Integer(0) for name in unknown}
    return tuple(sp.expand(expr.subs(zero)) for expr in formulas), multipliers


def _without_zeros(expr: sp.Expr) -> sp.Expr:
    """Terms that cancelled but for rounding are dropped."""
    terms = [(term.as_coeff_Mul()[0], term) for term in sp.Add.make_args(expr)]
    return sp.Add(*(term for number, term in terms if not number.is_Float or abs(number) > 1e-12))
