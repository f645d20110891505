"""Training for long rollouts: steps without a gradient, unrolled steps, and that both can be resumed."""

from dataclasses import replace

import pytest
import torch

from sciml import metrics
from sciml.core import rng
from sciml.core.errors import ConfigError
from sciml.study import RunRequest, run
from sciml.tasks.forecast import FORECAST, ForecastConfig
from sciml.testing import PROBLEMS, small_problem
from sciml.train import find_solver

UNET = find_solver("unet")
ADVECTION = str(PROBLEMS / "periodic_advection")


@pytest.fixture(scope="module")
def problem():
    return small_problem("periodic_advection")


def bench_of(problem, **settings):
    return FORECAST.prepare(problem, "tiny", ForecastConfig(**settings))


def module_of(bench):
    rng.seed_everything(0)
    model = UNET.recipe("tiny").model.model_copy(update={"levels": 1, "width": 4})
    return UNET.build(bench.problem, model, bench.context).double()


def doubled(batch):
    return replace(batch, inputs=batch.inputs.double(), targets=batch.targets.double(),
                   parameters=batch.parameters.double(), stride=batch.stride.double())  # fmt: skip


def gradient(loss, module):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(module.parameters()))])


def by_hand(module, window, batch, step):
    """One step of the network from standardised frames, and its loss against the target of that step."""
    following = module.advance(window, module.condition(batch.parameters, batch.stride))
    true = module.standardise(batch.targets)[:, step : step + 1]
    error = metrics.scaled_l2(following.float(), true, dims="sample time channel *space").mean()
    return torch.cat([window[:, 1:], following], 1), error


def test_unrolled_training_has_the_gradient_through_all_steps(problem):
    bench = bench_of(problem, unroll=3)
    module, batch = module_of(bench), doubled(bench.examples.batch(torch.arange(4), rng.generator(0)))
    assert batch.targets.shape[1] == 3
    window, losses = module.standardise(batch.inputs), []
    for step in range(3):
        window, error = by_hand(module, window, batch, step)
        losses.append(error)
    expected = gradient(torch.stack(losses).mean(), module)
    ours = gradient(UNET.loss(module, batch), module)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-8)


def test_push_forward_has_the_gradient_of_the_last_step_alone(problem):
    bench = bench_of(problem, pushforward=2)
    module = module_of(bench)
    batch = next(b for seed in range(20) if (b := bench.examples.batch(torch.arange(4), rng.generator(seed))).free == 2)
    batch = doubled(batch)
    with torch.no_grad():
        window = module.standardise(batch.inputs)
        for step in range(2):
            window, _ = by_hand(module, window, batch, step)
    _, last = by_hand(module, window, batch, 2)
    ours = UNET.loss(module, batch)
    torch.testing.assert_close(ours, last)
    torch.testing.assert_close(gradient(ours, module), gradient(last, module), rtol=1e-5, atol=1e-8)


def test_every_batch_draws_how_many_steps_go_without_a_score(problem):
    bench = bench_of(problem, pushforward=2, unroll=2)
    rows = torch.arange(4)
    drawn = [bench.examples.batch(rows, rng.generator(seed)) for seed in range(60)]
    assert {batch.free for batch in drawn} == {0, 1, 2}
    assert all(batch.targets.shape[1] == batch.free + 2 for batch in drawn)
    again = bench.examples.batch(rows, rng.generator(7))
    assert again.free == drawn[7].free
    assert len(again) == 4
    assert again.rows(slice(0, 2)).free == again.free


def test_windows_are_as_long_as_the_steps_of_training(problem):
    assert len(bench_of(problem, history=2, pushforward=1, unroll=2).examples) == 10 * (8 - 5 + 1)
    with pytest.raises(ConfigError, match=r"so many steps.*7 steps of training.*Lower task.history, task.strides"):
        bench_of(problem, history=2, unroll=7)


@pytest.mark.parametrize("setting", ["task.unroll=2", "task.pushforward=1"])
def test_a_solver_without_steps_refuses_them(tmp_path, setting):
    with pytest.raises(ConfigError, match=r"solver 'linear' takes no steps of training"):
        run(RunRequest(problem=ADVECTION, solver="linear", preset="tiny", settings=(setting,), out=tmp_path))


def test_a_resumed_training_is_the_one_that_was_not_stopped(tmp_path, monkeypatch):
    settings = (
        "task.noise=0.1", "task.pushforward=1", "task.unroll=2", "model.levels=1", "model.width=4", "baselines=[]",
        "train.steps=6", "train.evaluate_every=3", "train.checkpoint_every=2",
    )  # fmt: skip

    def request(out):
        return RunRequest(problem=ADVECTION, solver="unet", preset="tiny", settings=settings, out=out)

    straight = run(request(tmp_path / "straight"))
    solver_type = type(UNET)
    plain, calls = solver_type.loss, []

    def failing(self, module, batch, along=1.0):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return plain(self, module, batch, along)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(solver_type, "loss", failing)
        run(request(tmp_path / "stopped"))
    resumed = run(request(tmp_path / "stopped").model_copy(update={"resume": True}))
    assert (straight.folder / "model.safetensors").read_bytes() == (resumed.folder / "model.safetensors").read_bytes()
