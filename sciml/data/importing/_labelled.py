"""Arrays that name their own dimensions: NetCDF, Zarr, xarray and data frames."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray

from sciml.core.errors import DataError, UserError
from sciml.data._export_pairs import DESCRIPTION
from sciml.data._foreign import damage
from sciml.data._heaps import hdf5_file
from sciml.data._store import ODD
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._hdf5_file import is_hdf5, open_hdf5
from sciml.data.importing._pair_arrays import find_pairs
from sciml.data.importing._source import Index, Source, Variable, parity_of, role_of

_KINDS = ("periodic", "wall", "open")
_DESCRIPTION = ("title", "licence", "citation", "description")
_BOOKKEEPING = ("status", "trajectory")
"""What our own files say of their samples; failures show as values that are not finite."""


def recognises_netcdf(path: Path) -> bool:
    """Whether a file is NetCDF by its name, or by the mark that NetCDF-4 leaves in HDF5."""
    if path.suffix in (".nc", ".nc4", ".cdf", ".netcdf"):
        return path.is_file()
    if not is_hdf5(path):
        return False
    try:
        with hdf5_file(path) as file:
            return "_NCProperties" in file.attrs
    except (OSError, RuntimeError, ValueError):
        return False


def recognises_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store."""
    return path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata"))


def read_netcdf(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """The variables of a NetCDF file of version 3 or 4."""
    if is_hdf5(path):
        with ExitStack() as looked:
            open_hdf5(path, looked)
        return [_opened(path, "h5netcdf", stack, "netcdf", choices)]
    with path.open("rb") as file:
        start = file.read(3)
    if start != b"CDF":
        raise DataError(
            f"{path} is neither HDF5 nor classic NetCDF",
            got=f"first bytes {start!r}",
            fix="Check that the file was copied whole.",
        )
    return [_opened(path, "scipy", stack, "netcdf", choices)]


def read_zarr(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """The variables of a Zarr store."""
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise UserError(
            "reading Zarr needs a package that is not installed",
            got="no module zarr",
            fix="Run `pip install 'sciml[zarr]'`.",
        ) from None
    return [_opened(path, "zarr", stack, "zarr", choices)]


def _opened(path: Path, engine: Literal["h5netcdf", "scipy", "zarr"], stack: ExitStack, format: str,
             choices: ImportChoices) -> Source:  # fmt: skip
    by_engine = {"zarr": {"consolidated": False}, "h5netcdf": {"phony_dims": "sort"}}
    options: dict[str, Any] = by_engine.get(engine, {})  # Any: as in xarray
    with damage(path, f"cannot be read as {format}"):
        opened = xarray.open_dataset(path, engine=engine, decode_times=False, **options)
    stack.callback(opened.close)
    if DESCRIPTION in opened.attrs:
        arrays = {str(name): _lazy(opened, str(name)) for name in opened.variables}
        pairs = find_pairs(arrays, str(path), choices, str(opened.attrs[DESCRIPTION]))
        if pairs is None:
            raise DataError(f"{path} does not hold the pairs it says it holds", got=", ".join(arrays))
        return Source(str(path), format, {}, {}, {}, pairs=pairs)
    return source_of(opened, str(path), format)


def source_of(data: xarray.Dataset, label: str, format: str) -> Source:
    """The variables of an xarray dataset, read when they are asked for."""
    for name, entry in data.variables.items():
        if len(set(entry.dims)) < len(entry.dims):
            raise DataError(
                f"{name!r} in {label} repeats a dimension",
                got=", ".join(map(str, entry.dims)),
                expected="every dimension once",
            )
    about = {key: str(data.attrs[key]) for key in _DESCRIPTION if data.attrs.get(key)}
    axes = {str(name): entry for name, entry in data.coords.items() if entry.dims == (name,)}
    extra = {str(name) for name in data.coords if name not in axes}
    order = str(data.attrs.get("variable_order", "")).split()
    names = sorted(map(str, data.data_vars), key=lambda name: order.index(name) if name in order else len(order))
    variables = {name: _lazy(data, name) for name in [*names, *extra] if name not in _BOOKKEEPING}
    return Source(
        label=label,
        format=format,
        variables={name: entry for name, entry in variables.items() if entry.dims or entry.kind in "fiu"},
        coordinates={name: _lazy(data, name) for name in axes},
        boundary={name: kind for name, entry in axes.items() if (kind := entry.attrs.get("boundary")) in _KINDS},
        split=str(data.attrs["split"]) if "split" in data.attrs else None,
        about=about,
    )


def _lazy(data: xarray.Dataset, name: str) -> Variable:
    entry = data.variables[name]
    units = entry.attrs.get("units")

    def read(index: Index) -> np.ndarray:
        with damage(Path(data.encoding.get("source", "this dataset")), f"is damaged at {name}"):
            return np.asarray(entry[index].values)

    return Variable(
        tuple(map(str, entry.dims)),
        entry.shape,
        entry.dtype.kind,
        read,
        None if units is None else str(units),
        str(entry.attrs.get("long_name", "")),
        role_of(entry.attrs.get("flag_meanings"), entry.attrs.get("role")),
        parity_of(entry.attrs.get(ODD)),
    )
