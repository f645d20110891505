"""Imported pairs of functions in one file of the folder of their problem."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import DataError
from sciml.core.paths import atomic_write
from sciml.core.recorded import RecordedPairs
from sciml.core.registry import folder_of
from sciml.data._layout import SPLITS
from sciml.data._netcdf import netcdf_bytes

PAIRS_FILE = "pairs.nc"
"""The file of imported pairs."""


@dataclass(frozen=True)
class StoredSplit:
    """One split.

    Fields:
        functions: values of all inputs, side by side, float32.
        row: the function of every row of values.
        query: numbers of its queries; None for all, in order.
        values: the fields, float32.
    """

    functions: Float[Tensor, "function sensor"]
    row: Int[Tensor, " row"]
    query: Int[Tensor, "row point"] | None
    values: Float[Tensor, "row point field"]


@dataclass(frozen=True)
class StoredPairs:
    """All of them.

    Fields:
        sensors: of every input, ``sensor dim``, float64.
        queries: every query once, float64.
        splits: by name.
    """

    sensors: tuple[Tensor, ...]
    queries: Float[Tensor, "query dim"]
    splits: Mapping[str, StoredSplit]


def save_pairs(folder: Path, stored: StoredPairs) -> None:
    """Write the file."""
    root = {"queries": (("query", "axis"), stored.queries.double().numpy())}
    for number, points in enumerate(stored.sensors):
        root[f"sensors_{number}"] = ((f"sensor_{number}", f"axis_{number}"), points.double().numpy())
    groups = {"/": xarray.Dataset(root)}
    for name, split in stored.splits.items():
        arrays = {
            "functions": (("function", "sensor"), split.functions.numpy()),
            "row": ("row", split.row.numpy()),
            "values": (("row", "point", "field"), split.values.numpy()),
        }
        if split.query is not None:
            arrays["query_number"] = (("row", "point"), split.query.numpy())
        groups[f"/{name}"] = xarray.Dataset(arrays)
    groups["/"].attrs["sha256"] = _hash(groups)
    with atomic_write(folder / PAIRS_FILE) as temporary:
        temporary.write_bytes(netcdf_bytes(xarray.DataTree.from_dict(groups)))


def read_pairs(problem: RecordedPairs) -> StoredPairs:
    """The pairs of a problem.

    Raises: DataError for a file that is missing, damaged or not the one that was written.
    """
    path = folder_of(problem) / PAIRS_FILE
    try:
        groups = {name: group.load() for name, group in xarray.open_groups(path, engine="h5netcdf").items()}
        for group in groups.values():
            group.close()
        sensors = tuple(_tensor(groups["/"][f"sensors_{i}"]) for i in range(len(problem.inputs)))
        splits = {name: _split(groups[f"/{name}"]) for name in SPLITS}
        queries, recorded = _tensor(groups["/"]["queries"]), groups["/"].attrs.get("sha256")
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise DataError(f"{path} does not hold the pairs of {problem.name!r}", got=" ".join(str(error).split()),
                        fix="Remove the folder and import the files again.") from None  # fmt: skip
    if _hash(groups) != recorded:
        raise DataError(f"{path} does not hold the numbers it was written with",
                        fix="Remove the folder and import the files again.")  # fmt: skip
    return StoredPairs(sensors, queries, splits)


def _split(group: xarray.Dataset) -> StoredSplit:
    query = _tensor(group["query_number"]) if "query_number" in group else None
    return StoredSplit(_tensor(group["functions"]), _tensor(group["row"]), query, _tensor(group["values"]))


def _tensor(array: xarray.DataArray) -> Tensor:
    return torch.from_numpy(np.array(array.to_numpy()))  # a copy, which may be written to


def _hash(groups: Mapping[str, xarray.Dataset]) -> str:
    digest = hashlib.sha256()
    for place, group in sorted(groups.items()):
        for name in sorted(map(str, group.data_vars)):
            values = group[name].to_numpy()
            digest.update(f"{place} {name} {values.dtype} {values.shape}\n".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
