"""HDF5 files of unknown origin: opened after a look at what they link to."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from sciml.data._foreign import check_hdf5, damage
from sciml.data._heaps import hdf5_file
from sciml.data._store import ODD
from sciml.data.importing._source import Index, Variable, parity_of, role_of

_CACHE = 64 * 2**20
"""Bytes of decompressed chunks kept per array, so that neighbouring samples of a chunk are not unpacked again."""


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 does."""
    return path.is_file() and h5py.is_hdf5(path)


def open_hdf5(path: Path, stack: ExitStack) -> h5py.File:
    """An HDF5 file open for reading until `stack` is closed, in which everything lies in the file itself.

    Raises: DataError for a file that is damaged, points to other files, or describes far more than it holds.
    """
    with damage(path, "cannot be read as HDF5"):
        file = stack.enter_context(hdf5_file(path, rdcc_nbytes=_CACHE))
        check_hdf5(path, file)
    return file


def hdf5_variable(node: h5py.Dataset, dims: tuple[str, ...]) -> Variable:
    """An array of an open file under the names of its dimensions."""
    return Variable(
        dims,
        node.shape,
        node.dtype.kind,
        partial(_values, node),
        text(node, "units"),
        text(node, "long_name") or "",
        role_of(text(node, "flag_meanings"), text(node, "role")),
        parity_of(text(node, ODD)),
    )


def _values(node: h5py.Dataset, index: Index) -> np.ndarray:
    with damage(Path(node.file.filename), f"is damaged at {node.name}"):
        return node[index]


def members(group: h5py.Group) -> list[str]:
    """Names of everything directly in a group."""
    return [str(name) for name in group]


def group_in(parent: h5py.Group, name: str) -> h5py.Group | None:
    """A group of a file or group; None if it has none of that name."""
    member = parent.get(name)
    return member if isinstance(member, h5py.Group) else None


def datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """The arrays directly in a group, by name."""
    by_path = {}
    for name in members(group):
        member = group.get(name)  # None for a soft link that leads nowhere
        if isinstance(member, h5py.Dataset) and member.shape is not None:
            by_path[name] = member
    return by_path


def text(node: h5py.Group | h5py.Dataset, key: str) -> str | None:
    """An attribute that is a text; None if there is none."""
    value = node.attrs.get(key)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) and value else None


def texts(node: h5py.Group | h5py.Dataset, key: str) -> tuple[str, ...]:
    """An attribute that is a list of texts; empty if there is none."""
    value = node.attrs.get(key)
    if value is None:
        return ()
    entries = np.asarray(value, dtype=object).ravel().tolist()
    return tuple(entry.decode("utf-8", "replace") if isinstance(entry, bytes) else str(entry) for entry in entries)


def flag(node: h5py.Group | h5py.Dataset, key: str, otherwise: bool) -> bool:
    """An attribute that is yes or no."""
    value = node.attrs.get(key)
    return otherwise if value is None else bool(np.asarray(value).ravel()[0])
