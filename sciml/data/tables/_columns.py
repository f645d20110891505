"""A table as named columns with units, read as numbers when they are asked for; faults are told by line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sciml.core.errors import DataError, UnknownNameError
from sciml.data.tables._cells import MISSING, RawTable, decimal_mark, is_number, to_number
from sciml.data.tables._headers import as_name, split_header


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Fields:
        header: as it stands in the file.
        units: as the header states them; None if it does not.
        cells: stripped text.
    """

    header: str
    units: str | None
    cells: Sequence[str]

    @property
    def is_numeric(self) -> bool:
        """Whether most of its cells that have a value look like numbers; of long columns a thousand are looked at."""
        probe = self.cells[:: max(1, len(self.cells) // 1000)]
        filled = [cell for cell in probe if cell.lower() not in MISSING]
        return 2 * sum(map(is_number, filled)) > len(filled)


@dataclass(frozen=True)
class Table:
    """Columns by name, and where their rows stand.

    Fields:
        label: what messages call the table.
        columns: by name.
        lines: of the rows, in the file.
        where: what `lines` count.
        marks: decimal mark and mark between thousands.
        notes: how the file was read.
        aliases: names that somebody will give to columns, which options may use already.
    """

    label: str
    columns: Mapping[str, Column]
    lines: tuple[int, ...]
    where: str
    marks: tuple[str, str] = (".", "")
    notes: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def at(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.where} {self.lines[row]}"

    def find(self, name: str, option: str) -> str:
        """The column that an option names, by name or header. Raises UnknownNameError."""
        wanted = self.aliases.get(name, name)
        for header, column in self.columns.items():
            if wanted in (header, column.header):
                return header
        raise UnknownNameError(f"column of {self.label} (for {option})", name, self.columns)

    def numbers(self, name: str, *, gaps: bool = False) -> np.ndarray:
        """A column as float64.

        Arguments:
            name: of the column.
            gaps: whether empty cells are allowed, which become NaN.

        Raises: DataError naming the line of a cell that is no finite number.
        """
        column = self.columns[name]
        values = np.empty(len(self))
        for row, cell in enumerate(column.cells):
            try:
                value = to_number(cell, *self.marks)
            except ValueError:
                value = np.inf
            if np.isinf(value) or (np.isnan(value) and not gaps):
                raise DataError(
                    f"{self.label}, {self.at(row)}: column {column.header!r} has no finite number",
                    got=repr(cell),
                    expected="a number" + (", or an empty cell where there is no value" if gaps else ""),
                    fix="Correct the cell, or leave the row out.",
                )
            values[row] = value
        return values


def table_of_columns(
    raw: RawTable, label: str, decimal: str = "", rename: Mapping[str, str] = MappingProxyType({})
) -> Table:
    """Rows of cells as named columns.

    Arguments:
        raw: the rows.
        label: what messages call them.
        decimal: the decimal mark; empty to find out.
        rename: names that columns will be given later, by their names here.

    Raises: DataError for a table without header, names that are empty or repeated, an open choice of the decimal mark.
    """
    if not raw.header or all(is_number(cell) for cell in raw.header if cell):
        first = ", ".join(raw.rows[0] if not raw.header else raw.header)
        raise DataError(f"{label} has no header, its first row holds numbers", got=first,
                        fix="Write a line with the names of the columns above it.")  # fmt: skip
    columns: dict[str, Column] = {}
    for i, cell in enumerate(raw.header):
        name, units = split_header(cell)
        name = as_name(name)
        if not cell or name in columns:
            raise DataError(f"{label} has a header with empty or repeated names", got=", ".join(map(repr, raw.header)),
                            fix="Give every column a name of its own.")  # fmt: skip
        columns[name] = Column(cell, units or None, tuple(row[i] for row in raw.rows))
    if decimal not in ("", ".", ","):
        raise DataError(f"{decimal!r} is no decimal mark", expected=". or ,")
    numeric = [column.cells for column in columns.values() if column.is_numeric]
    if decimal:
        marks, notes = (decimal, "." if decimal == "," else ","), []
    else:
        mark, thousands, notes = decimal_mark(Path(label), numeric)
        marks = (mark, thousands)
    return Table(
        label, columns, raw.lines, raw.where, marks, (*raw.notes, *notes), {new: old for old, new in rename.items()}
    )
