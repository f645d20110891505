"""The task of learning dynamics: what it trains on, that it judges honestly, what it reads and writes."""

import math
import shutil

import numpy as np
import pytest
import torch
import xarray
from rotators import Rotator, SeriesRotator, SlowRotator, TrajectoryRotator, register
from torch import nn

from sciml.api import predict as predict_file
from sciml.api import run
from sciml.core import registry, rng
from sciml.core.errors import ConfigError, DataError, UnsupportedError
from sciml.core.types import Prediction
from sciml.study import evaluate_run, export_run
from sciml.tasks.trajectories import TRAJECTORIES, Start, TrajectoriesBench, TrajectoriesConfig
from sciml.testing import PROBLEMS

SOLVER = TrajectoryRotator()


@pytest.fixture(scope="module")
def problem():
    return registry.find_problem(PROBLEMS / "plane_rotation")


@pytest.fixture(scope="module")
def bench(problem, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        return TRAJECTORIES.prepare(problem, "tiny", TrajectoriesConfig(window=5))


class Wrong(TrajectoryRotator):
    """The exact solution, changed by a function of it."""

    def __init__(self, change):
        self.change = change

    def predict(self, module, inputs):
        prediction = super().predict(module, inputs)
        return prediction._replace(mean=self.change(prediction.mean))


def test_examples_are_all_windows_of_the_training_trajectories(bench):
    states = bench.source.split("train").states
    assert len(bench.examples) == 12 * 13
    batch = bench.examples.batch(torch.arange(len(bench.examples)), rng.generator(0))
    assert batch.states.shape == (156, 5, 2)
    assert torch.equal(batch.states[0], states[0, :5])
    assert torch.equal(batch.states[13 + 4], states[1, 4:9])
    assert torch.equal(batch.states[-1], states[-1, -5:])
    torch.testing.assert_close(batch.times, 0.25 * torch.arange(5))
    assert torch.equal(batch.parameters[13], bench.source.split("train").parameters[1])
    rows = batch.rows(slice(3, 6))
    assert len(rows) == 3
    assert torch.equal(rows.states, batch.states[3:6])
    assert torch.equal(rows.times, batch.times)
    assert rows.to("cpu").parameters.shape == (3, 1)


def test_measurement_noise_is_fixed_and_in_the_training_data_only(problem, bench):
    noisy, again = (TRAJECTORIES.prepare(problem, "tiny", TrajectoriesConfig(window=5, noise=0.2)) for _ in range(2))
    rows = torch.arange(156)
    a, b, clean = (t.examples.batch(rows, rng.generator(i)) for i, t in enumerate((noisy, again, bench)))
    assert torch.equal(a.states, b.states)
    assert torch.equal(a.states[0, 1], a.states[1, 0])  # the same frame in two windows has the same error
    errors = noisy.examples.states - bench.examples.states
    torch.testing.assert_close(errors.std((0, 1)), 0.2 * bench.context.statistics.field_std, rtol=0.1, atol=0)
    assert not torch.equal(a.states, clean.states)
    assert noisy.validate(SOLVER, Rotator(1.0)) == bench.validate(SOLVER, Rotator(1.0))


def test_a_random_subset_of_the_cases_can_be_trained_on(bench):
    """The same draw of fewer cases is part of that of more; validation and test stay whole."""
    whole = {tuple(row.flatten().tolist()) for row in bench.examples.states}
    few, more, other = (
        TrajectoriesBench(bench.problem, bench.source, TrajectoriesConfig(window=None, cases=cases, draw=draw))
        for cases, draw in ((2, 0), (4, 0), (4, 1))
    )
    rows = [{tuple(row.flatten().tolist()) for row in subset.examples.states} for subset in (few, more, other)]
    assert [len(r) for r in rows] == [2, 4, 4]
    assert rows[0] < rows[1] < whole and rows[2] < whole and rows[1] != rows[2]
    assert len(few.examples.parameters) == 2
    start = few.example
    assert torch.equal(start.state, bench.example.state)
    with pytest.raises(ConfigError, match=r"task\.cases = 999"):
        TrajectoriesBench(bench.problem, bench.source, TrajectoriesConfig(cases=999))


def test_the_exact_solution_has_no_error_but_rounding(bench):
    examination = bench.examine(SOLVER, Rotator(1.0))
    for key in ("rollout/relative_l2", "rollout/mae_share", "window/relative_l2"):
        assert 0 <= examination.metrics[key] < 1e-5
    assert examination.metrics["evaluations"] == 17
    assert examination.metrics["calls"] == 1
    assert examination.metrics["prediction/seconds"] > 0
    assert examination.status == {"ok": 6}
    assert bench.validate(SOLVER, Rotator(1.0)) < 1e-5


def test_errors_are_what_their_names_say(bench):
    """A prediction that is 10 % too long everywhere, its start excepted."""
    longer = Wrong(lambda mean: torch.cat([mean[:, :1], 1.1 * mean[:, 1:]], dim=1))
    examination = bench.examine(longer, Rotator(1.0))
    assert examination.metrics["rollout/relative_l2"] == pytest.approx(0.1, rel=1e-4)
    assert examination.metrics["window/relative_l2"] == pytest.approx(0.1, rel=1e-4)
    true = bench.source.split("test").states.double()
    share = (0.1 * true[:, 1:].abs()).mean((0, 1)) / true.std((0, 1), correction=0)
    assert examination.metrics["rollout/mae_share"] == pytest.approx(float(share.mean()), rel=1e-4)
    assert bench.validate(longer, Rotator(1.0)) == pytest.approx(0.1, rel=1e-4)
    np.testing.assert_allclose(examination.arrays["relative_l2"].values, 0.1, rtol=1e-4)  # the radius does not change


def test_what_lies_beyond_the_ranges_is_scored_in_the_same_units(rotation, tmp_path, monkeypatch):
    """In the units of the fields, and in standard deviations of the test signal, so that both shares compare."""
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    folder = shutil.copytree(rotation, tmp_path / "plane_rotation")
    card = folder / "dataset.toml"
    card.write_text(card.read_text().replace("test = 6 }", "test = 6, beyond = 5 }"))
    wider = TRAJECTORIES.prepare(registry.find_problem(folder), "tiny", TrajectoriesConfig(window=5))
    metrics = wider.examine(SOLVER, Rotator(0.9)).metrics
    split, test = wider.source.split("beyond"), wider.source.split("test")
    start = Start(split.states[:, 0], split.parameters, wider.source.layout.times.float())
    absolute = (SOLVER.predict(Rotator(0.9), start).mean - split.states)[:, 1:].abs().double().mean((0, 1))
    assert metrics["beyond/mae/x"] == pytest.approx(float(absolute[0]))
    share = absolute / test.states.double().std((0, 1), correction=0)
    assert metrics["beyond/mae_share"] == pytest.approx(float(share.mean()))
    assert wider.examine(SOLVER, Rotator(1.0)).metrics["beyond/mae_share"] < 1e-5


def test_a_wrong_frequency_errs_more_over_whole_trajectories_than_over_windows(bench):
    metrics = bench.examine(SOLVER, Rotator(0.9)).metrics
    assert metrics["window/relative_l2"] < 0.5 * metrics["rollout/relative_l2"]
    # at the angle a the distance is 2 sin(a / 2) radii
    split = bench.source.split("test")
    angle = 0.1 * split.parameters.double() * bench.source.layout.times[1:]
    expected = (2 * (angle / 2).sin()).square().mean(1).sqrt().mean()
    assert metrics["rollout/relative_l2"] == pytest.approx(float(expected), rel=1e-4)


def test_samples_that_fail_are_counted_and_make_the_score_infinite(bench):
    def spoil(mean):
        mean = mean.clone()
        mean[0, 5:] = torch.nan
        return mean

    examination = bench.examine(Wrong(spoil), Rotator(1.0))
    assert examination.status == {"ok": 5, "diverged": 1}  # the solver itself said ok
    assert math.isnan(examination.metrics["rollout/relative_l2"])
    assert bench.validate(Wrong(spoil), Rotator(1.0)) == math.inf
    assert bench.examine(SOLVER, Rotator(math.nan)).status == {"max_steps": 6}


def test_arrays_are_laid_out_as_truth_from_frame_one_on(bench):
    arrays, truth = bench.examine(SOLVER, Rotator(1.0)).arrays, bench.truth()
    assert truth.attrs["history"] == 1
    assert truth["x"].dims == arrays["x"].dims == ("sample", "time")
    assert truth["x"].attrs["units"] == "m"
    assert truth["frequency"].dims == ("sample",)
    np.testing.assert_allclose(arrays["time"], truth["time"][1:], rtol=1e-6)
    np.testing.assert_allclose(arrays["x"], truth["x"][:, 1:], atol=1e-4)
    assert arrays["evaluations"].values.tolist() == [17] * 6
    assert "evaluations" not in bench.examine(SlowRotator(), Rotator(1.0)).arrays


def test_explain_names_what_is_not_finite(bench):
    batch = bench.examples.batch(torch.arange(3), rng.generator(0))
    assert bench.explain(SOLVER, Rotator(1.0), batch) == "the loss or its gradient (but no field)"
    broken = Wrong(lambda mean: mean * torch.tensor([1.0, torch.nan]))
    assert bench.explain(broken, Rotator(1.0), batch) == "prediction of field y"
    batch.states[1, 2, 0] = torch.inf
    assert bench.explain(SOLVER, Rotator(1.0), batch) == "data of field x"


def test_impossible_settings_are_refused(problem, advection):
    with pytest.raises(ConfigError, match="too short for this window; got a window of 18 frames, 17 stored"):
        TRAJECTORIES.prepare(problem, "tiny", TrajectoriesConfig(window=18))
    with pytest.raises(UnsupportedError, match="has spatial axes; got y, x"):
        TRAJECTORIES.prepare(registry.find_problem(advection), "tiny", TrajectoriesConfig())
    with pytest.raises(ConfigError, match="window"):
        TrajectoriesConfig(window=1)


def write(path, **changes):
    variables = {"x": ("sample", [1.0, 2.0]), "y": ("sample", [0.0, 1.0]), "frequency": 1.0} | changes
    coords = {"time": variables.pop("time")} if "time" in variables else {}
    kept = {name: value for name, value in variables.items() if value is not None}
    xarray.Dataset(kept, coords).to_netcdf(path, engine="h5netcdf")
    return path


def read(bench, path, steps):
    return TRAJECTORIES.read_inputs(path, bench.problem, bench.context, steps)


def test_what_is_written_is_read(bench, tmp_path):
    longer = bench.example._replace(times=torch.tensor([0.5, 0.6, 2.0]))
    for inputs in (bench.example, longer):
        written = TRAJECTORIES.write_inputs(inputs, bench.problem, bench.context)
        written.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
        again = read(bench, tmp_path / "a.nc", None)
        for before, after in zip(inputs, again, strict=True):
            assert torch.equal(before, after) if torch.is_tensor(before) else before == after
    shorter, kept = TRAJECTORIES.shorten(longer)
    whole = SOLVER.predict(Rotator(1.0), longer).mean
    assert torch.equal(SOLVER.predict(Rotator(1.0), shorter).mean, whole[:, kept])
    assert TRAJECTORIES.shorten(bench.example) is None


def test_what_networks_know_of_the_data_survives_as_json(bench):
    context = type(bench.context).model_validate_json(bench.context.model_dump_json())
    assert torch.equal(context.statistics.field_mean, bench.context.statistics.field_mean)
    assert (context.dt, context.frames, context.time_units) == (0.25, 17, bench.context.time_units)


def test_initial_states_are_read_with_the_stored_step(bench, tmp_path):
    start = read(bench, write(tmp_path / "a.nc"), None)
    assert isinstance(start, Start)
    assert start.state.tolist() == [[1.0, 0.0], [2.0, 1.0]]
    assert start.parameters.tolist() == [[1.0], [1.0]]
    torch.testing.assert_close(start.times, 0.25 * torch.arange(17))
    torch.testing.assert_close(read(bench, tmp_path / "a.nc", 40).times, 0.25 * torch.arange(41))
    single = write(tmp_path / "b.nc", x=1.0, y=0.0)
    assert read(bench, single, 2).state.tolist() == [[1.0, 0.0]]


def test_a_trajectory_gives_its_first_state_and_its_times(bench, tmp_path):
    times = [2.0, 2.1, 2.7, 9.0]
    states = np.arange(8.0).reshape(4, 2)
    path = write(tmp_path / "a.nc", x=(("time", "sample"), states), y=(("time", "sample"), -states), time=times)
    start = read(bench, path, None)
    assert start.state.tolist() == [[0.0, 0.0], [1.0, -1.0]]
    torch.testing.assert_close(start.times, torch.tensor(times))
    torch.testing.assert_close(read(bench, path, 2).times, torch.tensor(times[:3]))
    described = TRAJECTORIES.describe(start, SOLVER.predict(Rotator(1.0), start), bench.problem, bench.context)
    np.testing.assert_allclose(described["time"], times, rtol=1e-6)
    np.testing.assert_allclose(described["x"][1], np.cos(described["time"] - 2) + np.sin(described["time"] - 2), 1e-4)
    assert described["x"].attrs["units"] == "m"
    assert described["status"].values.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": None}, "lacks y; got variables x, frequency; expected x, y, frequency"),
        ({"frequency": None}, "lacks frequency"),
        ({"x": ("sample", [1.0, np.nan])}, "'x' in .* values that are not finite; got nan as the first of 1 among 2"),
        ({"frequency": np.inf}, "'frequency' in .* holds values that are not finite"),
        ({"x": (("sample", "k"), np.ones((2, 3)))}, "field 'x' in .* has the wrong shape; got sample 2, k 3"),
        ({"x": ("sample", ["a", "b"])}, "'x' in .* does not hold real numbers"),
        ({"time": [0.0, 2.0, 1.0]}, "times of .* cannot be used; got 0.0, 2.0, 1.0"),
        ({"time": [0.0]}, "times of .* cannot be used; got time 1 of type float64"),
        ({"time": [0.0, np.nan]}, "times of .* cannot be used"),
        ({"time": [-np.inf, 0.0]}, "times of .* cannot be used"),
        ({"time": [0.0, 1e300]}, "times of .* cannot be used"),
        ({"time": [0.0, 1e-60, 1.0]}, "strictly increasing in single precision"),
        ({"time": ["now", "later"]}, "times of .* cannot be used"),
    ],
)  # fmt: skip
def test_bad_files_are_explained(bench, tmp_path, changes, message):
    path = write(tmp_path / "a.nc", **changes)
    with pytest.raises(DataError, match=message):
        read(bench, path, None)


def test_more_steps_than_the_file_has_times_are_refused(bench, tmp_path):
    path = write(tmp_path / "a.nc", time=[0.0, 1.0, 2.0])
    with pytest.raises(DataError, match="fewer times than steps asked for; got 3 times and 3 steps"):
        read(bench, path, 3)
    with pytest.raises(DataError, match="there is no file"):
        read(bench, tmp_path / "none.nc", None)


@pytest.fixture
def with_rotators(monkeypatch):
    register(monkeypatch, TrajectoryRotator(), SlowRotator(), SeriesRotator())


def test_a_run_from_nothing_to_a_page(rotation, with_rotators, tmp_path):
    finished = run(rotation, solver="rotator", out=tmp_path)
    assert finished.metrics["rollout/relative_l2"] < 0.05
    record = finished.record
    assert record.baselines["slow_rotator"].metrics["test"]["rollout/relative_l2"] > 0.3
    assert record.left_out == {"series_rotator": "it is a solver of the task 'series', not 'trajectories'."}
    page = (finished.folder / "report.html").read_text()
    assert "Rotation in the plane" in page
    assert (finished.folder / "figures" / "series-x.svg").is_file()
    assert (finished.folder / "figures" / "conserved-radius.svg").is_file()
    again = evaluate_run(finished.folder, problem=rotation)
    assert again.metrics["rollout/relative_l2"] == again.recorded["rollout/relative_l2"]
    predicted = predict_file(finished.folder, write(tmp_path / "a.nc"), steps=3, problem=rotation)
    assert dict(predicted.sizes) == {"sample": 2, "time": 4}
    with pytest.raises(UnsupportedError, match="cannot be exported"):
        export_run(finished.folder, problem=rotation)


def test_the_problem_names_its_solver(rotation, with_rotators, tmp_path):
    folder = shutil.copytree(rotation, tmp_path / "my_rotation")
    code = (folder / "__init__.py").read_text()
    (folder / "__init__.py").write_text(code.replace('name="plane_rotation"', 'name="my_rotation", solver="rotator"'))
    finished = run(folder, settings=["train.steps=1", "baselines=[]"], out=tmp_path)
    assert finished.folder == tmp_path / "my_rotation" / "rotator-tiny-s0"


def test_a_module_without_parameters_is_examined_on_the_cpu(bench):
    class Still(SlowRotator):
        def predict(self, module, inputs):
            return Prediction(inputs.state[:, None].expand(-1, len(inputs.times), -1), stats={"calls": 3})

    examination = bench.examine(Still(), nn.Identity())
    assert examination.metrics["calls"] == 3
    assert examination.arrays["x"].shape == (6, 16)
