"""Pairs of functions for other people's loaders, in arrays with the names of DeepXDE's files; importing is the inverse.

    X_train0, X_train1, ...   input functions at their sensors, ``function sensor``; the last X: queries, ``query axis``
    y_train                   the fields, ``row point field``
    row_train, query_train    function of every row, and the queries of its points; only where functions have their own
    sensors_u, ...            coordinates of the sensors

The same with ``valid`` and ``test``. Functions and queries are never tiled: a table of triples is
``X[0][row][:, None], X[1][query], y``.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from sciml.core.capabilities import MapsFunctions
from sciml.core.domain import Domain
from sciml.core.errors import UnknownNameError
from sciml.core.paths import atomic_write, make_folder
from sciml.data._layout import SPLITS
from sciml.data._netcdf import netcdf_bytes
from sciml.data._pairs import PairSet

DESCRIPTION = "pairs_of_functions"
"""The attribute, or the array of one text, that says names, units and ends of axes."""


def export_pairs(problem: MapsFunctions, pairs: PairSet, format: str, destination: Path, *, preset: str) -> list[Path]:
    """Write all splits into one file ``<problem>_<preset>``.

    Formats:
        netcdf: ``.nc``, named dimensions, units on every array.
        npz: an archive of NumPy arrays with the same names.

    Both say what they are, so that `import_files` makes the same problem of them.

    Returns the file. Raises UnknownNameError for another format, StorageError where nothing can be written.
    """
    endings = {"netcdf": ".nc", "npz": ".npz"}
    if format not in endings:
        raise UnknownNameError("export format of pairs of functions", format, endings)
    path = Path(destination) / f"{problem.name}_{preset}{endings[format]}"
    make_folder(path.parent)
    arrays, about = _arrays(problem, pairs), json.dumps(_description(problem))
    with atomic_write(path) as temporary:
        if format == "npz":
            content = {name: array.to_numpy() for name, array in arrays.items()} | {DESCRIPTION: np.array(about)}
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **content)
        else:
            words = {"title": problem.title, "references": problem.citation, DESCRIPTION: about}
            temporary.write_bytes(netcdf_bytes(xarray.DataTree(xarray.Dataset(arrays, attrs=words))))
    return [path]


def _arrays(problem: MapsFunctions, pairs: PairSet) -> dict[str, xarray.DataArray]:
    """Everything by name."""
    arrays: dict[str, xarray.DataArray] = {}
    sizes = [len(points) for points in pairs.sensors]
    for entry, points in zip(problem.inputs, pairs.sensors, strict=True):
        words = {"long_name": f"sensors of {entry.name}", **_axis_words(entry.domain)}
        arrays[f"sensors_{entry.name}"] = _array(points, (f"sensor_{entry.name}", f"axis_{entry.name}"), words)
    for split in SPLITS:
        part, last = pairs.splits[split], len(problem.inputs)
        for number, (entry, values) in enumerate(zip(problem.inputs, part.functions.split(sizes, 1), strict=True)):
            dims = (f"function_{split}", f"sensor_{entry.name}")
            words = {"units": entry.units, "long_name": entry.long_name}
            arrays[f"X_{split}{number}"] = _array(values, dims, words)
        words = {"long_name": "queries", **_axis_words(problem.domain)}
        arrays[f"X_{split}{last}"] = _array(part.queries, (f"query_{split}", "axis"), words)
        aligned = part.query is None and part.row.tolist() == list(range(len(part)))
        row, point = (f"function_{split}", f"query_{split}") if aligned else (f"row_{split}", f"point_{split}")
        words = {"units": " ".join(field.units for field in problem.fields),
                 "long_name": ", ".join(field.name for field in problem.fields)}  # fmt: skip
        arrays[f"y_{split}"] = _array(part.values, (row, point, "field"), words)
        if not aligned:
            arrays[f"row_{split}"] = _array(part.row, (row,), {"long_name": "function of every row"})
            query = (
                np.broadcast_to(np.arange(len(part.queries)), part.values.shape[:2])
                if part.query is None
                else part.query
            )
            arrays[f"query_{split}"] = _array(query, (row, point), {"long_name": "query of every point"})
    return arrays


def _array(values: Any, dims: tuple[str, ...], words: dict[str, str]) -> xarray.DataArray:  # Any: tensor or array
    return xarray.DataArray(np.asarray(values), dims=dims, attrs=words)


def _axis_words(domain: Domain) -> dict[str, str]:
    return {"units": " ".join(axis.units for axis in domain.axes), "axes": " ".join(domain.names)}


def _description(problem: MapsFunctions) -> dict[str, Any]:  # Any: JSON
    """What the importer would else have to be told."""
    return {
        "functions": [{"name": e.name, "units": e.units, "axes": _axes(e.domain)} for e in problem.inputs],
        "fields": [{"name": field.name, "units": field.units} for field in problem.fields],
        "axes": _axes(problem.domain),
    }


def _axes(domain: Domain) -> list[dict[str, Any]]:  # Any: JSON
    return [
        {"name": a.name, "lower": a.lower, "upper": a.upper, "units": a.units, "periodic": a.periodic}
        for a in domain.axes
    ]
