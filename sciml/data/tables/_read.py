"""Any table a user hands in as rows of cells: text, Excel or Parquet, told apart by the ending of the name."""

from pathlib import Path

from sciml.core.errors import DataError
from sciml.data.tables._cells import RawTable, read_cells
from sciml.data.tables._sheets import EXCEL, PARQUET, read_excel, read_parquet

TABLE_ENDINGS = (".csv", ".tsv", ".txt", *EXCEL, *PARQUET)
"""Usual endings of the names of tables."""


def read_raw(path: Path, *, separator: str = "", sheet: str = "") -> RawTable:
    """The rows of a file.

    Arguments:
        path: a workbook (``.xlsx``), a Parquet file, or else text.
        separator: between the cells of a text; empty to find out.
        sheet: of a workbook; empty for the first that is not empty.

    Raises: DataError for a file that is not in order; UnsupportedError for a format whose package is not installed.
    """
    ending = path.suffix.lower()
    if ending in EXCEL:
        return read_excel(path, sheet)
    if sheet:
        raise DataError(f"{path} has no sheets, which workbooks (.xlsx) have", got=sheet, fix="Leave out the sheet.")
    if ending in PARQUET:
        return read_parquet(path)
    if ending == ".xls":
        raise DataError(f"{path} is an old Excel file", fix="Save it as .xlsx or .csv.")
    return read_cells(path, separator)
