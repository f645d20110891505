"""PDEArena's HDF5 files: a group ``train``, ``valid`` or ``test`` with one array per field.

``u``, ``vx``, ``vy`` (sample, time, x, y), ``buo_y`` per sample, ``x``, ``y``, ``t`` per sample or once for all. Its
NetCDF files are read like any other NetCDF.

Reference: Gupta, Brandstetter, Towards Multi-spatiotemporal-scale Generalized PDE Modeling, 2022, arXiv:2209.15616.
"""

from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from sciml.core.errors import DataError
from sciml.data._heaps import hdf5_file
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._hdf5_file import datasets, hdf5_variable, is_hdf5, open_hdf5
from sciml.data.importing._source import Source, Variable, variable

_SPLITS = ("train", "valid", "test")
_COORDINATES = {"t": "time", "x": "x", "y": "y", "z": "z"}


def recognises(path: Path) -> bool:
    """Whether the file has nothing but groups named after splits."""
    if not is_hdf5(path):
        return False
    try:
        with hdf5_file(path) as file:
            return bool(len(file)) and set(file) <= set(_SPLITS)
    except (OSError, RuntimeError, ValueError):
        return False


def read(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """One source per split that the file holds."""
    file = open_hdf5(path, stack)
    groups = {name: file[name] for name in _SPLITS if name in file}
    return [_split(path, name, group, choices) for name, group in groups.items() if isinstance(group, h5py.Group)]


def _split(path: Path, split: str, group: h5py.Group, choices: ImportChoices) -> Source:
    arrays = datasets(group)
    deepest = max((node.ndim for node in arrays.values()), default=0)
    if deepest < 3:
        raise DataError(
            f"group {split!r} of {path} has no fields",
            got=", ".join(arrays) or "nothing",
            expected="arrays of sample, time and space",
        )
    dims = choices.dims or ("sample", "time", *"xyz"[: deepest - 2])
    if len(dims) != deepest:
        raise DataError(f"--dims does not fit {path}", got=", ".join(dims), expected=f"{deepest} names")
    fields = {name: node for name, node in arrays.items() if node.ndim == deepest}
    samples = next(iter(fields.values())).shape[dims.index("sample")] if "sample" in dims else 1
    variables: dict[str, Variable] = {name: hdf5_variable(node, dims) for name, node in fields.items()}
    coordinates, notes = {}, []
    for name, node in arrays.items():
        if name in fields:
            continue
        if name in _COORDINATES:
            values = np.asarray(node[...])
            if (
                values.ndim == 2
                and len(values) == samples
                and np.array_equal(values, np.tile(values[:1], (samples, 1)))
            ):
                values = values[0]
            if name == "t" and values.ndim == 2 and len(values) == samples:
                coordinates["time"] = variable(values, ("sample", "time"))
                continue
            if values.ndim == 1 and _COORDINATES[name] in dims:
                coordinates[_COORDINATES[name]] = variable(values, (_COORDINATES[name],))
                continue
        if node.shape == (samples,):
            variables[name] = hdf5_variable(node, ("sample",))
        else:
            notes.append(f"{name} of shape {node.shape} is neither field, coordinate nor parameter: left out")
    return Source(f"{path}:{split}", "pdearena", variables, coordinates, {}, split, tuple(notes))
