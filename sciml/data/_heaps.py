"""Opening HDF5 files for reading, after a look at what the library would follow without end."""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py

from sciml.core.errors import DataError

_HEAP, _HEADER = b"GCOL", 16
"""What a collection of values of variable length begins with, and the bytes of its header, and of each object's."""
_NEAR = 8 * 2**20
"""Bytes at both ends of a file that are looked through: structure lies there, and a look at all would be a read."""


def hdf5_file(path: Path, **options: Any) -> h5py.File:  # Any: as in h5py
    """An HDF5 file open for reading.

    Raises: DataError for a damaged file that the library would read for ever; what h5py raises for others.
    """
    if path.is_file() and h5py.is_hdf5(path):
        stat = path.stat()
        _check_heaps(path.resolve(), stat.st_size, stat.st_mtime_ns)
    return h5py.File(path, "r", **options)


@lru_cache(maxsize=4096)
def _check_heaps(path: Path, size: int, changed: int) -> None:
    """Refuse collections of values of variable length, texts and references among them, whose objects have no length.

    The library goes from each object to the next by the length that stands there. One of zero keeps it where it is, in
    a loop that nothing interrupts; one that leads out of the collection makes it read what is not its own. A file of
    that size and time of change is looked at once.
    """
    with path.open("rb") as file:
        for start in sorted({0, max(0, size - _NEAR)}):
            file.seek(start)
            part = file.read(_NEAR)
            place = part.find(_HEAP)
            while place >= 0:
                _check_heap(path, part, start, place)
                place = part.find(_HEAP, place + 1)


def _check_heap(path: Path, part: bytes, start: int, place: int) -> None:
    """Walk through the collection at `place` of a part of the file that begins at `start`."""
    if part[place + 4 : place + 8] != b"\1\0\0\0" or place + _HEADER > len(part):
        return  # four letters among values, or a collection that the library refuses itself
    end = place + int.from_bytes(part[place + 8 : place + 16], "little")
    if end > len(part):
        return  # as above, or one that the other part holds whole
    here = place + _HEADER
    while here + _HEADER <= end:
        number, length = struct.unpack_from("<H6xQ", part, here)
        taken = length if number == 0 else _HEADER + -(-length // 8) * 8  # number 0 is what is free, header and all
        if not 0 < taken <= end - here:
            raise DataError(f"{path} is damaged: its values of variable length cannot be followed",
                            got=f"an object of {length} bytes at byte {start + here}",
                            expected=f"at most {end - here}, the rest of its collection",
                            fix="Check that it was copied whole.")  # fmt: skip
        here += taken
