"""The best linear map from a neighbourhood to the next value, in closed form."""

import math

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from sciml.core import rng
from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.core.least_squares import least_squares
from sciml.data import WindowBatch
from sciml.nn import Conv, FieldNetwork, PaddingChoice, Stepper, channels_last
from sciml.tasks.forecast import ForecastConfig, ForecastContext, StepperSolver
from sciml.train import Examples, Recipe, TrainConfig, recipe_of

_POINTS = 2**16  # neighbourhoods laid out at a time


class LinearConfig(Config):
    """One linear stencil for all points."""

    radius: int = pydantic.Field(default=2, ge=0)
    """Reach of the stencil, in points; it has (2 radius + 1) of them per axis."""
    ridge: float = pydantic.Field(default=1e-2, ge=0)
    """Tikhonov weight λ: the fit is as if the standardised inputs had white noise of variance λ. Without it rollouts
    amplify the scales on which the data have next to no variance."""
    windows: int = pydantic.Field(default=1024, ge=1)
    """Largest number of training windows used, spread evenly over all of them."""
    padding: PaddingChoice = "auto"
    """``auto`` wraps periodic axes, repeats open ends and pads walls with zeros; ``mirror`` has the fields' mirror
    images at walls instead; the others force all axes."""


class LinearStencil(FieldNetwork):
    """u_{t+1}(x) = b + Σ_{s, r} A_{s, r} u_{t-s}(x + r): one convolution, no activation.

    Fitted by `fit`, not by gradient; before that it is persistence.

    Arguments:
        config: hyper-parameters.
        context: of the data.
        fields: physical channels.
    """

    def __init__(self, config: LinearConfig, *, context: ForecastContext, fields: int) -> None:
        modes, odd = context.padding(config.padding)
        features = context.history * fields
        super().__init__(dims=len(modes), in_channels=features, out_channels=fields)
        self.ridge, self.windows, self.points = config.ridge, config.windows, math.prod(context.grid.size)
        self.stencil = Conv(features, fields, modes=modes, kernel_size=2 * config.radius + 1, odd=odd)
        for parameter in self.stencil.conv.parameters():
            nn.init.zeros_(parameter)
        last = self.stencil.conv.weight.data[(slice(None), slice(-fields, None), *[config.radius] * len(modes))]
        last.copy_(torch.eye(fields))

    def forward(
        self, x: Float[Tensor, "batch feature *space"], condition: Tensor | None = None
    ) -> Float[Tensor, "batch channel *space"]:
        """The next state, standardised as the input is."""
        self.check(x, condition)
        return self.stencil(channels_last(x)).contiguous()

    @torch.no_grad()
    def neighbourhoods(self, states: Float[Tensor, "batch history channel *space"]) -> Float[Tensor, "row regressor"]:
        """What the stencil sees at every point, and a constant 1, in float64."""
        x = self.stencil.pad(states.flatten(1, 2).double())
        x = pad(x, [width for zeros in reversed(self.stencil.zeros) for width in (zeros, zeros)])
        axes = range(2, x.ndim)
        for axis, size in zip(axes, self.stencil.conv.kernel_size, strict=True):
            x = x.unfold(axis, size, 1)  # batch feature *space *kernel
        rows = x.movedim(1, 1 + len(axes)).flatten(1 + len(axes)).flatten(0, len(axes))
        return torch.cat((rows, rows.new_ones(len(rows), 1)), dim=1)

    @torch.no_grad()
    def solve(self, gram: Float[Tensor, "regressor regressor"], moment: Float[Tensor, "regressor channel"]) -> None:
        """Set the stencil to argmin ‖X a - y‖² + λ n ‖a‖² given XᵀX and Xᵀy; the constant is not penalised."""
        penalty = self.ridge * gram[-1, -1] * torch.ones_like(gram[0])
        penalty[-1] = 0
        solution = least_squares(gram + penalty.diag(), moment).T
        weight, bias = self.stencil.conv.parameters()
        weight.copy_(solution[:, :-1].reshape(weight.shape))
        bias.copy_(solution[:, -1])


_RECIPES = {
    preset: Recipe[LinearConfig, ForecastConfig](
        model=LinearConfig(), task=ForecastConfig(history=history), train=TrainConfig(steps=0)
    )
    for preset, history in {"tiny": 2, "small": 2, "paper": 4}.items()
}


class LinearSolver(StepperSolver[LinearConfig, LinearStencil]):
    """Forecasts by the best linear stencil: how much of the problem is not non-linear."""

    key = "linear"
    title = "Linear stencil"
    citation = "ordinary least squares with a Tikhonov term"
    claim = ""
    rule = None
    unread = {"parameters": "one linear map serves all of them"}

    def recipe(self, preset: str) -> Recipe[LinearConfig, ForecastConfig]:
        """A 5x5 stencil over the history."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasTrajectories, model: LinearConfig, context: ForecastContext) -> LinearStencil:
        """One convolution."""
        return LinearStencil(model, context=context, fields=len(problem.fields))

    def solve_closed_form(self, module: Stepper[LinearStencil], examples: Examples[WindowBatch]) -> bool:
        """Normal equations in float64 over (at most ``model.windows``) training windows."""
        network, device = module.network, module.field_mean.device
        chosen = torch.linspace(0, len(examples) - 1, min(len(examples), network.windows)).long()
        generator = rng.generator(0, "linear")
        gram, moment = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for rows in chosen.split(max(1, _POINTS // network.points)):
            batch = examples.batch(rows, generator).to(device)
            x = network.neighbourhoods(module.standardise(batch.inputs))
            y = module.standardise(batch.targets)[:, 0].double().flatten(2).transpose(1, 2).flatten(0, 1)
            if module.active is not None:
                inside = module.active.flatten().repeat(len(batch))
                x, y = x[inside], y[inside]
            gram, moment = gram.to(x) + x.T @ x, moment.to(x) + x.T @ y
        network.solve(gram, moment)
        return True
