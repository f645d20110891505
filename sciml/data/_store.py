"""One shard is one file: NetCDF-4 written by xarray, read back by h5py with every claim of it checked.

The file is made in memory and then written like any other bytes: the HDF5 library does not survive a disk that fills up
under it. Data is stored contiguous and uncompressed (gzip saves a fifth on float32 and costs four fifths of the reading
speed); `export` compresses. A file carries no time stamps, so equal content means equal bytes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
import xarray
from jaxtyping import Float, Int8
from torch import Tensor

from sciml import __version__
from sciml.core.errors import DataError, StorageError
from sciml.core.paths import atomic_write
from sciml.core.problem import Field, Parameter
from sciml.core.recorded import ACTIVE
from sciml.core.status import Status, status_attributes
from sciml.data._hdf5 import values
from sciml.data._heaps import hdf5_file
from sciml.data._layout import FORMAT, Layout, Piece
from sciml.data._netcdf import CONVENTIONS, netcdf_bytes

TIME_STEP = "time_step"
"""The attribute `role` of the parameter that is the time between frames."""

ODD, EVEN = "odd", "none"
"""Attribute of a field that has a parity, and its value for a field that keeps its sign at all walls."""
MASK_WORDS = {
    "long_name": "whether a cell is part of the domain",
    "flag_values": np.array([0, 1], dtype=np.int8),
    "flag_meanings": "inactive active",
}
"""Attributes of the mask."""


@dataclass(frozen=True)
class Shard:
    """The content of one file.

    Fields:
        states: float32 fields in physical units, ``sample time channel *space``; NaN after a failure, and at cells that
            are not active.
        parameters: float64, ``sample parameter``.
        status: a `sciml.core.status.Status` code per sample.
        forcings: float64, ``sample time forcing``; None where there is none.
        derived: float64 derived quantities as the reference solver found them, ``sample quantity``; None where the
            problem has none.
    """

    states: Float[Tensor, "sample time channel *space"]
    parameters: Float[Tensor, "sample parameter"]
    status: Int8[Tensor, " sample"]
    forcings: Float[Tensor, "sample time forcing"] | None = None
    derived: Float[Tensor, "sample quantity"] | None = None


class Head(NamedTuple):
    """A shard without its fields; `forcings` and `derived` have no columns where there is none."""

    parameters: Float[Tensor, "sample parameter"]
    status: Int8[Tensor, " sample"]
    forcings: Float[Tensor, "sample time forcing"]
    derived: Float[Tensor, "sample quantity"]


def save_shard(layout: Layout, piece: Piece, shard: Shard) -> None:
    """Write a shard whole or not at all. Raises StorageError when there is no room or no permission."""
    dataset = to_xarray(layout, shard, piece.first, piece.split)
    arrays = {name: variable.to_numpy() for name, variable in dataset.data_vars.items()}
    dataset.attrs |= {**header(layout, piece), "sha256": payload(arrays)}
    plain: Mapping[Any, Any] = {name: {"_FillValue": fill_value(layout, str(name))} for name in dataset.variables}
    content = netcdf_bytes(dataset, plain)
    with atomic_write(layout.path(piece)) as temporary:
        temporary.write_bytes(content)


def load_shard(layout: Layout, piece: Piece) -> Shard:
    """Read a shard and check it completely: structure, header and the SHA-256 of its numbers.

    Raises DataError naming the file, what was found, what was expected and how to mend it.
    """
    path = layout.path(piece)
    with open_shard(layout, piece) as file:
        arrays = {name: values(file, name) for name in _variables(layout, piece)}
        recorded = str(file.attrs.get("sha256"))
    actual = payload(arrays)
    if recorded != actual:
        raise _fault(layout, path, "does not hold the numbers it was written with", f"SHA-256 {actual}", recorded)
    states = torch.empty(layout.state_shape(piece.count), dtype=torch.float32)
    for channel, name in enumerate(layout.field_names):
        states[:, :, channel] = torch.from_numpy(arrays[name])
    if layout.active is not None and not np.array_equal(arrays[ACTIVE], layout.active.numpy()):
        raise _fault(layout, path, "has another mask than the dataset", arrays[ACTIVE].sum(), int(layout.active.sum()))
    head = _head(layout, piece, arrays)
    forcings, derived = head.forcings if layout.forcing_names else None, head.derived if layout.derived else None
    return Shard(states, head.parameters, head.status, forcings, derived)


def load_head(layout: Layout, piece: Piece) -> Head:
    """Everything of a shard but its fields (structure and header are checked)."""
    with open_shard(layout, piece) as file:
        names = (*layout.parameter_names, *layout.forcing_names, *map(variable_of, layout.derived), "status")
        arrays = {name: values(file, name) for name in names}
    return _head(layout, piece, arrays)


@contextmanager
def open_shard(layout: Layout, piece: Piece) -> Iterator[h5py.File]:
    """The open file of a shard after its structure and header were checked; errors of HDF5 become DataError."""
    path = layout.path(piece)
    if not path.is_file():
        raise DataError(f"the shard {path} does not exist", fix=f"{layout.remedy}.")
    try:
        with hdf5_file(path) as file:
            _check(layout, piece, file)
            yield file
    except PermissionError as error:
        raise StorageError(f"cannot read {path}", got=error.strerror, fix="Give read permission.") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # what h5py raises for damaged files
        detail = " ".join(str(error).split())
        raise _fault(layout, path, "cannot be read as an HDF5 shard", detail, "a whole NetCDF-4 file") from error


def to_xarray(layout: Layout, shard: Shard, first: int, split: str) -> xarray.Dataset:
    """Labelled arrays with CF attributes of consecutive trajectories of a split, the first of them number `first`."""
    problem, dims = layout.problem, ("sample", "time", *layout.grid.dims)
    beside = {} if layout.active is None else {"ancillary_variables": ACTIVE}
    variables: dict[str, Any] = {
        field.name: (dims, shard.states[:, :, channel].numpy(), words_of(field) | beside)
        for channel, field in enumerate(problem.fields)
    }
    for column, entry in enumerate(problem.parameters):
        role = {"role": TIME_STEP} if entry.name == problem.time_step else {}
        variables[entry.name] = ("sample", shard.parameters[:, column].numpy(), words_of(entry) | role)
    if shard.forcings is not None:
        for column, entry in enumerate(problem.forcings):
            variables[entry.name] = (("sample", "time"), shard.forcings[:, :, column].numpy(), words_of(entry))
    if shard.derived is not None:
        for column, entry in enumerate(layout.derived):
            words = words_of(entry) | {"role": "summary"}
            variables[variable_of(entry)] = ("sample", shard.derived[:, column].numpy(), words)
    variables["status"] = ("sample", shard.status.numpy(), status_attributes("outcome of the reference solver"))
    index = np.arange(first, first + len(shard.status), dtype=np.int64)
    variables["trajectory"] = ("sample", index, {"long_name": f"number of the trajectory in split {split}"})
    if layout.active is not None:
        variables[ACTIVE] = (layout.grid.dims, layout.active.numpy().astype(np.int8), MASK_WORDS)
    long_name = "time" if problem.time_step is None else "frame"
    coordinates: dict[str, Any] = {
        "time": ("time", layout.times.numpy(), {"units": layout.about.time_units, "long_name": long_name, "axis": "T"})
    }
    for axis in layout.grid.axes:
        attributes = {"units": axis.units, "long_name": f"{axis.name} coordinate", "boundary": axis.boundary}
        coordinates[axis.name] = (axis.name, axis.points().numpy(), attributes)
    return xarray.Dataset(variables, coordinates, description(layout))


def variable_of(quantity: Field) -> str:
    """What a derived quantity is called in a file."""
    return f"summary_{quantity.name}"


def words_of(entry: Field | Parameter) -> dict[str, str]:
    """Attributes of a variable; ``odd``, where known, names axes in whose walls' mirror a field changes its sign."""
    words = {"units": entry.units, "long_name": entry.long_name}
    if isinstance(entry, Field) and entry.odd is not None:
        words[ODD] = " ".join(entry.odd) or EVEN
    return words


def fill_value(layout: Layout, name: str) -> np.float32 | None:
    """What stands for no value: NaN in the fields of a masked grid, nothing in any other variable."""
    return np.float32(np.nan) if layout.active is not None and name in layout.field_names else None


def description(layout: Layout) -> dict[str, str]:
    """Root attributes that say what the data is, for any file of the dataset."""
    about = layout.about
    return {
        "Conventions": CONVENTIONS,
        "title": about.title,
        "description": about.description,
        "equation": layout.problem.equation,
        "not_modelled": about.not_modelled,
        "licence": about.licence,
        "citation": about.citation,
        "sciml_version": __version__,
    }


def header(layout: Layout, piece: Piece) -> dict[str, str | int]:
    """Root attributes that tie a file to its dataset; reading insists on them."""
    return {
        "problem": layout.problem.name,
        "problem_version": layout.problem.version,
        "preset": layout.written_for,
        "digest": layout.digest,
        "format": FORMAT,
        "split": piece.split,
        "shard": piece.index,
    }


def _variables(layout: Layout, piece: Piece) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and type of every variable whose numbers matter, in the order in which they are hashed."""
    space = (piece.count, layout.card.frames, *layout.grid.size)
    return {
        **dict.fromkeys(layout.field_names, (space, "<f4")),
        **dict.fromkeys(layout.parameter_names, ((piece.count,), "<f8")),
        **dict.fromkeys(layout.forcing_names, ((piece.count, layout.card.frames), "<f8")),
        **dict.fromkeys(map(variable_of, layout.derived), ((piece.count,), "<f8")),
        "status": ((piece.count,), "|i1"),
        "trajectory": ((piece.count,), "<i8"),
        **({} if layout.active is None else {ACTIVE: (layout.grid.size, "|i1")}),
    }


def payload(arrays: Mapping[Any, np.ndarray]) -> str:  # Any: xarray's names of variables
    """SHA-256 of named arrays, their types and shapes, in their order."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _check(layout: Layout, piece: Piece, file: h5py.File) -> None:
    path = layout.path(piece)
    for key, expected in header(layout, piece).items():
        actual = file.attrs.get(key)
        if isinstance(actual, np.ndarray) and actual.size == 1:  # NetCDF has no scalar numbers as attributes
            actual = actual.item()
        if not isinstance(actual, str | int) or actual != expected:
            raise _fault(layout, path, f"has another {key!r} in its header", repr(actual), repr(expected))
    for name, (shape, kind) in _variables(layout, piece).items():
        node = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
        if not isinstance(node, h5py.Dataset) or node.external or node.is_virtual:
            raise _fault(layout, path, f"has no variable {name!r} of its own", ", ".join(file), name)
        if node.shape != shape or node.dtype.str != kind:
            actual = f"{node.dtype.str} {node.shape}"
            raise _fault(layout, path, f"has a variable {name!r} of another kind", actual, f"{kind} {shape}")
    trajectory, status = values(file, "trajectory"), values(file, "status")
    if trajectory.tolist() != list(range(piece.first, piece.first + piece.count)):
        expected = f"{piece.first} to {piece.first + piece.count - 1}"
        raise _fault(layout, path, "holds other trajectories", trajectory.tolist(), expected)
    if not set(status.tolist()) <= set(map(int, Status)):
        raise _fault(layout, path, "has unknown status codes", status.tolist(), sorted(map(int, Status)))


def _head(layout: Layout, piece: Piece, arrays: Mapping[str, np.ndarray]) -> Head:
    columns = (layout.parameter_names, layout.forcing_names, tuple(map(variable_of, layout.derived)))
    parameters, forcings, derived = ([torch.from_numpy(arrays[name]) for name in names] for names in columns)
    none = torch.zeros(piece.count, layout.card.frames, 0, dtype=torch.float64)
    return Head(
        torch.stack(parameters, dim=-1) if parameters else none[:, 0],
        torch.from_numpy(arrays["status"]),
        torch.stack(forcings, dim=-1) if forcings else none,
        torch.stack(derived, dim=-1) if derived else none[:, 0],
    )


def _fault(layout: Layout, path: Path, what: str, got: object, expected: object) -> DataError:
    fix = f"{layout.remedy}; the damaged file is kept beside it under another name."
    return DataError(f"the shard {path} {what}", got=got, expected=expected, fix=fix)
