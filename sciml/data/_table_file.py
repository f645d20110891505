"""Named arrays as a table with a row per sample, the inverse of how tables are read."""

import csv
import io

import numpy as np
import xarray

from sciml.core.errors import UnsupportedError


def table_bytes(content: xarray.Dataset, label: str) -> bytes:
    """Comma-separated text, units in the headers, floats with all the digits of their precision.

    Arguments:
        content: variables on ``sample``, or without dimension.
        label: what messages call the file.

    Raises: UnsupportedError for variables on other dimensions.
    """
    wide = [str(name) for name, array in content.data_vars.items() if array.dims not in ((), ("sample",))]
    if wide:
        raise UnsupportedError(
            f"{label} cannot be a table with a row per case",
            got=f"{wide[0]} on {', '.join(map(str, content[wide[0]].dims))}",
            fix="Write a NetCDF file: .nc.",
        )
    columns = {"sample": content["sample"].to_numpy()} if "sample" in content.coords else {}
    count = content.sizes.get("sample", 1)
    for name, array in content.data_vars.items():
        units = str(array.attrs.get("units", "1"))
        header = str(name) if units == "1" else f"{name} ({units})"
        columns[header] = np.broadcast_to(array.to_numpy(), (count,))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(map(str, values) for values in columns.values()), strict=True))
    return file.getvalue().encode()
