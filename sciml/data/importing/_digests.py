"""What an import is known by: hashes of the bytes of files, of arrays in memory, and of how they are read."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sciml.core.files import check_plain, reading_errors
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._source import Source

_VERSION = 2
"""Of how files are read; raised when the same files would give other numbers."""
_BLOCK = 2**22


def import_digest(parts: Sequence[str], choices: ImportChoices) -> str:
    """Hash of what determines the numbers: bytes and how they are read."""
    stated = choices.model_dump(
        mode="json", exclude={"name", "title", "licence", "citation", *(() if choices.odd else ("odd",))}
    )
    content: dict[str, Any] = {"version": _VERSION, "parts": list(parts), "choices": stated}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Hash of the bytes of a file, or of the names and bytes of all files of a folder."""
    digest = hashlib.sha256()
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    for entry in files:
        if path.is_dir():
            digest.update(f"{entry.relative_to(path).as_posix()}\n".encode())
        with reading_errors(check_plain(entry)), entry.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def source_digest(source: Source) -> str:
    """Hash of arrays in memory with their names, dimensions and units."""
    digest = hashlib.sha256()
    groups = {"": source.variables, "coordinate ": source.coordinates}
    for prefix, entries in groups.items():
        for name, entry in sorted(entries.items()):
            values = entry.values()
            digest.update(f"{prefix}{name} {entry.dims} {values.dtype} {values.shape} {entry.units}\n".encode())
            digest.update(np.ascontiguousarray(values).tobytes() if values.dtype != object else b"objects")
    if source.pairs is not None:
        for split, part in source.pairs.parts.items():
            arrays = [*part.functions, ("values", part.values)]
            arrays += [] if part.queries is None else [("queries", part.queries)]
            for name, values in [*arrays, *source.pairs.sensors.items()]:
                digest.update(f"{split} {name} {values.shape}\n".encode())
                digest.update(np.ascontiguousarray(values).tobytes())
    digest.update(json.dumps([sorted(source.boundary.items()), source.split]).encode())
    return digest.hexdigest()
