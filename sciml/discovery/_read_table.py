"""Reading a user's file as a table for discovery; every fault is reported with its line and column.

What is not plain CSV (separators, decimal commas, units in the header, dates, gaps, index columns) is read and said in
`TableData.notes`, or refused with the option that decides it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from sciml.core.config import Config
from sciml.core.errors import DataError
from sciml.core.formulas import FormulaError, spelt
from sciml.data.tables import (
    MISSING,
    SECONDS,
    RawTable,
    as_name,
    decimal_mark,
    from_dates,
    is_number,
    read_raw,
    to_number,
)
from sciml.discovery._headers import Roles, header_of, roles_of, without_role
from sciml.discovery._prior import HiddenPrior, parse_noise
from sciml.discovery._table import FEWEST, TableData
from sciml.discovery._table_problem import TableProblem

MOST = 2000
"""Rows that are kept; of longer tables every k-th row of each trajectory is."""
LARGEST = 1e50
"""Magnitude of values, and one over it, beyond which products of several columns leave the range of doubles."""
MOST_IN_SPACE = 500
"""Rows per trajectory of a table in space: the time to fit a surface grows with their cube."""


class TableLayout(Config):
    """What of a file is not recognised by itself, or recognised wrongly."""

    time: str = ""
    """The column of times, perhaps with units: ``"Date [h]"``."""
    trajectory: str = ""
    """The column that tells trajectories apart."""
    names: tuple[str, ...] = ()
    """Names of all columns of a file that has no header."""
    decimal: str = ""
    """The decimal mark, ``.`` or ``,``."""
    separator: str = ""
    """What stands between cells."""
    space: tuple[str, ...] = ()
    """Columns that are axes in space, of one letter each."""
    sheet: str = ""
    """The sheet of a workbook."""


def read_table(
    path: str | Path,
    known: str,
    values: Mapping[str, float] | None = None,
    *,
    layout: TableLayout | None = None,
    prior: HiddenPrior | None = None,
    noise: str = "",
) -> TableProblem:
    """A problem from a file and formulas.

    Arguments:
        path: text with cells between any usual separator, ``.xlsx`` or ``.parquet``: a column ``t`` (or ``time``,
            ``Year``, …), perhaps one called ``trajectory`` (or ``run``, ``id``), perhaps standard deviations
            (``x_sigma``); all others are quantities. Empty cells are missing values of that column.
        known: ``"x' = a*x; y' = -d*y"``, an equation for every quantity that is not an input.
        values: of scalars in `known`; those without one are unknown.
        layout: which column is the time, and whatever else is not recognised.
        prior: inputs, complete equations, and what the hidden part may be made of.
        noise: standard deviations as for `parse_noise`; empty for unknown ones or those in the file.

    Raises: DataError for a file that is not in order; FormulaError for a known part that is not; UnsupportedError for a
        format whose package is not installed.
    """
    path, layout, prior = Path(path), layout or TableLayout(), prior or HiddenPrior()
    raw = _raw(path, layout)
    return table_of(path, raw, known, dict(values or {}), layout, prior, noise).problem()


def parse_values(texts: Sequence[str]) -> dict[str, float]:
    """``["a=1.3"]`` as numbers by name. Raises FormulaError for anything else."""
    values: dict[str, float] = {}
    for text in texts:
        name, sign, number = text.partition("=")
        try:
            value = float(number) if sign and name.strip().isidentifier() else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise FormulaError(f"{text!r} gives no value", expected="the form a=1.3")
        values[name.strip()] = value
    return values


def table_of(
    path: Path, raw: RawTable, known: str, values: dict[str, float], layout: TableLayout, prior: HiddenPrior,
    noise: str = "", hold_out: bool = True,
) -> TableData:  # fmt: skip
    """Rows of cells as a table: roles of the columns, numbers, trajectories. Raises DataError and FormulaError."""
    roles = roles_of(path, raw.header, layout.time, layout.trajectory)
    labels = [row[roles.trajectory] for row in raw.rows] if roles.trajectory is not None else [""] * len(raw.rows)
    if roles.trajectory is not None and len(set(labels)) == len(labels) > 1:
        roles = without_role(roles, f"{raw.header[roles.trajectory]!r} is different in every row and left out")
        labels = [""] * len(raw.rows)
    space = _space(path, roles, layout.space, known)
    fields = [entry for entry in roles.columns if entry.name not in space]
    axes = [entry for entry in roles.columns if entry.name in space]
    quantities = [entry.at for entry in (*axes, *fields)] + list(roles.sigmas.values())
    columns = [[row[at] for row in raw.rows] for at in (roles.time.at, *quantities)]
    decimal, thousands, notes = _marks(path, columns, layout.decimal)
    times, time_units, said = _times(path, raw, roles, columns[0], decimal, thousands)
    numbers = [
        _numbers(path, raw, raw.header[at], column, decimal, thousands)
        for at, column in zip(quantities, columns[1:], strict=True)
    ]
    every = torch.tensor([times, *numbers], dtype=torch.float64).T
    names, first = tuple(entry.name for entry in fields), 1 + len(space)
    _check_columns(path, names, every[:, first : first + len(names)])
    trajectories, thinned = _trajectories(path, raw, labels, every, names, space)
    values_of = torch.cat(trajectories)[:, first : first + len(names)]
    spreads = (values_of - values_of.nanmean(0)).square().nanmean(0).sqrt().tolist()
    prior, values = prior.spelt(names), {spelt(name, names): value for name, value in values.items()}
    stated = parse_noise(noise, dict(zip(names, spreads, strict=True)))
    sigmas = [_sigmas(path, rows[:, first:], names, tuple(roles.sigmas), stated) for rows in trajectories]
    return TableData(
        title=path.name,
        columns=names,
        known=known,
        values=values,
        trajectories=tuple(rows[:, : first + len(names)].contiguous() for rows in trajectories),
        space=space,
        sigmas=tuple(sigma for sigma in sigmas if sigma is not None),
        units=tuple(entry.units for entry in fields),
        time_units=time_units,
        prior=prior,
        hold_out=hold_out,
        notes=(*raw.notes, *roles.notes, *notes, *said, *thinned),
    )


def _raw(path: Path, layout: TableLayout) -> RawTable:
    raw = read_raw(path, separator=layout.separator, sheet=layout.sheet)
    if layout.names:
        return _named(path, raw, layout.names)
    if not raw.header or all(is_number(cell) for cell in raw.header if cell):
        first = raw.header or raw.rows[0]
        names = ",".join(("t", "x", "y", *(f"x{i}" for i in range(3, len(first)))))
        raise DataError(f"{path} has no header, its first row holds numbers", got=", ".join(first),
                        fix=f"Name its {len(first)} columns: --names {names}.")  # fmt: skip
    return raw


def _named(path: Path, raw: RawTable, names: tuple[str, ...]) -> RawTable:
    """The table with other names; its own header, if it has one, is left out with a word."""
    if len(names) != len(raw.rows[0]):
        raise DataError(f"{path} has another number of columns than names were given", got=len(names),
                        expected=len(raw.rows[0]))  # fmt: skip
    notes = raw.notes if not raw.header else (*raw.notes, f"the header {', '.join(raw.header)} is replaced")
    return RawTable(
        tuple(as_name(header_of(n)[0]) if n == header_of(n)[0] else n for n in names),
        raw.lines,
        raw.rows,
        notes,
        raw.where,
    )


def _marks(path: Path, columns: Sequence[Sequence[str]], decimal: str) -> tuple[str, str, list[str]]:
    if decimal not in ("", ".", ","):
        raise DataError(f"{decimal!r} is no decimal mark", expected=". or ,")
    if decimal:
        other = "." if decimal == "," else ","
        return decimal, other, []
    return decimal_mark(path, columns)


def _times(
    path: Path, raw: RawTable, roles: Roles, cells: Sequence[str], decimal: str, thousands: str
) -> tuple[list[float], str, list[str]]:
    if not any(map(is_number, raw.rows[0])) and len(cells) > 1 and is_number(cells[1]):
        header = f"{raw.header[roles.time.at]} [{cells[0]}]"
        raise DataError(
            f"{path}, {raw.where} {raw.lines[0]}: the first row holds no numbers",
            got=", ".join(raw.rows[0]),
            fix=f"Write units into the header, {header}, and leave the row out.",
        )
    missing = next((i for i, cell in enumerate(cells) if cell.lower() in MISSING), None)
    if missing is not None:
        raise DataError(f"{path}, {raw.where} {raw.lines[missing]}: the time is missing", got=repr(cells[missing]),
                        fix="Leave the row out.")  # fmt: skip
    if is_number(cells[0]):
        times = _numbers(path, raw, raw.header[roles.time.at], cells, decimal, thousands)
        written, asked = roles.time.units, roles.time_units
        if written == asked or written not in SECONDS or asked not in SECONDS:
            return times, asked, []
        factor = SECONDS[written] / SECONDS[asked]
        return [t * factor for t in times], asked, [f"times are converted from {written} to {asked}"]
    times, units, word = from_dates(path, cells, raw.lines, raw.where, roles.time_units)
    return times, units, [word]


def _numbers(path: Path, raw: RawTable, name: str, cells: Sequence[str], decimal: str, thousands: str) -> list[float]:
    values = []
    for line, cell in zip(raw.lines, cells, strict=True):
        try:
            value = to_number(cell, decimal, thousands)
        except ValueError:
            value = math.inf
        if math.isinf(value):
            raise DataError(f"{path}, {raw.where} {line}: column {name!r} has no finite number", got=repr(cell),
                            expected="a number, or an empty cell where there is no value")  # fmt: skip
        values.append(value)
    return values


def _check_columns(path: Path, names: Sequence[str], values: Tensor) -> None:
    for i, name in enumerate(names):
        present = values[:, i][values[:, i].isfinite()]
        if not len(present):
            raise DataError(f"{path}: column {name!r} has no values", fix="Leave it out.")
        if (largest := float(present.abs().max())) > LARGEST or 0 < largest < 1 / LARGEST:
            size = "large" if largest > 1 else "small"
            raise DataError(f"{path}: values of column {name!r} are too {size} to compute with", got=f"{largest:g}",
                            expected=f"magnitudes from {1 / LARGEST:g} to {LARGEST:g}",
                            fix="Give the column in other units, or correct the row.")  # fmt: skip
        if float(present.max() - present.min()) <= 1e-12 * float(present.abs().max()):
            raise DataError(f"{path}: column {name!r} is constant", got=float(present[0]),
                            fix="Leave it out; a number can stand in the known part.")  # fmt: skip


def _trajectories(
    path: Path, raw: RawTable, labels: Sequence[str], every: Tensor, names: Sequence[str], space: Sequence[str]
) -> tuple[list[Tensor], list[str]]:
    """Rows by trajectory, in order of time, thinned where there are many."""
    grouped: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        grouped.setdefault(label, []).append(i)
    first, step = 1 + len(space), math.ceil(len(labels) / (MOST if not space else MOST_IN_SPACE * len(grouped)))
    tables = []
    for label, rows in grouped.items():
        where = f"{path}" + (f", trajectory {label}" if label else "")
        table = every[rows]
        if len(table) < FEWEST:
            raise DataError(f"{where} has too few points", got=len(table), expected=f"at least {FEWEST}")
        if space:
            _check_places(where, raw, rows, table[:, :first])
            kept = torch.randperm(len(table), generator=torch.Generator().manual_seed(0))[::step].sort()[0]
            tables.append(table[kept])  # every k-th row of a grid would be a line in it
        else:
            _check_times(where, raw, rows, table[:, 0])
            tables.append(table[::step] if len(table) >= step * FEWEST else table[:: max(1, len(table) // FEWEST)])
        counts = tables[-1][:, first : first + len(names)].isfinite().sum(0)
        for name, count in zip(names, counts.tolist(), strict=True):
            if 0 < count < FEWEST - 1 or count == 0:
                raise DataError(f"{where}: column {name!r} has too few values", got=count,
                                expected=f"at least {FEWEST - 1}")  # fmt: skip
    notes = [f"of {len(labels)} rows one in {step} is kept"] if step > 1 else []
    gaps = int(every[:, first : first + len(names)].isnan().sum())
    return tables, [
        *notes,
        *([f"{gaps} missing value{'s' * (gaps > 1)} left out, each of its column only"] if gaps else []),
    ]


def _check_times(where: str, raw: RawTable, rows: Sequence[int], times: Tensor) -> None:
    steps = times.diff()
    if (steps > 0).all():
        return
    at = int((steps <= 0).nonzero()[0])
    lines = f"{raw.where}s {raw.lines[rows[at]]} and {raw.lines[rows[at + 1]]}"
    if steps[at] == 0:
        raise DataError(f"{where}: a time comes twice, in {lines}", got=f"{float(times[at]):g}",
                        fix="Keep one row of it, or their mean; rows of several trajectories need a number in a column "
                        "called trajectory; a table in space needs --space x.")  # fmt: skip
    raise DataError(f"{where}: the times are not increasing in {lines}", got=f"{float(times[at]):g} then "
                    f"{float(times[at + 1]):g}", fix="Sort the rows by time, and give every trajectory a number in a "
                    "column called trajectory.")  # fmt: skip


def _space(path: Path, roles: Roles, asked: Sequence[str], known: str) -> tuple[str, ...]:
    """The axes in space: those asked for, else those along which the known part differentiates."""
    names = [entry.name for entry in roles.columns]
    for name in asked:
        if name not in names or len(name) != 1:
            raise DataError(f"{path} has no axis {name!r} in space", expected=f"one letter, of {', '.join(names)}",
                            fix="Rename it.")  # fmt: skip
    differentiated = set(re.findall(r"([^\W\d]\w*)\s*['′]", known)) | set(re.findall(r"d\s*(\w+)\s*/\s*dt", known))
    fields = "|".join(map(re.escape, names))
    return tuple(asked) or tuple(
        name
        for name in names
        if len(name) == 1 and name not in differentiated and re.search(rf"(?:{fields})_{name}{{1,2}}\b", known)
    )


def _check_places(where: str, raw: RawTable, rows: Sequence[int], places: Tensor) -> None:
    if not places.isfinite().all():
        at = rows[int((~places.isfinite().all(1)).nonzero()[0])]
        raise DataError(f"{where}, {raw.where} {raw.lines[at]}: a place in space is missing", fix="Leave the row out.")
    ordered = sorted(range(len(rows)), key=lambda i: places[i].tolist())
    for a, b in pairwise(ordered):
        if torch.equal(places[a], places[b]):
            raise DataError(f"{where}: a place and time come twice, in {raw.where}s {raw.lines[rows[a]]} and "
                            f"{raw.lines[rows[b]]}", fix="Keep one row of them, or their mean.")  # fmt: skip


def _sigmas(
    path: Path, rows: Tensor, names: Sequence[str], measured: Sequence[str], stated: Mapping[str, float]
) -> Tensor | None:
    """Standard deviations in the shape of the values; None if nobody says any."""
    if not measured and not stated:
        return None
    lacking = [name for name in names if name not in (*measured, *stated)]
    if lacking:
        raise DataError(f"{path} has standard deviations for some columns only", got=", ".join((*measured, *stated)),
                        fix=f"Give those of {', '.join(lacking)} too: --noise {lacking[0]}=0.1.")  # fmt: skip
    columns = []
    for i, name in enumerate(names):
        if name in stated:
            columns.append(torch.full((len(rows),), stated[name], dtype=torch.float64))
            continue
        sigma, values = rows[:, len(names) + list(measured).index(name)], rows[:, i]
        if bool((~(sigma > 0) & values.isfinite()).any()):
            raise DataError(f"{path}: a standard deviation of {name!r} is missing or not positive")
        columns.append(torch.where(values.isfinite(), sigma, 1.0))
    return torch.stack(columns, dim=1)
