"""Every trained network learns a small real problem; margins are a fraction of what several seeds gave."""

import pytest
import torch

from sciml import metrics
from sciml.core import rng
from sciml.solvers.baselines import DilResNetConfig, DilResNetSolver, FNOConfig, FNOSolver, UNetConfig, UNetSolver
from sciml.solvers.sinenet import SineNetConfig, SineNetSolver

FRAME = "sample channel y x"
NETWORKS = {
    "sinenet": (SineNetSolver(), SineNetConfig(waves=2, levels=2, width=8, multiplier=1.5)),
    "unet": (UNetSolver(), UNetConfig(width=6, levels=2)),
    "fno": (FNOSolver(), FNOConfig(width=10, modes=4)),
    "dilresnet": (DilResNetSolver(), DilResNetConfig(width=8, blocks=1)),
}


@pytest.fixture
def data(problem):
    """Standardised windows (two frames and the next) of advection, and their conditions; the last 8 are for testing."""
    grid = problem.grid((16, 16))
    draws = [problem.draw(rng.generator(0, "draw", i)) for i in range(40)]
    params = {"speed": torch.stack([draw["speed"] for draw in draws])}
    initial = torch.stack([problem.initial(draw, grid, rng.generator(0, "initial", i)) for i, draw in enumerate(draws)])
    states = problem.simulate(params, initial, torch.arange(3) * 0.25, grid).states.float()
    mean, std = (f(states, (0, 1, 3, 4)).view(2, 1, 1) for f in (torch.mean, torch.std))
    speed = (params["speed"].float()[:, None] - 0.5) / 0.17
    return grid, (states - mean) / std, torch.cat((torch.ones(40, 1), speed), dim=1)


def error(network, states, condition):
    with torch.no_grad():
        predicted = network(states[:, :2].flatten(1, 2), condition)
        return float(metrics.scaled_l2(predicted, states[:, 2], dims=FRAME).mean())


def trained(solver, model, data, problem, context, *, steps, rate, seed=0):
    grid, states, condition = data
    torch.manual_seed(seed)
    network = solver.network(problem, model, context(grid))
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(0, 32, (8,))
        optimiser.zero_grad()
        predicted = network(states[rows, :2].flatten(1, 2), condition[rows])
        metrics.scaled_l2(predicted, states[rows, 2], dims=FRAME).mean().backward()
        optimiser.step()
        schedule.step()
    return error(network, states[32:], condition[32:])


@pytest.mark.parametrize("key", sorted(NETWORKS))
def test_it_learns_to_carry_tracers(key, data, problem, context):
    _, states, _ = data
    persistence = float(metrics.scaled_l2(states[32:, 1], states[32:, 2], dims=FRAME).mean())
    solver, model = NETWORKS[key]
    assert trained(solver, model, data, problem, context, steps=60, rate=1e-2) < 0.8 * persistence


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_circular_padding_beats_zeros_on_periodic_data(seed, data, problem, context):
    solver, model = NETWORKS["sinenet"]
    circular, zeros = (
        trained(
            solver, model.model_copy(update={"padding": p}), data, problem, context, steps=400, rate=1e-2, seed=seed
        )
        for p in ("circular", "zeros")
    )
    assert circular < 0.5 * zeros
