"""The best linear filter of finite length, in closed form."""

import math

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import HasSequences
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import Units
from sciml.tasks.sequences import (
    SequenceBatch,
    SequencesConfig,
    SequencesContext,
    SequencesSolver,
    Signals,
    uniform_step,
    units_of,
)
from sciml.train import Examples, Recipe, TrainConfig, recipe_of

_PENALTIES = tuple(10.0**power for power in range(-9, 3))
_HELD_OUT = 5
"""One of so many training sequences chooses the penalty."""


class LaggedRidgeConfig(Config):
    """A linear filter."""

    lags: int = pydantic.Field(default=128, ge=1)
    """Values of each signal that an answer depends on, the present one included."""


class LaggedRidge(nn.Module):
    """ỹ_k = b + Σ_j Σ_s w_js ũ_s,k-j over `lags` values, in standardised units; before the first is the mean.

    Fitted by ridge regression; the penalty is the best of a dozen on a fifth of the training sequences. Signals with
    another time step, or at irregular times, are interpolated linearly to that of the training, and answers back.

    Arguments:
        fields: of the answer.
        lags: length of the filter.
        inputs, outputs: what standardises signals and restores answers.
        dt: step of the training.
    """

    dt: Tensor

    def __init__(self, fields: int, *, lags: int, inputs: Units, outputs: Units, dt: float) -> None:
        super().__init__()
        self.lags, self.inputs, self.outputs = lags, inputs, outputs
        self.weight = nn.Parameter(torch.zeros(fields, inputs.channels, lags))
        self.bias = nn.Parameter(torch.zeros(fields))
        self.register_buffer("dt", torch.tensor(dt, dtype=torch.float64))

    def forward(self, signals: Float[Tensor, "batch time signal"]) -> Float[Tensor, "batch time field"]:
        """Answers to signals with the step of the training."""
        known = nn.functional.pad(self.inputs.standardise(signals).transpose(1, 2), (self.lags - 1, 0))
        answers = nn.functional.conv1d(known, self.weight.flip(2), self.bias)
        return self.outputs.restore(answers.transpose(1, 2))

    def ask(self, inputs: Signals) -> Float[Tensor, "batch time field"]:
        """Answers at the times of the inputs."""
        step, dt = uniform_step(inputs.times), float(self.dt)
        if step is not None and abs(step - dt) <= 1e-4 * dt:
            return self(inputs.signals)
        first, last = float(inputs.times[0]), float(inputs.times[-1])
        grid = first + dt * torch.arange(math.ceil((last - first) / dt - 1e-6) + 1, dtype=torch.float64)
        grid = grid.to(inputs.times.device)
        return interpolate(self(interpolate(inputs.signals, inputs.times, grid)), grid, inputs.times)

    @torch.no_grad()
    def fit(self, batch: SequenceBatch) -> None:
        """Set the filter by least squares on whole sequences, in float64."""
        known = self.inputs.standardise(batch.signals.double())
        wanted = self.outputs.standardise(batch.targets.double())
        held = torch.arange(len(known), device=known.device) % _HELD_OUT == _HELD_OUT - 1
        held = held if bool(held.any()) and not bool(held.all()) else torch.ones_like(held)
        kept = ~held if not bool(held.all()) else held
        gram, cross = self._moments(known[kept], wanted[kept])
        gram_held, cross_held = self._moments(known[held], wanted[held])
        scale = gram.diagonal().mean()

        def solved(gram: Tensor, cross: Tensor, penalty: float) -> Tensor:
            return torch.linalg.solve(gram + penalty * scale * torch.eye(len(gram)).to(gram), cross)

        def excess(weights: Tensor) -> float:  # the squared error less what no weights change
            return float((weights * (gram_held @ weights - 2 * cross_held)).sum())

        best = min(_PENALTIES, key=lambda penalty: excess(solved(gram, cross, penalty)))
        every = (gram, cross) if bool(held.all()) else (gram + gram_held, cross + cross_held)
        weights = solved(*every, best)
        self.bias.copy_(weights[-1])
        self.weight.copy_(weights[:-1].T.reshape(self.weight.shape))

    def _moments(self, known: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of products of lagged signals (and a one) with themselves and with the targets."""
        size = known.shape[2] * self.lags + 1
        gram, cross = known.new_zeros(size, size), known.new_zeros(size, wanted.shape[2])
        for signals, targets in zip(known, wanted, strict=True):
            padded = nn.functional.pad(signals.T, (self.lags - 1, 0))
            rows = padded.unfold(1, self.lags, 1).flip(2).permute(1, 0, 2).flatten(1)  # time, signal and lag
            rows = torch.cat((rows, torch.ones_like(rows[:, :1])), dim=1)
            gram += rows.T @ rows
            cross += rows.T @ targets
        return gram, cross


def interpolate(
    values: Float[Tensor, "batch time channel"], times: Float[Tensor, " time"], at: Float[Tensor, " point"]
) -> Float[Tensor, "batch point channel"]:
    """Linear interpolation in time; constant beyond the ends."""
    right = torch.searchsorted(times.contiguous(), at.contiguous()).clamp(1, len(times) - 1)
    share = ((at - times[right - 1]) / (times[right] - times[right - 1])).clamp(0, 1).to(values)[:, None]
    return (1 - share) * values[:, right - 1] + share * values[:, right]


_RECIPES = {
    preset: Recipe[LaggedRidgeConfig, SequencesConfig](
        model=LaggedRidgeConfig(lags=lags), task=SequencesConfig(), train=TrainConfig(steps=0)
    )
    for preset, lags in {"tiny": 128, "small": 256, "paper": 512}.items()
}


class LaggedRidgeSolver(SequencesSolver[LaggedRidgeConfig, LaggedRidge]):
    """Signals by the best linear filter of finite length: how much of the system is linear and soon forgotten."""

    key = "lagged_ridge"
    irregular = True
    title = "Linear filter (ridge)"
    citation = "Ljung, System Identification: Theory for the User, 2nd ed., Prentice Hall (1999): FIR model, ridge"
    claim = ""
    rule = None

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasSequences` answered with signals."""
        support = super().supports(problem)
        if isinstance(problem, HasSequences) and problem.target != "signal":
            return Support(False, "its sequences are not answered with signals")
        return support

    def recipe(self, preset: str) -> Recipe[LaggedRidgeConfig, SequencesConfig]:
        """Larger presets have longer filters."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasSequences, model: LaggedRidgeConfig, context: SequencesContext) -> LaggedRidge:
        """A filter that answers with the mean, not longer than a sequence."""
        inputs, outputs = units_of(context)
        lags = min(model.lags, context.length)
        return LaggedRidge(len(problem.fields), lags=lags, inputs=inputs, outputs=outputs, dt=context.dt)

    def loss(self, module: LaggedRidge, batch: SequenceBatch, along: float = 1.0) -> Tensor:
        """Mean squared error in variances of each target."""
        answers = module.ask(Signals(batch.signals, batch.times))
        return ((answers - batch.targets) / module.outputs.field_std).square().mean().float()

    @torch.no_grad()
    def predict(self, module: LaggedRidge, inputs: Signals) -> Prediction:
        """Values in physical units."""
        answers = module.ask(inputs).float()
        finite = answers.isfinite().flatten(1).all(1)
        return Prediction(answers, None, torch.where(finite, int(Status.OK), int(Status.DIVERGED)))

    def solve_closed_form(self, module: LaggedRidge, examples: Examples[SequenceBatch]) -> bool:
        """Ridge regression on all training sequences."""
        every = examples.batch(torch.arange(len(examples)), rng.generator(0, "lagged_ridge"))
        module.fit(every.to(module.weight.device))
        return True
