"""Reading files that anybody may have written: plain files of a bounded size, JSON and TOML of a bounded depth.

What a reader needs memory or time for is checked before it is taken: a device never ends, a pipe never begins, and a
small text can describe a value as deep as it is long.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from sciml.core.errors import DataError
from sciml.core.paths import kind, shown

LARGEST_TEXT = 64 * 2**20
"""Bytes of the largest text (JSON, TOML) that is read."""

DEEPEST = 64
"""Levels of the deepest value that is read from a text."""

LARGEST_NUMBER = 2**63
"""Whole numbers of a text are smaller than this; no library behind us takes larger ones."""

_ENTRIES = 100_000
_NO_LETTER = re.compile("[\0\ud800-\udfff]")
"""What no file, name or attribute can hold: C's end of a text, and halves of UTF-16."""


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a file that cannot be read into one DataError about `path`.

    That there is no such file passes as FileNotFoundError or NotADirectoryError: what it means, the caller knows.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except PermissionError:
        raise DataError(f"{shown(path)} may not be read", got="permission denied",
                        fix="Give read permission to you, and passage through its folders.") from None  # fmt: skip
    except IsADirectoryError:
        raise DataError(f"{shown(path)} is a folder, not a file") from None
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read", got=error.strerror or error) from None


def check_plain(path: Path, most: int | None = None) -> Path:
    """`path` itself if it is a plain file, perhaps at the end of links, of at most so many bytes.

    Raises: DataError for a folder, device, pipe or socket, and for a file that is too large or cannot be opened;
    FileNotFoundError where there is none.
    """
    with reading_errors(path):
        try:
            size, plain = path.stat().st_size, path.is_file()
        except ValueError:  # a null byte
            raise DataError(f"{shown(path)} is no name of a file") from None
        if not plain:
            obstacle = "a folder" if path.is_dir() else kind(Path(os.path.realpath(path))) or "no plain file"
            raise DataError(f"{shown(path)} is {obstacle}, not a file", fix="Give a plain file.")
        if most is not None and size > most:
            raise DataError(f"{shown(path)} is too large", got=f"{size:,} bytes", expected=f"at most {most:,}")
        if not os.access(path, os.R_OK):
            raise PermissionError
    return path


def read_text(path: Path, most: int = LARGEST_TEXT, *, noun: str = "text in UTF-8") -> str:
    """The text of a file in UTF-8; errors are those of `check_plain`, and DataError for other bytes, not a `noun`."""
    check_plain(path, most)
    with reading_errors(path):
        content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{shown(path)} is not {noun}",
            got=f"byte 0x{content[error.start]:02x} in line {line}, which is not UTF-8",
            fix="Save it with the encoding UTF-8.",
        ) from None


def parse_json(text: str, source: str) -> object:
    """The value of a JSON text. Raises DataError for anything else: NaN, numbers without bounds, depth without end."""
    try:
        value: object = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        got = "values within values without end" if isinstance(error, RecursionError) else error
        raise DataError(f"{source} is not valid JSON", got=got) from None
    _check(value, source)
    return value


def parse_toml(text: str, source: str) -> dict[str, object]:
    """The tables of a TOML text. Raises DataError for anything else; as `parse_json`."""
    try:
        tables: dict[str, object] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise DataError(f"{source} is not valid TOML", got=error) from None
    except RecursionError:
        raise DataError(f"{source} is not valid TOML", got="values within values without end") from None
    _check(tables, source)
    return tables


def check_sealed(folder: Path) -> Path:
    """`folder` itself if it holds plain files and folders only, so that nothing leads elsewhere.

    Raises: DataError for a link out of the folder, a device, pipe or socket, by name.
    """
    count = 0
    inside = Path(os.path.realpath(folder))
    for place, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path, count = Path(place) / name, count + 1
            obstacle = kind(path)
            if obstacle == "a link" and Path(os.path.realpath(path)).is_relative_to(inside):
                obstacle = ""
            if obstacle:
                leads = ", which leads out of it" if obstacle == "a link" else ""
                raise DataError(f"{shown(folder)} holds {obstacle}{leads}", got=shown(path.relative_to(folder)),
                                expected="plain files and folders",
                                fix="Copy it with `cp -rL`, if you trust where it leads.")  # fmt: skip
            if count > _ENTRIES:
                raise DataError(f"{shown(folder)} holds too many files", got=f"more than {_ENTRIES:,}")
    return folder


def _check(value: object, source: str) -> None:
    """Raise DataError for a value that is too deep, or numbers that are too large."""
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        entry, depth = waiting.pop()
        if isinstance(entry, dict | list):
            if depth > DEEPEST:
                raise DataError(f"{source} nests too deep", expected=f"at most {DEEPEST} levels")
            inner = (*entry, *entry.values()) if isinstance(entry, dict) else entry
            waiting += [(e, depth + 1) for e in inner if isinstance(e, dict | list | int | str)]
        elif isinstance(entry, str):
            if _NO_LETTER.search(entry):
                raise DataError(f"{source} holds a text with a null character or half of one", got=repr(entry[:40]))
        elif isinstance(entry, int) and abs(entry) >= LARGEST_NUMBER:
            raise DataError(f"{source} holds a number that is too large", got=f"{str(entry)[:40]}…",
                            expected="whole numbers below 2^63")  # fmt: skip


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is too large for a number")
    return value
