"""Times of tables of cases: their column, common times of all cases, and columns of values at times."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sciml.core.errors import DataError
from sciml.data.importing._choices import ImportChoices
from sciml.data.tables import MISSING, SECONDS, TIME_UNITS, Table, from_dates, is_number

_UNEVEN = 1e-3
"""Share of a step by which the distances of neighbouring times may differ, and by which cases may."""


class Times(NamedTuple):
    """Times with their units (None where they are not stated), and what was understood."""

    values: np.ndarray
    units: str | None
    notes: tuple[str, ...]


def times_of_column(table: Table, name: str, choices: ImportChoices) -> Times:
    """A column of numbers or dates as float64. Raises DataError naming the line of a cell that is neither."""
    column = table.columns[name]
    units = column.units or TIME_UNITS.get(name.lower())
    first = next((cell for cell in column.cells if cell.lower() not in MISSING), "")
    if is_number(first) or not first:
        return Times(table.numbers(name), units, ())
    missing = next((row for row, cell in enumerate(column.cells) if cell.lower() in MISSING), None)
    if missing is not None:
        raise DataError(f"{table.label}, {table.at(missing)}: the time is missing", fix="Leave the row out.")
    wanted = choices.units.get("time", "1")
    values, units, word = from_dates(
        Path(table.label), column.cells, table.lines, table.where, wanted if wanted in SECONDS else "1"
    )
    return Times(np.array(values), units, (word,))


def common_times(
    table: Table,
    cases: Mapping[str, Sequence[int]],
    times: Times,
    values: Mapping[str, np.ndarray],
    choices: ImportChoices,
) -> tuple[np.ndarray, dict[str, np.ndarray], tuple[str, ...]]:
    """The times of all cases, every column as ``case time``, and what was done.

    With ``--times`` every case is interpolated linearly to these; without, all cases must have the same ones.

    Raises: DataError naming the lines of a time that comes twice; for cases with other times than the first, or times
        that are not evenly spaced, with the remedy.
    """
    order = {label: _in_order(table, label, rows, times.values) for label, rows in cases.items()}
    notes = ["rows are put in order of time"] if any(list(cases[k]) != order[k] for k in cases) else []
    if choices.times:
        grid = np.array(choices.times)
        notes.append(f"fields are interpolated linearly to the {len(grid)} times of --times")
        stacked = {
            name: np.stack([_interpolated(table, k, rows, times.values, column, grid) for k, rows in order.items()])
            for name, column in values.items()
        }
        return grid, stacked, tuple(notes)
    first, rows = next(iter(order.items()))
    grid = times.values[rows]
    for label, others in order.items():
        in_case = times.values[others]
        if not at_times(in_case, grid):
            at = next((i for i, (a, b) in enumerate(zip(in_case, grid, strict=False)) if not at_times(a, b)), None)
            place = table.at(others[at] if at is not None else others[-1])
            raise DataError(
                f"{table.label}, {place}: case {label!r} has other times than case {first!r}",
                got=f"{len(in_case)} from {in_case[0]:g} to {in_case[-1]:g}"
                + ("" if at is None else f", there {in_case[at]:g}"),
                expected=f"{len(grid)} from {grid[0]:g} to {grid[-1]:g}" + ("" if at is None else f", {grid[at]:g}"),
                fix="Interpolate all cases to common times with --times FIRST:LAST:COUNT, for example "
                f"--times {max(in_case[0], grid[0]):g}:{min(in_case[-1], grid[-1]):g}:{min(len(in_case), len(grid))}.",
            )
    check_even(table.label, grid, choices)
    return (
        grid,
        {name: np.stack([column[rows] for rows in order.values()]) for name, column in values.items()},
        tuple(notes),
    )


def check_even(label: str, grid: np.ndarray, choices: ImportChoices) -> None:
    """Raise DataError for times that are not evenly spaced, unless the user states their distance."""
    if len(grid) < 2:
        raise DataError(f"{label} has a single time per case", got=f"{grid[0]:g}" if len(grid) else "none",
                        expected="at least two", fix="Without times: --layout rows --fields TARGET.")  # fmt: skip
    steps = np.diff(grid)
    if (
        choices.dt is None
        and not choices.are_sequences
        and np.abs(steps - steps.mean()).max() > _UNEVEN * abs(steps.mean())
    ):
        raise DataError(
            f"the times of {label} are not evenly spaced",
            got=f"distances from {steps.min():g} to {steps.max():g}",
            expected="the same distance between all neighbours",
            fix=f"Interpolate with --times {grid[0]:g}:{grid[-1]:g}:{len(grid)} (FIRST:LAST:COUNT).",
        )


def at_times(one: np.ndarray | float, two: np.ndarray | float) -> bool:
    """Whether two sets of times are the same but for rounding."""
    one, two = np.atleast_1d(one), np.atleast_1d(two)
    if one.shape != two.shape:
        return False
    step = float(np.abs(np.diff(two)).min()) if len(two) > 1 else float(np.abs(two).max())
    return bool(np.allclose(one, two, rtol=1e-6, atol=_UNEVEN * step))


def _in_order(table: Table, label: str, rows: Sequence[int], times: np.ndarray) -> list[int]:
    order = [rows[i] for i in np.argsort(times[list(rows)], kind="stable")]
    for one, two in pairwise(order):
        if times[one] == times[two]:
            raise DataError(
                f"{table.label}: case {label!r} has the time {times[one]:g} twice, in {table.where}s "
                f"{table.lines[one]} and {table.lines[two]}",
                fix="Give every case a label of its own (--case NAME says in which column), or keep one of the rows.",
            )
    return order


def _interpolated(
    table: Table, label: str, rows: Sequence[int], times: np.ndarray, column: np.ndarray, grid: np.ndarray
) -> np.ndarray:
    in_case, seen = times[rows], column[rows]
    slack = _UNEVEN * float(np.diff(grid).min()) if len(grid) > 1 else 0.0
    if grid[0] < in_case[0] - slack or grid[-1] > in_case[-1] + slack:
        raise DataError(
            f"{table.label}: case {label!r} does not cover the times of --times",
            got=f"times from {in_case[0]:g} to {in_case[-1]:g}",
            expected=f"from {grid[0]:g} to {grid[-1]:g}",
            fix="Choose times that all cases cover; nothing is extrapolated.",
        )
    known = np.isfinite(seen)
    return np.interp(grid, in_case[known], seen[known]) if known.all() else np.full(len(grid), np.nan)
