"""What cannot be imported is named, with the remedy, before anything is written."""

import pickle
from pathlib import Path

import foreign_files
import h5py
import numpy as np
import pytest
import torch
import xarray

from sciml.core.errors import UserError
from sciml.core.progress import SilentProgress
from sciml.core.recorded import imported_folder
from sciml.data import ImportChoices, import_arrays, import_files, load_netcdf, open_dataset, verify


@pytest.fixture
def refused(empty_home):
    """The message with which an import is refused; nothing of it is left."""

    def call(source, *, match, **choices):
        with pytest.raises(UserError, match=match) as caught:
            if isinstance(source, dict | np.ndarray | xarray.Dataset):
                import_arrays(source, ImportChoices(**choices))
            else:
                import_files(source if isinstance(source, list) else [source], ImportChoices(**choices))
        left = [path.name for path in imported_folder().iterdir()] if imported_folder().is_dir() else []
        assert not [name for name in left if name != ".lock"]
        return str(caught.value)

    return call


def arrays(samples=6, frames=5, points=8, **more):
    values = foreign_files.numbers(samples, frames, points)
    return {"u": values, "t": 0.1 * np.arange(frames), "x": np.arange(points, dtype=float), **more}


def test_files_that_are_none(refused, tmp_path):
    refused(tmp_path / "nowhere.nc", match=r"there is no file .*nowhere\.nc")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", match="holds no data files")
    for name in ("page.h5", "page.nc", "page.mat", "page.npz", "page.npy", "page.pt"):
        (tmp_path / name).write_bytes(b"<html>404 not found</html>" * 20)
    refused(tmp_path / "page.h5", match=r"is not an HDF5 file; got first bytes b'<html>40'")
    refused(tmp_path / "page.nc", match="neither HDF5 nor classic NetCDF")
    for name in ("page.mat", "page.npz", "page.npy", "page.pt"):
        refused(tmp_path / name, match="cannot be read as|holds Python objects")
    (tmp_path / "flow.dat").write_bytes(b"1 2 3")
    refused(tmp_path / "flow.dat", match="format of .* is not known; got the ending '.dat'; expected .*PDEBench")
    refused(tmp_path / "flow.dat", match="unknown format 'pdebnch'.*Did you mean 'pdebench'", format="pdebnch")
    truncated = foreign_files.pdebench_line(tmp_path)
    truncated.write_bytes(truncated.read_bytes()[:4000])
    refused(truncated, match="cannot be read|not an HDF5")


def test_one_trajectory_and_axes_too_many_are_named_by_shape(refused, tmp_path):
    one = foreign_files.pdebench_line(tmp_path, shape=(1, 11, 32))
    message = refused(one, match="too few trajectories")
    assert "tensor is read as sample 1, time 11, x 32" in message
    assert "(1, 11, 32)" in message
    assert "--cut" in message
    deep = foreign_files.pdebench_line(tmp_path, shape=(1, 6, 11, 32))
    refused(deep, match=r"does not fit its coordinates; got \(1, 6, 11, 32\); expected \(sample, time 11 or 12, x 32\)")


def test_wrong_keys(refused, tmp_path):
    path = foreign_files.pdebench_plane(tmp_path)
    refused(path, match="'densty'.*Did you mean 'density'", fields=("densty",))
    refused(
        path,
        match=r"--boundary names an axis that the data does not have; got z; expected y, x",
        boundary={"z": "wall"},
    )
    refused(path, match="unknown parameter.*'nu'", parameters=("nu",))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["results/deep/u"] = foreign_files.numbers(4, 5, 6)
    refused(tmp_path / "other.h5", match="none of the HDF5 layouts that are known, .*; got results")


def test_channels_that_may_be_first_or_last_are_asked_for(refused, tmp_path):
    path = foreign_files.pdebench_groups(tmp_path, shape=(11, 16, 16, 16))
    refused(path, match=r"may have its channels first or last; got shape \(11, 16, 16, 16\)")
    plan = []
    import_files([path], ImportChoices(dims=("time", "channel", "y", "x")), announce=plan.append, dry=True)
    assert len(plan[0].fields) == 16


def test_pickles_are_never_loaded(refused, tmp_path):
    np.savez(tmp_path / "objects.npz", u=np.array([{}, 1], dtype=object))
    np.save(tmp_path / "objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    torch.save({"u": torch.zeros(3, 4, 5), "code": print}, tmp_path / "objects.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps({"u": 1}))
    for name in ("objects.npz", "objects.npy", "objects.pt", "raw.pt"):
        refused(tmp_path / name, match="Python objects|does not hold a tensor")
    torch.save({"branch": Path("x"), "y": torch.zeros(3)}, tmp_path / "foreign.pt")
    refused(tmp_path / "foreign.pt", match=r"Python objects.*got a file of torch with more than tensors; expected")


def test_files_that_point_outside_of_themselves(refused, tmp_path):
    whole = foreign_files.pdebench_line(tmp_path)
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file["tensor"] = h5py.ExternalLink(whole.name, "/tensor")
        file["x-coordinate"] = np.arange(32.0)
    refused(
        tmp_path / "linked.h5", match="points outside of itself at /tensor; got a link to /tensor in advection.hdf5"
    )
    (tmp_path / "secret.bin").write_bytes(bytes(4 * 6 * 11 * 32))
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("tensor", (6, 11, 32), "f4", external=[(str(tmp_path / "secret.bin"), 0, 4 * 6 * 11 * 32)])
    refused(tmp_path / "raw.h5", match="points outside of itself at /tensor; got values that are stored in other files")
    layout = h5py.VirtualLayout((6, 11, 32), "f4")
    layout[:] = h5py.VirtualSource(str(whole), "tensor", (6, 11, 32))
    with h5py.File(tmp_path / "virtual.nc", "w") as file:
        file.create_virtual_dataset("tensor", layout)
    refused(tmp_path / "virtual.nc", match="points outside of itself")


def test_splits_that_leave_nothing(refused):
    refused(arrays(4), match=r"a split would be empty; got 4 training, 0 validation, 0 test", split=(0.9, 0.05, 0.05))
    refused(arrays(4), match="shares of the splits are not possible", split=(0.9, 0.2, 0.2))
    refused(arrays(2), match="too few trajectories")


def test_dimensions_that_repeat(refused):
    refused(foreign_files.numbers(4, 5, 6), match="--dims repeats a dimension", dims=("sample", "time", "time"))
    refused(arrays(), match=r"--dims does not fit 'u' .*\(6, 5, 8\); expected 3 names", dims=("sample", "time"))
    labelled = xarray.Dataset({"u": (("sample", "time", "x"), foreign_files.numbers(4, 5, 6))})
    refused(labelled, match="repeats a dimension", rename={"x": "time"})


def test_units_that_cannot_be_read(refused):
    message = refused(arrays(), match="the units of 'u' cannot be read; got 'furlongs'", units={"u": "furlongs"})
    assert "--units NAME=UNITS" in message


def test_coordinates_that_are_not_even(refused):
    uneven = arrays(x=np.arange(8.0) ** 2)
    refused(uneven, match="'x' .* is not evenly spaced; got distances from 1 to 13")
    refused(arrays(x=np.array([0.0, 1, 2, 2, 3, 4, 5, 6])), match="'x' .* is not strictly monotonic")
    refused(arrays(t=np.array([0.0, 1, 2, 4, 8])), match="'time' .* is not evenly spaced.*--dt")
    refused(arrays(t=-np.arange(5.0)), match="the times of this call decrease")
    refused(arrays(x=np.full(8, np.nan)), match="the coordinate 'x' .* cannot be used")


def test_a_periodic_axis_with_its_end_point_twice(refused):
    values = foreign_files.numbers(6, 5, 8)
    values[..., -1] = values[..., 0]
    refused(arrays() | {"u": values}, match="periodic axis 'x' hold the same values", boundary={"x": "periodic"})
    import_arrays(arrays() | {"u": values}, ImportChoices(boundary={"x": "open"}), dry=True)
    constant = np.broadcast_to(values[..., :1], values.shape)
    import_arrays(arrays() | {"u": constant}, ImportChoices(boundary={"x": "periodic"}), dry=True)


def test_twins_in_two_splits_are_announced(empty_home):
    class Lines(SilentProgress):
        def log(self, message):
            lines.append(message)

    lines = []
    twins = np.repeat(foreign_files.numbers(1, 5, 8), 6, axis=0)
    problem = import_arrays(arrays() | {"u": twins}, progress=Lines())
    assert "warning: 2 trajectories equal one of another split, so the test is not independent" in lines
    assert [check.name for check in verify(problem, "tiny") if not check.ok] == ["splits"]


def test_values_that_are_no_numbers(refused):
    refused(arrays() | {"u": np.full((6, 5, 8), np.nan)}, match="field 'u' has no finite value")
    masked = foreign_files.numbers(6, 5, 8)
    masked[..., :2] = np.nan
    refused(arrays() | {"u": masked}, match="no trajectory of split 'train' is finite .*--mask any", mask="none")
    broken = foreign_files.numbers(6, 5, 8)
    broken[:, 3, 2] = np.inf
    refused(arrays() | {"u": broken}, match="no trajectory of split 'train' is finite throughout")
    texts = xarray.Dataset({"u": (("sample", "time", "x"), np.full((4, 5, 6), "word"))})
    refused(texts, match="'u' in this dataset does not hold real numbers; got texts")
    complexes = xarray.Dataset({"u": (("sample", "time", "x"), np.zeros((4, 5, 6), complex))})
    refused(complexes, match="got complex numbers")
    objects = xarray.Dataset({"u": (("sample", "time", "x"), np.full((4, 5, 6), None))})
    refused(objects, match="got objects")


def test_names_that_are_taken(refused, tmp_path):
    refused(arrays(), match="the name 'shallow_water' is taken", name="shallow_water")
    refused(arrays(), match="cannot be a folder name", name="../out")
    refused({"vrmse": foreign_files.numbers(6, 5, 8), "t": np.arange(5.0), "x": np.arange(8.0)},
            match="the name 'vrmse' cannot be used here.*--rename vrmse=NEW")  # fmt: skip


def test_files_that_do_not_belong_together(refused, tmp_path):
    first = foreign_files.weather(tmp_path, 0)
    other = tmp_path / "other.nc"
    with xarray.open_dataset(first, engine="h5netcdf", decode_times=False) as opened:
        opened.isel(lon=slice(0, 24)).to_netcdf(other, engine="h5netcdf")
        opened.drop_vars("pres").to_netcdf(tmp_path / "fewer.nc", engine="h5netcdf")
    refused([first, other], match=r"other\.nc has another size than .*output_0\.nc")
    refused([first, tmp_path / "fewer.nc"], match=r"fewer\.nc has other fields than .*output_0\.nc; got u, v; expected")


def test_a_few_broken_trajectories_are_left_out(empty_home):
    values = foreign_files.numbers(10, 5, 8)
    values[4, 3:] = np.nan
    problem = import_arrays(arrays(10) | {"u": values})
    dataset = open_dataset(problem, "tiny")
    outcomes = [dataset.split(name).counts for name in ("train", "valid", "test")]
    assert sum(counts.get("diverged", 0) for counts in outcomes) == 1


def test_a_fault_of_ours_is_not_called_damage_of_a_file(tmp_path, monkeypatch):
    arrays_as_netcdf = xarray.Dataset({"u": ("x", np.arange(4.0))})
    arrays_as_netcdf.to_netcdf(tmp_path / "sound.nc", engine="h5netcdf")
    assert load_netcdf(tmp_path / "sound.nc")["u"].sum() == 6
    monkeypatch.setattr("sciml.data._foreign.machine_memory", lambda: "a mistake")
    with pytest.raises(TypeError, match="unsupported operand"):
        load_netcdf(tmp_path / "sound.nc")
    (tmp_path / "cut.nc").write_bytes((tmp_path / "sound.nc").read_bytes()[:2000])
    with pytest.raises(UserError, match="not a readable NetCDF-4 file"):
        load_netcdf(tmp_path / "cut.nc")
