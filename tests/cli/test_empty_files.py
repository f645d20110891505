"""Files that are in order and hold nothing: no samples, times, points or rows. Each is refused in words."""

import json

import h5py
import numpy as np
import pytest
import scipy.io
import torch
import xarray
from test_cli_hostile import ending

from sciml.core.errors import UserError
from sciml.testing import answer_file, trial_of

SIZES = {"sample": 6, "time": 5, "x": 8}
EMPTY = [*SIZES, "all"]


def shape_without(axis):
    return tuple(0 if axis in (name, "all") else size for name, size in SIZES.items())


def labelled(shape):
    axes = {name: (name, np.arange(float(size))) for name, size in zip(SIZES, shape, strict=True)}
    return xarray.Dataset({"u": (tuple(SIZES), np.ones(shape))}, axes)


def pdebench(path, shape):
    with h5py.File(path, "w") as file:
        file["tensor"], file["x-coordinate"] = np.ones(shape, "f4"), np.arange(float(shape[2]))
        file["t-coordinate"] = np.arange(float(shape[1] + 1))


def well(path, shape):
    samples, times, points = shape
    with h5py.File(path, "w") as file:
        file.attrs["dataset_name"] = "tube"
        file.create_group("dimensions").attrs["spatial_dims"] = ["x"]
        file["dimensions/time"], file["dimensions/x"] = np.arange(float(times)), np.arange(float(points))
        file["t0_fields/density"] = np.ones((samples, times, points), "f4")
        boundary = file.create_group("boundary_conditions/x_periodic")
        boundary.attrs.update({"bc_type": "PERIODIC", "associated_dims": ["x"]})


def pdearena(path, shape):
    with h5py.File(path, "w") as file:
        file["train/u"] = np.ones(shape, "f4")
        file["train/t"] = np.tile(np.arange(float(shape[1])), (shape[0], 1))
        file["train/x"] = np.tile(np.arange(float(shape[2])), (shape[0], 1))


def columns(path, shape):
    """A table of cases and times, a row for each."""
    rows = [f"{case},{time},1.0\n" for case in range(shape[0]) for time in range(shape[1])]
    path.write_text("case,t,u\n" + "".join(rows))


def hdf5(path, shape):
    with h5py.File(path, "w") as file:
        file["u"] = np.ones(shape)


WRITERS = {
    "a.nc": lambda path, shape: labelled(shape).to_netcdf(path, engine="h5netcdf"),
    "classic.nc": lambda path, shape: labelled(shape).to_netcdf(path, engine="scipy"),
    "a.zarr": lambda path, shape: labelled(shape).to_zarr(path),
    "a.mat": lambda path, shape: scipy.io.savemat(path, {"u": np.ones(shape)}),
    "a.npy": lambda path, shape: np.save(path, np.ones(shape)),
    "a.npz": lambda path, shape: np.savez(path, u=np.ones(shape)),
    "a.pt": lambda path, shape: torch.save({"u": torch.ones(shape)}, path),
    "b.h5": hdf5,
    "pdebench.hdf5": pdebench,
    "well.hdf5": well,
    "pdearena.h5": pdearena,
    "table.csv": columns,
}
NAMED = {"a.mat", "a.npy", "a.npz", "a.pt", "b.h5"}
"""Files without names of axes, which the command line gives."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRITERS)
def test_data_without_samples_times_or_points_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dims = ("--dims", "sample,time,x") if name in NAMED else ()
    for axis in EMPTY:
        if name == "table.csv" and axis == "x":
            continue  # a row has no axis in space
        path = tmp_path / f"{axis}_{name}"
        WRITERS[name](path, shape_without(axis))
        for verb in (("data", "import", "--dry-run"), ("run", "--preset", "none", "--data")):
            code, err = ending((*verb, path.name, *dims))
            assert code == 2, (axis, verb, code, err)
            assert "error: " in err, (axis, verb, err)
            assert path.stem in err or "got 0 " in err or "no " in err, (axis, verb, err)


TEXTS = {
    "empty": "",
    "blank": " \n\n",
    "heading": "t,x,y\n",
    "one row": "t,x,y\n0,1,2\n",
    "one column": "x\n1\n2\n",
    "no values": "t,x,y\n,,\n,,\n,,\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_tables_without_rows_or_values_are_refused_by_everything_that_reads_tables(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(text)
    for line in (
        ("data", "import", "table.csv", "--dry-run"),
        ("run", "--data", "table.csv"),
        ("discover", "--data", "table.csv", "--known", "x' = y; y' = ?"),
        ("study", "table.csv", "--draft"),
    ):
        code, err = ending(line)
        assert (code, "error: " in err) == (2, True), (line, code, err)


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '""', "0"])
def test_settings_and_records_that_say_nothing_are_refused(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    for name in ("config.json", "record.json", "about.json", "study.json"):
        (tmp_path / "run" / name).write_text(content)
    (tmp_path / "study.toml").write_text("" if content == "" else f"problem = {json.dumps(content)}\n")
    for line in (
        ("show", "run"),
        ("evaluate", "run"),
        ("export", "run"),
        ("report", "run"),
        ("predict", "run", "-i", "study.toml"),
        ("tool", "cost", "run"),
        ("study", "study.toml", "--draft"),
        ("study", "run/config.json", "--draft"),
    ):
        code, err = ending(line)
        assert (code, "error: " in err) == (2, True), (line, code, err)


SOLVERS = {
    "forecast": "persistence",
    "trajectories": "linear_ode",
    "series": "gru",
    "classification": "resnet",
    "density": "kde",
    "collocation": "pinn",
    "paths": "neural_sde",
    "operator": "mean_map",
    "sequences": "lagged_ridge",
    "regression": "mean_rows",
    "discovery": "sindy",
}


@pytest.mark.parametrize("task", SOLVERS)
def test_an_input_without_samples_times_or_points_is_refused(task, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    trial = trial_of(SOLVERS[task])
    assert trial.task.key == task
    source = trial.task.write_inputs(trial.asked, trial.bench.problem, trial.bench.context)
    assert source.sizes
    for dim in source.sizes:
        with pytest.raises(UserError) as refused:
            answer_file(trial, source.isel({dim: slice(0)}), tmp_path)
        assert "got" in str(refused.value), (dim, refused.value)
