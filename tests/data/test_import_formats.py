"""Every format is recognised for what it is: names, axes, times, boundaries, values."""

from contextlib import ExitStack

import foreign_files
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import torch
import xarray

from sciml.core.errors import DataError
from sciml.data import FORMATS, ImportChoices, import_arrays, import_files, open_dataset
from sciml.data.importing import Plan


@pytest.fixture
def recognise():
    """What would be imported from some files, nothing written: ``recognise(path, dims=(...))``."""
    with ExitStack():

        def look(*paths, **choices) -> Plan:
            plans = []
            made = import_files(
                paths, ImportChoices(**choices), announce=lambda plan: plans.append(described(plan)), dry=True
            )
            assert made is None
            return plans[0]

        yield look


def described(plan: Plan) -> dict:
    """What a plan says, with its first sample, read while the files are open."""
    return {
        "format": plan.formats[0],
        "fields": {field.name: field.units for field in plan.fields},
        "parameters": [entry.name for entry in plan.parameters],
        "axes": {axis.name: (axis.size, axis.boundary) for axis in plan.axes},
        "box": {axis.name: (round(axis.lower, 6), round(axis.upper, 6)) for axis in plan.axes},
        "dt": round(plan.dt, 9),
        "frames": plan.frames,
        "time_units": plan.time_units,
        "splits": {name: len(rows) for name, rows in plan.splits.items()},
        "first": plan.states(0),
        "columns": plan.columns,
        "words": "\n".join(plan.words()),
    }


def test_pdebench_in_one_dimension(recognise, tmp_path):
    found = recognise(foreign_files.pdebench_line(tmp_path))
    assert found["format"] == "pdebench"
    assert found["fields"] == {"tensor": "1"}
    assert found["axes"] == {"x": (32, "open")}
    assert found["box"] == {"x": (0.0, 1.0)}
    assert (found["frames"], found["dt"]) == (11, 0.1)
    assert found["splits"] == {"train": 4, "valid": 1, "test": 1}
    assert "t-coordinate has one entry more than there are frames" in found["words"]
    np.testing.assert_array_equal(found["first"][:, 0], foreign_files.numbers(6, 11, 32)[0])


def test_pdebench_in_the_plane_is_stored_y_before_x(recognise, tmp_path):
    found = recognise(foreign_files.pdebench_plane(tmp_path), boundary={"x": "periodic"}, units={"density": "kg m-3"})
    assert found["axes"] == {"y": (24, "open"), "x": (16, "periodic")}
    assert list(found["fields"]) == ["Vx", "Vy", "density", "pressure"]
    assert found["fields"]["density"] == "kg m-3"
    np.testing.assert_array_equal(found["first"][:, 0], foreign_files.numbers(6, 11, 16, 24)[0].swapaxes(1, 2))


def test_pdebench_in_groups_has_its_channels_last(recognise, tmp_path):
    found = recognise(foreign_files.pdebench_groups(tmp_path), rename={"data": "h"})
    assert found["axes"] == {"y": (16, "open"), "x": (16, "open")}
    assert (list(found["fields"]), found["frames"]) == (["h"], 11)
    np.testing.assert_array_equal(found["first"][:, 0], foreign_files.numbers(11, 16, 16, 1)[..., 0].swapaxes(1, 2))


def test_the_well_with_a_vector_and_a_wall(recognise, tmp_path):
    found = recognise(foreign_files.well(tmp_path))
    assert found["format"] == "well"
    assert list(found["fields"]) == ["density", "velocity_x", "velocity_y"]
    assert found["axes"] == {"y": (24, "wall"), "x": (16, "periodic")}
    assert found["parameters"] == ["reynolds"]
    assert "forcing: forcing [1] 0 to 7, by time" in found["words"]
    velocity = foreign_files.numbers(4, 8, 16, 24, 2, seed=1)[0]
    np.testing.assert_array_equal(found["first"][:, 2], velocity[..., 1].swapaxes(1, 2))


def test_pdearena_netcdf_one_file_per_trajectory(recognise, tmp_path):
    found = recognise(*(foreign_files.weather(tmp_path, i) for i in range(3)), boundary={"lon": "periodic"})
    assert found["format"] == "netcdf"
    assert found["fields"] == {"u": "m s-1", "v": "m s-1", "pres": "hPa"}
    assert found["axes"] == {"lat": (24, "open"), "lon": (48, "periodic")}
    assert (found["dt"], found["time_units"]) == (6.0, "hours")
    assert "lat decreases in the file: turned round" in found["words"]
    wind = foreign_files.numbers(9, 1, 24, 48)[:, 0]
    np.testing.assert_array_equal(found["first"][:, 0], wind[:, ::-1])


def test_pdearena_hdf5_of_one_split(recognise, tmp_path):
    found = recognise(foreign_files.smoke(tmp_path))
    assert found["format"] == "pdearena"
    assert list(found["fields"]) == ["u", "vx", "vy"]
    assert found["parameters"] == ["buo_y"]
    assert found["dt"] == 1.5
    assert "the files name the splits train only" in found["words"]


@pytest.mark.parametrize("kind", ["npz", "v5", "v7.3", "pt"])
def test_a_field_beside_its_coordinates_is_recognised_by_their_sizes(recognise, tmp_path, kind):
    arrays = foreign_files.burgers()
    path = tmp_path / {"npz": "b.npz", "v5": "b.mat", "v7.3": "b.mat", "pt": "b.pt"}[kind]
    if kind == "npz":
        np.savez(path, **arrays)
    elif kind == "v5":
        scipy.io.savemat(path, arrays)
    elif kind == "pt":
        torch.save({name: torch.from_numpy(values) for name, values in arrays.items()}, path)
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values.T
    found = recognise(path, cut=10)
    assert found["axes"] == {"x": (64, "open")}
    assert found["frames"] == 10
    assert found["splits"] == {"train": 1, "valid": 1, "test": 1}
    assert "split in the order of time" in found["words"]
    np.testing.assert_allclose(found["first"][:, 0], arrays["usol"][:, :10].T, rtol=1e-12)


def test_a_nameless_array_takes_the_users_names(recognise, tmp_path):
    path = tmp_path / "run.npy"
    values = foreign_files.numbers(10, 6, 2, 16, 8)
    np.save(path, values)
    with pytest.raises(DataError, match=r"cannot be told from its shape; got \(10, 6, 2, 16, 8\).*--dims"):
        recognise(path)
    found = recognise(path, dims=("sample", "time", "channel", "y", "x"), fields=("h=m", "u=m/s"), dt=0.5,
                      ranges={"x": (0.0, 7.0)}, split=(0.5, 0.2, 0.3), units={"time": "s"})  # fmt: skip
    assert found["fields"] == {"h": "m", "u": "m/s"}
    assert (found["dt"], found["time_units"]) == (0.5, "s")
    assert found["splits"] == {"train": 5, "valid": 2, "test": 3}
    np.testing.assert_array_equal(found["first"], values[0])


def test_plain_netcdf_with_any_names(recognise, tmp_path):
    path = tmp_path / "odd.nc"
    source = xarray.Dataset(
        {"Temp-1": (("step", "run", "depth"), foreign_files.numbers(6, 5, 8), {"units": "degC"}),
         "k": ("run", np.arange(5.0), {"units": "W m-1 K-1"}), "name": ("run", list("abcde"))},
        {"depth": ("depth", np.arange(8.0))},
    )  # fmt: skip
    source.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(DataError, match=r"no field over time; got Temp-1 \(step 6, run 5, depth 8\)"):
        recognise(path)
    found = recognise(path, rename={"step": "time", "run": "sample"})
    assert found["fields"] == {"Temp_1": "degC"}
    assert found["parameters"] == ["k"]
    assert "'Temp-1' is called Temp_1 here" in found["words"]
    assert "name (sample 5) is neither a field over time nor a number per sample: left out" in found["words"]
    np.testing.assert_array_equal(found["first"][:, 0], source["Temp-1"].values[:, 0])


def test_arrays_frames_and_datasets_of_a_notebook_are_imported():
    values = foreign_files.numbers(4, 5, 8)
    arrays = {"u": values, "t": 0.2 * np.arange(5), "x": np.arange(8.0), "nu": np.arange(4.0)}
    problem = import_arrays(arrays, ImportChoices(name="from_arrays", units={"u": "m"}))
    labelled = xarray.Dataset(
        {"u": (("sample", "time", "x"), values, {"units": "m"}), "nu": ("sample", np.arange(4.0))},
        {"time": 0.2 * np.arange(5), "x": np.arange(8.0)},
    )
    frame = labelled.to_dataframe().reset_index()
    others = [import_arrays(labelled), import_arrays(frame, ImportChoices(units={"u": "m"}))]
    others.append(import_arrays({**arrays, "u": torch.from_numpy(values)}, ImportChoices(units={"u": "m"})))
    assert others[-1].name == "from_arrays", "the same arrays are the same data"
    first = open_dataset(problem, "tiny")
    assert first.split("train").states.shape == (2, 5, 1, 8)
    for other in others:
        again = open_dataset(other, "tiny")
        assert again.grid == first.grid
        assert other.fields == problem.fields
        for split in ("train", "valid", "test"):
            assert torch.equal(again.split(split).states, first.split(split).states)
            assert torch.equal(again.split(split).parameters, first.split(split).parameters)
    with pytest.raises(DataError, match=r"several rows for one point; got sample=0, time=0\.0, x=0\.0"):
        import_arrays(pd.concat([frame, frame]))


def test_every_format_has_a_key_and_a_title():
    assert len({entry.key for entry in FORMATS}) == len(FORMATS)
    assert all(entry.title for entry in FORMATS)
