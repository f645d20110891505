"""Forecasters that are told time step and parameters: buoyant smoke between, and beyond, the values of training."""

import pytest
import torch

from sciml import metrics
from sciml.core import registry, rng
from sciml.data import Statistics, WindowBatch
from sciml.tasks.forecast import ForecastContext
from sciml.train import find_solver

TRAINED, BETWEEN, BEYOND = (0.2, 0.3, 0.4, 0.5), (0.25, 0.35, 0.45), (0.1, 0.6)
STRIDES, OTHER_STRIDE = (1, 3), 2
MODELS = {
    "sinenet": {"waves": 2, "levels": 2, "width": 10, "multiplier": 1.5},
    "unet": {"width": 10, "levels": 2},
}
FRAMES, DT = 10, 2.0


@pytest.fixture(scope="module")
def smoke():
    """Smoke of fixed viscosity: by group of buoyancies, states ``sample time channel y x`` and their buoyancies."""
    problem = registry.problem("navier_stokes_smoke")
    grid, times = problem.grid([16, 16]), DT * torch.arange(FRAMES, dtype=torch.float64)

    def simulated(values, each, seed):
        buoyancy = torch.tensor(values, dtype=torch.float64).repeat(each)
        params = {"viscosity": torch.full_like(buoyancy, 0.01), "buoyancy": buoyancy}
        generator = rng.generator(seed, "smoke")
        start = torch.stack([problem.initial({}, grid, generator) for _ in buoyancy])
        return problem.simulate(params, start, times, grid).states.float(), buoyancy.float()[:, None]

    groups = {"train": simulated(TRAINED, 12, 0), "same": simulated(TRAINED, 6, 1),
              "between": simulated(BETWEEN, 8, 2), "beyond": simulated(BEYOND, 8, 3)}  # fmt: skip
    return problem, grid, groups


def windows(states, parameters, stride):
    """All windows of one frame and the next one, a stride apart."""
    first, then = states[:, :-stride], states[:, stride:]
    count = first.shape[1]
    return WindowBatch(
        first.flatten(0, 1)[:, None], then.flatten(0, 1)[:, None], parameters.repeat_interleave(count, 0),
        torch.full((count * len(states),), float(stride)),
    )  # fmt: skip


def joined(batches):
    parts = zip(*((b.inputs, b.targets, b.parameters, b.stride) for b in batches), strict=True)
    return WindowBatch(*(torch.cat(part) for part in parts))


def trained(key, smoke, steps):
    problem, grid, groups = smoke
    states, buoyancy = groups["train"]
    parameters = torch.cat([torch.full_like(buoyancy, 0.01), buoyancy], 1)
    flat = states.transpose(1, 2).transpose(0, 1).flatten(1)
    statistics = Statistics(flat.mean(1), flat.std(1), torch.tensor([0.01, 0.35]), torch.tensor([0.01, 0.11]),
                            torch.zeros(0), torch.ones(0))  # fmt: skip
    context = ForecastContext(
        grid=grid, statistics=statistics, history=1, dt=DT, steps=FRAMES - 1, strides=STRIDES,
        parity=tuple(entry.odd for entry in problem.fields),
    )  # fmt: skip
    solver = find_solver(key)
    rng.seed_everything(0)
    model = solver.recipe("tiny").model.model_copy(update=MODELS[key])
    module = solver.build(problem, model, context)
    examples = joined([windows(states, parameters, stride) for stride in STRIDES])
    optimiser = torch.optim.AdamW(module.parameters(), lr=6e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=steps)
    generator = rng.generator(0, "batches")
    for _ in range(steps):
        rows = torch.randint(len(examples), (16,), generator=generator)
        batch = WindowBatch(examples.inputs[rows], examples.targets[rows], examples.parameters[rows],
                            examples.stride[rows])  # fmt: skip
        optimiser.zero_grad()
        solver.loss(module, batch).backward()
        optimiser.step()
        schedule.step()
    return module.eval()


@torch.no_grad()
def error(module, group, stride):
    states, buoyancy = group
    batch = windows(states, torch.cat([torch.full_like(buoyancy, 0.01), buoyancy], 1), stride)
    predicted = module(batch.inputs, batch.parameters, batch.stride)
    return float(metrics.relative_l2(predicted, batch.targets, dims="sample time channel y x").mean())


@pytest.mark.slow
@pytest.mark.parametrize("key", MODELS)
def test_between_the_values_of_training_errors_are_those_of_training(key, smoke):
    module, groups = trained(key, smoke, 500), smoke[2]
    for stride in STRIDES:
        known = error(module, groups["same"], stride)
        still = float(metrics.relative_l2(groups["same"][0][:, :-stride], groups["same"][0][:, stride:],
                                          dims="sample time channel y x").mean())  # fmt: skip
        assert known < 0.5 * still, "half of persistence"
        assert error(module, groups["between"], stride) < 1.5 * known
        beyond = error(module, groups["beyond"], stride)
        assert known < beyond < still, "worse outside, and better than nothing"
    middle = error(module, groups["between"], OTHER_STRIDE)
    assert middle < 1.5 * max(error(module, groups["same"], stride) for stride in STRIDES), "a time step between two"
