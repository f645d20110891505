"""A user's table of measurements: coordinates, values and their standard deviations, by the names of the columns."""

import csv
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import torch
from torch import Tensor

from sciml.core.config import Config
from sciml.core.errors import DataError
from sciml.core.tensors import TensorField

LARGEST = 100_000
"""Most rows: every step of Gauss-Newton looks at all of them."""
_BYTES = 64 * 2**20  # most of a file
_HEADER = re.compile(r"(?P<name>[^()\[\]]+?)\s*(?:[(\[](?P<units>[^()\[\]]*)[)\]])?")
_SEPARATORS = ";\t,"  # the first of them in the header; commas within cells are then decimal ones


class ObservedTable(Config):
    """Named columns of numbers with gaps, as a run keeps them; what they mean is said by the statement.

    Raises: DataError for a table that is not in order.
    """

    file: str = ""
    """Where it was read from; empty for arrays."""
    columns: tuple[str, ...] = pydantic.Field(min_length=1)
    units: dict[str, str] = {}
    """Of the columns whose header tells them."""
    rows: TensorField
    """``row column``, float64; 0 in gaps."""
    gaps: TensorField
    """Whether a cell is empty."""
    lines: tuple[int, ...] = ()
    """The line of the file in which each row stands."""

    @pydantic.model_validator(mode="after")
    def _is_in_order(self) -> "ObservedTable":
        shape = tuple(self.rows.shape)
        if len(shape) != 2 or shape[1] != len(self.columns) or not 0 < shape[0] <= LARGEST:
            raise DataError(f"{self.name} has the wrong shape", got=shape,
                            expected=f"1 to {LARGEST} rows of {len(self.columns)} numbers")  # fmt: skip
        sound = self.rows.dtype == torch.float64 and self.gaps.dtype == torch.bool
        if not sound or self.gaps.shape != self.rows.shape or not self.rows.isfinite().all():
            raise DataError(f"{self.name} does not hold finite numbers")
        return self

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.file or "the table of observations"

    @property
    def digest(self) -> str:
        """Hash of its contents, not of where they were."""
        return hashlib.sha256(self.model_dump_json(exclude={"file", "lines"}).encode()).hexdigest()

    def place(self, row: int) -> str:
        """Where a row is, in words."""
        return f"{self.name}, line {self.lines[row]}" if self.lines else f"{self.name}, row {row}"

    def column(self, name: str) -> Tensor:
        """The numbers of a column, NaN in gaps."""
        which = self.columns.index(name)
        return self.rows[:, which].masked_fill(self.gaps[:, which], math.nan)


def read_observed(path: Path) -> ObservedTable:
    """The table in a text file: a header line of names, perhaps with units (``T (K)``), then numbers.

    Cells are separated by semicolons, tabs or commas, whichever the header has; where not by commas, a comma in a
    number is a decimal one. Empty lines and lines that start with # are skipped; an empty cell is a gap.

    Raises: DataError, naming line and column, for what is no number, and for a file that cannot be read.
    """
    try:
        if path.stat().st_size > _BYTES:
            raise DataError(f"{path} is too large for a table of observations", got=f"{path.stat().st_size} bytes",
                            expected=f"at most {_BYTES}", fix="Keep fewer rows.")  # fmt: skip
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a table of observations", got=error) from None
    kept = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if len(kept) < 2:
        raise DataError(f"{path} holds no rows", expected="a header line and numbers below it")
    separator = next((mark for mark in _SEPARATORS if mark in kept[0][1]), ",")
    cells = [[cell.strip() for cell in row] for row in csv.reader((line for _, line in kept), delimiter=separator)]
    lines = [number for number, _ in kept]
    if len(cells) != len(lines):
        raise DataError(f"{path} has a cell of several lines", expected="one row per line")
    names, units = _header(path, lines[0], cells[0])
    rows = [
        [_number(path, line, name, cell, separator) for name, cell in zip(names, row, strict=True)]
        for line, row in zip(lines[1:], _full(path, lines[1:], cells[1:], names), strict=True)
    ]
    return _table(str(path), names, units, torch.tensor(rows, dtype=torch.float64), lines[1:])


def observed_table(columns: Mapping[str, Any]) -> ObservedTable:  # Any: whatever NumPy makes an array of
    """The table of arrays by name, a data frame included; NaN is a gap.

    Raises: DataError for columns that are no numbers, not finite, or of different lengths.
    """
    arrays: dict[str, np.ndarray] = {}
    for name in columns:
        try:
            arrays[str(name)] = np.asarray(columns[name], dtype=np.float64).reshape(-1)
        except (TypeError, ValueError):
            raise DataError(f"the observations {name!r} are no numbers", got=type(columns[name]).__name__) from None
    lengths = {name: len(values) for name, values in arrays.items()}
    if not lengths or len(set(lengths.values())) > 1:
        words = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError("observations need columns of one length", got=words or "no columns")
    names, units = _header(None, 0, list(arrays))
    rows = torch.from_numpy(np.stack(list(arrays.values()), axis=1))
    if rows.isinf().any():
        raise DataError("observations are not finite", got=names[int(rows.isinf().any(0).nonzero()[0])])
    return _table("", names, units, rows, ())


def _table(file: str, names: Sequence[str], units: dict[str, str], rows: Tensor, lines: Sequence[int]) -> ObservedTable:
    gaps = rows.isnan()
    return ObservedTable(
        file=file, columns=tuple(names), units=units, rows=rows.nan_to_num(0.0), gaps=gaps, lines=tuple(lines)
    )


def _header(path: Path | None, line: int, cells: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Names and units; ``T (K)`` and ``T [K]`` are T in K."""
    where = "observations" if path is None else f"{path}, line {line}:"
    names, units = [], {}
    for cell in cells:
        match = _HEADER.fullmatch(cell)
        if match is None:
            raise DataError(f"{where} the header has a name that cannot be read", got=repr(cell),
                            expected="a name, perhaps with units: T or T (K)")  # fmt: skip
        names.append(match["name"])
        if match["units"]:
            units[match["name"]] = match["units"].strip()
    if len(set(names)) < len(names):
        raise DataError(f"{where} a name stands twice in the header", got=", ".join(names))
    return names, units


def _full(path: Path, lines: Sequence[int], rows: list[list[str]], names: Sequence[str]) -> list[list[str]]:
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(names):
            raise DataError(f"{path}, line {line} has another number of cells than the header",
                            got=len(row), expected=f"{len(names)}: {', '.join(names)}")  # fmt: skip
    return rows


def _number(path: Path, line: int, name: str, cell: str, separator: str) -> float:
    if not cell:
        return math.nan
    try:
        value = float(cell if separator == "," else cell.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}, line {line}, column {name!r} holds no finite number", got=repr(cell),
                        expected="a number, or an empty cell for a gap")  # fmt: skip
    return value
