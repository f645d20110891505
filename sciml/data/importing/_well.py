"""The Well's HDF5 files: tensors by order, dimensions, boundary conditions, scalars.

``t0_fields/density`` (sample, time, *space), ``t1_fields/velocity`` with one more axis for components, ``t2_fields``
with two; ``dimensions`` with the attribute ``spatial_dims``; ``boundary_conditions/<name>`` with ``bc_type`` and
``associated_dims``; ``scalars``. A tensor becomes one field per component: ``velocity_x``, ``stress_xy``.

Reference: Ohana et al., The Well, NeurIPS 2024, arXiv:2412.00568.
"""

from contextlib import ExitStack
from itertools import product
from pathlib import Path

import h5py
import numpy as np

from sciml.core.errors import DataError
from sciml.data._heaps import hdf5_file
from sciml.data._layout import BEYOND, SPLITS
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._hdf5_file import (
    datasets,
    flag,
    group_in,
    hdf5_variable,
    is_hdf5,
    members,
    open_hdf5,
    text,
    texts,
)
from sciml.data.importing._source import Source, Variable, variable

_GROUPS = ("t0_fields", "t1_fields", "t2_fields")
_SPLITS = {
    **{name: name for name in (*SPLITS, BEYOND)},
    "val": "valid",
    "validation": "valid",
}


def recognises(path: Path) -> bool:
    """Whether a file has The Well's groups of fields."""
    if not is_hdf5(path):
        return False
    try:
        with hdf5_file(path) as file:
            return "dimensions" in file and any(name in file for name in _GROUPS)
    except (OSError, RuntimeError, ValueError):
        return False


def read(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """Fields, parameters, coordinates and boundaries of one file."""
    file = open_hdf5(path, stack)
    dimensions = group_in(file, "dimensions")
    space = () if dimensions is None else texts(dimensions, "spatial_dims")
    if dimensions is None or not space:
        raise DataError(f"{path} does not name its spatial axes", expected="the attribute spatial_dims of `dimensions`")
    notes: list[str] = []
    variables: dict[str, Variable] = {}
    for order, name in enumerate(_GROUPS):
        group = group_in(file, name)
        for key, node in _ordered(group).items():
            variables |= _components(path, key, node, space, order, notes)
    variables |= _scalars(group_in(file, "scalars"), notes)
    coordinates = {}
    for name, node in datasets(dimensions).items():
        values = np.asarray(node[...])
        if name == "time" and values.ndim == 2:  # one row per sample
            coordinates[name] = variable(values, ("sample", "time"), text(node, "units"))
            continue
        if values.ndim == 2:  # ours must be the same for all
            if not np.array_equal(values, np.broadcast_to(values[:1], values.shape)):
                raise DataError(
                    f"the coordinate {name!r} of {path} differs between samples", expected="one grid for all"
                )
            values = values[0]
        if values.ndim == 1:
            coordinates[name] = variable(values, (name,), text(node, "units"))
    about = {key: entry for key in ("title", "licence", "citation", "description") if (entry := text(file, key))}
    if "title" not in about and (name := text(file, "dataset_name")):
        about["title"] = name
    split = text(file, "split") or _SPLITS.get(path.resolve().parent.name)
    return [Source(str(path), "well", variables, coordinates, _boundaries(file, notes), split, tuple(notes), about)]


def _ordered(group: h5py.Group | None) -> dict[str, h5py.Dataset]:
    """The arrays of a group in the order of its attribute ``field_names``; HDF5 itself sorts them by name."""
    if group is None:
        return {}
    arrays, names = datasets(group), texts(group, "field_names")
    return {name: arrays[name] for name in [*(n for n in names if n in arrays), *(n for n in arrays if n not in names)]}


def _components(
    path: Path, name: str, node: h5py.Dataset, space: tuple[str, ...], order: int, notes: list[str]
) -> dict[str, Variable]:
    """One variable per component of a tensor of fields."""
    axes = tuple(f"component_{i}" for i in range(order))
    leading = [dim for dim in ("sample", "time") if flag(node, f"{dim}_varying", True)]
    varying = np.asarray(node.attrs.get("dim_varying", [True] * len(space))).ravel().astype(bool)
    dims = (*leading, *(dim for dim, varies in zip(space, varying, strict=False) if varies), *axes)
    if len(dims) != node.ndim or any(node.shape[dims.index(axis)] != len(space) for axis in axes):
        raise DataError(
            f"field {name!r} of {path} has another shape than its description",
            got=f"{node.shape}",
            expected=", ".join([*dims[: len(dims) - order], *(f"{len(space)} components" for _ in axes)]),
        )
    if len(dims) - order < len(leading) + len(space):
        notes.append(f"{name} is the same along an axis: left out")
        return {}
    whole = hdf5_variable(node, dims)
    components = {}
    for places in product(range(len(space)), repeat=order):
        part = whole
        for axis, place in zip(axes, places, strict=True):
            part = part.at(axis, place)
        suffix = "".join(space[place] for place in places)
        components[f"{name}_{suffix}" if suffix else name] = part
    return components


def _scalars(group: h5py.Group | None, notes: list[str]) -> dict[str, Variable]:
    scalars = {}
    for name, node in _ordered(group).items():
        varies = flag(node, "sample_varying", node.ndim > 0), flag(node, "time_varying", False)
        dims = tuple(dim for dim, by in zip(("sample", "time"), varies, strict=True) if by)
        if len(dims) != node.ndim:
            raise DataError(
                f"scalar {name!r} of {node.file.filename} has another shape than its description",
                got=f"{node.shape}",
                expected=", ".join(dims) or "one value",
            )
        if dims:
            scalars[name] = hdf5_variable(node, dims)
        else:
            notes.append(f"scalar {name} is the same for all samples: left out")
    return scalars


def _boundaries(file: h5py.File, notes: list[str]) -> dict[str, str]:
    """Kind of boundary per axis; a mixture along one axis is open."""
    boundaries: dict[str, str] = {}
    group = group_in(file, "boundary_conditions")
    for name in [] if group is None else members(group):
        member = None if group is None else group_in(group, name)
        if member is None:
            continue
        kind = (text(member, "bc_type") or "").lower()
        kind = kind if kind in ("periodic", "wall", "open") else "open"
        for dim in texts(member, "associated_dims"):
            if boundaries.setdefault(dim, kind) != kind:
                notes.append(f"axis {dim} has several kinds of boundary: taken as open")
                boundaries[dim] = "open"
    return boundaries
