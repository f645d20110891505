"""Functions and queries as rows of a table, the inverse of how tables of functions are read."""

import numpy as np
import xarray

from sciml.core.errors import UnsupportedError
from sciml.tasks.operator._files import sensor_axis, sensor_dim


def functions_as_rows(content: xarray.Dataset) -> xarray.Dataset:
    """A row per sensor and function, then a row per query; a column per coordinate, and one per function and sample.

    Arguments:
        content: inputs as a NetCDF file has them.

    Raises: UnsupportedError for queries of every function's own, which share no rows.
    """
    functions = {str(name): array for name, array in content.items() if sensor_dim(str(name)) in array.dims}
    queries = {str(name): array for name, array in content.coords.items() if "query" in array.dims and name != "query"}
    if any(array.dims != ("query",) for array in queries.values()):
        raise UnsupportedError("a table of functions has one list of queries for all of them",
                               got="queries of every function's own", fix="Write a NetCDF file: .nc.")  # fmt: skip
    lengths = [array.sizes[sensor_dim(name)] for name, array in functions.items()] + [content.sizes.get("query", 0)]
    ends = np.cumsum(lengths)
    blocks = {name: slice(end - length, end) for name, length, end in zip([*functions, ""], lengths, ends, strict=True)}
    columns: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}

    def put(column: str, block: str, values: xarray.DataArray) -> None:
        columns.setdefault(column, np.full(int(ends[-1]), np.nan))[blocks[block]] = values.to_numpy()
        units.setdefault(column, str(values.attrs.get("units", "1")))

    for name in functions:
        prefix = sensor_axis(name, "")
        for axis, points in content.coords.items():
            if points.dims == (sensor_dim(name),) and str(axis).startswith(prefix):
                put(str(axis).removeprefix(prefix), name, points)
    for axis, points in queries.items():
        put(axis, "", points)
    for name, array in functions.items():
        count = array.sizes["sample"]
        for i in range(count):
            put(name if count == 1 else f"{name}_{i + 1}", name, array.isel(sample=i))
    return xarray.Dataset({name: ("sample", values, {"units": units[name]}) for name, values in columns.items()})
