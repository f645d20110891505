"""A plain modern U-Net."""

from itertools import pairwise

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.core.problem import Problem
from sciml.core.types import Grid
from sciml.nn import (
    ConditionChoice,
    Conv,
    ConvBlock,
    Embedding,
    PaddingChoice,
    Upsample,
    condition_mode,
    fold_time,
    padding_modes,
    unfold_time,
)
from sciml.tasks.forecast import Forecast, ForecastConfig, StepperSolver
from sciml.train import Knob, Recipe, Spec, TrainConfig, recipe_of


class UNetConfig(Config):
    """A U-Net whose channels double with every level."""

    width: float = pydantic.Field(64.0, ge=1)
    """Channels of the finest level; level l has ⌊width 2^l⌋, so fractions set the size finely."""
    levels: int = pydantic.Field(4, ge=1)
    """Halvings of the grid; both axes must be divisible by 2^levels."""
    residual: bool = True
    """Whether every block has a 1x1 shortcut beside it; without them amplitudes must pass the normalisations."""
    padding: PaddingChoice = "auto"
    """``auto`` wraps periodic axes and pads the others with zeros; ``circular`` or ``zeros`` forces both axes."""
    condition: ConditionChoice = "auto"
    """How stride and parameters enter; ``auto`` is adagn where the problem has parameters and none where not."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the levels, finest first."""
        return tuple(int(self.width * 2**level) for level in range(self.levels + 1))


class UNet(nn.Module):
    """Down by average pooling, up by bicubic refinement, skips by concatenation, a `ConvBlock` everywhere.

    The design of Ronneberger et al. with what is usual today: residual blocks, group normalisation, GELU, padding that
    keeps the grid, resampling without learned filters. It shares blocks, padding, resampling and conditioning with
    SineNet, so that a comparison of the two is one of architecture.

    Arguments:
        config: hyper-parameters.
        grid: the grid of the data.
        fields: physical channels.
        history: frames seen.
        num_parameters: physical parameters in the condition, after the stride.

    Raises:
        UserError: the grid is not two-dimensional or not divisible by 2^levels.

    Reference:
        Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015,
        arXiv:1505.04597.
    """

    def __init__(self, config: UNetConfig, *, grid: Grid, fields: int, history: int, num_parameters: int = 0) -> None:
        super().__init__()
        for axis in grid.axes:
            if axis.size % 2**config.levels:
                raise UserError(
                    f"axis {axis.name} of the grid cannot be halved {config.levels} times",
                    got=f"{axis.size} points",
                    expected=f"a multiple of {2**config.levels}",
                    fix="Lower model.levels or choose another grid.",
                )
        modes = padding_modes(config.padding, grid)
        mode = condition_mode(config.condition, num_parameters)
        c = config.channels
        self.embedding = None if mode == "none" else Embedding(1 + num_parameters, c[0])
        common = {"modes": modes, "condition": mode, "embedding": 4 * c[0], "shortcut": config.residual}
        self.enter = ConvBlock(history * fields, c[0], **common)
        self.down = nn.ModuleList(ConvBlock(fine, coarse, **common) for fine, coarse in pairwise(c))
        self.refine, self.up = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(config.levels)):
            self.refine.append(Upsample((grid.size[0] >> (level + 1), grid.size[1] >> (level + 1)), modes=modes))
            self.up.append(ConvBlock(c[level] + c[level + 1], c[level], **common))
        self.leave = Conv(c[0], fields, modes=modes)

    def forward(
        self,
        states: Float[Tensor, "batch history channel y x"],
        condition: Float[Tensor, "batch condition"],
    ) -> Float[Tensor, "batch 1 channel y x"]:
        """The next state, standardised as the input is."""
        embedding = None if self.embedding is None else self.embedding(condition)
        h = self.enter(fold_time(states), embedding)
        skips = []
        for block in self.down:
            skips.append(h)
            h = block(avg_pool2d(h, 2), embedding)
        for refine, block in zip(self.refine, self.up, strict=True):
            h = block(torch.cat((skips.pop(), refine(h)), dim=1), embedding)
        return unfold_time(self.leave(h))


_RECIPES = {
    "tiny": Recipe[UNetConfig, ForecastConfig](
        model=UNetConfig(width=12, levels=3),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=500, batch_size=16, learning_rate=1e-2),
        baselines=("persistence", "linear"),
    ),
    "small": Recipe[UNetConfig, ForecastConfig](
        model=UNetConfig(width=12, levels=3),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=1500, batch_size=16, learning_rate=1.6e-2, evaluate_every=250, checkpoint_every=250),
        baselines=("persistence", "linear"),
    ),
    "paper": Recipe[UNetConfig, ForecastConfig](
        model=UNetConfig(width=64, levels=4),
        task=ForecastConfig(history=4),
        train=TrainConfig(steps=113_750, batch_size=32, learning_rate=2e-4, evaluate_every=2275, checkpoint_every=2275),
        baselines=("persistence", "linear"),
    ),
}


class UNetSolver(StepperSolver):
    """Forecasts by a plain U-Net, the single-wave comparison."""

    key = "unet"
    title = "U-Net"
    citation = (
        "Ronneberger, Fischer, Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015, "
        "arXiv:1505.04597"
    )
    claim = ""
    task = Forecast
    knob = Knob("width", 1.0, 512.0)

    def recipe(self, preset: str) -> Recipe[UNetConfig, ForecastConfig]:
        """``paper`` is the 64-channel network of the usual benchmarks (31.4 million parameters)."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: Problem, spec: Spec[UNetConfig]) -> UNet:
        """A U-Net for the problem's fields and parameters."""
        return UNet(
            spec.model,
            grid=spec.grid,
            fields=len(problem.fields),
            history=spec.task.history,
            num_parameters=len(problem.parameters),
        )
