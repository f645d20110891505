"""Outputs of every forecasting network for fixed weights and inputs.

``python tests/golden/forecasters.py`` writes them anew; doing so changes results for users and needs a line in the
changelog. Weights and inputs come from a sine, not from a generator, so that only the networks matter.
"""

import json
from pathlib import Path

import torch

from sciml.core.capabilities import HasTrajectories
from sciml.core.problem import Field, Parameter
from sciml.core.types import Axis, Grid
from sciml.data import Statistics
from sciml.solvers.baselines import (
    DilResNetConfig,
    DilResNetSolver,
    FNOConfig,
    FNOSolver,
    LinearConfig,
    LinearSolver,
    PersistenceConfig,
    PersistenceSolver,
    UNetConfig,
    UNetSolver,
)
from sciml.solvers.sinenet import SineNetConfig, SineNetSolver
from sciml.tasks.forecast import ForecastContext

FILE = Path(__file__).with_suffix(".json")
GRID = Grid((Axis("y", 16, 0.0, 1.0, "wall"), Axis("x", 8, 0.0, 1.0, "periodic")))
PROBLEM = HasTrajectories(
    name="channel",
    title="channel",
    equation="",
    fields=(Field("a", "a", "1", "a"), Field("b", "b", "1", "b")),
    parameters=(Parameter("c", "c", "1", "c", 0.0, 1.0),),
    boundary={"y": "wall", "x": "periodic"},
    citation="",
)
MODELS = {
    "persistence": (PersistenceSolver(), PersistenceConfig()),
    "linear": (LinearSolver(), LinearConfig(radius=1)),
    "unet": (UNetSolver(), UNetConfig(width=4, levels=2)),
    "fno": (FNOSolver(), FNOConfig(width=4, modes=3, layers=2)),
    "dilresnet": (DilResNetSolver(), DilResNetConfig(width=4, blocks=1)),
    "sinenet": (SineNetSolver(), SineNetConfig(waves=2, levels=2, width=4, multiplier=1.5)),
}


def wave(shape, phase):
    """Numbers of order one that any machine makes alike."""
    count = torch.Size(shape).numel()
    return torch.sin(12.9898 * torch.arange(1, count + 1, dtype=torch.float64) + phase).reshape(shape)


def network(key):
    """The network of a solver with sine weights, in float64."""
    solver, model = MODELS[key]
    statistics = Statistics(torch.zeros(2), torch.ones(2), torch.zeros(1), torch.ones(1))
    context = ForecastContext(grid=GRID, statistics=statistics, history=2, dt=1.0, steps=1)
    built = solver.network(PROBLEM, model, context).double()
    with torch.no_grad():
        for i, parameter in enumerate(built.parameters()):
            fan_in = max(1, parameter.numel() // parameter.shape[0])
            parameter.copy_(wave(parameter.shape, i) / fan_in**0.5 + (parameter.ndim == 1))
    return built


def output(key):
    """A few numbers that hold the whole output: mean, standard deviation, and a handful of points."""
    states = wave((2, 2, 2, 16, 8), 0.5)
    condition = torch.tensor([[1.0, 0.3], [2.0, -0.7]], dtype=torch.float64)
    with torch.no_grad():
        built = network(key)
        seen = condition if built.condition_channels else None
        flat = built(states.flatten(1, 2), seen).flatten()
    return [float(flat.mean()), float(flat.std()), *flat[:: flat.numel() // 14].tolist()]


if __name__ == "__main__":
    FILE.write_text(json.dumps({key: output(key) for key in MODELS}, indent=1) + "\n", encoding="utf-8")
