"""Networks that predict the change in a step, fewer trajectories, and the speed that nobody asked for."""

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.errors import ConfigError
from sciml.data import WindowBatch
from sciml.nn import FieldNetwork, Stepper
from sciml.study import RunRequest, load_run, run
from sciml.tasks.forecast import FORECAST, ForecastConfig
from sciml.train import find_solver

SMALL = ["model.levels=2", "model.waves=1", "model.width=4", "train.steps=2", 'baselines=["persistence","linear"]']


class Last(FieldNetwork):
    """Twice the last channel."""

    def __init__(self):
        super().__init__(in_channels=2, out_channels=1, dims=1)

    def forward(self, x, condition=None):
        return 2 * x[:, -1:]


def stepper(change):
    return Stepper(
        Last(),
        field_mean=torch.tensor([5.0]),
        field_std=torch.tensor([4.0]),
        parameter_mean=torch.zeros(0),
        parameter_std=torch.ones(0),
        field_change=None if change is None else torch.tensor([change]),
    ).double()


def test_a_step_of_changes_is_the_last_frame_and_the_change_that_the_network_says():
    states = torch.tensor([[1.0, 9.0, 13.0]], dtype=torch.float64).expand(1, 2, 1, 3)  # standardised: -1, 1, 2
    none, one = torch.zeros(1, 0).double(), torch.ones(1).double()
    whole = stepper(None).rollout(states, none, one, 2)
    assert whole.tolist() == [[[[-3.0, 13.0, 21.0]], [[-11.0, 21.0, 37.0]]]]  # 5 + 4 (2 x), twice
    changed = stepper(0.5).rollout(states, none, one, 2)  # x + 0.5/4 (2 x) = 1.25 x
    expected = torch.stack([5 + 4 * factor * (states[0, 0, 0] - 5) / 4 for factor in (1.25, 1.5625)])
    torch.testing.assert_close(changed[0, :, 0], expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(stepper(0.5)(states, none, one)[0, :, 0], expected[:1], rtol=1e-14, atol=0)


@pytest.fixture
def problem(advection):
    return registry.find_problem(advection)


def test_the_usual_change_is_that_of_the_training_trajectories_that_are_used(problem):
    bench = FORECAST.prepare(problem, "tiny", ForecastConfig(increments=True, trajectories=3))
    states = bench.source.split("train").states[:3].double()
    expected = states.diff(dim=1).square().mean((0, 1, 3, 4)).sqrt()
    torch.testing.assert_close(bench.context.change.double(), expected, rtol=1e-6, atol=0)
    assert len(bench.examples) == 3 * (states.shape[1] - 2)
    assert FORECAST.prepare(problem, "tiny", ForecastConfig(increments=False)).context.change is None


def test_frames_are_learned_whole_unless_some_field_changes_slowly(problem, monkeypatch):
    bench = FORECAST.prepare(problem, "tiny", ForecastConfig())
    spread = bench.source.statistics.field_std
    slowest = float((FORECAST.prepare(problem, "tiny", ForecastConfig(increments=True)).context.change / spread).min())
    assert slowest > 0.1
    assert bench.context.change is None
    monkeypatch.setattr("sciml.tasks.forecast._data.SLOW", 1.01 * slowest)
    assert FORECAST.prepare(problem, "tiny", ForecastConfig()).context.change is not None


def test_more_trajectories_than_there_are_are_refused(problem):
    with pytest.raises(ConfigError, match=r"only \d+ training trajectories"):
        FORECAST.prepare(problem, "tiny", ForecastConfig(trajectories=1000))


def test_the_loss_of_changes_is_the_error_over_the_change(problem):
    bench = FORECAST.prepare(problem, "tiny", ForecastConfig(increments=True))
    solver = find_solver("sinenet")
    model = solver.recipe("tiny").model.model_copy(update={"waves": 1, "levels": 2, "width": 4})
    rng.seed_everything(0)
    module = solver.build(problem, model, bench.context)
    batch = bench.examples.batch(torch.arange(4), rng.generator(0))
    with torch.no_grad():
        for weight in module.network.parameters():
            weight.zero_()  # no change: the error is the whole change
    floor = (0.1 * bench.context.change / bench.context.statistics.field_std).square()
    change = (batch.targets - batch.inputs[:, -1:]) / bench.context.statistics.field_std.view(-1, 1, 1)
    squares = change.flatten(3).square().mean(3)
    expected = (squares / (squares + floor)).sqrt().mean()
    assert float(solver.loss(module, batch).detach()) == pytest.approx(float(expected), rel=1e-5)
    still = WindowBatch(batch.inputs, batch.inputs[:, -1:], batch.parameters, batch.stride)
    loss = solver.loss(module, still)
    loss.backward()  # a flow at rest: no division by zero, no infinite slope
    assert float(loss.detach()) < 1e-3
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in module.parameters())


def test_a_run_of_changes_keeps_them_in_its_folder(advection, tmp_path):
    settings = (*SMALL, "task.increments=true", "task.trajectories=4")
    made = run(RunRequest(problem=advection, settings=settings, out=tmp_path))
    assert set(made.record.baselines) == {"persistence", "linear"}  # which answer with whole frames all the same
    module = load_run(made.folder, problem=advection).module
    bench = FORECAST.prepare(registry.find_problem(advection), "tiny", ForecastConfig(increments=True, trajectories=4))
    torch.testing.assert_close(module.change, bench.context.change / bench.context.statistics.field_std)
    batch = bench.examples.batch(torch.arange(3), rng.generator(0))
    with torch.no_grad():
        for weight in module.network.parameters():
            weight.zero_()
        answer = module(batch.inputs, batch.parameters, batch.stride)
    torch.testing.assert_close(answer, batch.inputs[:, -1:], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("key", ["linear", "persistence"])
def test_solvers_of_whole_frames_refuse_changes(advection, tmp_path, key):
    with pytest.raises(ConfigError, match="answers with whole frames"):
        run(RunRequest(problem=advection, solver=key, settings=("task.increments=true", "baselines=[]"), out=tmp_path))


def test_the_speed_is_measured_where_it_is_asked_for(advection, tmp_path):
    settings = ("baselines=[]",)
    timed = run(RunRequest(problem=advection, solver="persistence", settings=settings, out=tmp_path / "with"))
    assert "speedup/finest" in timed.record.conclusion.metrics
    settings = (*settings, "task.speed=false")
    plain = run(RunRequest(problem=advection, solver="persistence", settings=settings, out=tmp_path / "without"))
    assert plain.record.conclusion is None
