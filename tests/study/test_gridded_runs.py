"""Runs on gridded data as people have it: walls, forcings, masks, latitude and longitude."""

import h5py
import numpy as np
import pytest
import torch
import xarray

import sciml
from sciml.core.errors import DataError
from sciml.study import load_run

SMALL = {
    "sinenet": ["model.waves=1", "model.levels=2", "model.width=4"],
    "unet": ["model.levels=2", "model.width=4"],
    "fno": ["model.modes=3", "model.width=4", "model.layers=2"],
}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


def well(folder, hole=None):
    """Four trajectories, 8 frames, 16 x 24, periodic in x, a wall in y, a scalar by sample and one by time."""
    path = folder / "channel.hdf5"
    density, velocity = numbers(4, 8, 16, 24), numbers(4, 8, 16, 24, 2, seed=1)
    if hole is not None:
        density[:, :, *hole], velocity[:, :, *hole] = np.nan, np.nan
    with h5py.File(path, "w") as file:
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        for name, values in (("time", 0.5 * np.arange(8)), ("x", np.arange(16) / 16), ("y", np.arange(24) / 16)):
            dimensions[name] = values
        file.create_group("t0_fields")["density"], file.create_group("t1_fields")["velocity"] = density, velocity
        file.create_group("t2_fields")
        for axis, kind in (("x", "PERIODIC"), ("y", "WALL")):
            boundary = file.create_group(f"boundary_conditions/{axis}_{kind.lower()}")
            boundary.attrs.update({"bc_type": kind, "associated_dims": [axis]})
        scalars = file.create_group("scalars")
        scalars["reynolds"], scalars["inflow"] = np.array([10.0, 20.0, 30.0, 40.0]), np.arange(8.0)
        scalars["reynolds"].attrs.update({"sample_varying": True, "time_varying": False})
        scalars["inflow"].attrs.update({"sample_varying": False, "time_varying": True})
    return [path]


def weather(folder):
    """PDEArena's NetCDF: one trajectory per file on time, one level, latitude from north to south, longitude."""
    dims, paths = ("time", "lev", "lat", "lon"), []
    for number in range(3):
        xarray.Dataset(
            {
                "u": (dims, numbers(6, 1, 24, 48, seed=number), {"units": "m s-1"}),
                "pres": (("time", "lat", "lon"), numbers(6, 24, 48, seed=9 + number), {"units": "hPa"}),
            },
            {
                "time": ("time", 6.0 * np.arange(6), {"units": "hours since 2000-01-01"}),
                "lat": ("lat", np.linspace(86.25, -86.25, 24), {"units": "degrees_north"}),
                "lon": ("lon", 7.5 * np.arange(48), {"units": "degrees_east"}),
            },
        ).to_netcdf(folder / f"output_{number}.nc", engine="h5netcdf")
        paths.append(folder / f"output_{number}.nc")
    return paths


HOLE = (slice(3, 7), slice(5, 11))
CASES = {
    "well": (well, "sinenet", {}),
    "weather": (weather, "fno", {"boundary": {"lon": "periodic"}}),
    "holes": (lambda folder: well(folder, HOLE), "unet", {}),
}


@pytest.fixture(scope="module", params=sorted(CASES))
def case(request, tmp_path_factory):
    """The kind of a run and the run, trained for two steps."""
    make, solver, choices = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(folder / "home"))
        settings = [*SMALL[solver], "train.steps=2", 'baselines=["persistence","linear"]']
        options = {"solver": solver, "settings": settings, "out": folder / "runs"}
        return request.param, sciml.run(data=make(folder), choices=choices, **options)


def test_it_is_imported_trained_on_and_predicted_alone(case):
    """The home folder of this test is empty: nothing but the run folder is there."""
    kind, finished = case
    assert finished.record.status == "finished"
    assert np.isfinite(finished.metrics["rollout/vrmse"])
    problem = load_run(finished.folder).problem
    answer = sciml.predict(finished.folder, finished.folder / "example.nc")
    if kind == "weather":
        assert answer["u"].dims == ("sample", "time", "lat", "lon")
        assert not finished.record.left_out
        return
    assert dict(problem.boundary) == {"y": "wall", "x": "periodic"}
    assert [p.name for p in problem.parameters] == ["reynolds"]
    assert [f.name for f in problem.forcings] == ["inflow"]
    assert list(finished.record.left_out) == ["linear"]
    assert "driven by inflow" in finished.record.left_out["linear"]
    assert answer.sizes == {"sample": 1, "time": 6, "y": 24, "x": 16}
    page = (finished.folder / "report.html").read_text()
    assert "inflow: inflow, 0 to 7.00, known at every time" in page
    land = np.zeros((24, 16), dtype=bool)
    if kind == "holes":
        land[HOLE[::-1]] = True
        np.testing.assert_array_equal(answer["active"].values, ~land)
        assert "Fourier transform" in finished.record.dataset.unmeasured["rollout/frmse_low"]
        assert "24 of 384 cells are no part of the domain" in page
    for name in ("density", "velocity_x", "velocity_y"):
        np.testing.assert_array_equal(answer[name].isnull().values, np.broadcast_to(land, answer[name].shape))


@pytest.mark.parametrize("case", ["holes", "weather", pytest.param("well", marks=pytest.mark.slow)], indirect=True)
def test_its_exported_program_answers_alike(case):
    _, finished = case
    (torch_program,) = sciml.export(finished.folder, ("torch",))
    assert torch_program.state == "ok"
    program = torch.export.load(torch_program.path).module()
    loaded = load_run(finished.folder)
    question = loaded.example()
    (frame,) = program(*loaded.task.arguments(question))
    answer = sciml.predict(finished.folder, finished.folder / "example.nc", steps=1)
    names = [field.name for field in loaded.problem.fields]
    expected = np.stack([answer[name].values[0, 0] for name in names])
    np.testing.assert_allclose(frame[0].detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_what_belongs_to_it_must_be_in_the_file(case, tmp_path):
    kind, finished = case
    source = sciml.example(finished.folder)

    def refused(changed, match):
        path = tmp_path / "question.nc"
        changed.to_netcdf(path, engine="h5netcdf")
        with pytest.raises(DataError, match=match):
            sciml.predict(finished.folder, path)

    if kind != "weather":
        refused(source.drop_vars("inflow"), "lacks inflow")
    if kind == "holes":
        filled = source.fillna(0.0)
        filled["active"].values[:] = source["active"].values[:, ::-1]
        refused(filled, "mask of .* is not that of the run")
    slow = source.assign_coords(time=2 * source["time"])
    refused(slow, "trained on this step alone")
