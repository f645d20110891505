"""Typed access to HDF5 files: h5py says of every member that it may be anything a file can hold."""

import h5py
import numpy as np


def variable(parent: h5py.Group, name: str) -> h5py.Dataset:
    """The array `name` of a file or group. Raises KeyError if it has none."""
    member = parent[name]
    if not isinstance(member, h5py.Dataset):
        raise KeyError(f"{name!r} of {parent.name} is a {type(member).__name__}, not an array")
    return member


def values(parent: h5py.Group, name: str) -> np.ndarray:
    """The numbers of the array `name`."""
    return np.asarray(variable(parent, name)[...])
