"""A plain modern U-Net as a forecaster."""

import pydantic

from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.models import UNet
from sciml.nn import ConditionChoice, Operator, PaddingChoice, condition_of
from sciml.solvers.baselines._u_space import operator_slots, operators_of
from sciml.tasks.forecast import ForecastConfig, ForecastContext, StepperSolver
from sciml.train import Choices, Knob, Places, Recipe, Searchable, Slot, Space, TrainConfig, recipe_of, spread


class UNetConfig(Config):
    """A U-Net whose channels double with every level."""

    width: float = pydantic.Field(default=64.0, ge=1)
    """Channels of the finest level; level l has ⌊width 2^l⌋, so fractions set the size finely."""
    levels: int = pydantic.Field(default=4, ge=1, le=30)
    """Halvings of the grid; all axes must be divisible by 2^levels."""
    operators: tuple[Operator, ...] = ()
    """What the blocks on the way down, then those on the way up, mix points with: ``conv3``, ``conv3_half``, ``conv5``,
    ``separable3``, ``separable5``, ``dilated3``, ``spectral`` or ``skip``; two per level, or none for ``conv3``."""
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


class UNetSolver(StepperSolver[UNetConfig, UNet], Searchable):
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

    def space(self, problem: HasTrajectories, model: UNetConfig, context: ForecastContext) -> Space:
        """Levels, width, and the operator of every block but the first."""
        levels = spread(model.levels - 1, model.levels)
        widths = spread(int(model.width // 2), int(3 * model.width // 4), int(model.width))
        slots = [Slot("levels", levels), Slot("width", widths)]
        slots += operator_slots(levels, context.padding(model.padding)[0])

        def configured(choices: Choices) -> UNetConfig:
            update = {"levels": choices["levels"], "width": float(choices["width"]), "operators": operators_of(choices)}
            return model.model_copy(update=update)

        def places(choices: Choices) -> Places:
            swaps: dict[str, tuple[str, ...]] = {"network": ("levels", "width")}
            deepest = int(choices["levels"])
            for level in range(deepest):
                swaps[f"network.down.{level}"] = (f"down_{level}",)
                swaps[f"network.up.{deepest - 1 - level}"] = (f"up_{level}",)
            return Places(swaps)

        return Space(tuple(slots), configured, places)

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
            operators=config.operators,
            residual=config.residual,
            padding=modes,
            odd=odd,
            condition_channels=scalars,
            conditioning=conditioning,
            size=context.grid.size,
        )
