"""A plain modern U-Net as a forecaster."""

import pydantic

from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.models import UNet
from sciml.nn import ConditionChoice, PaddingChoice, condition_of
from sciml.tasks.forecast import ForecastConfig, ForecastContext, StepperSolver
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class UNetConfig(Config):
    """A U-Net whose channels double with every level."""

    width: float = pydantic.Field(default=64.0, ge=1)
    """Channels of the finest level; level l has ⌊width 2^l⌋, so fractions set the size finely."""
    levels: int = pydantic.Field(default=4, ge=1)
    """Halvings of the grid; all axes must be divisible by 2^levels."""
    residual: bool = True
    """Whether every block has a 1x1 shortcut beside it; without them amplitudes must pass the normalisations."""
    padding: PaddingChoice = "auto"
    """``auto`` wraps periodic axes, repeats open ends and pads walls with zeros; ``mirror`` has the fields' mirror
    images at walls instead; the others force all axes."""
    condition: ConditionChoice = "auto"
    """How stride and parameters enter; ``auto`` is adagn where the problem has parameters and none where not."""


_RECIPES = {
    "tiny": Recipe[UNetConfig, ForecastConfig](
        model=UNetConfig(width=12, levels=3),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=300, batch_size=16, learning_rate=1e-2),
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


class UNetSolver(StepperSolver[UNetConfig, UNet]):
    """Forecasts by a plain U-Net, the single-wave comparison."""

    key = "unet"
    title = "U-Net"
    citation = (
        "Ronneberger, Fischer, Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015, "
        "arXiv:1505.04597"
    )
    claim = ""
    mask_channel, reads_forcings, learns_changes = True, True, True
    knob = Knob("width", 1.0, 512.0)

    def recipe(self, preset: str) -> Recipe[UNetConfig, ForecastConfig]:
        """``paper`` is the 64-channel network of the usual benchmarks (31.4 million parameters)."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasTrajectories, model: UNetConfig, context: ForecastContext) -> UNet:
        """A U-Net for the problem's fields and parameters."""
        config = model
        scalars, conditioning = condition_of(
            config.condition, context.num_scalars(problem), several_steps=len(context.strides) > 1
        )
        modes, odd = context.padding(config.padding)
        return UNet(
            in_channels=context.channels_in(problem),
            out_channels=len(problem.fields),
            dims=len(context.grid.axes),
            width=config.width,
            levels=config.levels,
            residual=config.residual,
            padding=modes,
            odd=odd,
            condition_channels=scalars,
            conditioning=conditioning,
            size=context.grid.size,
        )
