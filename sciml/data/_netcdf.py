"""NetCDF-4 files, written in memory first."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import xarray


def netcdf_bytes(
    content: xarray.Dataset | xarray.DataTree,
    encoding: Mapping[Any, Any] | None = None,  # Any: as in xarray
) -> bytes:
    """The bytes of a NetCDF-4 file, to be written whole by `sciml.core.paths.atomic_write`.

    In memory, because HDF5 dies of a disk that fills up under it. In a Dask worker xarray would ask the cluster for a
    lock on the file; bytes need none, so it is told to work alone.
    """
    dask = sys.modules.get("dask")
    with dask.config.set(scheduler="synchronous") if dask else nullcontext():
        return bytes(content.to_netcdf(engine="h5netcdf", encoding=encoding))
