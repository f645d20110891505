"""The task of learning a stochastic equation from moments: reference, examples, honest scores, files."""

import math
import sys

import numpy as np
import pytest
import torch
import xarray
from spotters import EulerWalk, Told, Walker, register
from torch import nn

from sciml.api import predict as predict_file
from sciml.api import run
from sciml.core import registry, rng
from sciml.core.errors import ConfigError, DataError, UnsupportedError, UserError
from sciml.study import evaluate_run
from sciml.tasks.paths import PATHS, PathInputs, PathsConfig, PathsContext
from sciml.testing import PROBLEMS

NOISES = PROBLEMS / "two_noises"
CONFIG = PathsConfig(examined=400)


@pytest.fixture(scope="module")
def problem():
    return registry.find_problem(NOISES)


@pytest.fixture(scope="module")
def bench(problem):
    return PATHS.prepare(problem, "tiny", CONFIG)


def exact(problem):
    module = sys.modules[type(problem).__module__]
    return module.exact_moments(problem.times())


def spread_out(mean, variance):
    """Paths of exactly this mean and (unbiased) variance at every time: half of them above, half below."""

    def tell(inputs):
        n = len(inputs.start)
        sign = torch.where(torch.arange(n) % 2 == 0, 1.0, -1.0).double()[:, None, None]
        return (mean + sign * (variance * (n - 1) / n).sqrt()).float()

    return Told(tell)


def test_the_reference_has_the_moments_of_the_equation(problem, bench):
    mean, variance = exact(problem)
    for split, count in (("train", 4000), ("test", 2000)):
        moments = bench.reference[split]
        assert ((moments.mean - mean).abs() <= 4 * (variance / count).sqrt() + 1e-12).all()
        # the second component is lognormal, its kurtosis below 5
        assert ((moments.variance - variance).abs() <= 4 * variance * math.sqrt(4 / count) + 1e-12).all()
        assert moments.mean[0].tolist() == [2.0, 1.0]
        assert moments.variance[0].tolist() == [0.0, 0.0]


def test_splits_have_paths_of_their_own_always_the_same(problem, bench):
    again = PATHS.prepare(problem, "tiny", CONFIG)
    assert torch.equal(again.reference["test"].mean, bench.reference["test"].mean)
    ends = {split: bench.reference[split].mean[-1] for split in ("train", "valid", "test")}
    assert len({tuple(end.tolist()) for end in ends.values()}) == 3
    assert again.dataset == bench.dataset
    assert bench.dataset["card"]["paths"] == {"train": 4000, "valid": 500, "test": 2000}


def test_a_batch_asks_for_paths_with_fresh_noise(bench):
    first, again, other = (bench.examples.batch(torch.arange(6), rng.generator(0, i)) for i in (0, 0, 1))
    assert len(bench.examples) == 4000
    assert first.seed == again.seed != other.seed
    assert first.start.tolist() == [[2.0, 1.0]] * 6
    torch.testing.assert_close(first.mean.double(), bench.reference["train"].mean, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(first.variance.double(), bench.reference["train"].variance, rtol=1e-6, atol=1e-7)
    assert first.times.shape == (6,)


def test_shares_of_a_batch_have_noise_of_their_own(bench):
    batch = bench.examples.batch(torch.arange(6), rng.generator(0))
    assert batch.rows(slice(0, 6)).seed == batch.seed
    assert batch.rows(slice(0, 100)).seed == batch.seed
    halves = [batch.rows(slice(0, 3)), batch.rows(slice(3, 6))]
    assert len({batch.seed, *(half.seed for half in halves)}) == 3
    assert [len(half) for half in halves] == [3, 3]
    moved = halves[1].to("cpu")
    assert moved.seed == halves[1].seed
    assert torch.equal(moved.mean, batch.mean)


def test_the_right_moments_have_no_error(bench):
    test = bench.reference["test"]
    examination = bench.examine(spread_out(test.mean, test.variance), nn.Identity())
    for key in ("moments/loss", "moments/mean_rmse", "moments/variance_rmse"):
        assert 0 <= examination.metrics[key] < 1e-5
    assert examination.status == {"ok": 400}
    assert "evaluations" not in examination.metrics
    valid = bench.reference["valid"]
    assert bench.validate(spread_out(valid.mean, valid.variance), nn.Identity()) < 1e-5


def test_errors_are_what_their_names_say(bench):
    """A mean that is 0.1 too high in x after the start, a variance twice as large in y."""
    test = bench.reference["test"]
    mean = test.mean + torch.tensor([[0.0, 0.0]] + 5 * [[0.1, 0.0]])
    variance = test.variance * torch.tensor([1.0, 2.0])
    metrics = bench.examine(spread_out(mean, variance), nn.Identity()).metrics
    squares = 5 * 0.01, float(test.variance[:, 1].square().sum())
    assert metrics["moments/loss"] == pytest.approx(sum(squares), rel=1e-4)
    assert metrics["moments/mean_rmse"] == pytest.approx(math.sqrt(squares[0] / 12), rel=1e-4)
    assert metrics["moments/variance_rmse"] == pytest.approx(math.sqrt(squares[1] / 12), rel=1e-4)


def as_told(paths):
    return Told(lambda inputs: paths.float())


def test_the_floor_is_what_the_true_equation_scores(problem, bench):
    """Mean loss of 10 sets of 400 reference paths against the test moments."""
    sets = bench.reference.paths("train").split(400)
    losses = [bench.examine(as_told(paths), nn.Identity()).metrics["moments/loss"] for paths in sets]
    floor = bench.examine(spread_out(*exact(problem)), nn.Identity()).metrics["moments/floor"]
    assert np.mean(losses) == pytest.approx(floor, rel=0.5)
    assert np.std(losses) > 0.1 * floor


def test_paths_that_fail_are_counted(bench):
    def spoil(inputs):
        paths = inputs.start[:, None].expand(-1, len(inputs.times), -1).clone()
        paths[0, 3:] = torch.nan
        return paths

    examination = bench.examine(Told(spoil), nn.Identity())
    assert examination.status == {"ok": 399, "diverged": 1}
    assert math.isnan(examination.metrics["moments/loss"])
    assert bench.validate(Told(spoil), nn.Identity()) == math.inf


def test_arrays_and_truth_are_labelled_alike(bench):
    examination, truth = bench.examine(EulerWalk(), Walker(2)), bench.truth()
    assert examination.metrics["evaluations"] == 25
    assert examination.metrics["calls"] == 25
    for name in ("x_mean", "x_variance", "y_mean", "y_variance"):
        assert examination.arrays[name].dims == truth[name].dims == ("time",)
    assert truth["x_variance"].attrs["units"] == "(m)2"
    assert truth["time"].attrs["units"] == "s"
    assert examination.arrays["x"].dims == truth["x"].dims == ("path", "time")
    assert truth.sizes["path"] == 20
    np.testing.assert_allclose(truth["y_mean"], bench.reference["test"].mean[:, 1])
    assert examination.arrays["evaluations"].shape == (400,)
    assert bench.example.start.shape == (1, 2)
    assert len(bench.example.times) == 2


def test_explain_names_what_is_not_finite(bench):
    batch = bench.examples.batch(torch.arange(4), rng.generator(0))
    assert bench.explain(EulerWalk(), Walker(2), batch) == "the loss or its gradient (but no path)"
    broken = Walker(2)
    broken.noise.data[1] = torch.nan
    assert bench.explain(EulerWalk(), broken, batch) == "prediction of field y"


def variant(tmp_path, name, changes):
    folder = tmp_path / name
    folder.mkdir()
    for file in ("__init__.py", "dataset.toml"):
        text = (NOISES / file).read_text().replace('name="two_noises"', f'name="{name}"')
        for old, new in changes.items():
            text = text.replace(old, new)
        (folder / file).write_text(text)
    return registry.find_problem(folder)


def test_what_cannot_be_prepared_is_explained(tmp_path):
    loose = variant(tmp_path, "loose", {"1.5, 1.5": "1.0, 1.5"})
    with pytest.raises(
        UnsupportedError, match="parameters vary; got decay; expected parameters with low equal to high"
    ):
        PATHS.prepare(loose, "tiny", CONFIG)
    single = variant(tmp_path, "single", {"valid = 500": "valid = 1"})
    with pytest.raises(ConfigError, match="at least 2 paths in every split"):
        PATHS.prepare(single, "tiny", CONFIG)
    wild = variant(
        tmp_path, "wild", {"step = 0.02": "step = 0.2", '-params["decay"] * state[:, 0]': "1e3 * state[:, 0] ** 3"}
    )
    with pytest.raises(UserError, match="reference paths of problem 'wild' become non-finite"):
        PATHS.prepare(wild, "tiny", CONFIG).truth()


def test_the_data_is_named_by_its_card(bench, tmp_path):
    finer = variant(tmp_path, "two_noises", {"step = 0.02": "step = 0.04"})
    assert PATHS.prepare(finer, "tiny", CONFIG).dataset["hash"] != bench.dataset["hash"]


def write(path, **changes):
    variables = {"x": ("sample", [1.0, 2.0]), "y": ("sample", [0.0, 1.0])} | changes
    coords = {"time": variables.pop("time")} if "time" in variables else {}
    xarray.Dataset({n: v for n, v in variables.items() if v is not None}, coords).to_netcdf(path, engine="h5netcdf")
    return path


def read(bench, path, steps=None):
    return PATHS.read_inputs(path, bench.problem, bench.context, steps)


def test_starts_are_read_and_paths_described(bench, tmp_path):
    starts = read(bench, write(tmp_path / "a.nc"))
    assert isinstance(starts, PathInputs)
    assert starts.start.tolist() == [[1.0, 0.0], [2.0, 1.0]]
    torch.testing.assert_close(starts.times, torch.linspace(0, 1, 6))
    assert len(read(bench, tmp_path / "a.nc", 2).times) == 3
    timed = read(bench, write(tmp_path / "b.nc", time=[0.0, 0.5, 2.0]))
    assert timed.times.tolist() == [0.0, 0.5, 2.0]
    described = PATHS.describe(timed, EulerWalk().predict(Walker(2), timed), bench.problem, bench.context)
    assert described["x"].dims == ("sample", "time")
    assert described["time"].attrs["units"] == "s"


def test_inputs_are_written_as_they_are_read(bench, tmp_path):
    inputs = PATHS.inputs(bench.examples.batch(torch.arange(3), rng.generator(0)))
    for starts in (inputs, bench.example):
        file = PATHS.write_inputs(starts, bench.problem, bench.context)
        file.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        again = read(bench, tmp_path / "a.nc")
        assert torch.equal(again.start, starts.start)
        assert torch.equal(again.times, starts.times)
        assert again.seed == starts.seed


@pytest.mark.parametrize("seed", [-1, 0.5, "seven"])
def test_what_is_no_seed_is_refused(bench, tmp_path, seed):
    file = PATHS.write_inputs(bench.example, bench.problem, bench.context).assign_attrs(seed=seed)
    file.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"the attribute seed of .* is not a seed"):
        read(bench, tmp_path / "a.nc")


def test_the_context_survives_json(bench):
    context = PathsContext.model_validate_json(bench.context.model_dump_json())
    assert torch.equal(context.times, bench.context.times)
    assert (context.time_units, context.seed) == ("s", bench.context.seed)


def test_samples_are_chosen_and_times_stay(bench):
    inputs = PathInputs(torch.arange(6.0).view(3, 2), bench.context.times)
    chosen = PATHS.rows(inputs, torch.tensor([2, 0]))
    assert chosen.start.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert torch.equal(chosen.times, inputs.times)


@pytest.mark.parametrize(
    ("changes", "steps", "message"),
    [
        ({"y": None}, None, "lacks y"),
        ({"x": ("sample", [1.0, np.nan])}, None, "'x' in .* holds values that are not finite"),
        ({"x": (("sample", "k"), np.ones((2, 3)))}, None, "expected one value for each sample"),
        ({"time": [0.0, 2.0, 1.0]}, None, "times of .* cannot be used"),
        ({}, 6, "fewer times than steps asked for; got 6 times and 6 steps"),
    ],
)
def test_bad_files_are_explained(bench, tmp_path, changes, steps, message):
    path = write(tmp_path / "a.nc", **changes)
    with pytest.raises(DataError, match=message):
        read(bench, path, steps)


def test_a_run_from_nothing_to_a_page(monkeypatch, tmp_path):
    register(monkeypatch, EulerWalk())
    finished = run(NOISES, solver="walk", out=tmp_path)
    untrained = PATHS.prepare(registry.find_problem(NOISES), "tiny", CONFIG).examine(EulerWalk(), Walker(2))
    assert untrained.metrics["moments/loss"] > 5
    assert finished.metrics["moments/floor"] < finished.metrics["moments/loss"] < 1
    assert "Two noises" in (finished.folder / "report.html").read_text()
    again = evaluate_run(finished.folder, problem=NOISES)
    assert again.metrics["moments/loss"] == again.recorded["moments/loss"]
    predicted = predict_file(finished.folder, write(tmp_path / "a.nc"), steps=3, problem=NOISES)
    assert dict(predicted.sizes) == {"sample": 2, "time": 4}
