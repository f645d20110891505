"""Reading a user's CSV file as a table for discovery; every fault is reported with its row and column."""

import csv
import keyword
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sciml.core.errors import DataError
from sciml.discovery._parse import FormulaError
from sciml.discovery._table import FEWEST, RESERVED, TableData, TableProblem

TIME, TRAJECTORY = ("t", "time"), ("trajectory", "run", "id")
LARGEST = 64 * 2**20
"""Most bytes of a file."""


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
    taken = [name for name in names if name in RESERVED or keyword.iskeyword(name)]
    if taken:
        raise DataError(f"{path}: a column cannot be called {taken[0]!r}, which has another meaning here",
                        fix=f"Call it {taken[0]}_ in the header and in the known part.")  # fmt: skip
    tables = _tables(path, header, rows, time, group, names)
    source = TableData(
        title=path.name, columns=tuple(names), known=known, values=dict(values or {}), trajectories=tables
    )
    return source.problem()


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
) -> tuple[Tensor, ...]:
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
        found.append(table)
    whole = torch.cat(found)[:, 1:]
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
