"""Bands around rollouts: their coverage, what calibrates them, what is written and refused."""

import json

import numpy as np
import pytest
import torch
import xarray

from sciml.core import rng
from sciml.core.config import override
from sciml.core.errors import ConfigError
from sciml.report import write_run
from sciml.study import RunRequest, predict_run, run
from sciml.tasks.forecast import FORECAST, ForecastConfig, conformal_widths, least_held_out, spread_factors
from sciml.testing import PROBLEMS, small_problem
from sciml.train import find_solver

ADVECTION = str(PROBLEMS / "periodic_advection")


def test_the_width_is_the_smallest_that_keeps_the_promise():
    errors = torch.rand(12, 2, 3, 5, dtype=torch.float64, generator=rng.generator(0))
    scales = 0.5 + torch.rand(12, 2, 3, 5, dtype=torch.float64, generator=rng.generator(1))
    widths = conformal_widths(errors, scales, 0.8)

    def bound(factor):
        outside = (errors > (widths * factor)[..., None] * scales).double().mean(3)  # share per trajectory
        return (outside.sum(0) + 1) / (12 + 1)

    assert (bound(1 + 1e-12) <= 0.2 + 1e-12).all()
    assert (bound(1 - 1e-9) > 0.2).all()


def test_bands_hold_what_they_promise_for_new_trajectories():
    """Errors with a scale of their own per trajectory, correlated in space; means over 600 calibrations."""
    generator, covered = rng.generator(3), []
    for _ in range(600):
        sizes = torch.randn(13, 1, 1, 1, generator=generator).exp()
        errors = (sizes * torch.randn(13, 1, 1, 6, generator=generator)).abs()
        width = conformal_widths(errors[:12], torch.ones(12, 1, 1, 6), 0.75)
        covered.append((errors[12:] <= width[..., None]).double().mean())
    mean = float(torch.stack(covered).mean())
    assert mean + 0.025 >= 0.75, "never less than promised, but for the noise of this test"
    assert mean <= 0.75 + 2 / 13, "and not much more"


def test_a_forecast_that_diverged_counts_as_outside_and_masked_cells_do_not_count():
    errors = torch.full((4, 1, 1, 10), 0.5)
    errors[0] = torch.nan
    assert conformal_widths(errors, torch.ones_like(errors), 0.6).item() == 0.5
    assert conformal_widths(errors, torch.ones_like(errors), 0.8).item() == np.inf
    active = torch.arange(10) < 5
    errors[1:, ..., 5:] = 9.0
    assert conformal_widths(errors, torch.ones_like(errors), 0.6, active).item() == 0.5


def test_spreads_get_the_size_of_the_errors():
    errors, spreads = torch.rand(5, 2, 1, 9), torch.rand(5, 2, 1, 9)
    factors = spread_factors(errors, spreads)
    scaled = (factors[None, ..., None] * spreads).square().mean((0, 3)).sqrt()
    torch.testing.assert_close(scaled, errors.square().mean((0, 3)).sqrt().double())


@pytest.mark.parametrize(("coverage", "count"), [(0.9, 9), (0.8, 4), (0.5, 1), (0.95, 19)])
def test_how_many_trajectories_a_promise_takes(coverage, count):
    assert least_held_out(coverage) == count


def test_held_out_trajectories_are_never_trained_on():
    bench = FORECAST.prepare(small_problem("periodic_advection"), "tiny", ForecastConfig(held_out=0.33, coverage=0.8))
    assert bench.examples.held_out.tolist() == [6, 7, 8, 9]
    assert len(bench.examples) == 6 * 6
    rows, _, _ = bench.examples.windows.locate(torch.arange(len(bench.examples)))
    assert set(rows.tolist()) == set(range(6))


@pytest.mark.parametrize("settings", [("task.held_out=0.33", "task.coverage=0.9"), ("task.held_out=0.1",)])
def test_too_few_held_out_trajectories_are_refused(tmp_path, settings):
    with pytest.raises(ConfigError, match=r"too few training trajectories.*at least 9.*Raise task.held_out, lower"):
        run(RunRequest(problem=ADVECTION, solver="linear", preset="tiny", settings=settings, out=tmp_path))


def test_a_plain_forecaster_has_bands_of_constant_width(tmp_path):
    done = run(RunRequest(problem=ADVECTION, solver="linear", preset="tiny",
                          settings=("task.held_out=0.33", "task.coverage=0.8"), out=tmp_path))  # fmt: skip
    predicted = predict_run(done.folder, done.folder / "example.nc", steps=8, problem=ADVECTION)
    width = (predicted["high_a"] - predicted["a"]).values
    np.testing.assert_allclose(width[:, :6], np.broadcast_to(width[:, :6, :1, :1], width[:, :6].shape), rtol=1e-4)
    assert (np.diff(width[0, :6, 0, 0]) > 0).all(), "errors grow from step to step"
    assert np.isnan(width[:, 6:]).all(), "beyond the steps that were calibrated nothing is promised"
    assert "sigma_a" not in predicted
    assert "80%" in predicted["low_a"].attrs["long_name"]


@pytest.fixture(scope="module")
def ensemble_run(tmp_path_factory):
    """A finished run of an ensemble of two small networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        settings = ("model.members=2", "model.width=4", "model.modes=3", "model.layers=1", 'baselines=["persistence"]',
                    "train.steps=30")  # fmt: skip
        yield run(RunRequest(problem=ADVECTION, solver="fno_ensemble", preset="tiny", settings=settings,
                             out=tmp_path_factory.mktemp("runs")))  # fmt: skip


def test_an_ensemble_states_coverage_and_writes_spread_and_band(ensemble_run):
    metrics = ensemble_run.metrics
    with xarray.open_datatree(ensemble_run.folder / "predictions.h5", engine="h5netcdf") as tree:
        own = tree["solvers/fno_ensemble"].load()
        covered, promised = own["covered"].values, own["covered"].attrs["promised"]
    assert metrics["covered/a"] == pytest.approx(covered[..., 0].mean())
    assert promised == 0.8
    assert covered.mean() > 0.6, "five test trajectories, four that calibrated"
    example = ensemble_run.folder / "example.nc"
    predicted = predict_run(ensemble_run.folder, example, steps=3, problem=ADVECTION)
    width = (predicted["high_a"] - predicted["low_a"]).values / 2
    assert (width > 0).all()
    assert width.std() / width.mean() > 0.05, "wider where the members disagree"
    assert (predicted["sigma_a"].values >= 0).all()
    record = json.loads((ensemble_run.folder / "record.json").read_text())
    assert "covered/a" in record["baselines"]["persistence"]["metrics"]["test"]


def test_the_page_shows_the_coverage(ensemble_run):
    page = write_run(ensemble_run.folder).read_text(encoding="utf-8")
    assert "Bands" in page
    assert "promised: 80%" in page


def test_mean_and_spread_are_those_of_the_members():
    solver = find_solver("fno_ensemble")
    bench = FORECAST.prepare(small_problem("periodic_advection"), "tiny", ForecastConfig(held_out=0.33, coverage=0.8))
    rng.seed_everything(0)
    model = override(solver.recipe("tiny"), ["model.width=4", "model.modes=3", "model.layers=1"]).model
    module = solver.build(bench.problem, model, bench.context)
    asked = bench.example._replace(steps=2)
    each = torch.stack([member.rollout(*asked[:4]) for member in module.members]).detach()
    assert not torch.equal(each[0], each[1])
    answer = solver.predict(module, asked)
    torch.testing.assert_close(answer.mean, each.mean(0))
    torch.testing.assert_close(answer.spread, each.std(0))
    module.factor[1] = 3.0
    torch.testing.assert_close(solver.predict(module, asked).spread[:, 1], 3 * each.std(0)[:, 1])
    other_step = asked._replace(stride=torch.full((1,), 2.0))
    assert solver.predict(module, other_step).band.isnan().all(), "calibrated for steps of one frame"
    bench.calibrate(solver, module)
    once = {name: value.clone() for name, value in module.state_dict().items()}
    bench.calibrate(solver, module)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, once[name], rtol=1e-4, atol=1e-6)
