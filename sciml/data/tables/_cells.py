"""From a text file to rows of cells: its encoding, its separator, comments, blank lines, and which line a row is on.

Nothing is guessed silently: whatever is not plain CSV is said in `RawTable.notes`, and what may be read in two ways is
refused with the option that decides it.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sciml.core.errors import DataError
from sciml.core.files import check_plain, reading_errors

LARGEST = 512 * 2**20
"""Most bytes of a file."""
_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars", " ": "spaces"}
"""In the order in which they are tried; a comma may be a decimal one where a tab or a semicolon separates."""
_COMMENTS = ("#", "%", "//")
_PROBE = 200
"""Lines that the separator is chosen by."""
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", "?", "missing"})
"""Cells without a value, in lower case."""
_PLAIN = re.compile(r"[-+−]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?|[-+]?inf(inity)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[-+−]?(\d*,\d+|\d+,)([eE][-+]?\d+)?")
_GROUPED = re.compile(r"[-+−]?[1-9]\d{0,2}(?P<mark>[,.'  ])\d{3}((?P=mark)\d{3})*(?P<rest>[.,]\d+)?")
_UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class RawTable:
    """Rows as they stand in a file.

    Arguments:
        header: cells of the header line, stripped; empty if the first row already holds numbers.
        lines: where every row is, in lines of the file (rows of a sheet) counted from one.
        rows: cells of each row, stripped text, as many as the header has.
        notes: what was done to get there, one sentence each.
        where: what `lines` count.
    """

    header: tuple[str, ...]
    lines: tuple[int, ...]
    rows: tuple[Sequence[str], ...]
    notes: tuple[str, ...] = ()
    where: str = "line"


def read_cells(path: Path, separator: str = "") -> RawTable:
    """The cells of a text file.

    Arguments:
        path: the file.
        separator: between cells; empty to find out.

    Raises: DataError for what is no text, holds no rows, or has rows of different lengths.
    """
    text, notes = _text_of(path)
    kept, comments = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith(_COMMENTS):
            comments.append((number, line.strip().lstrip("#%/").strip()))
        elif line.strip(" \t;,|"):
            kept.append((number, line))
    if len(kept) < 2:
        raise DataError(f"{path} holds no rows", expected="a header line and numbers below it")
    if comments:
        notes.append(f"comments are left out: line {', '.join(str(number) for number, _ in comments[:5])}")
    chosen = separator or _separator([line for _, line in kept[:_PROBE]])
    if chosen != ",":
        notes.append(f"cells are separated by {_SEPARATORS.get(chosen, repr(chosen))}")
    cells = [_split(line, chosen) for _, line in kept]
    lines = [number for number, _ in kept]
    if all(is_number(cell) for cell in cells[0] if cell.lower() not in MISSING):
        above = [(number, _split(words, chosen)) for number, words in comments if number == lines[0] - 1]
        if not above or len(above[0][1]) != len(cells[0]) or any(is_number(name) for name in above[0][1]):
            return RawTable((), tuple(lines), tuple(_even(path, cells, lines, cells[0])), tuple(notes))
        notes[-1] = f"the comment in line {above[0][0]} is taken for the header"
        header, body = above[0][1], cells
    else:
        header, body, lines = cells[0], cells[1:], lines[1:]
    header, body, more = _without_fringe(header, body)
    return RawTable(tuple(header), tuple(lines), tuple(_even(path, body, lines, header)), (*notes, *more))


def is_number(cell: str) -> bool:
    """Whether a cell looks like a number in some notation."""
    return any(form.fullmatch(cell) for form in (_PLAIN, _DECIMAL_COMMA, _GROUPED))


def decimal_mark(path: Path, columns: Sequence[Sequence[str]]) -> tuple[str, str, list[str]]:
    """The decimal mark of numbers, the mark between thousands, and what is to be said of them.

    Raises: DataError where ``1,000`` may be one or a thousand.
    """
    samples = {cell for column in columns for cell in column if "," in cell or "'" in cell or " " in cell
               or cell.count(".") > 1}  # fmt: skip
    odd = [cell for cell in samples if is_number(cell)]
    if not odd:
        return ".", "", []
    grouped = [match for cell in odd if (match := _GROUPED.fullmatch(cell))]
    marks = {match["mark"] for match in grouped}
    plain_commas = [cell for cell in odd if "," in cell and not _GROUPED.fullmatch(cell)]
    dots = any(match["rest"] and match["rest"][0] == "." for match in grouped) or any(
        cell.count(".") == 1 and "," not in cell for column in columns for cell in column
    )
    commas = plain_commas or any(match["rest"] and match["rest"][0] == "," for match in grouped)
    if commas and not dots:
        mark = next(iter(marks - {","}), "")
        return ",", mark, ["decimal commas are read", *_thousands(mark)]
    if commas:
        raise DataError(f"{path} has decimal points and decimal commas", got=", ".join(sorted(odd)[:3]),
                        fix="Write all numbers in one way, or say which mark is meant: --decimal ,")  # fmt: skip
    if marks == {","} and not dots:
        raise DataError(f"{path}: {sorted(odd)[0]!r} may be {sorted(odd)[0].replace(',', '')} or a decimal number",
                        fix="Say which mark is the decimal one: --decimal . (thousands) or --decimal ,")  # fmt: skip
    if marks == {"."}:
        return ",", ".", ["decimal commas are read", *_thousands(".")]
    mark = next(iter(marks), "")
    return ".", mark, _thousands(mark)


def _thousands(mark: str) -> list[str]:
    return [f"{mark!r} between digits is read as a mark of thousands"] if mark else []


def to_number(cell: str, decimal: str, thousands: str) -> float:
    """The value of a cell; NaN for a missing one. Raises ValueError for what is no number."""
    if "_" in cell:  # Python reads 1_000 as a thousand
        raise ValueError(cell)
    try:
        return float(cell) if decimal == "." else float(cell.replace(thousands or " ", "").replace(",", "."))
    except ValueError:
        if cell.lower() in MISSING:
            return float("nan")
        plain = cell.replace(thousands, "") if thousands and _GROUPED.fullmatch(cell) else cell
        return float(plain.replace("−", "-").replace("d", "e").replace("D", "e"))


def _text_of(path: Path) -> tuple[str, list[str]]:
    try:
        check_plain(path, LARGEST)
        with reading_errors(path):
            content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} cannot be read as a table", got=error) from None
    notes = []
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace") if not wide else "\x00"
        notes.append("the text is no UTF-8 and read as Latin-1")
    if strange := _UNREADABLE.search(text[: 2**20]):
        raise DataError(f"{path} cannot be read as a table", got=f"the character {strange[0]!r}",
                        expected="text, .xlsx or .parquet")  # fmt: skip
    return text, notes


def _separator(lines: Sequence[str]) -> str:
    """The mark that cuts most lines into the same number of cells, more than one; a comma if there is none."""
    best, share = ",", 0.0
    for mark in _SEPARATORS:
        counts = Counter(len(_split(line, mark)) for line in lines)
        size, times = counts.most_common(1)[0]
        if size > 1 and times / len(lines) > share + 0.2:
            best, share = mark, times / len(lines)
    return best


def _split(line: str, separator: str) -> list[str]:
    if separator == " ":
        return [cell.strip("\"'") for cell in re.findall(r'"[^"]*"|\[[^\]]*\]|\([^)]*\)|\S+', line)]
    parts = next(csv.reader([line], delimiter=separator)) if '"' in line else line.split(separator)
    return [cell.strip() for cell in parts]


def _without_fringe(header: list[str], body: list[list[str]]) -> tuple[list[str], list[list[str]], list[str]]:
    """Without cells behind a mark at the end of lines, and without columns of mere row numbers."""
    notes = []
    if all(len(row) == len(header) + 1 and not row[-1] for row in body):
        body = [row[:-1] for row in body]
        notes.append("the separator at the end of lines is left out")
    while header and not header[-1] and all(len(row) < len(header) or not row[len(header) - 1] for row in body):
        header, body = header[:-1], [row[: len(header) - 1] for row in body]
        notes.append("the separator at the end of lines is left out")
    if all(len(row) == len(header) + 1 for row in body) and _counts([row[0] for row in body]):
        body = [row[1:] for row in body]
        notes.append("the first column, which has no name and counts rows, is left out")
    elif header and _is_index(header[0]) and _counts([row[0] for row in body if row]):
        notes.append(f"the first column{f' {header[0]!r}' if header[0] else ''}, which counts rows, is left out")
        header, body = header[1:], [row[1:] for row in body]
    return header, body, list(dict.fromkeys(notes))


def _is_index(name: str) -> bool:
    return name.lower() in ("", "index") or name.lower().startswith(("unnamed", "__index"))


def _counts(cells: Sequence[str]) -> bool:
    """Whether they are consecutive whole numbers from zero or one."""
    first = cells[0] if cells else ""
    return first in ("0", "1") and all(cell == str(int(first) + i) for i, cell in enumerate(cells))


def _even(path: Path, rows: Sequence[list[str]], lines: Sequence[int], header: Sequence[str]) -> Sequence[list[str]]:
    width = len(header)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != width:
            quotes = "A decimal comma between commas needs quotes, or another separator of cells."
            raise DataError(
                f"{path}, line {line} has another number of cells than the header",
                got=len(row),
                expected=f"{width}: {', '.join(header)}",
                fix=quotes if len(row) > width else "",
            )
    return rows
