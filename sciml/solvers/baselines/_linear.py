"""The best linear map from a neighbourhood to the next value, in closed form."""

import math
from typing import Any

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import unfold

from sciml.core import rng
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.types import Grid
from sciml.nn import Conv, PaddingChoice, Stepper, fold_time, padding_modes, unfold_time
from sciml.tasks.forecast import Forecast, ForecastConfig, StepperSolver
from sciml.train import Recipe, Spec, TrainConfig, recipe_of

_POINTS = 2**16  # neighbourhoods laid out at a time


class LinearConfig(Config):
    """One linear stencil for all points."""

    radius: int = pydantic.Field(2, ge=0)
    """Reach of the stencil, in points; it has (2 radius + 1)² of them."""
    ridge: float = pydantic.Field(1e-2, ge=0)
    """Tikhonov weight λ: the fit is as if the standardised inputs had white noise of variance λ. Without it rollouts
    amplify the scales on which the data have next to no variance."""
    windows: int = pydantic.Field(1024, ge=1)
    """Largest number of training windows used, spread evenly over all of them."""
    padding: PaddingChoice = "auto"
    """``auto`` wraps periodic axes and pads the others with zeros; ``circular`` or ``zeros`` forces both axes."""


class LinearStencil(nn.Module):
    """u_{t+1}(x) = b + Σ_{s, r} A_{s, r} u_{t-s}(x + r): one convolution, no activation.

    Fitted by `fit`, not by gradient; before that it is persistence.

    Arguments:
        config: hyper-parameters.
        grid: the grid of the data.
        fields: physical channels.
        history: frames seen.
    """

    def __init__(self, config: LinearConfig, *, grid: Grid, fields: int, history: int) -> None:
        super().__init__()
        modes = padding_modes(config.padding, grid)
        self.ridge, self.windows, self.points = config.ridge, config.windows, math.prod(grid.size)
        self.stencil = Conv(history * fields, fields, modes=modes, kernel_size=2 * config.radius + 1)
        nn.init.zeros_(self.stencil.conv.bias)
        nn.init.zeros_(self.stencil.conv.weight)
        last = self.stencil.conv.weight.data[:, -fields:, config.radius, config.radius]
        last.copy_(torch.eye(fields))

    def forward(
        self,
        states: Float[Tensor, "batch history channel y x"],
        condition: Float[Tensor, "batch condition"],
    ) -> Float[Tensor, "batch 1 channel y x"]:
        """The next state, standardised as the input is."""
        return unfold_time(self.stencil(fold_time(states)))

    @torch.no_grad()
    def neighbourhoods(self, states: Float[Tensor, "batch history channel y x"]) -> Float[Tensor, "row regressor"]:
        """What the stencil sees at every point, and a constant 1, in float64."""
        conv = self.stencil.conv
        x = self.stencil.pad(states.flatten(1, 2).double())
        rows = unfold(x, conv.kernel_size, padding=conv.padding).transpose(1, 2).flatten(0, 1)
        return torch.cat((rows, rows.new_ones(len(rows), 1)), dim=1)

    @torch.no_grad()
    def solve(self, gram: Float[Tensor, "regressor regressor"], moment: Float[Tensor, "regressor channel"]) -> None:
        """Set the stencil to argmin ‖X a - y‖² + λ n ‖a‖² given XᵀX and Xᵀy; the constant is not penalised."""
        penalty = self.ridge * gram[-1, -1] * torch.ones_like(gram[0])
        penalty[-1] = 0
        solution = torch.linalg.lstsq(gram + penalty.diag(), moment, driver="gelsd").solution.T
        self.stencil.conv.weight.copy_(solution[:, :-1].reshape(self.stencil.conv.weight.shape))
        self.stencil.conv.bias.copy_(solution[:, -1])


_RECIPES = {
    preset: Recipe[LinearConfig, ForecastConfig](
        model=LinearConfig(), task=ForecastConfig(history=history), train=TrainConfig(steps=0)
    )
    for preset, history in {"tiny": 2, "small": 2, "paper": 4}.items()
}


class LinearSolver(StepperSolver):
    """Forecasts by the best linear stencil: how much of the problem is not non-linear."""

    key = "linear"
    title = "Linear stencil"
    citation = "ordinary least squares with a Tikhonov term"
    claim = ""
    task = Forecast

    def recipe(self, preset: str) -> Recipe[LinearConfig, ForecastConfig]:
        """A 5x5 stencil over the history."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: Problem, spec: Spec[LinearConfig]) -> LinearStencil:
        """One convolution."""
        return LinearStencil(spec.model, grid=spec.grid, fields=len(problem.fields), history=spec.task.history)

    def fit(self, module: nn.Module, examples: Any) -> bool:
        """Normal equations in float64 over (at most ``model.windows``) training windows."""
        assert isinstance(module, Stepper)
        assert isinstance(module.network, LinearStencil)
        network, device = module.network, module.field_mean.device
        chosen = torch.linspace(0, len(examples) - 1, min(len(examples), network.windows)).long()
        generator = rng.generator(0, "linear")
        gram, moment = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for rows in chosen.split(max(1, _POINTS // network.points)):
            batch = examples.batch(rows, generator).to(device)
            x = network.neighbourhoods(module.standardise(batch.inputs))
            y = module.standardise(batch.targets)[:, 0].double().flatten(2).transpose(1, 2).flatten(0, 1)
            gram, moment = gram.to(x) + x.T @ x, moment.to(x) + x.T @ y
        network.solve(gram, moment)
        return True
