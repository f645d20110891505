"""Datasets for other people's loaders: The Well's HDF5 layout, plain NetCDF, Zarr."""

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5netcdf
import h5py
import numpy as np
import torch
import xarray

from sciml.core.errors import DataError, StorageError, UnknownNameError, UnsupportedError, UserError
from sciml.core.paths import atomic_write, make_folder, storage_errors
from sciml.core.recorded import ACTIVE
from sciml.data._dataset import Dataset
from sciml.data._hdf5 import variable
from sciml.data._heaps import hdf5_file
from sciml.data._layout import Layout
from sciml.data._store import MASK_WORDS, TIME_STEP, description, fill_value, load_shard, to_xarray, words_of


def export(dataset: Dataset, format: str, destination: Path) -> list[Path]:
    """Write a dataset for other loaders, one file (for Zarr one folder) per split.

    Formats:
        netcdf: ``<split>.nc``, everything that is stored, compressed frame by frame.
        zarr: ``<split>.zarr``, the same, format 3; needs the extra ``sciml[zarr]``.
        well: ``data/<split>/<problem>_<preset>.hdf5`` in the layout of The Well: every field a scalar (``t0_fields``),
            parameters as scalars that vary between samples; failed trajectories are left out.

    Returns the files of all splits. One that exists and is of this very dataset is left as it is.
    Raises UnknownNameError for another format, UserError where something else is in the way, StorageError when there is
    no room.
    """
    formats: dict[str, tuple[str, Callable[[Dataset, str, Path], None]]] = {
        "netcdf": ("{split}.nc", _write_netcdf),
        "well": ("data/{split}/{problem}_{preset}.hdf5", _write_well),
        "zarr": ("{split}.zarr", _write_zarr),
    }
    if format not in formats:
        raise UnknownNameError("export format", format, formats)
    if format == "zarr":
        _need_zarr()
    if format == "well" and not dataset.grid.axes:
        raise UnsupportedError(
            f"{dataset.problem.name} has no space, which The Well's layout needs", expected="format netcdf or zarr"
        )
    pattern, write = formats[format]
    name = {"problem": dataset.problem.name, "preset": dataset.preset}
    targets = {split: Path(destination) / pattern.format(split=split, **name) for split in dataset.layout.splits}
    missing = [split for split, path in targets.items() if not _is_there(path, dataset.layout, split)]
    for split in missing:
        make_folder(targets[split].parent)
        _need_room(targets[split], 4 * math.prod(dataset.layout.state_shape(dataset.layout.size(split))))
        write(dataset, split, targets[split])
    return list(targets.values())


def _write_netcdf(dataset: Dataset, split: str, path: Path) -> None:
    layout = dataset.layout
    with atomic_write(path) as temporary:
        for piece in layout.pieces(split):
            data = _labelled(layout, split, piece.index)
            if piece.index == 0:
                encoding = {
                    name: {"chunksizes": (layout.size(split), *entry.shape[1:]), "_FillValue": None}
                    for name, entry in data.data_vars.items()
                    if entry.dims[:1] == ("sample",)
                }
                for name in layout.field_names:
                    encoding[name] = {"chunksizes": (1, 1, *layout.grid.size), "compression": "gzip",
                                      "compression_opts": 1, "shuffle": True,
                                      "_FillValue": fill_value(layout, name)}  # fmt: skip
                data.to_netcdf(temporary, engine="h5netcdf", encoding=encoding, unlimited_dims=["sample"])
                continue
            with h5netcdf.File(temporary, "a") as file:
                file.resize_dimension("sample", piece.first + piece.count)
                for name, variable in data.data_vars.items():
                    if variable.dims[:1] == ("sample",):
                        file.variables[str(name)][piece.first :] = variable.to_numpy()


def _write_zarr(dataset: Dataset, split: str, path: Path) -> None:
    layout = dataset.layout
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        with storage_errors(path):
            for piece in layout.pieces(split):
                data = _labelled(layout, split, piece.index)
                if piece.index == 0:
                    chunks = (1, layout.card.frames, *layout.grid.size)
                    encoding = {
                        name: {"chunks": (layout.size(split), *entry.shape[1:])}
                        for name, entry in data.data_vars.items()
                        if entry.dims[:1] == ("sample",)
                    }
                    encoding |= {name: {"chunks": chunks} for name in layout.field_names}
                    data.to_zarr(temporary, mode="w", encoding=encoding, consolidated=False, zarr_format=3)
                else:
                    data.to_zarr(temporary, append_dim="sample", consolidated=False, zarr_format=3)
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _grid_type(layout: Layout) -> str:
    """The Well's word for the grid: ``equiangular`` for latitude and longitude."""
    is_sphere = any(axis.units == "degrees_north" for axis in layout.grid.axes)
    return "equiangular" if is_sphere else "cartesian"


def _write_well(dataset: Dataset, split: str, path: Path) -> None:
    layout, rows = dataset.layout, dataset.split(split).good
    if not len(rows):
        raise DataError(f"no trajectory of split {split!r} succeeded; there is nothing to export")
    with atomic_write(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(description(layout) | _identity(layout, split))
        file.attrs.update(
            {
                "dataset_name": layout.problem.name,
                "grid_type": _grid_type(layout),
                "n_spatial_dims": len(layout.grid.axes),
                "n_trajectories": len(rows),
                "simulation_parameters": _names(()),
            }
        )
        _well_dimensions(file, dataset, split)
        _well_scalars(file, dataset, split)
        for order in range(3):
            group = file.create_group(f"t{order}_fields")
            stored = (*layout.field_names, *([] if layout.active is None else [ACTIVE]))
            group.attrs["field_names"] = _names(stored if order == 0 else ())
        shape = (len(rows), layout.card.frames, *layout.grid.size)
        for entry in layout.problem.fields:
            node = file.require_group("t0_fields").create_dataset(
                entry.name,
                shape,
                "<f4",
                chunks=(1, 1, *shape[2:]),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
            )
            _vary(node, sample=True, time=True)
            node.attrs["dim_varying"] = [True] * len(layout.grid.axes)
            node.attrs.update(words_of(entry))
        if layout.active is not None:
            node = file.require_group("t0_fields").create_dataset(ACTIVE, data=layout.active.numpy().astype(np.int8))
            _vary(node, sample=False, time=False)
            node.attrs["dim_varying"] = [True] * len(layout.grid.axes)
            node.attrs.update(MASK_WORDS)
        for first in range(0, len(rows), layout.card.shard_size):
            block = rows[first : first + layout.card.shard_size]
            states = dataset.split(split).read(
                block, torch.zeros_like(block), torch.ones_like(block), layout.card.frames
            )
            for channel, name in enumerate(layout.field_names):
                variable(file, f"t0_fields/{name}")[first : first + len(block)] = states[:, :, channel].numpy()


def _well_dimensions(file: h5py.File, dataset: Dataset, split: str) -> None:
    layout, part = dataset.layout, dataset.split(split)
    dimensions, boundaries = file.create_group("dimensions"), file.create_group("boundary_conditions")
    dimensions.attrs["spatial_dims"] = _names(layout.grid.dims)
    times, units = layout.times.numpy(), layout.about.time_units
    if layout.problem.time_step is not None:  # one row per sample
        column = layout.parameter_names.index(layout.problem.time_step)
        times = part.parameters[part.good, column].double().numpy()[:, None] * times
        units = layout.problem.parameters[column].units
    time = dimensions.create_dataset("time", data=times.astype("<f4"))
    time.attrs.update({"sample_varying": times.ndim > 1, "units": units})
    for axis in layout.grid.axes:
        points = dimensions.create_dataset(axis.name, data=axis.points().numpy().astype("<f4"))
        _vary(points, sample=False, time=False)
        points.attrs["units"] = axis.units
        group = boundaries.create_group(f"{axis.name}_{axis.boundary}")
        _vary(group, sample=False, time=False)
        group.attrs.update(
            {"associated_dims": _names([axis.name]), "associated_fields": _names(()), "bc_type": axis.boundary}
        )
        mask = np.zeros(axis.size, dtype=bool)
        mask[[0, -1]] = True
        group.create_dataset("mask", data=mask)


def _well_scalars(file: h5py.File, dataset: Dataset, split: str) -> None:
    group, part = file.create_group("scalars"), dataset.split(split)
    group.attrs["field_names"] = _names((*dataset.layout.parameter_names, *dataset.layout.forcing_names))
    for column, entry in enumerate(dataset.problem.parameters):
        node = group.create_dataset(entry.name, data=part.parameters[part.good, column].numpy())
        _vary(node, sample=True, time=False)
        node.attrs.update(words_of(entry))
        if entry.name == dataset.problem.time_step:
            node.attrs["role"] = TIME_STEP
    for column, entry in enumerate(dataset.problem.forcings):
        node = group.create_dataset(entry.name, data=part.forcings[part.good, :, column].numpy())
        _vary(node, sample=True, time=True)
        node.attrs.update(words_of(entry))


def _vary(node: h5py.Group | h5py.Dataset, *, sample: bool, time: bool) -> None:
    node.attrs.update({"sample_varying": sample, "time_varying": time})


def _names(names) -> np.ndarray:
    return np.array(list(names), dtype=h5py.string_dtype())


def _labelled(layout: Layout, split: str, index: int) -> xarray.Dataset:
    piece = layout.pieces(split)[index]
    # derived quantities follow from the states; whoever reads the file would take them for parameters
    shard = replace(load_shard(layout, piece), derived=None)
    data = to_xarray(layout, shard, piece.first, split)
    order = " ".join((*layout.field_names, *layout.parameter_names, *layout.forcing_names))
    return data.assign_attrs(_identity(layout, split), variable_order=order)  # Zarr keeps none


def _identity(layout: Layout, split: str) -> dict[str, str]:
    return {"problem": layout.problem.name, "preset": layout.preset, "digest": layout.digest, "split": split}


def _is_there(path: Path, layout: Layout, split: str) -> bool:
    """Whether this export was made before; anything else at its place is a UserError."""
    if not path.exists():
        return False
    try:
        if path.is_dir():
            attributes = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        else:
            with hdf5_file(path) as file:
                attributes = dict(file.attrs)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        attributes = {}
    identity = _identity(layout, split)
    if not isinstance(attributes, dict) or any(str(attributes.get(key)) != value for key, value in identity.items()):
        raise UserError(
            f"{path} is in the way",
            got="something that is not this dataset's export",
            expected="no file, or an earlier export of the same data",
            fix="Move it away or choose another destination; nothing is overwritten.",
        )
    return True


def _need_room(path: Path, size: int) -> None:
    """Refuse to begin what cannot end: the HDF5 library does not survive a disk that fills up under it."""
    with storage_errors(path):
        free = shutil.disk_usage(path.parent).free
    if free < 1.1 * size + 2**20:
        raise StorageError(
            f"not enough space for {path}",
            got=f"{free / 1e6:.0f} MB free",
            expected=f"{(1.1 * size + 2**20) / 1e6:.0f} MB",
            fix="Free some space or choose another destination.",
        )


def _need_zarr() -> None:
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise UserError(
            "exporting to Zarr needs a package that is not installed", got="no module zarr",
            fix="Run `pip install 'sciml[zarr]'`.",
        ) from None  # fmt: skip
