"""What the columns of a table of cases are: times, labels, names of files, parameters, fields."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sciml.core.errors import DataError
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._source import Source, variable
from sciml.data.importing._table_times import check_even
from sciml.data.tables import MISSING, TABLE_ENDINGS, TIME_NAMES, Table, split_header, to_number

CASE_NAMES = ("case", "sample", "trajectory", "run", "experiment", "simulation", "sim", "id", "case_id", "run_id",
              "member", "realization", "realisation", "replicate", "trial")  # fmt: skip
"""What a column with the label of a case may be called, in lower case."""
_AT = re.compile(r"(.+?)\s*@\s*(?:t\s*=\s*)?([-+]?[\d.,]+(?:[eE][-+]?\d+)?)\s*([^\W\d]*)")
_NUMBERED = re.compile(r"(.+?)_(\d+)")
_ROUNDING = 1e-9
"""Relative change within a case that is rounding of whoever wrote the table."""


class CaseNotes(NamedTuple):
    """Which columns label cases, and what is to be said of them."""

    columns: tuple[str, ...]
    words: tuple[str, ...]


class WideGroups(NamedTuple):
    """Columns by field, in the order of time.

    Fields:
        columns: their names.
        moments: the times as they stand behind the @, and their units; None where columns are only numbered.
    """

    columns: dict[str, tuple[str, ...]]
    moments: tuple[tuple[float, ...], str] | None

    def times(self, table: Table, choices: ImportChoices) -> tuple[np.ndarray, str | None, list[str]]:
        """The times, their units, and what was understood. Raises DataError where they are not stated."""
        count = len(next(iter(self.columns.values())))
        if self.moments is not None and not choices.times:
            grid, units = np.array(self.moments[0]), self.moments[1] or None
            check_even(table.label, grid, choices)
            return (
                grid,
                units,
                [f"{name}: {len(cs)} columns, their times behind the @" for name, cs in self.columns.items()],
            )
        if choices.times:
            if len(choices.times) != count:
                raise DataError("--times does not fit the columns", got=f"{len(choices.times)} times",
                                expected=f"{count}, one for each column of a field")  # fmt: skip
            grid = np.array(choices.times)
        elif choices.dt is not None:
            grid = choices.dt * np.arange(count)
        else:
            name, columns = next(iter(self.columns.items()))
            raise DataError(
                f"{table.label}: {columns[0]} ... {columns[-1]} may be {name} at {count} times, or {count} quantities",
                expected="times, or targets",
                fix=f"State the times with --times FIRST:LAST:{count}; or say that there are none with --layout rows "
                f"and name the targets with --fields {columns[0]}.",
            )
        check_even(table.label, grid, choices)
        return grid, None, [f"{name}: {cs[0]} ... {cs[-1]} at {count} times" for name, cs in self.columns.items()]


def time_column(table: Table, choices: ImportChoices) -> str | None:
    """The column of times: the user's, else the one with a usual name. Raises DataError where several have one."""
    if choices.time:
        return table.find(choices.time, "--time")
    exact = [name for name in table.columns if name == "t"] or [n for n in table.columns if n.lower() == "time"]
    likely = exact or [name for name in table.columns if name.lower() in TIME_NAMES]
    if len(likely) > 1:
        raise DataError(f"{table.label} has several columns that may be the times", got=", ".join(likely),
                        fix=f"Say which one: --time {likely[0]}.")  # fmt: skip
    return likely[0] if likely else None


def file_column(table: Table) -> str | None:
    """The column whose cells all name tables, if there is one."""
    for name, column in table.columns.items():
        if len(table) and all(cell.lower().endswith(TABLE_ENDINGS) for cell in column.cells):
            return name
    return None


def case_column(
    table: Table, when: str, times: np.ndarray, choices: ImportChoices
) -> tuple[dict[str, list[int]], CaseNotes]:
    """Rows by case, and the column that labels them; without one, a case begins where the time starts again."""
    name = table.find(choices.case, "--case") if choices.case else None
    if name is None:
        named = [column for word in CASE_NAMES for column in table.columns if column.lower() == word and column != when]
        name = named[0] if named else None
    cases: dict[str, list[int]] = {}
    if name is not None:
        cells = table.columns[name].cells
        empty = next((row for row, cell in enumerate(cells) if cell.lower() in MISSING), None)
        if empty is not None:
            raise DataError(f"{table.label}, {table.at(empty)}: the case has no label", got=repr(cells[empty]))
        for row, cell in enumerate(cells):
            cases.setdefault(cell, []).append(row)
        if len(cases) == len(table) and len(table) > 1:
            raise DataError(f"{table.label}: {name!r} is different in every row, so every case has a single time",
                            fix="Say which column labels the cases with --case NAME.")  # fmt: skip
        return cases, CaseNotes((name,), (f"{table.columns[name].header!r} tells the {len(cases)} cases apart",))
    starts = [0, *(row for row in range(1, len(table)) if times[row] <= times[row - 1])]
    for number, (first, end) in enumerate(zip(starts, [*starts[1:], len(table)], strict=True)):
        cases[str(number + 1)] = list(range(first, end))
    words = (f"no column labels the cases: a case begins where the time starts again, {len(cases)} in all",)
    return cases, CaseNotes((), words if len(cases) > 1 else ())


def chosen_columns(table: Table, taken: Sequence[str], choices: ImportChoices) -> list[str]:
    """Columns of numbers that are left, or those that the user names."""
    fields = [table.find(name, "--fields") for name in choices.stated_fields()]
    parameters = [table.find(name, "--parameter") for name in choices.parameters or ()]
    left = [name for name, column in table.columns.items() if name not in taken and column.is_numeric]
    if fields:
        left = [name for name in left if name in fields or (choices.parameters is None or name in parameters)]
    return left + [name for name in (*fields, *parameters) if name not in left]


def kind_of_columns(
    table: Table, cases: Mapping[str, Sequence[int]], columns: Mapping[str, np.ndarray], choices: ImportChoices
) -> dict[str, str]:
    """``field`` or ``parameter`` for every column that is taken.

    Raises: DataError, naming a line, for a parameter that changes within a case, and for a column that changes in a few
        cases only, which may be either.
    """
    fields = {table.find(name, "--fields") for name in choices.stated_fields()}
    named = {table.find(name, "--parameter") for name in choices.parameters or ()}
    kinds = {}
    for name, values in columns.items():
        changes = {label: row for label, rows in cases.items() if (row := _change(values, rows)) is not None}
        if name in fields:
            kinds[name] = "field"
        elif name in named or not changes:
            if name in named or choices.parameters is None:
                kinds[name] = "parameter"
        elif not fields:
            if len(cases) > 2 and 2 * len(changes) < len(cases):
                label, row = next(iter(changes.items()))
                raise DataError(
                    f"{table.label}: {name!r} changes in {len(changes)} of {len(cases)} cases only, so it may be a "
                    "field or a parameter with a slip",
                    got=f"a change in {table.at(row)}, case {label!r}",
                    fix=f"Correct the table, or say that it is a field with --fields {name} (and name the others).",
                )
            kinds[name] = "field"
        if kinds.get(name) == "parameter":
            _check_parameter(table, cases, name, values, changes)
    return kinds


def _check_parameter(
    table: Table, cases: Mapping[str, Sequence[int]], name: str, values: np.ndarray, changes: Mapping[str, int]
) -> None:
    if changes:
        label, row = next(iter(changes.items()))
        raise DataError(
            f"{table.label}, {table.at(row)}: parameter {name!r} changes within case {label!r}",
            got=f"{values[row]:g}, {values[cases[label][0]]:g} before",
            expected="one value in all rows of a case",
            fix="Correct the table, or leave the parameter to be a field.",
        )
    for rows in cases.values():
        if not np.isfinite(values[rows[0]]):
            raise DataError(f"{table.label}, {table.at(rows[0])}: parameter {name!r} has no value",
                            fix="Fill the cell, or leave the case out.")  # fmt: skip


def _change(values: np.ndarray, rows: Sequence[int]) -> int | None:
    """The first row of a case whose value is another than the one in its first row; None if there is none."""
    in_case = values[list(rows)]
    known = np.isfinite(in_case)
    if not known.any():
        return None
    apart = known & (np.abs(in_case - in_case[known][0]) > _ROUNDING * np.abs(in_case[known][0]))
    return rows[int(apart.argmax())] if apart.any() else None


def wide_groups(table: Table, choices: ImportChoices) -> WideGroups | None:
    """Columns that are values of a field at several times; None where there are none."""
    moments: dict[str, dict[str, tuple[float, str]]] = {}
    numbered: dict[str, dict[int, str]] = {}
    for name, column in table.columns.items():
        header = split_header(column.header)[0]
        if match := _AT.fullmatch(header):
            value = to_number(match[2], *table.marks)
            moments.setdefault(_plain(match[1]), {})[name] = (value, match[3])
        elif match := _NUMBERED.fullmatch(header):
            numbered.setdefault(_plain(match[1]), {})[int(match[2])] = name
    stated = choices.stated_fields()
    if moments:
        return _at_moments(table, {name: entry for name, entry in moments.items() if not stated or name in stated})
    runs = {
        name: tuple(columns[i] for i in sorted(columns))
        for name, columns in numbered.items()
        if len(columns) > 2 and sorted(columns) == list(range(min(columns), min(columns) + len(columns)))
        and min(columns) in (0, 1) and (not stated or name in stated)
    }  # fmt: skip
    if not runs or (not stated and choices.parameters is not None and not choices.times and choices.dt is None):
        return None
    sizes = {name: len(columns) for name, columns in runs.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"{table.label}: the fields have different numbers of times",
                        got=", ".join(f"{name} {count}" for name, count in sizes.items()),
                        fix="Choose some of them with --fields.")  # fmt: skip
    return WideGroups(runs, None)


def _at_moments(table: Table, moments: Mapping[str, Mapping[str, tuple[float, str]]]) -> WideGroups:
    columns, grids = {}, {}
    for name, entries in moments.items():
        order = sorted(entries, key=lambda column: entries[column][0])
        columns[name] = tuple(order)
        grids[name] = tuple(entries[column] for column in order)
    if not columns:
        raise DataError(f"{table.label} has no such field", got=", ".join(table.columns))
    first, grid = next(iter(grids.items()))
    for name, other in grids.items():
        values = [value for value, _ in other]
        if len(set(values)) < len(values):
            raise DataError(f"{table.label}: a time of {name!r} stands in two columns")
        if other != grid:
            raise DataError(f"{table.label}: {name!r} is given at other times than {first!r}",
                            got=f"{len(other)} times from {values[0]:g}", expected=f"{len(grid)} from {grid[0][0]:g}",
                            fix=f"Import one of them: --fields {first}.")  # fmt: skip
    units = {unit for _, unit in grid}
    if len(units) > 1:
        raise DataError(f"{table.label}: times behind the @ have different units", got=", ".join(sorted(units)))
    return WideGroups(columns, (tuple(value for value, _ in grid), units.pop()))


def _plain(text: str) -> str:
    return re.sub(r"[\s\-./]+", "_", text.strip())


Named = Mapping[str, tuple[str | None, np.ndarray]]
"""Units and values by name."""


def check_distinct(table: Table, fields: Named, parameters: Named, lines: Sequence[str]) -> list[str]:
    """What is to be said of cases with equal parameters. Raises DataError for cases that are equal throughout."""
    columns = [values for _, values in parameters.values()]
    if not columns:
        return []
    rows = np.stack(columns, axis=1)
    wholes = [np.concatenate([values[i].ravel() for _, values in fields.values()]) for i in range(len(rows))]
    seen: dict[bytes, int] = {}
    repeated = 0
    for i, row in enumerate(rows):
        first = seen.setdefault((row + 0.0).tobytes(), i)
        if first == i:
            continue
        if np.array_equal(wholes[i], wholes[first], equal_nan=True):
            raise DataError(
                f"{table.label}: the cases in {lines[first]} and {lines[i]} are the same",
                got=", ".join(f"{name}={values[i]:g}" for name, (_, values) in parameters.items()),
                expected="every case once, so that none is in training and test",
                fix="Leave one of them out.",
            )
        repeated += 1
    if not repeated:
        return []
    return [f"{repeated} cases repeat the parameters of another with other values: what differs cannot be learned"]


def label_column(table: Table, choices: ImportChoices) -> tuple[str, ...]:
    """The column of classes that the user names, or none."""
    return (table.find(choices.label, "--label"),) if choices.label else ()


def with_labels(source: Source, table: Table, label: Sequence[str], cases: Sequence[Sequence[int]]) -> Source:
    """The source with the class of every case as text.

    Raises: DataError, naming the line, for a case without a class or with several.
    """
    if not label:
        return source
    cells = table.columns[label[0]].cells
    for rows in cases:
        if cells[rows[0]].lower() in MISSING:
            raise DataError(f"{table.label}, {table.at(rows[0])}: the class is missing", fix="Leave the case out.")
        if odd := [row for row in rows if cells[row] != cells[rows[0]]]:
            raise DataError(
                f"{table.label}, {table.at(odd[0])}: the class changes within a case",
                got=f"{cells[odd[0]]!r}, {cells[rows[0]]!r} before",
                expected="one class in all rows of a case",
            )
    classes = variable(np.array([cells[rows[0]] for rows in cases]), ("sample",))
    return replace(source, variables={**source.variables, label[0]: classes})
