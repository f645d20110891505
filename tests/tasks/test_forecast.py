"""The forecasting task: what it trains on, and that it judges honestly."""

import re
import shutil

import pytest
import torch
from torch import nn

from sciml import metrics
from sciml.core import registry, rng
from sciml.core.errors import ConfigError
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.data import Windows
from sciml.study import RunRequest, run
from sciml.tasks.forecast import FORECAST, ForecastConfig, Window
from sciml.train import Solver, find_solver

FRAMES = "sample time channel y x"


@pytest.fixture
def problem(advection):
    return registry.find_problem(advection)


@pytest.fixture
def bench(problem):
    return FORECAST.prepare(problem, "tiny", ForecastConfig(history=2))


class Stub(Solver):
    """A solver that predicts by a function of a window."""

    key = title = citation = claim = "stub"
    task = FORECAST

    def __init__(self, function):
        self.function = function

    def predict(self, module, inputs):
        return Prediction(self.function(inputs))

    def supports(self, problem):
        raise NotImplementedError

    recipe = build = loss = supports


class Oracle:
    """Knows every test trajectory, and looks its window up by its first frame, its speed and the time."""

    def __init__(self, bench, name="test"):
        self.states, self.history = bench.source.split(name).states, bench.settings.history

    def __call__(self, window):
        rows = []
        for context in window.states:
            matches = [(i, t) for i in range(len(self.states)) for t in range(self.states.shape[1] - self.history)
                       if torch.equal(self.states[i, t : t + self.history], context)]  # fmt: skip
            assert len(matches) == 1
            i, t = matches[0]
            rows.append(self.states[i, t + self.history : t + self.history + window.steps])
        return torch.stack(rows)


def persist(window):
    return window.states[:, -1:].expand(-1, window.steps, *[-1] * (window.states.ndim - 2))


NONE = nn.Module()


def test_a_perfect_model_has_exactly_no_error(bench):
    examination = bench.examine(Stub(Oracle(bench)), NONE)
    errors = {
        name: value for name, value in examination.metrics.items() if "pearson" not in name and "valid" not in name
    }
    drifts = {name: errors.pop(name) for name in list(errors) if name.endswith("_drift")}
    assert errors
    assert errors == dict.fromkeys(errors, 0.0)
    assert examination.metrics["rollout/pearson"] == pytest.approx(1.0, abs=1e-6)
    assert examination.metrics["rollout/valid_steps"] == 6
    assert set(drifts) == {"rollout/mass_drift", "rollout/energy_drift"}
    assert max(drifts.values()) < 1e-6  # of the stored float32 data
    assert examination.status == {"ok": 5}
    assert bench.validate(Stub(Oracle(bench, "valid")), NONE) == 0.0


def test_a_persistence_stub_is_the_persistence_baseline(bench, advection, tmp_path):
    settings = ["model.levels=2", "model.waves=1", "model.width=4", "train.steps=1", 'baselines=["persistence"]']
    row = run(RunRequest(problem=advection, settings=tuple(settings), out=tmp_path)).record.baselines["persistence"]
    examination = bench.examine(Stub(persist), NONE)
    assert examination.metrics == pytest.approx(row.metrics["test"], rel=1e-5, abs=1e-7)


def test_metrics_are_the_mean_over_samples_and_steps(bench):
    examination = bench.examine(Stub(persist), NONE)
    states = bench.source.split("test").states
    still = states[:, 1:2].expand_as(states[:, 2:])
    assert examination.metrics["rollout/relative_l2"] == pytest.approx(
        float(metrics.relative_l2(still, states[:, 2:], dims=FRAMES).mean())
    )
    assert examination.metrics["rollout/final_relative_l2"] == pytest.approx(
        float(metrics.relative_l2(still, states[:, 2:], dims=FRAMES)[:, -1].mean())
    )
    one = metrics.relative_l2(states[:, 1:-1].flatten(0, 1), states[:, 2:].flatten(0, 1), dims="sample channel y x")
    assert examination.metrics["one_step/relative_l2"] == pytest.approx(float(one.mean()))


def test_rollouts_beyond_the_ranges_are_examined_where_there_are_some(advection, tmp_path):
    folder = shutil.copytree(advection, tmp_path / "periodic_advection")
    card = folder / "dataset.toml"
    card.write_text(re.sub(r"test = (\d+) }", r"test = \1, beyond = 4 }", card.read_text()))
    bench = FORECAST.prepare(registry.find_problem(folder), "tiny", ForecastConfig(history=2))
    states = bench.source.split("beyond").states
    still = states[:, 1:2].expand_as(states[:, 2:])
    scores = bench.examine(Stub(persist), NONE).metrics
    assert scores["beyond/relative_l2"] == pytest.approx(
        float(metrics.relative_l2(still, states[:, 2:], dims=FRAMES).mean())
    )
    assert scores["beyond/relative_l2"] != scores["rollout/relative_l2"]
    assert {"beyond/vrmse", "beyond/valid_steps"} <= set(scores)


def test_the_validation_score_is_the_error_of_whole_rollouts(bench):
    states = bench.source.split("valid").states
    still = states[:, 1:2].expand_as(states[:, 2:])
    expected = float(metrics.relative_l2(still, states[:, 2:], dims=FRAMES).mean())
    assert bench.validate(Stub(persist), NONE) == pytest.approx(expected)


def test_a_score_that_is_not_finite_is_infinite_not_chosen(bench):
    assert bench.validate(Stub(lambda window: persist(window) * torch.nan), NONE) == float("inf")


def test_samples_that_diverge_are_counted(bench):
    def diverge(window):
        predicted = persist(window).clone()
        predicted[0, -1] = torch.inf
        return predicted

    examination = bench.examine(Stub(diverge), NONE)
    assert examination.status == {"ok": 4, "diverged": 1}
    assert examination.arrays["status"].values.tolist() == [Status.DIVERGED, 0, 0, 0, 0]


@pytest.mark.parametrize("key", ["sinenet", "persistence", "linear", "unet", "fno", "dilresnet"])
def test_a_rollout_of_one_step_is_the_step(bench, problem, key):
    solver = find_solver(key)
    rng.seed_everything(0)
    model = solver.recipe("tiny").model
    model = model.model_copy(
        update={k: v for k, v in {"levels": 2, "modes": 4}.items() if k in type(model).model_fields}
    )
    module = solver.build(problem, model, bench.context).eval()
    window = bench.example
    one = solver.predict(module, window).mean
    with torch.no_grad():
        torch.testing.assert_close(one, module(*window[:3]), rtol=1e-5, atol=1e-5)
    two = solver.predict(module, window._replace(steps=2)).mean
    torch.testing.assert_close(two[:, :1], one)
    onward = window._replace(states=torch.cat([window.states[:, 1:], one], dim=1))
    torch.testing.assert_close(two[:, 1:], solver.predict(module, onward).mean, rtol=1e-4, atol=1e-5)


def test_noise_is_a_function_of_its_seed_and_of_the_field_s_spread(problem):
    bench = FORECAST.prepare(problem, "tiny", ForecastConfig(history=2, noise=0.1))
    clean = FORECAST.prepare(problem, "tiny", ForecastConfig(history=2))
    rows = torch.arange(40)
    noisy = [bench.examples.batch(rows, rng.generator(seed)) for seed in (0, 0, 1)]
    plain = clean.examples.batch(rows, rng.generator(0))
    assert torch.equal(noisy[0].inputs, noisy[1].inputs)
    assert not torch.equal(noisy[0].inputs, noisy[2].inputs)
    assert torch.equal(noisy[0].targets, plain.targets)
    spread = (noisy[0].inputs - plain.inputs).transpose(0, 2).flatten(1).std(1)
    torch.testing.assert_close(spread, 0.1 * bench.context.statistics.field_std, rtol=0.05, atol=0)
    assert torch.equal(plain.inputs, clean.examples.batch(rows, rng.generator(1)).inputs)


def test_noise_of_the_data_is_the_same_in_every_window_and_batch(problem):
    bench, other = (FORECAST.prepare(problem, "tiny", ForecastConfig(data_noise=0.1, draw=draw)) for draw in (0, 1))
    clean = FORECAST.prepare(problem, "tiny", ForecastConfig())
    rows = torch.arange(len(clean.examples))
    noisy, again, plain = (b.examples.batch(rows, rng.generator(k)) for k, b in enumerate((bench, bench, clean)))
    assert torch.equal(noisy.inputs, again.inputs)
    assert torch.equal(noisy.inputs[1, 1], noisy.targets[0, 0]), "one frame, in two windows"
    assert not torch.equal(noisy.inputs, other.examples.batch(rows, rng.generator(0)).inputs)
    for part, truth in ((noisy.inputs, plain.inputs), (noisy.targets, plain.targets)):
        spread = (part - truth).transpose(0, 2).flatten(1).std(1)
        torch.testing.assert_close(spread, 0.1 * bench.context.statistics.field_std, rtol=0.1, atol=0)


def test_windows_of_two_strides_carry_their_stride(problem):
    bench = FORECAST.prepare(problem, "tiny", ForecastConfig(history=2, strides=(1, 2)))
    single = [len(Windows(bench.source.split("train"), 2, 1, (stride,))) for stride in (1, 2)]
    assert single == [10 * 6, 10 * 4]
    assert len(bench.examples) == sum(single)
    batch = bench.examples.batch(torch.arange(len(bench.examples)), rng.generator(0))
    assert batch.stride.tolist() == [1.0] * 60 + [2.0] * 40
    speed, dt, state = batch.parameters[:, 0], bench.source.card.dt, batch.inputs[:, -1]
    shift = torch.exp(-2j * torch.pi * torch.fft.fftfreq(12, 1 / 12) * (speed * dt * batch.stride)[:, None])
    moved = torch.fft.ifft(torch.fft.fft(state[:, 0]) * shift[:, None]).real  # tracer a travels along x
    torch.testing.assert_close(moved, batch.targets[:, 0, 0], rtol=1e-4, atol=1e-4)


def test_a_solver_of_another_time_step_is_examined_on_it(problem):
    bench = FORECAST.prepare(problem, "tiny", ForecastConfig(history=2, strides=(3,)))
    assert bench.context.steps == 1
    assert bench.example.stride.tolist() == [3.0]
    dt, states = bench.source.card.dt, bench.source.split("test").states
    torch.testing.assert_close(bench.example.states[0], states[0, [0, 3]], rtol=0, atol=0)
    assert bench.example.time == pytest.approx(3 * dt)
    assert bench.truth()["time"].values.tolist() == pytest.approx([0, 3 * dt, 6 * dt])
    seen = []

    def oracle(window):
        seen.append(window)
        return persist(window)

    scores = bench.examine(Stub(oracle), NONE).metrics
    assert {float(stride) for window in seen for stride in window.stride} == {3.0}
    expected = metrics.relative_l2(states[:, 3:4], states[:, 6:7], dims=FRAMES).mean()
    assert scores["rollout/relative_l2"] == pytest.approx(float(expected), rel=1e-5)


def test_the_sample_is_a_window_of_one(bench):
    window = bench.example
    assert isinstance(window, Window)
    assert window.states.shape == (1, 2, 2, 16, 12)
    assert window.parameters.shape == (1, 1)
    assert window.steps == 1


@pytest.mark.parametrize("bad", [{"history": 0}, {"strides": ()}, {"strides": (0,)}, {"noise": -1.0}])
def test_impossible_settings_are_refused(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        ForecastConfig(**bad)


def test_explain_names_the_field(bench):
    batch = bench.examples.batch(torch.arange(2), rng.generator(0))
    good, bad = Stub(persist), Stub(lambda window: persist(window) * torch.tensor([1.0, torch.nan])[:, None, None])
    assert bench.explain(bad, NONE, batch) == "prediction of field b"
    assert bench.explain(good, NONE, batch) == "the loss or its gradient (but no field)"
    batch.targets[0, 0, 0, 0, 0] = torch.nan
    assert bench.explain(good, NONE, batch) == "target of field a"
