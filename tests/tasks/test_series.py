"""The task of completing series: what is seen of them, that it judges honestly, what it reads and writes."""

import math

import numpy as np
import pytest
import torch
import xarray
from rotators import Rotator, SeriesRotator, register

from sciml.api import run
from sciml.core import registry, rng
from sciml.core.errors import DataError, UnsupportedError
from sciml.tasks.series import SERIES, Observed, SeriesConfig
from sciml.testing import PROBLEMS

SOLVER = SeriesRotator()


@pytest.fixture(scope="module")
def problem():
    return registry.find_problem(PROBLEMS / "plane_rotation")


@pytest.fixture(scope="module")
def prepared(problem, tmp_path_factory):
    """Prepare the task with some settings, on one dataset."""
    home = tmp_path_factory.mktemp("home")

    def make(**settings):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SCIML_HOME", str(home))
            return SERIES.prepare(problem, "tiny", SeriesConfig(**settings))

    return make


@pytest.fixture(scope="module")
def bench(prepared):
    return prepared()


def draw(bench, seed=0):
    return bench.examples.batch(torch.arange(len(bench.examples)), rng.generator(seed))


class Wrong(SeriesRotator):
    """The exact solution, changed by a function of it and of its times."""

    def __init__(self, change):
        self.change = change

    def predict(self, module, inputs):
        prediction = super().predict(module, inputs)
        return prediction._replace(mean=self.change(prediction.mean, inputs.times))


def test_a_share_of_the_times_before_the_horizon_is_seen(bench):
    batch = draw(bench)
    within = batch.times <= 0.75 * 4.0
    assert int(within.sum()) == 13
    assert batch.mask[:, within].sum(1).tolist() == [4] * 12  # 0.3 of 13
    assert not batch.mask[:, ~within].any()
    assert torch.equal(batch.values, torch.where(batch.mask[:, :, None], batch.targets, 0.0))
    assert torch.equal(batch.targets, bench.source.split("train").states)
    assert len({tuple(row) for row in batch.mask.tolist()}) > 6


def test_every_draw_sees_other_times_and_is_a_function_of_its_seed(bench):
    first, same, other = draw(bench, 0), draw(bench, 0), draw(bench, 1)
    assert torch.equal(first.mask, same.mask)
    assert not torch.equal(first.mask, other.mask)
    seen = torch.stack([draw(bench, seed).mask for seed in range(60)]).float().mean((0, 1))[:13]
    torch.testing.assert_close(seen, torch.full((13,), 4 / 13), rtol=0.25, atol=0)


@pytest.mark.parametrize(
    ("settings", "within", "seen"),
    [({"horizon": 1.0, "observed": 1.0}, 17, 17), ({"observed": 0.01}, 13, 1), ({"horizon": 1e-6}, 1, 1)],
)
def test_extreme_shares(prepared, settings, within, seen):
    batch = draw(prepared(**settings))
    assert batch.mask.sum(1).tolist() == [seen] * 12
    assert batch.mask.nonzero()[:, 1].max() < within


def test_noise_is_on_what_is_observed_only(prepared, bench):
    noisy, clean = draw(prepared(noise=0.5, observed=1.0, horizon=1.0)), draw(bench)
    errors = noisy.values - noisy.targets
    torch.testing.assert_close(errors.std((0, 1)), 0.5 * bench.context.statistics.field_std, rtol=0.1, atol=0)
    assert torch.equal(noisy.targets, clean.targets)
    hidden = draw(prepared(noise=0.5))
    assert (hidden.values[~hidden.mask] == 0).all()


def test_a_batch_can_be_shared_out(bench):
    batch = draw(bench)
    rows = batch.rows(slice(2, 5)).to("cpu")
    assert len(rows) == 3
    assert torch.equal(rows.mask, batch.mask[2:5])
    assert torch.equal(rows.targets, batch.targets[2:5])
    assert torch.equal(rows.times, batch.times)


def test_the_exact_solution_has_no_error_but_rounding(bench):
    examination = bench.examine(SOLVER, Rotator(1.0))
    for key in ("interpolation/rmse", "extrapolation/rmse", "all/rmse", "all/mse"):
        assert 0 <= examination.metrics[key] < 1e-5
    assert "evaluations" not in examination.metrics
    assert examination.status == {"ok": 6}
    assert bench.validate(SOLVER, Rotator(1.0)) < 1e-10


def test_errors_are_in_standard_deviations_before_and_after_the_horizon(bench):
    std = bench.context.statistics.field_std
    shifted = Wrong(lambda mean, times: mean + std * torch.where(times <= 3.0, 0.1, 0.5)[:, None])
    metrics = bench.examine(shifted, Rotator(1.0)).metrics
    assert metrics["interpolation/rmse"] == pytest.approx(0.1, rel=1e-3)
    assert metrics["extrapolation/rmse"] == pytest.approx(0.5, rel=1e-3)
    assert metrics["all/mse"] == pytest.approx((13 * 0.01 + 4 * 0.25) / 17, rel=1e-3)
    assert metrics["all/rmse"] == pytest.approx(metrics["all/mse"] ** 0.5, rel=1e-6)
    assert bench.validate(shifted, Rotator(1.0)) == pytest.approx(metrics["all/mse"], rel=1e-3)


def test_without_a_horizon_there_is_no_extrapolation(prepared):
    assert "extrapolation/rmse" not in prepared(horizon=1.0).examine(SOLVER, Rotator(1.0)).metrics


def test_validation_and_test_always_see_the_same(prepared):
    a, b = prepared().examine(SOLVER, Rotator(0.8)), prepared().examine(SOLVER, Rotator(0.8))
    assert a.metrics["all/mse"] == b.metrics["all/mse"]
    assert prepared().validate(SOLVER, Rotator(0.8)) == prepared().validate(SOLVER, Rotator(0.8))
    first, again = prepared().truth(), prepared().truth()
    xarray.testing.assert_identical(first, again)


def test_a_series_that_is_not_finite_makes_the_score_infinite(bench):
    def spoil(mean, times):
        mean = mean.clone()
        mean[1, -1] = torch.nan
        return mean

    assert bench.validate(Wrong(spoil), Rotator(1.0)) == math.inf
    examination = bench.examine(Wrong(spoil), Rotator(1.0))
    assert examination.status == {"ok": 5, "diverged": 1}
    assert math.isfinite(examination.metrics["interpolation/rmse"])
    assert math.isnan(examination.metrics["extrapolation/rmse"])


def test_truth_holds_what_was_observed(bench):
    truth, arrays = bench.truth(), bench.examine(SOLVER, Rotator(1.0)).arrays
    assert truth.attrs["history"] == 0
    seen = truth["mask"].values.astype(bool)
    assert seen.sum(1).tolist() == [4] * 6
    np.testing.assert_array_equal(np.isfinite(truth["observed_x"].values), seen)
    np.testing.assert_array_equal(truth["observed_x"].values[seen], truth["x"].values[seen])
    np.testing.assert_allclose(arrays["x"], truth["x"], atol=1e-4)
    assert arrays["relative_l2"].dims == ("sample", "time")
    np.testing.assert_array_equal(arrays["time"], truth["time"])


def test_explain_names_what_is_not_finite(bench):
    batch = draw(bench)
    assert bench.explain(SOLVER, Rotator(1.0), batch) == "the loss or its gradient (but no field)"
    broken = Wrong(lambda mean, times: mean * torch.tensor([torch.inf, 1.0]))
    assert bench.explain(broken, Rotator(1.0), batch) == "prediction of field x"
    batch.targets[1, 2, 1] = torch.nan
    assert bench.explain(SOLVER, Rotator(1.0), batch) == "target of field y"


def test_a_problem_with_space_is_refused(advection):
    with pytest.raises(UnsupportedError, match="has spatial axes"):
        SERIES.prepare(registry.find_problem(advection), "tiny", SeriesConfig())


NAN = math.nan


def write(path, **changes):
    x = [[1.0, NAN, 3.0], [NAN, NAN, 2.0]]
    both = {"x": (("sample", "time"), x), "y": (("sample", "time"), x), "frequency": 1.0, "time": [0.0, 0.5, 2.0]}
    variables = both | changes
    coords = {"time": time} if (time := variables.pop("time")) is not None else {}
    kept = {name: value for name, value in variables.items() if value is not None}
    xarray.Dataset(kept, coords).to_netcdf(path, engine="h5netcdf")
    return path


def read(bench, path, steps):
    return SERIES.read_inputs(path, bench.problem, bench.context, steps)


def test_observations_are_read(bench, tmp_path):
    observed = read(bench, write(tmp_path / "a.nc"), None)
    assert isinstance(observed, Observed)
    assert observed.mask.tolist() == [[True, False, True], [False, False, True]]
    assert observed.values[:, :, 0].tolist() == [[1.0, 0.0, 3.0], [0.0, 0.0, 2.0]]
    assert observed.times.tolist() == [0.0, 0.5, 2.0]
    assert observed.parameters.tolist() == [[1.0], [1.0]]
    described = SERIES.describe(observed, SOLVER.predict(Rotator(1.0), observed), bench.problem, bench.context)
    assert dict(described.sizes) == {"sample": 2, "time": 3}
    assert described["y"].attrs == {"units": "m", "long_name": "position along y"}


def test_what_is_written_is_read(bench, tmp_path):
    SERIES.write_inputs(bench.example, bench.problem, bench.context).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    again = read(bench, tmp_path / "a.nc", None)
    assert len(again.values) == 1
    for before, after in zip(bench.example, again, strict=True):
        assert torch.equal(before, after) if torch.is_tensor(before) else before == after


def test_what_networks_know_of_the_data_survives_as_json(bench):
    context = type(bench.context).model_validate_json(bench.context.model_dump_json())
    assert torch.equal(context.times, bench.context.times)
    assert torch.equal(context.statistics.field_std, bench.context.statistics.field_std)
    assert (context.dt, context.time_units) == (bench.context.dt, bench.context.time_units)


def test_steps_go_on_after_the_last_time(bench, tmp_path):
    observed = read(bench, write(tmp_path / "a.nc"), 2)
    assert observed.times.tolist() == [0.0, 0.5, 2.0, 2.25, 2.5]
    assert observed.values.shape == (2, 5, 2)
    assert observed.values.isfinite().all()
    assert not observed.mask[:, 3:].any()


def test_a_file_of_the_stored_length_needs_no_times(bench, tmp_path):
    series = ("time", np.arange(17.0))
    observed = read(bench, write(tmp_path / "a.nc", x=series, y=series, time=None), None)
    torch.testing.assert_close(observed.times, 0.25 * torch.arange(17))
    assert observed.mask.all()
    assert len(observed.values) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "lacks x; got variables y, frequency; expected x, y, frequency"),
        ({"x": ("sample", [1.0, 2.0])}, "field 'x' in .* has the wrong shape; got sample 2; expected sample"),
        ({"x": (("sample", "time"), [[1.0, 1.0, 3.0], [NAN, NAN, 2.0]])},
         "only some of the fields were observed; got no value of y at time number 1 of sample 0"),
        ({"x": (("sample", "time"), [[1.0, NAN, math.inf], [NAN, NAN, 2.0]])}, "'x' in .* holds infinite values"),
        (dict.fromkeys("xy", (("sample", "time"), [[NAN] * 3, [1.0] * 3])), "without any observation; got sample 0"),
        ({"time": None}, "does not say when its values were observed; got 3 values in time; expected a coordinate"),
        ({"time": [0.0, 0.0, 1.0]}, "times of .* cannot be used"),
        ({"frequency": ("sample", [1.0, NAN])}, "'frequency' in .* holds values that are not finite"),
    ],
)  # fmt: skip
def test_bad_files_are_explained(bench, tmp_path, changes, message):
    path = write(tmp_path / "a.nc", **changes)
    with pytest.raises(DataError, match=message):
        read(bench, path, None)


def test_a_run_from_nothing_to_a_page(rotation, tmp_path, monkeypatch):
    register(monkeypatch, SOLVER)
    finished = run(rotation, solver="series_rotator", out=tmp_path)
    assert finished.metrics["all/rmse"] < 0.05
    page = (finished.folder / "report.html").read_text()
    assert "position along y" in page
    assert "observed" in page
    assert (finished.folder / "figures" / "series-y.svg").is_file()
    assert (finished.folder / "figures" / "conserved-radius.svg").is_file()
