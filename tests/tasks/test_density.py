"""The task of estimating densities: units, honest scores, integrals, draws, files."""

import math

import numpy as np
import pytest
import torch
import xarray
from spotters import Bell, Described, Gaussian, register
from torch import nn

from sciml.api import predict as predict_file
from sciml.api import run
from sciml.core import registry, rng
from sciml.core.errors import ConfigError, DataError, UnknownNameError
from sciml.study import evaluate_run
from sciml.tasks.density import DENSITY, DensityConfig, DensityContext, Draws, PointBatch, Points
from sciml.testing import PROBLEMS

SPOTS = PROBLEMS / "three_spots"
MEAN, STD = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 2.0])


@pytest.fixture(scope="module")
def problem():
    return registry.find_problem(SPOTS)


@pytest.fixture(scope="module")
def bench(problem):
    return DENSITY.prepare(problem, "tiny", DensityConfig(shape="gaussian"))


def true(points):
    return registry.find_problem(SPOTS).log_density("gaussian", points)


def bell(mean=MEAN, std=STD):
    """The Gaussian of that mean and deviation, as a solver would standardise it."""
    module = Bell(mean, std)
    module.log_width.data.zero_()
    return module


def test_examples_are_the_training_points(bench):
    assert len(bench.examples) == 60
    batch = bench.examples.batch(torch.tensor([5, 0]), rng.generator(0))
    assert isinstance(batch, PointBatch)
    assert torch.equal(batch.points, bench.splits["train"][[5, 0]])
    assert batch.points.dtype == torch.float32
    assert len(batch.rows(slice(0, 1)).to("cpu")) == 1
    torch.testing.assert_close(bench.context.statistics.field_std, bench.splits["train"].std(0, correction=0))
    points = torch.cat(list(bench.splits.values()))
    assert len(points.unique(dim=0)) == 60 + 24 + 30


def test_the_true_density_has_no_divergence_and_integrates_to_one(bench):
    examination = bench.examine(Gaussian(), bell())
    entropy = math.log(2 * math.pi * math.e) + float(STD.log().sum())
    assert examination.metrics["nll"] == pytest.approx(entropy, abs=4 / math.sqrt(30))
    assert abs(examination.metrics["kl"]) < 1e-6
    assert examination.metrics["normalisation"] == pytest.approx(1, abs=0.02)  # the box ends about 3 deviations away
    assert examination.metrics["prediction/seconds"] > 0
    assert examination.status == {"ok": 30}
    assert "evaluations" not in examination.metrics


def test_the_jacobian_of_the_standardisation_counts(bench):
    """The same standardised density with another unit: log p differs by log 10 per dimension."""
    wrong = Described(lambda x: true(x) + 2 * math.log(10.0))
    metrics = bench.examine(wrong, nn.Identity()).metrics
    assert metrics["kl"] == pytest.approx(-2 * math.log(10.0), rel=1e-5)
    assert metrics["normalisation"] == pytest.approx(100, rel=0.02)


def test_scores_are_what_their_names_say(bench):
    """A Gaussian that is shifted by half a deviation in x: KL = 1/8 in expectation."""
    metrics = bench.examine(Gaussian(), bell(mean=MEAN + torch.tensor([0.25, 0.0]))).metrics
    points = bench.splits["test"].double()
    expected = (0.125 - 0.5 * (points[:, 0] - MEAN[0]) / STD[0]).mean()
    assert metrics["kl"] == pytest.approx(float(expected), abs=1e-5)
    assert metrics["nll"] == pytest.approx(float(expected - true(points).mean()), abs=1e-5)
    assert bench.validate(Described(lambda x: torch.full((len(x),), -3.0)), nn.Identity()) == 3.0


def test_costs_and_failures_are_counted(bench):
    def broken(points):
        values = true(points).float()
        values[:2] = torch.nan
        return values

    examination = bench.examine(Described(broken, evaluations=torch.tensor(14), calls=3), nn.Identity())
    assert examination.metrics["evaluations"] == 14
    assert examination.metrics["calls"] == 3
    assert examination.status == {"ok": 28, "diverged": 2}
    assert math.isnan(examination.metrics["nll"])
    assert examination.arrays["evaluations"].values.tolist() == [14] * 30
    assert bench.validate(Described(broken), nn.Identity()) == math.inf


def test_an_unknown_truth_leaves_the_divergence_out(problem):
    square = DENSITY.prepare(problem, "tiny", DensityConfig(shape="square"))
    inside = Described(lambda x: torch.where(((x > 0) & (x < 1)).all(1), 0.0, -100.0))
    examination = square.examine(inside, nn.Identity())
    assert examination.metrics["nll"] == 0
    assert examination.metrics["normalisation"] == pytest.approx(1, abs=0.02)
    assert "kl" not in examination.metrics
    assert "grid_log_density" not in square.truth()
    assert "log_density" not in square.truth()


def test_the_grid_is_laid_out_as_its_coordinates_say(bench):
    arrays, truth = bench.examine(Gaussian(), bell()).arrays, bench.truth()
    grid = truth["grid_log_density"]
    assert grid.dims == ("grid_y", "grid_x")
    assert grid.shape == (150, 150)
    assert grid["grid_x"].attrs["units"] == "m"
    y, x = (float(grid[name][i]) for name, i in (("grid_y", 40), ("grid_x", 90)))
    assert float(grid[40, 90]) == pytest.approx(float(true(torch.tensor([[x, y]]).double())), abs=1e-4)
    np.testing.assert_allclose(arrays["grid_log_density"], grid, atol=1e-3)
    points = torch.cat(list(bench.splits.values()))
    low, high = points.amin(0).tolist(), points.amax(0).tolist()
    for name, a, b in zip(("grid_x", "grid_y"), low, high, strict=True):
        edge = float(grid[name][1] - grid[name][0]) / 2
        assert float(grid[name][0]) - edge == pytest.approx(a - 0.25 * (b - a), abs=1e-5)
        assert float(grid[name][-1]) + edge == pytest.approx(b + 0.25 * (b - a), abs=1e-5)
    np.testing.assert_array_equal(truth["y"], bench.splits["test"][:, 1])
    assert truth.attrs["shape"] == "gaussian"


def test_draws_are_kept_from_solvers_that_can_draw(bench):
    first, again = (bench.examine(Gaussian(), bell()).arrays for _ in range(2))
    assert isinstance(Gaussian(), Draws)
    assert first["drawn_x"].dims == ("draw",)
    assert first.sizes["draw"] == 30
    assert float(first["drawn_y"].mean()) == pytest.approx(-2, abs=4 * 2 / math.sqrt(30))
    np.testing.assert_array_equal(first["drawn_x"], again["drawn_x"])
    assert "drawn_x" not in bench.examine(Described(true), nn.Identity()).arrays


def test_each_density_is_data_of_its_own(problem, bench):
    assert DENSITY.prepare(problem, "tiny", DensityConfig(shape="gaussian")).dataset == bench.dataset
    assert bench.dataset["card"]["shape"] == "gaussian"
    assert DENSITY.prepare(problem, "tiny", DensityConfig(shape="square")).dataset["hash"] != bench.dataset["hash"]


def test_what_cannot_be_prepared_is_explained(problem):
    with pytest.raises(UnknownNameError, match=r"unknown density 'gaussain'.*Did you mean 'gaussian'"):
        DENSITY.prepare(problem, "tiny", DensityConfig(shape="gaussain"))
    with pytest.raises(ConfigError, match="grid"):
        DensityConfig(grid=1)


def test_explain_names_what_is_not_finite(bench):
    batch = bench.examples.batch(torch.arange(4), rng.generator(0))
    assert bench.explain(Gaussian(), bell(), batch) == "the loss or its gradient (but no density)"
    broken = Described(lambda x: torch.full((len(x),), -math.inf))
    assert bench.explain(broken, nn.Identity(), batch) == "log density of 4 of 4 points"
    batch.points[1, 1] = torch.nan
    assert bench.explain(Gaussian(), bell(), batch) == "data of field y"


def write(path, **changes):
    variables = {"x": ("sample", [0.1, 5.0, 1.0]), "y": ("sample", [0.0, 1.0, 2.0])} | changes
    kept = {name: value for name, value in variables.items() if value is not None}
    xarray.Dataset(kept).to_netcdf(path, engine="h5netcdf")
    return path


def read(bench, path, steps=None):
    return DENSITY.read_inputs(path, bench.problem, bench.context, steps)


def test_points_are_read_and_answers_described(bench, tmp_path):
    points = read(bench, write(tmp_path / "a.nc"))
    assert isinstance(points, Points)
    torch.testing.assert_close(points.points, torch.tensor([[0.1, 0.0], [5.0, 1.0], [1.0, 2.0]]))
    described = DENSITY.describe(points, Gaussian().predict(bell(), points), bench.problem, bench.context)
    np.testing.assert_allclose(described["log_density"], true(points.points), rtol=1e-5)
    np.testing.assert_array_equal(described["y"], [0, 1, 2])
    assert described["status"].values.tolist() == [0, 0, 0]


def test_inputs_are_written_as_they_are_read(bench, tmp_path):
    inputs = DENSITY.inputs(bench.examples.batch(torch.arange(3), rng.generator(0)))
    for points in (inputs, bench.example):
        file = DENSITY.write_inputs(points, bench.problem, bench.context)
        file.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        assert torch.equal(read(bench, tmp_path / "a.nc").points, points.points)


def test_the_context_survives_json(bench):
    context = DensityContext.model_validate_json(bench.context.model_dump_json())
    assert torch.equal(context.statistics.field_std, bench.context.statistics.field_std)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": None}, "lacks y; got variables x; expected x, y"),
        ({"x": ("sample", [1.0, np.nan, 0.0])}, "'x' in .* holds values that are not finite"),
        ({"x": (("sample", "k"), np.ones((3, 3)))}, "got sample 3, k 3; expected one value for each sample"),
        ({"x": ("sample", ["a", "b", "c"])}, "'x' in .* does not hold real numbers"),
    ],
)
def test_bad_files_are_explained(bench, tmp_path, changes, message):
    path = write(tmp_path / "a.nc", **changes)
    with pytest.raises(DataError, match=message):
        read(bench, path)
    with pytest.raises(DataError, match="without a time axis; got 2 steps"):
        read(bench, path, 2)


def test_a_run_from_nothing_to_a_page(monkeypatch, tmp_path):
    register(monkeypatch, Gaussian())
    finished = run("densities", solver="bell", settings=["task.shape=gaussians", "task.grid=60"], out=tmp_path)
    # the best Gaussian with independent components: 4.25 nat, 1.43 above the truth
    assert finished.metrics["nll"] == pytest.approx(4.25, abs=0.1)
    assert finished.metrics["kl"] == pytest.approx(1.43, abs=0.05)
    assert finished.metrics["normalisation"] == pytest.approx(1, abs=0.02)
    assert finished.record.dataset.card["shape"] == "gaussians"
    assert "Densities in the plane" in (finished.folder / "report.html").read_text()
    again = evaluate_run(finished.folder)
    assert again.metrics["kl"] == again.recorded["kl"]
    predicted = predict_file(finished.folder, write(tmp_path / "a.nc"))
    assert predicted["log_density"].shape == (3,)
