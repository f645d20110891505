"""Solvers of the plane rotation with one number to learn: small, differentiable, and right when it is 1."""

import torch
from torch import nn

from sciml.core import registry
from sciml.core.config import Config
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.tasks.series import SeriesConfig, SeriesSolver
from sciml.tasks.trajectories import TrajectoriesConfig, TrajectoriesSolver
from sciml.train import Recipe, TrainConfig


def register(monkeypatch, *solvers):
    """Let these be all solvers there are."""
    known, entries = {solver.key: solver for solver in solvers}, registry.entries
    monkeypatch.setattr(registry, "entries", lambda kind, base: known if kind == "solvers" else entries(kind, base))
    entry = registry.entry
    monkeypatch.setattr(
        registry, "entry", lambda kind, base, key: known[key] if kind == "solvers" else entry(kind, base, key)
    )


class RotatorConfig(Config):
    start: float = 0.7
    """Factor of the frequency before training."""


class Rotator(nn.Module):
    """Turns states by factor * frequency * time."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, state, parameters, times):
        angle = self.factor * parameters[:, :1] * times
        cos, sin = angle.cos(), angle.sin()
        x, y = state[:, :1], state[:, 1:]
        return torch.stack([x * cos - y * sin, x * sin + y * cos], dim=2)


class _Rotates:
    citation, claim = "none", ""

    def supports(self, problem):
        return Support(True)

    def build(self, problem, model, context):
        return Rotator(model.start)


class TrajectoryRotator(_Rotates, TrajectoriesSolver):
    """Predicts trajectories; `evaluations` counts the times asked for."""

    key, title = "rotator", "Rotator"

    def recipe(self, preset):
        return Recipe[RotatorConfig, TrajectoriesConfig](
            model=RotatorConfig(),
            task=TrajectoriesConfig(window=5),
            train=TrainConfig(steps=60, batch_size=16, learning_rate=3e-2, evaluate_every=20, checkpoint_every=20),
            baselines=("slow_rotator", "series_rotator"),
        )

    def loss(self, module, batch, along=1.0):
        return (module(batch.states[:, 0], batch.parameters, batch.times) - batch.states).square().mean()

    @torch.no_grad()
    def predict(self, module, inputs):
        mean = module(inputs.state, inputs.parameters, inputs.times - inputs.times[0])
        finite = mean.isfinite().flatten(1).all(1)
        status = torch.where(finite, int(Status.OK), int(Status.MAX_STEPS))
        evaluations = torch.full((len(mean),), len(inputs.times))
        return Prediction(mean, None, status, {"evaluations": evaluations, "calls": 1})


class SlowRotator(TrajectoryRotator):
    """The same, but not trained and without counters."""

    key, title = "slow_rotator", "Slow rotator"

    def recipe(self, preset):
        return super().recipe(preset).model_copy(update={"baselines": ()})

    def predict(self, module, inputs):
        return Prediction(super().predict(module, inputs).mean)

    def solve_closed_form(self, module, examples):
        return True


class SeriesRotator(_Rotates, SeriesSolver):
    """Completes series by turning the first observation backwards and forwards."""

    key, title = "series_rotator", "Series rotator"

    def recipe(self, preset):
        return Recipe[RotatorConfig, SeriesConfig](
            model=RotatorConfig(),
            task=SeriesConfig(),
            train=TrainConfig(steps=60, batch_size=12, learning_rate=3e-2, evaluate_every=20, checkpoint_every=20),
        )

    def _complete(self, module, inputs):
        first = inputs.mask.long().argmax(1)
        rows = torch.arange(len(first))
        since = inputs.times - inputs.times[first][:, None]
        return module(inputs.values[rows, first], inputs.parameters, since)

    def loss(self, module, batch, along=1.0):
        return (self._complete(module, batch.inputs()) - batch.targets).square().mean()

    @torch.no_grad()
    def predict(self, module, inputs):
        return Prediction(self._complete(module, inputs))
