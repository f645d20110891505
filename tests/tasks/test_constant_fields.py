"""Fields of tiny amplitude, fields that never change, and boxes that are not square, in runs on imported data."""

import math

import numpy as np
import pytest
import torch
import xarray

import sciml
from sciml import metrics
from sciml.core.errors import UnsupportedError, UserError
from sciml.report import write_run
from sciml.study import evaluate_run, load_run, make_request, run

FRAMES = "sample time channel *space"
SIZES = {
    "unet": ["model.levels=2", "model.width=4"],
    "fno": ["model.modes=3", "model.width=4", "model.layers=2"],
    "sinenet": ["model.waves=1", "model.levels=2", "model.width=4"],
    "dilresnet": ["model.width=4"],
    "pod_lssl": ["model.modes=4", "model.features=4", "model.state=4", "task.history=2"],
}


def _data(constant: float = 0.0) -> xarray.Dataset:
    """Waves of amplitude 1e-5 in a box of 1 x 4, and a field that is constant everywhere."""
    y, x = np.arange(8) / 8, 4 * np.arange(16) / 16
    phase = 2 * np.pi * (x / 4 - 0.1 * np.arange(6)[:, None] - np.linspace(0, 1, 8)[:, None, None])
    waves = 1e-5 * (np.sin(phase)[:, :, None] + 0.5 * np.sin(2 * np.pi * y)[:, None] * np.cos(phase)[:, :, None])
    return xarray.Dataset(
        {
            "a": (("sample", "time", "y", "x"), waves, {"units": "m"}),
            "still": (("sample", "time", "y", "x"), np.full(waves.shape, constant), {"units": "K"}),
        },
        {
            "time": ("time", 0.1 * np.arange(6), {"units": "s"}),
            "y": ("y", y, {"units": "m"}),
            "x": ("x", x, {"units": "m"}),
        },
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _shared_cache(home, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(home))


@pytest.fixture(scope="module")
def problem(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        return sciml.dataset(_data(273.15), name="tiny_waves", boundary={"x": "periodic", "y": "periodic"})


@pytest.fixture(scope="module")
def finished(problem, home, tmp_path_factory):
    settings = ["train.steps=2", 'baselines=["persistence","linear"]', *SIZES["fno"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        return sciml.run(problem, solver="fno", settings=settings, out=tmp_path_factory.mktemp("runs"))


def test_a_constant_field_is_kept_and_left_out_by_name(finished):
    folder, record = finished.folder, finished.record
    assert "constant in the training data" in record.dataset.unmeasured["*/vrmse of still"]
    for entry in (record, *record.baselines.values()):
        numbers = entry.metrics["test"]
        assert all(numbers[f"rollout/{name}"] is not None for name in ("vrmse", "nrmse", "pearson", "scaled_l2"))
    with xarray.open_datatree(folder / "predictions.h5", engine="h5netcdf") as stored:
        answer, truth = stored["solvers/fno"].load(), stored["truth"].load()
    assert (answer["still"] == np.float32(273.15)).all()
    assert answer["vrmse"].sel(field="still").isnull().all()
    own = answer["vrmse"].sel(field="a").astype(float)
    assert record.metrics["test"]["rollout/vrmse"] == pytest.approx(float(own.mean()), rel=1e-6)
    true, predicted = (part["a"].values.astype(float) for part in (truth.isel(time=slice(2, None)), answer))
    right = np.sqrt(((predicted - true) ** 2).mean((2, 3)) / true.var((2, 3)))
    np.testing.assert_allclose(own, right, rtol=1e-4)  # no epsilon: 1e-7 would make it 1e-2 of this
    page = write_run(folder).read_text()
    assert "Constant in all frames" in page


def test_bands_of_an_oblong_box_count_cycles_over_its_longest_side(finished):
    with xarray.open_datatree(finished.folder / "predictions.h5", engine="h5netcdf") as stored:
        answer, truth = stored["solvers/persistence"].load(), stored["truth"].load()
    true, predicted = (
        torch.tensor(np.stack([part[name].values for name in ("a", "still")], 2)).double()
        for part in (truth.isel(time=slice(2, None)), answer)
    )
    numbers = finished.record.baselines["persistence"].metrics["test"]
    bands = metrics.frmse(predicted, true, extents=[1.0, 4.0], dims=FRAMES)
    for name, values in zip(("low", "mid", "high"), bands, strict=True):
        assert numbers[f"rollout/frmse_{name}"] == pytest.approx(float(values.mean()), rel=1e-4, abs=1e-12)
    assert numbers["rollout/frmse_low"] != pytest.approx(
        float(metrics.frmse(predicted, true, dims=FRAMES)[0].mean()), rel=1e-2
    )


def test_numbers_of_other_benchmarks_on_request(finished):
    examined = evaluate_run(finished.folder, metrics=["pdebench", "the_well"])
    with xarray.open_datatree(finished.folder / "predictions.h5", engine="h5netcdf") as stored:
        answer, truth = stored["solvers/fno"].load(), stored["truth"].load()
    true, predicted = (
        torch.tensor(np.stack([part[name].values for name in ("a", "still")], 2))
        for part in (truth.isel(time=slice(2, None)), answer)
    )
    for name, function in metrics.CONVENTIONS.items():
        for key, value in function(predicted, true, extents=[1.0, 4.0], dims=FRAMES).items():
            got = examined.metrics[f"{name}/{key}"]
            assert got is None if math.isnan(value) else got == pytest.approx(value, rel=1e-5), key
    with pytest.raises(UserError, match=r"pdebenhc.*pdebench"):
        evaluate_run(finished.folder, metrics=["pdebenhc"])


@pytest.mark.parametrize("solver", sorted(SIZES))
def test_every_forecaster_trains_beside_a_constant_field(problem, solver, tmp_path):
    """Its loss has no 0/0, and what it answers for the field is the constant."""
    settings = [*SIZES[solver], "train.steps=2", "baselines=[]", "task.speed=false"]
    finished = run(make_request(problem.folder, {"solver": solver, "settings": settings, "out": tmp_path}))
    assert finished.record.outcomes == {"ok": 2} or set(finished.record.outcomes) == {"ok"}
    loaded = load_run(finished.folder)
    answer = loaded.solver.predict(loaded.module, loaded.example()).mean
    assert (answer[:, :, 1] == np.float32(273.15)).all()
    assert answer[:, :, 0].isfinite().all()


def test_data_in_which_nothing_happens_is_refused(tmp_path):
    still = sciml.dataset(_data()[["still"]], name="nothing", boundary={"x": "periodic", "y": "periodic"})
    with pytest.raises(UserError, match=r"nothing happens.*still"):
        run(make_request(still.folder, {"solver": "persistence", "out": tmp_path}))


def test_other_tasks_have_no_such_numbers(tmp_path):
    finished = run(make_request("spiral", {"solver": "linear_ode", "settings": ["baselines=[]"], "out": tmp_path}))
    with pytest.raises(UnsupportedError, match="forecasts on grids"):
        evaluate_run(finished.folder, metrics=["pdebench"])
