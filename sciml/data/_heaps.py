"""Opening HDF5 files for reading, after a look at what the library would follow without end."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import h5py

from sciml.core.errors import DataError

_HEAP, _HEADER = b"GCOL", 16
"""What a collection of values of variable length begins with, and the bytes of its header, and of each object's."""
_NEAR = 32 * 2**20
"""Bytes at both ends of a file that are looked through: structure lies there, and a look at all would be a read."""


def hdf5_file(path: Path, **options: Any) -> h5py.File:  # Any: as in h5py
    """An HDF5 file open for reading.

    Raises: DataError for a damaged file that the library would read for ever; what h5py raises for others.
    """
    if path.is_file() and h5py.is_hdf5(path):
        check_heaps(path)
    return h5py.File(path, "r", **options)


def check_heaps(path: Path) -> None:
    """Refuse collections of values of variable length, texts and references among them, whose objects have no length.

    The library goes from each object to the next by the length that stands there. One of zero keeps it where it is, in
    a loop that nothing interrupts; one that leads out of the collection makes it read what is not its own.

    Raises: DataError with the place in the file.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        size = len(content)
        for first, last in ((0, min(size, _NEAR)), (max(size - _NEAR, _NEAR), size)):
            place = content.find(_HEAP, first, last)
            while place >= 0:
                _check_heap(path, content, place)
                place = content.find(_HEAP, place + 1, last)


def _check_heap(path: Path, content: mmap.mmap, place: int) -> None:
    if content[place + 4 : place + 8] != b"\1\0\0\0" or place + _HEADER > len(content):
        return  # four letters among values, or a heap that the library refuses itself
    end = place + int.from_bytes(content[place + 8 : place + 16], "little")
    if end > len(content):
        return  # as above
    here = place + _HEADER
    while here + _HEADER <= end:
        number, length = struct.unpack_from("<H6xQ", content, here)
        taken = length if number == 0 else _HEADER + -(-length // 8) * 8  # number 0 is what is free, header and all
        if not 0 < taken <= end - here:
            raise DataError(f"{path} is damaged: its values of variable length cannot be followed",
                            got=f"an object of {length} bytes at byte {here}",
                            expected=f"at most {end - here}, the rest of its collection",
                            fix="Check that it was copied whole.")  # fmt: skip
        here += taken
