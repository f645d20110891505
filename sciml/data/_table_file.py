"""Named arrays as a table, the inverse of how tables are read: a row per sample, or per sample and time."""

import csv
import io

import numpy as np
import xarray

from sciml.core.errors import UnsupportedError


def table_bytes(content: xarray.Dataset, label: str) -> bytes:
    """Comma-separated text, units in the headers, floats with all the digits of their precision.

    Variables on ``sample`` make a row per sample; those on ``sample`` and one more dimension, such as ``time`` or
    ``query``, a row for each of its entries, in which what does not depend on it is repeated.

    Arguments:
        content: variables on ``sample``, on ``sample`` and one more dimension, or without any.
        label: what messages call the file.

    Raises: UnsupportedError for variables on more or several other dimensions.
    """
    others = dict.fromkeys(str(dim) for array in content.data_vars.values() for dim in array.dims if dim != "sample")
    if len(others) > 1:
        wide = max(content.data_vars, key=lambda name: content[name].ndim)
        raise UnsupportedError(
            f"{label} cannot be a table with a row per case, or per case and time",
            got=f"{wide} on {', '.join(map(str, content[wide].dims))}",
            expected="variables on sample and at most one more dimension",
            fix="Write a NetCDF file: .nc.",
        )
    dims = ("sample", *others)
    sizes = tuple(content.sizes.get(dim, 1) for dim in dims)
    columns: dict[str, np.ndarray] = {}
    if "sample" in content.coords or (others and sizes[0] > 1):
        labels = content["sample"].to_numpy() if "sample" in content.coords else np.arange(sizes[0])
        columns["sample"] = np.broadcast_to(labels.reshape(-1, *[1] * len(others)), sizes)
    placed = [(name, array) for name, array in content.coords.items() if others and set(array.dims) & others.keys()]
    for name, array in (*placed, *content.data_vars.items()):
        units = str(array.attrs.get("units", "1"))
        aligned = array.expand_dims([dim for dim in dims if dim not in array.dims]).transpose(*dims)
        columns[str(name) if units == "1" else f"{name} ({units})"] = np.broadcast_to(aligned.to_numpy(), sizes)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(map(str, values.ravel()) for values in columns.values()), strict=True))
    return file.getvalue().encode()
