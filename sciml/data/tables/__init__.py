"""Tables of users: text in any usual notation, Excel and Parquet, as rows of cells, numbers and dates.

What is not plain CSV is read and said in the notes, or refused with what decides it.
"""

from sciml.data.tables._cells import MISSING, RawTable, decimal_mark, is_number, read_cells, to_number
from sciml.data.tables._columns import Column, Table, table_of_columns
from sciml.data.tables._dates import SECONDS, from_dates
from sciml.data.tables._headers import TIME_NAMES, TIME_UNITS, as_name, split_header
from sciml.data.tables._read import TABLE_ENDINGS, read_raw
from sciml.data.tables._sheets import text_rows

__all__ = [
    "MISSING",
    "SECONDS",
    "TABLE_ENDINGS",
    "TIME_NAMES",
    "TIME_UNITS",
    "Column",
    "RawTable",
    "Table",
    "as_name",
    "decimal_mark",
    "from_dates",
    "is_number",
    "read_cells",
    "read_raw",
    "split_header",
    "table_of_columns",
    "text_rows",
    "to_number",
]
