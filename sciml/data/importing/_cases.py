"""Tables of cases: parameters and what follows from them, over time or not, in one table or a file per case.

| layout | looks like |
|---|---|
| ``long`` | a column of times, a label of the case, parameters that are the same in all rows of a case, fields |
| ``wide`` | a row per case: parameters, then ``T@0.1``, ``T@0.2``, ... (or ``T_0``, ``T_1``, ... and stated times) |
| ``index`` | a row per case: parameters, and the name of a file with its times and fields |
| ``rows`` | a row per case: parameters and targets, no time |
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from sciml.core.errors import DataError
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._columns_of_cases import (
    Named,
    case_column,
    check_distinct,
    chosen_columns,
    file_column,
    kind_of_columns,
    label_column,
    time_column,
    wide_groups,
    with_labels,
)
from sciml.data.importing._source import Source, Variable, variable
from sciml.data.importing._table_times import Times, at_times, common_times, times_of_column
from sciml.data.tables import RawTable, Table, read_raw, table_of_columns, text_rows

_FEWEST = 3
"""Cases that training, validation and test need."""


def read_cases(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """The cases of a table.

    Raises: DataError, naming the line, for what is not in order, and with the option that decides it for what could be
        understood in several ways.
    """
    raw = read_raw(path, separator=choices.separator, sheet=choices.sheet)
    return [_cases(raw, str(path), path.parent, choices)]


def read_frame(frame: pd.DataFrame, choices: ImportChoices) -> Source:
    """The cases of a data frame; an index with a name is a column like the others."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    header = tuple(str(name) for name in frame.columns)
    rows = text_rows(frame.itertuples(index=False, name=None))
    return _cases(RawTable(header, tuple(range(len(rows))), rows, (), "row"), "this data frame", None, choices)


def companions(path: Path, choices: ImportChoices) -> list[Path]:
    """The files of the cases that an index names, none for another table."""
    table = table_of_columns(read_raw(path, separator=choices.separator, sheet=choices.sheet), str(path))
    name = file_column(table) if choices.layout in (None, "index") else None
    return [] if name is None else _files(table, name, path.parent)


def _cases(raw: RawTable, label: str, folder: Path | None, choices: ImportChoices) -> Source:
    table = table_of_columns(raw, label, choices.decimal, choices.rename)
    if not len(table):
        raise DataError(f"{label} holds no rows", expected="a header and rows below it")
    layout = choices.layout or _layout(table, choices)
    readers: dict[str, Callable[[], Source]] = {
        "long": lambda: _long(table, choices),
        "wide": lambda: _wide(table, choices),
        "index": lambda: _index(table, folder, choices),
        "rows": lambda: _rows(table, choices),
    }
    source = readers[layout]()
    return replace(source, notes=(*table.notes, *source.notes))


def _layout(table: Table, choices: ImportChoices) -> str:
    if file_column(table) is not None:
        return "index"
    if time_column(table, choices) is not None:
        return "long"
    return "wide" if wide_groups(table, choices) else "rows"


def _long(table: Table, choices: ImportChoices) -> Source:
    """Rows of several cases below each other."""
    when = time_column(table, choices)
    if when is None:
        raise DataError(f"{table.label} has no column of times", got=", ".join(table.columns),
                        expected="a column called t or time", fix="Say which one it is with --time NAME.")  # fmt: skip
    times = times_of_column(table, when, choices)
    cases, notes = case_column(table, when, times.values, choices)
    label = label_column(table, choices)
    others = chosen_columns(table, (when, *notes.columns, *label), choices)
    columns = {name: table.numbers(name, gaps=True) for name in others}
    kinds = kind_of_columns(table, cases, columns, choices)
    values = {name: columns[name] for name, kind in kinds.items() if kind == "field"}
    if not values:
        raise DataError(f"{table.label} has no column that changes with time", got=", ".join(columns),
                        fix="Say with --fields which columns are fields.")  # fmt: skip
    grid, stacked, more = common_times(table, cases, times, values, choices)
    parameters = {
        name: (table.columns[name].units, np.array([columns[name][rows[0]] for rows in cases.values()]))
        for name, kind in kinds.items()
        if kind == "parameter"
    }
    fields = {name: (table.columns[name].units, stacked[name]) for name in values}
    lines = [table.at(rows[0]) for rows in cases.values()]
    said = (*notes.words, *times.notes, *more)
    source = _source(table, fields, parameters, times._replace(values=grid), lines, said, choices)
    return with_labels(source, table, label, list(cases.values()))


def _wide(table: Table, choices: ImportChoices) -> Source:
    """A row per case, the values of a field at its times in columns of their own."""
    groups = wide_groups(table, choices)
    if not groups:
        raise DataError(f"{table.label} has no columns of values at times", got=", ".join(table.columns),
                        expected="columns such as T@0.1, T@0.2, or T_0, T_1, ... with --times")  # fmt: skip
    grid, units, notes = groups.times(table, choices)
    fields = {
        name: (table.columns[columns[0]].units, np.stack([table.numbers(c, gaps=True) for c in columns], axis=1))
        for name, columns in groups.columns.items()
    }
    label = label_column(table, choices)
    used = {*(column for columns in groups.columns.values() for column in columns), *label}
    parameters, said = _parameters_of_rows(table, used, choices)
    lines = [table.at(row) for row in range(len(table))]
    source = _source(table, fields, parameters, Times(grid, units, ()), lines, (*notes, *said), choices)
    return with_labels(source, table, label, [[row] for row in range(len(table))])


def _index(table: Table, folder: Path | None, choices: ImportChoices) -> Source:
    """A row per case with the name of its file."""
    name = file_column(table)
    if name is None or folder is None:
        raise DataError(f"{table.label} has no column with names of files", got=", ".join(table.columns),
                        expected="names such as case_01.csv, relative to the folder of the index")  # fmt: skip
    read = []
    for path in _files(table, name, folder):
        part = read_raw(path, separator=choices.separator, sheet=choices.sheet)
        read.append(table_of_columns(part, str(path), choices.decimal, choices.rename))
    first, trajectories, times = read[0], [], None
    for part in read:
        when = time_column(part, choices)
        if when is None:
            raise DataError(f"{part.label} has no column of times", got=", ".join(part.columns),
                            fix="Say which one it is with --time NAME.")  # fmt: skip
        names = chosen_columns(part, (when,), choices.model_copy(update={"parameters": None}))
        if trajectories and set(names) != set(trajectories[0]):
            raise DataError(f"{part.label} has other columns than {first.label}", got=", ".join(names),
                            expected=", ".join(trajectories[0]), fix="Choose common ones with --fields.")  # fmt: skip
        for column in names:
            one, two = part.columns[column].units, first.columns[column].units
            if one != two:
                raise DataError(f"column {column!r} of {part.label} has other units than in {first.label}",
                                got=str(one), expected=str(two))  # fmt: skip
        now = times_of_column(part, when, choices)
        values = {column: part.numbers(column, gaps=True) for column in names}
        grid, stacked, more = common_times(part, {"": range(len(part))}, now, values, choices)
        if times is None:
            times = now._replace(values=grid, notes=(*now.notes, *more))
        elif not at_times(grid, times.values) or now.units != times.units:
            raise _other_times(part.label, first.label, grid, times.values)
        trajectories.append({column: stacked[column][0] for column in names})
    assert times is not None
    fields = {
        column: (first.columns[column].units, np.stack([entry[column] for entry in trajectories]))
        for column in trajectories[0]
    }
    label = label_column(table, choices)
    parameters, said = _parameters_of_rows(table, {name, *label}, choices)
    lines = [table.at(row) for row in range(len(table))]
    notes = (f"one file for each of {len(read)} cases, named in {name!r}", *first.notes, *times.notes, *said)
    source = _source(table, fields, parameters, times, lines, notes, choices)
    return with_labels(source, table, label, [[row] for row in range(len(table))])


def _rows(table: Table, choices: ImportChoices) -> Source:
    """A row per case, nothing over time: parameters and targets, told apart by the user."""
    stated = [table.find(name, "--fields") for name in choices.stated_fields()]
    if not stated and choices.parameters is None:
        numeric = [name for name, column in table.columns.items() if column.is_numeric]
        raise DataError(
            f"{table.label} has no times, and nothing says which columns are parameters and which follow from them",
            got=", ".join(numeric),
            expected="one row per case: parameters and targets",
            fix=f"Name the targets: --fields {numeric[-1] if numeric else 'NAME'} (repeatable; all others are "
            "parameters). If there are times, name their column with --time.",
        )
    parameters, notes = _parameters_of_rows(table, set(stated), choices)
    targets = stated or [name for name, column in table.columns.items() if name not in parameters and column.is_numeric]
    if not targets or not parameters:
        raise DataError(f"{table.label} needs parameters and targets", got=f"parameters {', '.join(parameters) or '-'}",
                        fix="Name the targets with --fields, the parameters with --parameter.")  # fmt: skip
    fields = {name: (table.columns[name].units, table.numbers(name)) for name in targets}
    lines = [table.at(row) for row in range(len(table))]
    return _source(table, fields, parameters, None, lines, notes, choices)


def _source(
    table: Table,
    fields: Named,
    parameters: Named,
    times: Times | None,
    lines: Sequence[str],
    notes: Sequence[str],
    choices: ImportChoices,
) -> Source:
    """Arrays with one row per case as a source, after what every layout has to keep."""
    if len(lines) < _FEWEST and times is None:
        raise DataError(f"{table.label} has too few rows to train, validate and test on", got=len(lines),
                        expected=f"at least {_FEWEST}, one per case")  # fmt: skip
    for name, (_, values) in fields.items():
        if not np.isfinite(values).any():
            raise DataError(f"{table.label}: column {name!r} has no values", fix="Leave it out with --fields.")
    still = [name for name, (_, values) in fields.items() if np.nanmin(values) == np.nanmax(values)]
    if len(lines) > 1 and len(still) == len(fields):
        raise DataError(f"{table.label}: nothing to learn, {', '.join(still)} is the same everywhere",
                        got=f"{float(np.nanmin(fields[still[0]][1])):g}",
                        fix="Choose other columns with --fields.")  # fmt: skip
    said = [f"{name} is the same everywhere" for name in still]
    same = [name for name, (_, values) in parameters.items() if len(lines) > 1 and values.min() == values.max()]
    if same and choices.parameters is None:
        said.append(f"{', '.join(same)}: the same in all cases, left out (--parameter takes them)")
        parameters = {name: entry for name, entry in parameters.items() if name not in same}
    said += check_distinct(table, fields, parameters, lines)
    dims = ("sample",) if times is None else ("sample", "time")
    variables: dict[str, Variable] = {
        **{name: variable(values, dims, units) for name, (units, values) in fields.items()},
        **{name: variable(values, ("sample",), units) for name, (units, values) in parameters.items()},
    }
    coordinates = {} if times is None else {"time": variable(times.values, ("time",), times.units)}
    targets = tuple(fields) if times is None else ()
    return Source(table.label, "table", variables, coordinates, {}, notes=(*notes, *said), targets=targets)


def _parameters_of_rows(
    table: Table, used: set[str], choices: ImportChoices
) -> tuple[dict[str, tuple[str | None, np.ndarray]], list[str]]:
    """The parameters of a table with one row per case, and what was left out."""
    notes = []
    if choices.parameters is not None:
        names = [table.find(name, "--parameter") for name in choices.parameters]
    else:
        names = []
        for name, column in table.columns.items():
            if name in used or (choices.case and name == table.find(choices.case, "--case")):
                continue
            if not column.is_numeric or name.lower() in ("case", "sample", "id", "run"):
                notes.append(f"{column.header!r} is taken for a label of the case: left out")
            else:
                names.append(name)
    return {name: (table.columns[name].units, table.numbers(name)) for name in names}, notes


def _files(table: Table, name: str, folder: Path) -> list[Path]:
    """The files of an index, inside of its folder, all there, each once."""
    root, files = folder.resolve(), []
    for row, cell in enumerate(table.columns[name].cells):
        path = (root / cell).resolve()
        if not cell or not path.is_relative_to(root):
            raise DataError(f"{table.label}, {table.at(row)}: the file lies outside of the folder of the index",
                            got=repr(cell), expected=f"a name inside of {folder}",
                            fix="Move the file there, or the index to the files.")  # fmt: skip
        if not path.is_file():
            raise DataError(f"{table.label}, {table.at(row)}: there is no such file", got=str(path))
        if path in files:
            raise DataError(f"{table.label}, {table.at(row)}: the file is named twice", got=repr(cell),
                            expected=f"once; it stands in {table.at(files.index(path))} too")  # fmt: skip
        files.append(path)
    return files


def _other_times(label: str, first: str, got: np.ndarray, expected: np.ndarray) -> DataError:
    return DataError(
        f"{label} has other times than {first}",
        got=f"{len(got)} from {got[0]:g} to {got[-1]:g}",
        expected=f"{len(expected)} from {expected[0]:g} to {expected[-1]:g}",
        fix=f"Interpolate all cases to common times with --times {expected[0]:g}:{expected[-1]:g}:{len(expected)}.",
    )
