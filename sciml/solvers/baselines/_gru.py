"""A recurrent network as a solver of series: its recipes, its size."""

import pydantic
import torch
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.models import GRUSeries
from sciml.nn import Units
from sciml.tasks.series import Observed, SeriesBatch, SeriesConfig, SeriesContext, SeriesSolver
from sciml.train import Examples, Knob, Recipe, TrainConfig, recipe_of


class GRUConfig(Config):
    """A gated recurrent unit and what reads its state."""

    hidden: int = pydantic.Field(default=25, ge=1)
    """Size of the hidden state."""
    width: int = pydantic.Field(default=20, ge=1)
    """Neurons of the hidden layer between state and value."""
    look_ahead: bool = True
    """Whether another unit first reads the observations from the last to the first, so that what is filled in knows of
    later observations too, as a latent ODE does. The published comparison does without."""


_RECIPES = {
    "tiny": Recipe[GRUConfig, SeriesConfig](
        model=GRUConfig(),
        task=SeriesConfig(),
        train=TrainConfig(steps=300, batch_size=32, learning_rate=1e-2),
    ),
    "small": Recipe[GRUConfig, SeriesConfig](
        model=GRUConfig(),
        task=SeriesConfig(),
        train=TrainConfig(steps=1000, batch_size=50, learning_rate=1e-2),
    ),
    "paper": Recipe[GRUConfig, SeriesConfig](
        model=GRUConfig(hidden=100, width=50, look_ahead=False),
        task=SeriesConfig(),
        train=TrainConfig(
            steps=20_000,
            batch_size=512,
            optimiser="adamax",
            learning_rate=1e-2,
            evaluate_every=500,
            checkpoint_every=500,
        ),
    ),
}


class GRUSolver(SeriesSolver[GRUConfig, GRUSeries]):
    """Series by a recurrent network with the time since the previous value as an input."""

    key = "gru"
    title = "GRU"
    citation = (
        "Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio, Learning Phrase Representations using "
        "RNN Encoder-Decoder for Statistical Machine Translation, EMNLP 2014, arXiv:1406.1078"
    )
    claim = ""
    knob = Knob("hidden", 1, 4096)
    unread = {"parameters": "a series is completed from its observations alone"}

    def recipe(self, preset: str) -> Recipe[GRUConfig, SeriesConfig]:
        """The 25 hidden units of the published spirals; ``paper`` is larger and, as published, does not look ahead."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasTrajectories, model: GRUConfig, context: SeriesContext) -> GRUSeries:
        """A network for the problem's fields."""
        config, units = model, Units(context.statistics)
        return GRUSeries(
            units.channels,
            hidden=config.hidden,
            width=config.width,
            look_ahead=config.look_ahead,
            step=context.dt,
            units=units,
        )

    def loss(self, module: GRUSeries, batch: SeriesBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised values at all times, observed or not."""
        return (
            (module(batch.times, batch.values, batch.mask).float() - module.units.standardise(batch.targets))
            .square()
            .mean()
        )

    @torch.no_grad()
    def predict(self, module: GRUSeries, inputs: Observed) -> Prediction:
        """Values in physical units at ``inputs.times``."""
        module.eval()
        mean = module.units.restore(module(inputs.times, inputs.values, inputs.mask))
        finite = mean.isfinite().flatten(1).all(1)
        return Prediction(mean, None, torch.where(finite, int(Status.OK), int(Status.DIVERGED)))

    def initialise(self, module: GRUSeries, examples: Examples[SeriesBatch]) -> None:
        """Take the mean distance of the training times as the unit of time."""
        times = examples.batch(torch.arange(1), rng.generator(0, "gru")).times
        module.time_unit.fill_(float(times[-1] - times[0]) / (len(times) - 1))
