"""The dilated residual network as a forecaster."""

import pydantic

from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.models import DilResNet
from sciml.nn import ConditionChoice, PaddingChoice, condition_of
from sciml.tasks.forecast import ForecastConfig, ForecastContext, StepperSolver
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class DilResNetConfig(Config):
    """Residual blocks of dilated convolutions at full resolution."""

    width: int = pydantic.Field(default=128, ge=1)
    """Channels throughout."""
    blocks: int = pydantic.Field(default=4, ge=1, le=1000)
    """Residual blocks of seven convolutions each."""
    padding: PaddingChoice = "auto"
    """``auto`` wraps periodic axes, repeats open ends and pads walls with zeros; ``mirror`` has the fields' mirror
    images at walls instead; the others force all axes."""
    condition: ConditionChoice = "auto"
    """How stride and parameters enter; ``auto`` is adagn where the problem has parameters and none where not."""


_RECIPES = {
    "tiny": Recipe[DilResNetConfig, ForecastConfig](
        model=DilResNetConfig(width=24, blocks=2),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=300, batch_size=16, learning_rate=4e-3, warmup=0.2),
        baselines=("persistence", "linear"),
    ),
    "small": Recipe[DilResNetConfig, ForecastConfig](
        model=DilResNetConfig(width=36, blocks=2),
        task=ForecastConfig(history=2),
        train=TrainConfig(
            steps=1500, batch_size=16, learning_rate=4e-3, warmup=0.2, evaluate_every=250, checkpoint_every=250
        ),
        baselines=("persistence", "linear"),
    ),
    "paper": Recipe[DilResNetConfig, ForecastConfig](
        model=DilResNetConfig(width=128, blocks=4),
        task=ForecastConfig(history=4),
        train=TrainConfig(steps=113_750, batch_size=32, learning_rate=2e-4, evaluate_every=2275, checkpoint_every=2275),
        baselines=("persistence", "linear"),
    ),
}


class DilResNetSolver(StepperSolver[DilResNetConfig, DilResNet]):
    """Forecasts by a dilated residual network."""

    key = "dilresnet"
    title = "Dilated ResNet"
    citation = (
        "Stachenfeld, Fielding, Kochkov, Cranmer, Pfaff, Godwin, Cui, Ho, Battaglia, Sanchez-Gonzalez, Learned Coarse "
        "Models for Efficient Turbulence Simulation, ICLR 2022, arXiv:2112.15275"
    )
    claim = ""
    mask_channel, reads_forcings, learns_changes = True, True, True
    knob = Knob("width", 1, 1024)

    def recipe(self, preset: str) -> Recipe[DilResNetConfig, ForecastConfig]:
        """``paper`` is the 128-channel network of the usual benchmarks (4.2 million parameters)."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasTrajectories, model: DilResNetConfig, context: ForecastContext) -> DilResNet:
        """A network for the problem's fields and parameters."""
        config = model
        scalars, conditioning = condition_of(
            config.condition, context.num_scalars(problem), several_steps=len(context.strides) > 1
        )
        modes, odd = context.padding(config.padding)
        return DilResNet(
            in_channels=context.channels_in(problem),
            out_channels=len(problem.fields),
            dims=len(context.grid.axes),
            width=config.width,
            blocks=config.blocks,
            padding=modes,
            odd=odd,
            condition_channels=scalars,
            conditioning=conditioning,
        )
