"""The Fourier neural operator as a forecaster."""

from typing import Annotated

import pydantic

from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.models import FNO
from sciml.nn import ConditionChoice, PaddingChoice, condition_of
from sciml.tasks.forecast import ForecastConfig, ForecastContext, StepperSolver
from sciml.train import Knob, Recipe, TrainConfig, recipe_of

Modes = Annotated[int, pydantic.Field(ge=1)]


class FNOConfig(Config):
    """Layers of truncated Fourier convolutions."""

    width: int = pydantic.Field(default=32, ge=1)
    """Channels of the layers; lifting and projection have twice as many hidden ones."""
    modes: Modes | tuple[Modes, ...] = 12
    """Non-negative wavenumbers kept, one number for all axes or one per axis (z, y, x); every axis needs at least
    twice as many points."""
    layers: int = pydantic.Field(default=4, ge=1, le=1000)
    """Fourier layers."""
    padding: PaddingChoice = "auto"
    """``auto`` extends walled axes with zeros and open ones with their ends; ``mirror`` doubles walled axes by the
    fields' mirror images; the others force all axes."""
    condition: ConditionChoice = "auto"
    """How stride and parameters enter; ``auto`` is adagn where the problem has parameters and none where not."""


_RECIPES = {
    "tiny": Recipe[FNOConfig, ForecastConfig](
        model=FNOConfig(width=17, modes=8),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=300, batch_size=16, learning_rate=1e-2),
        baselines=("persistence", "linear"),
    ),
    "small": Recipe[FNOConfig, ForecastConfig](
        model=FNOConfig(width=17, modes=8),
        task=ForecastConfig(history=2),
        train=TrainConfig(steps=1500, batch_size=16, learning_rate=8e-3, evaluate_every=250, checkpoint_every=250),
        baselines=("persistence", "linear"),
    ),
    "paper": Recipe[FNOConfig, ForecastConfig](
        model=FNOConfig(width=128, modes=8, layers=8),
        task=ForecastConfig(history=4),
        train=TrainConfig(steps=113_750, batch_size=32, learning_rate=1e-3, evaluate_every=2275, checkpoint_every=2275),
        baselines=("persistence", "linear"),
    ),
}


class FNOSolver(StepperSolver[FNOConfig, FNO]):
    """Forecasts by a Fourier neural operator."""

    key = "fno"
    title = "Fourier neural operator"
    citation = (
        "Li, Kovachki, Azizzadenesheli, Liu, Bhattacharya, Stuart, Anandkumar, Fourier Neural Operator for Parametric "
        "Partial Differential Equations, ICLR 2021, arXiv:2010.08895"
    )
    claim = ""
    mask_channel, reads_forcings, learns_changes = True, True, True
    knob = Knob("width", 1, 1024)

    def recipe(self, preset: str) -> Recipe[FNOConfig, ForecastConfig]:
        """``paper`` keeps 8 modes at width 128 in 8 Fourier convolutions (33.7 million parameters)."""
        return recipe_of(_RECIPES, preset)

    def network(self, problem: HasTrajectories, model: FNOConfig, context: ForecastContext) -> FNO:
        """An operator for the problem's fields and parameters."""
        config = model
        scalars, conditioning = condition_of(
            config.condition, context.num_scalars(problem), several_steps=len(context.strides) > 1
        )
        modes, odd = context.padding(config.padding)
        return FNO(
            in_channels=context.channels_in(problem),
            out_channels=len(problem.fields),
            dims=len(context.grid.axes),
            modes=config.modes,
            width=config.width,
            layers=config.layers,
            padding=modes,
            odd=odd,
            condition_channels=scalars,
            conditioning=conditioning,
        )
