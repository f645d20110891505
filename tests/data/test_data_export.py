import shutil
import sys
from collections import namedtuple

import h5py
import numpy as np
import pytest
import xarray

from sciml.core.errors import DataError, StorageError, UnknownNameError, UserError
from sciml.data import export, generate


def test_netcdf_holds_everything(dataset, tmp_path):
    paths = export(dataset, "netcdf", tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["train.nc", "valid.nc", "test.nc"]
    for path in paths:
        split = dataset.split(path.stem)
        with xarray.open_dataset(path, engine="h5netcdf") as data:
            for channel, name in enumerate(("a", "b")):
                np.testing.assert_array_equal(data[name], split.states[:, :, channel])
                assert data[name].attrs["units"] == "kg m-3"
                assert data[name].encoding["chunksizes"] == (1, 1, 16, 12)
            np.testing.assert_array_equal(data["speed"].astype("f4"), split.parameters[:, 0])
            np.testing.assert_array_equal(data["status"], 0)
            np.testing.assert_array_equal(data["trajectory"], np.arange(len(split)))
            assert data.attrs["digest"] == dataset.digest


def test_zarr_holds_everything(dataset, tmp_path):
    pytest.importorskip("zarr")
    for path in export(dataset, "zarr", tmp_path):
        split = dataset.split(path.stem)
        data = xarray.open_zarr(path, consolidated=False)
        for channel, name in enumerate(("a", "b")):
            np.testing.assert_array_equal(data[name], split.states[:, :, channel])
        np.testing.assert_array_equal(data["trajectory"], np.arange(len(split)))
        assert data["speed"].attrs["units"] == "m s-1"
    assert not list(tmp_path.glob(".tmp*"))


def check_well(file):
    """The specification of The Well, as its documentation states it."""
    assert {"dataset_name", "grid_type", "n_spatial_dims", "n_trajectories", "simulation_parameters"} <= set(file.attrs)
    assert all(name in file.attrs for name in file.attrs["simulation_parameters"])
    dims = list(file["dimensions"].attrs["spatial_dims"])
    assert len(dims) == file.attrs["n_spatial_dims"]
    assert file["dimensions/time"].attrs["sample_varying"] in (True, False)
    for name in dims:
        assert {"sample_varying", "time_varying"} <= set(file["dimensions"][name].attrs)
    sizes = [len(file["dimensions"][name]) for name in dims]
    for order in range(3):
        group = file[f"t{order}_fields"]
        for name in group.attrs["field_names"]:
            node = group[name]
            assert node.attrs["sample_varying"]
            assert node.attrs["time_varying"]
            assert list(node.attrs["dim_varying"]) == [True] * len(dims)
            assert node.shape == (file.attrs["n_trajectories"], len(file["dimensions/time"]), *sizes)
            assert node.dtype == np.float32
    for name in file["scalars"].attrs["field_names"]:
        node = file["scalars"][name]
        assert node.ndim == int(node.attrs["sample_varying"]) + int(node.attrs["time_varying"])
    for group in file["boundary_conditions"].values():
        assert group.attrs["bc_type"] in ("wall", "open", "periodic")
        assert group["mask"].dtype == bool
        assert group["mask"].shape == tuple(len(file["dimensions"][name]) for name in group.attrs["associated_dims"])
        assert len(group.attrs["associated_fields"]) == 0


def test_the_well_layout(dataset, tmp_path):
    paths = export(dataset, "well", tmp_path)
    assert paths[0] == tmp_path / "data" / "train" / "periodic_advection_tiny.hdf5"
    for path in paths:
        split = dataset.split(path.parent.name)
        with h5py.File(path) as file:
            check_well(file)
            assert list(file["t0_fields"].attrs["field_names"]) == ["a", "b"]
            assert list(file["dimensions"].attrs["spatial_dims"]) == ["y", "x"]
            assert sorted(file["boundary_conditions"]) == ["x_periodic", "y_periodic"]
            np.testing.assert_array_equal(file["t0_fields/a"], split.states[:, :, 0])
            np.testing.assert_array_equal(file["t0_fields/b"], split.states[:, :, 1])
            np.testing.assert_array_equal(file["scalars/speed"], split.parameters[:, 0])
            np.testing.assert_allclose(file["dimensions/time"], 0.05 * np.arange(8), rtol=1e-6)


def test_the_well_gets_only_successes(failing, empty_home, tmp_path):
    dataset = generate(failing, "tiny")
    path = export(dataset, "well", tmp_path / "out")[0]
    split = dataset.split("train")
    with h5py.File(path) as file:
        check_well(file)
        assert file.attrs["n_trajectories"] == len(split.good) < len(split)
        np.testing.assert_array_equal(file["t0_fields/a"], split.states[split.good, :, 0])
        np.testing.assert_array_equal(file["scalars/speed"], split.parameters[split.good, 0])


def test_a_lazy_dataset_exports_the_same(dataset, lazy_dataset, tmp_path):
    one, other = export(dataset, "well", tmp_path / "one"), export(lazy_dataset, "well", tmp_path / "other")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


@pytest.mark.parametrize("format", ["netcdf", "well", "zarr"])
def test_exports_are_kept_and_nothing_is_overwritten(dataset, tmp_path, format):
    if format == "zarr":
        pytest.importorskip("zarr")
    paths = export(dataset, format, tmp_path)
    stamps = [path.stat().st_mtime_ns for path in paths]
    assert export(dataset, format, tmp_path) == paths
    assert [path.stat().st_mtime_ns for path in paths] == stamps
    shutil.rmtree(paths[1]) if paths[1].is_dir() else paths[1].unlink()
    paths[1].write_text("somebody's work")
    with pytest.raises(UserError, match=r"is in the way.*nothing is overwritten"):
        export(dataset, format, tmp_path)
    assert paths[1].read_text() == "somebody's work"
    paths[1].unlink()
    paths[1].mkdir()
    with pytest.raises(UserError, match="is in the way"):
        export(dataset, format, tmp_path)


def test_unknown_formats_and_missing_packages_say_what_to_do(dataset, tmp_path, monkeypatch):
    with pytest.raises(UnknownNameError, match=r"unknown export format 'zar'.*netcdf, well, zarr.*Did you mean 'zarr'"):
        export(dataset, "zar", tmp_path)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(UserError, match=r"pip install 'sciml\[zarr\]'"):
        export(dataset, "zarr", tmp_path)
    assert not list(tmp_path.iterdir())


def test_too_little_room_is_said_before_writing(dataset, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match="not enough space"):
        export(dataset, "netcdf", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_destination_that_is_a_file_is_refused(dataset, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StorageError, match="cannot be a folder"):
        export(dataset, "netcdf", tmp_path / "out")


def test_a_damaged_shard_stops_the_export_and_leaves_nothing_half_written(copied, tmp_path):
    (copied.folder / "train-0002.nc").write_text("no")
    with pytest.raises(DataError, match=r"train-0002.nc"):
        export(copied, "netcdf", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
