"""NetCDF-4 files, written in memory first."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import xarray

CONVENTIONS = "CF-1.11"
"""What files with fields are written by: units, flag meanings and fill values as the CF conventions have them."""


def netcdf_bytes(
    content: xarray.Dataset | xarray.DataTree,
    encoding: Mapping[Any, Any] | None = None,  # Any: as in xarray
) -> bytes:
    """The bytes of a NetCDF-4 file, to be written whole by `sciml.core.paths.atomic_write`.

    In memory, because HDF5 dies of a disk that fills up under it. In a Dask worker xarray would ask the cluster for a
    lock on the file; bytes need none, so it is told to work alone.

    Where `encoding` says nothing, a variable has a fill value only if it has gaps (NaN), and a coordinate never: the CF
    conventions allow none there.
    """
    dask = sys.modules.get("dask")
    with dask.config.set(scheduler="synchronous") if dask else nullcontext():
        return bytes(_filled(content).to_netcdf(engine="h5netcdf", encoding=encoding))


def _filled(content: xarray.Dataset | xarray.DataTree) -> xarray.Dataset | xarray.DataTree:
    """The same arrays with encodings without needless fill values; `content` is left as it is."""
    if isinstance(content, xarray.DataTree):
        nodes = {node.path: _filled_dataset(node.to_dataset(inherit=False)) for node in content.subtree}
        return xarray.DataTree.from_dict(nodes)
    return _filled_dataset(content)


def _filled_dataset(content: xarray.Dataset) -> xarray.Dataset:
    content = content.copy(deep=False)
    for name, variable in content.variables.items():
        if variable.dtype.kind != "f":
            continue
        has_gaps = name not in content.coords and bool(np.isnan(variable.to_numpy()).any())
        content[name].encoding["_FillValue"] = variable.dtype.type(np.nan) if has_gaps else None
    return content
