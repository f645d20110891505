"""Runs on data of one's own: one to three spatial axes, a run folder that needs nothing else, a page."""

import numpy as np
import pytest
import torch
import xarray

import sciml
from sciml.core.errors import DataError, UserError
from sciml.data import netcdf_bytes
from sciml.study import evaluate_run, load_run, make_request, run

SMALL = {
    "sinenet": ["model.waves=1", "model.levels=2", "model.width=4"],
    "unet": ["model.levels=2", "model.width=4"],
    "fno": ["model.modes=3", "model.width=4", "model.layers=2"],
}
SIZES = {1: (16,), 2: (8, 12), 3: (8, 8, 12)}


def own_data(dims: int) -> xarray.Dataset:
    """Waves that travel along x, with a speed per sample, on a grid that is not square."""
    names, size = "zyx"[-dims:], SIZES[dims]
    points = {name: (name, np.arange(n) / n, {"units": "m"}) for name, n in zip(names, size, strict=True)}
    speed = np.linspace(0.2, 0.8, 6)
    phase = points["x"][1] - speed[:, None, None] * 0.1 * np.arange(6)[:, None]  # sample time x
    waves = np.sin(2 * np.pi * phase).reshape(6, 6, *[1] * (dims - 1), -1)
    values = np.broadcast_to(waves, (6, 6, *size)) + 0.1 * np.arange(size[0]).reshape(-1, *[1] * (dims - 1))
    return xarray.Dataset(
        {
            "a": (("sample", "time", *names), values, {"units": "kg m-3", "long_name": "tracer"}),
            "speed": ("sample", speed, {"units": "m s-1"}),
        },
        {"time": ("time", 0.1 * np.arange(6), {"units": "s"}), **points},
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _shared_cache(home, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(home))


@pytest.fixture(scope="module", params=[1, 2, 3])
def problem(request, home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        return sciml.dataset(own_data(request.param), name=f"waves_{request.param}", boundary={"x": "periodic"})


@pytest.mark.parametrize("solver", sorted(SMALL))
def test_forecasters_train_on_one_to_three_axes(problem, solver, tmp_path):
    settings = [
        *SMALL[solver],
        "train.steps=2",
        'baselines=["persistence","linear"]' if solver == "sinenet" else "baselines=[]",
    ]
    options = {"solver": solver, "settings": settings, "out": tmp_path}
    if solver != "sinenet":
        assert run(make_request(problem.folder, options)).record.status == "finished"
        return
    finished = sciml.run(problem, **options)
    assert finished.record.status == "finished"
    assert not finished.record.left_out
    assert np.isfinite(finished.metrics["rollout/relative_l2"])
    assert (finished.folder / "report.html").stat().st_size > 0
    loaded = load_run(finished.folder)
    assert loaded.problem == problem
    examined = evaluate_run(finished.folder)
    assert examined.metrics["rollout/relative_l2"] == pytest.approx(finished.metrics["rollout/relative_l2"])


@pytest.fixture(scope="module")
def finished(home, tmp_path_factory):
    """A run on the plane, by one call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        settings = [*SMALL["unet"], "train.steps=2", "baselines=[]"]
        choices = {"boundary": {"x": "periodic"}, "name": "plane"}
        return sciml.run(
            data=own_data(2), choices=choices, solver="unet", settings=settings, out=tmp_path_factory.mktemp("runs")
        )


def test_a_run_needs_no_more_than_its_folder(finished, monkeypatch, tmp_path):
    here = sciml.predict(finished.folder, finished.folder / "example.nc")
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "elsewhere"))
    there = sciml.predict(finished.folder, finished.folder / "example.nc")
    for answer in (here, there):
        del answer.attrs["history"]  # the second in which it was asked for
    xarray.testing.assert_identical(here, there)
    assert here["a"].attrs == {"units": "kg m-3", "long_name": "tracer"}
    assert here["x"].attrs["units"] == "m"
    with pytest.raises(DataError, match=r"the data of 'plane' is not on this machine.*Import it again"):
        evaluate_run(finished.folder)


def test_predict_compares_coordinates_and_units_by_value(finished, tmp_path):
    source = xarray.load_dataset(finished.folder / "example.nc", engine="h5netcdf", decode_times=False)
    expected = sciml.predict(finished.folder, finished.folder / "example.nc")

    def predict(changed, **options):
        path = tmp_path / "input.nc"
        path.write_bytes(netcdf_bytes(changed))
        return sciml.predict(finished.folder, path, **options)

    with pytest.warns(UserWarning, match="put in increasing order"):
        xarray.testing.assert_allclose(predict(source.isel(y=slice(None, None, -1))), expected)
    grams = source.assign(a=(source["a"].dims, 1e3 * source["a"].values.astype("f8"), {"units": "g m-3"}))
    with pytest.warns(UserWarning, match="converted from g m-3 to kg m-3"):
        xarray.testing.assert_allclose(predict(grams), expected)
    labelled = source.assign_coords(sample=["case 7"])
    assert predict(labelled)["sample"].values.tolist() == ["case 7"]
    with pytest.raises(DataError, match=r"coordinate 'x' of .* is not that of the run"):
        predict(source.assign_coords(x=0.5 * source["x"]))
    fine = source.interp(y=np.linspace(float(source["y"][0]), float(source["y"][-1]), 15))
    with pytest.raises(DataError, match="--resample"):
        predict(fine)
    resampled = predict(fine, resample=True)
    assert resampled.attrs["resampled"]
    np.testing.assert_allclose(resampled["a"], expected["a"], atol=1e-5)


def test_data_and_problem_together_are_refused():
    with pytest.raises(UserError, match="on a problem or on data of your own"):
        sciml.run("shallow_water", data=own_data(1))
    with pytest.raises(UserError, match="choices are about data of your own"):
        sciml.run("shallow_water", choices={"cut": 3})
    with pytest.raises(UserError, match="did you mean 'boundary'"):
        sciml.dataset(own_data(1), boundry={"x": "periodic"})


def test_a_solver_of_points_trains_on_series_without_space(tmp_path):
    time = 0.1 * np.arange(12)
    rates = np.linspace(0.5, 1.5, 8)
    states = torch.exp(-torch.tensor(rates)[:, None] * torch.tensor(time))
    problem = sciml.dataset(
        {"c": states, "t": time, "rate": rates},
        name="decays",
        units={"rate": "s-1", "time": "s"},
        fields=("c=mol m-3",),
    )
    assert problem.solver == "neural_ode"
    finished = sciml.run(problem, settings=["train.steps=2", "baselines=[]"], out=tmp_path)
    assert finished.record.task == "trajectories"
    assert finished.record.status == "finished"
