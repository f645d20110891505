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
from typing import Any

import h5py
import numpy as np
import torch
import xarray
from jaxtyping import Float, Int8
from torch import Tensor

from sciml import __version__
from sciml.core.errors import DataError, StorageError
from sciml.core.paths import atomic_write
from sciml.core.status import Status
from sciml.data._hdf5 import values
from sciml.data._layout import FORMAT, Layout, Piece
from sciml.data._netcdf import netcdf_bytes


@dataclass(frozen=True)
class Shard:
    """The content of one file.

    Fields:
        states: float32 fields in physical units, ``sample time channel *space``; NaN after a failure.
        parameters: float64, ``sample parameter``.
        status: a `sciml.core.status.Status` code per sample.
    """

    states: Float[Tensor, "sample time channel *space"]
    parameters: Float[Tensor, "sample parameter"]
    status: Int8[Tensor, " sample"]


def save_shard(layout: Layout, piece: Piece, shard: Shard) -> None:
    """Write a shard whole or not at all. Raises StorageError when there is no room or no permission."""
    dataset = to_xarray(layout, shard, piece.first, piece.split)
    arrays = {name: variable.to_numpy() for name, variable in dataset.data_vars.items()}
    dataset.attrs |= {**header(layout, piece), "sha256": _payload(arrays)}
    plain: Mapping[Any, Any] = {name: {"_FillValue": None} for name in dataset.variables}
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
    actual = _payload(arrays)
    if recorded != actual:
        raise _fault(layout, path, "does not hold the numbers it was written with", f"SHA-256 {actual}", recorded)
    states = torch.empty(layout.state_shape(piece.count), dtype=torch.float32)
    for channel, name in enumerate(layout.field_names):
        states[:, :, channel] = torch.from_numpy(arrays[name])
    return Shard(states, _parameters(layout, piece, arrays), torch.from_numpy(arrays["status"]))


def load_head(layout: Layout, piece: Piece) -> tuple[Float[Tensor, "sample parameter"], Int8[Tensor, " sample"]]:
    """Parameters and status of a shard, without reading its fields (structure and header are checked)."""
    with open_shard(layout, piece) as file:
        arrays = {name: values(file, name) for name in (*layout.parameter_names, "status")}
    return _parameters(layout, piece, arrays), torch.from_numpy(arrays["status"])


@contextmanager
def open_shard(layout: Layout, piece: Piece) -> Iterator[h5py.File]:
    """The open file of a shard after its structure and header were checked; errors of HDF5 become DataError."""
    path = layout.path(piece)
    if not path.is_file():
        raise DataError(f"the shard {path} does not exist", fix=f"{layout.remedy}.")
    try:
        with h5py.File(path, "r") as file:
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
    variables: dict[str, Any] = {
        field.name: (dims, shard.states[:, :, channel].numpy(), {"units": field.units, "long_name": field.long_name})
        for channel, field in enumerate(problem.fields)
    }
    for column, entry in enumerate(problem.parameters):
        values = shard.parameters[:, column].numpy()
        variables[entry.name] = ("sample", values, {"units": entry.units, "long_name": entry.long_name})
    meanings = " ".join(status.name.lower() for status in Status)
    codes = np.array([int(status) for status in Status], dtype=np.int8)
    variables["status"] = (
        "sample",
        shard.status.numpy(),
        {"long_name": "outcome of the reference solver", "flag_values": codes, "flag_meanings": meanings},
    )
    index = np.arange(first, first + len(shard.status), dtype=np.int64)
    variables["trajectory"] = ("sample", index, {"long_name": f"number of the trajectory in split {split}"})
    coordinates: dict[str, Any] = {
        "time": ("time", layout.times.numpy(), {"units": layout.about.time_units, "long_name": "time", "axis": "T"})
    }
    for axis in layout.grid.axes:
        attributes = {"units": axis.units, "long_name": f"{axis.name} coordinate", "boundary": axis.boundary}
        coordinates[axis.name] = (axis.name, axis.points().numpy(), attributes)
    return xarray.Dataset(variables, coordinates, description(layout))


def description(layout: Layout) -> dict[str, str]:
    """Root attributes that say what the data is, for any file of the dataset."""
    about = layout.about
    return {
        "Conventions": "CF-1.11",
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
        "status": ((piece.count,), "|i1"),
        "trajectory": ((piece.count,), "<i8"),
    }


def _payload(arrays: Mapping[Any, np.ndarray]) -> str:
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


def _parameters(layout: Layout, piece: Piece, arrays: Mapping[str, np.ndarray]) -> Float[Tensor, "sample parameter"]:
    columns = [torch.from_numpy(arrays[name]) for name in layout.parameter_names]
    return torch.stack(columns, dim=1) if columns else torch.zeros(piece.count, 0, dtype=torch.float64)


def _fault(layout: Layout, path: Path, what: str, got: object, expected: object) -> DataError:
    fix = f"{layout.remedy}; the damaged file is kept beside it under another name."
    return DataError(f"the shard {path} {what}", got=got, expected=expected, fix=fix)
