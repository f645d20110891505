"""HDF5 and NetCDF files of unknown origin: looked at before they are read.

A small file can name values in other files, describe arrays of terabytes of which nothing is stored, or be damaged in
any place. Each of these ends in a DataError that names the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

import h5netcdf
import h5py
import xarray
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue] (compiled)
from xarray.backends import H5NetCDFStore

from sciml.core.errors import DataError, SciMLError
from sciml.core.files import DEEPEST, check_plain
from sciml.core.memory import machine_memory, said
from sciml.data._heaps import hdf5_file

_MOST_MEMBERS = 2_000_000
"""Links that are followed before a file is given up; PDEBench's largest has some 40,000."""
_BOMB, _PACKED = 2**30, 2000
"""Bytes from which on an array is suspected, and how many times it is larger than what is stored of it then."""


@contextmanager
def damage(path: Path, what: str) -> Iterator[None]:
    """Turn whatever reading a damaged file raises into a DataError that says that it is not `what`.

    A name that does not exist and a module that is missing are no damage of a file, nor is a fault of this package, and
    pass as they are.
    """
    try:
        yield
    except (SciMLError, FileNotFoundError, NameError, ImportError):
        raise
    except Exception as error:  # a damaged file can fail anywhere in the reader, and in any way
        if _is_our_fault(error):
            raise
        detail = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} {what}", got=detail[:300]) from error


def _is_our_fault(error: Exception) -> bool:
    """Whether it is what a mistake in a program raises, and a line of this package raised it, not one of a reader."""
    if not isinstance(error, AttributeError | TypeError | AssertionError):
        return False
    *_, (frame, _) = walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "sciml"


def check_hdf5(path: Path, file: h5py.File) -> None:
    """Refuse links to other files, values stored outside, and arrays that could only be unpacked into too much memory.

    Refused are also groups that are reached in two ways, which readers follow round and round, and very deep ones.

    Raises: DataError that names the place in the file.
    """
    waiting: list[tuple[h5py.Group, int]] = [(file, 1)]
    seen, count = {h5o.get_info(file.id).addr}, 0
    while waiting:
        group, depth = waiting.pop()
        for name in map(str, group):
            link, place = group.get(name, getlink=True), f"{str(group.name).rstrip('/')}/{name}"
            count += 1
            if count > _MOST_MEMBERS:
                raise DataError(f"{path} has too many members", got=f"more than {_MOST_MEMBERS:,}")
            if isinstance(link, h5py.ExternalLink):
                raise _outside(path, place, f"a link to {link.path} in {link.filename}")
            if not isinstance(link, h5py.HardLink):  # it leads to what is visited under its own name
                if group.get(name, getclass=True) is h5py.Group:
                    raise _endless(path, place, "a link to a group")
                continue
            member = group[name]
            address = h5o.get_info(member.id).addr
            if isinstance(member, h5py.Group) and (address in seen or depth == DEEPEST):
                got = "a group that is reached in two ways" if address in seen else f"more than {DEEPEST} levels"
                raise _endless(path, place, got)
            if address in seen:
                continue
            seen.add(address)
            if isinstance(member, h5py.Dataset):
                _check_array(path, place, member)
            if isinstance(member, h5py.Group):
                waiting.append((member, depth + 1))


def _check_array(path: Path, place: str, member: h5py.Dataset) -> None:
    if member.external or member.is_virtual:
        raise _outside(path, place, "values that are stored in other files")
    size = math.prod(member.shape or ()) * member.dtype.itemsize
    stored = member.id.get_storage_size()
    if size > _BOMB and size > _PACKED * max(stored, 1):
        raise DataError(f"{path} describes far more values than it holds", got=f"{said(size)} at {place}, of which "
                        f"{said(stored)} are stored", fix="Was it written to its end?")  # fmt: skip


def _endless(path: Path, place: str, got: str) -> DataError:
    return DataError(
        f"{path} has groups within groups without end",
        got=f"{got}, at {place[:80]}",
        fix="Copy its arrays into a file with plain groups.",
    )


def _outside(path: Path, place: str, got: str) -> DataError:
    return DataError(
        f"{path} points outside of itself at {place}",
        got=got,
        expected="a file that holds its own values",
        fix="Copy it with `h5repack` or h5py, so that everything is inside.",
    )


def load_netcdf(
    path: Path, group: str | None = None, *, what: str = "is not a readable NetCDF-4 file"
) -> xarray.Dataset:
    """The variables of a NetCDF-4 file, or of a group of it, in memory, times as numbers.

    Arguments:
        path: a plain file.
        group: the group; None for the top.
        what: what is said of a file that is none.

    Raises: DataError for a file that is damaged, points outside of itself, or is larger than the memory;
    FileNotFoundError where there is none.
    """
    return next(iter(load_groups(path, [group], what=what).values()))


def load_groups(
    path: Path, groups: Sequence[str | None], *, what: str = "is not a readable NetCDF-4 file"
) -> dict[str | None, xarray.Dataset]:
    """Several groups of a file as `load_netcdf` reads one; it is opened and looked through once."""
    check_plain(path)
    with damage(path, what):
        with hdf5_file(path) as file:
            check_hdf5(path, file)
        with h5netcdf.File(path, "r", phony_dims="sort") as file:
            return {group: _load(path, H5NetCDFStore(file, group=group)) for group in groups}


def _load(path: Path, store: H5NetCDFStore) -> xarray.Dataset:
    opened = xarray.open_dataset(store, decode_times=False)
    if opened.nbytes > machine_memory() / 2:
        raise DataError(f"{path} holds more than the memory does", got=said(opened.nbytes),
                        expected=f"at most {said(machine_memory() / 2)}")  # fmt: skip
    return opened.load()
