"""Excel and Parquet files as rows of cells, through the extra ``tables``."""

import datetime
import importlib
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from sciml.core.errors import DataError, UnsupportedError
from sciml.core.files import check_plain
from sciml.data.tables._cells import LARGEST, RawTable

_CELLS = 100_000_000
"""Most cells of a Parquet file, which may say the same cell as often as it likes."""
EXCEL, PARQUET = (".xlsx", ".xlsm"), (".parquet", ".pq")


def read_excel(path: Path, sheet: str = "") -> RawTable:
    """One sheet of a workbook, its formulas by their last values; the first one that is not empty unless named.

    Raises: DataError for a file that is no workbook, or a sheet that is not there.
    """
    openpyxl = _needed("openpyxl", path)
    _present(path)
    _check_unpacked(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises what zipfile and its XML parser do
        raise DataError(f"{path} is no Excel workbook", got=error) from None
    try:
        names = list(book.sheetnames)
        if sheet and sheet not in names:
            raise DataError(f"{path} has no sheet {sheet!r}", expected=f"one of: {', '.join(names)}")
        for name in [sheet] if sheet else names:
            numbered = [(i, [_text(cell) for cell in row]) for i, row in enumerate(book[name].values, start=1)]
            filled = [(i, row) for i, row in numbered if any(row)]
            if len(filled) > 1:
                notes = (f"sheet {name!r} of {len(names)} is read; --sheet names another",) if len(names) > 1 else ()
                (_, header), *body = filled
                width = max(i for row in (header, *(row for _, row in body)) for i, cell in enumerate(row, 1) if cell)
                return RawTable(
                    tuple(header[:width]),
                    tuple(i for i, _ in body),
                    tuple(row[:width] for _, row in body),
                    notes,
                    "row",
                )
    finally:
        book.close()
    raise DataError(f"{path} holds no rows", expected="a sheet with a row of names and numbers below it")


def read_parquet(path: Path) -> RawTable:
    """A Parquet file; the index that pandas stores beside the columns is left out.

    Raises: DataError for a file that is not one.
    """
    _needed("pyarrow", path)
    parquet = importlib.import_module("pyarrow.parquet")
    _present(path)
    try:
        described = parquet.read_metadata(path)
        if described.num_rows * described.num_columns > _CELLS:
            raise ValueError(f"{described.num_rows} rows of {described.num_columns} columns")
        table = parquet.read_table(path)
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise DataError(f"{path} is no Parquet file", got=error) from None
    names = [name for name in table.column_names if not name.startswith("__index_level_")]
    columns = [[_text(cell) for cell in table.column(name).to_pylist()] for name in names]
    rows = tuple(list(row) for row in zip(*columns, strict=True))
    dropped = len(table.column_names) - len(names)
    notes = ("the index stored by pandas is left out",) if dropped else ()
    return RawTable(tuple(names), tuple(range(1, len(rows) + 1)), rows, notes, "row")


def text_rows(rows: Iterable[Iterable[object]]) -> tuple[list[str], ...]:
    """Cells of any kind as text."""
    return tuple([_text(cell) for cell in row] for row in rows)


def _text(cell: object) -> str:
    """As it would stand in a text file; floats keep all their bits."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell) in ("NaT", "<NA>"):
        return ""
    if isinstance(cell, datetime.datetime | datetime.date):
        return cell.isoformat()
    return repr(float(cell)) if isinstance(cell, float) else str(cell).strip()


def _present(path: Path) -> None:
    try:
        check_plain(path, LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{path} cannot be read", got="no such file") from None


def _check_unpacked(path: Path) -> None:
    """Refuse a workbook that says it unpacks into far more than a table: a small file can become a very large one."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{path} is no Excel workbook", got=error) from None
    if size > 4 * LARGEST:
        raise DataError(f"{path} unpacks into too much for a table", got=f"{size:,} bytes",
                        expected=f"at most {4 * LARGEST:,}")  # fmt: skip


def _needed(package: str, path: Path) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise UnsupportedError(
            f"{path} needs the package {package}, which is not installed",
            fix="Install it with `pip install 'sciml[tables]'`, or save the table as CSV.",
        ) from None
