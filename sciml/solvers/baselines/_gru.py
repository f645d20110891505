"""A recurrent network that steps through a series, observation by observation."""

from typing import Any

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import Evolves
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import MLP
from sciml.solvers.baselines._units import Units
from sciml.tasks.series import Observed, Series, SeriesBatch, SeriesConfig
from sciml.train import Knob, Recipe, Solver, Spec, TrainConfig, recipe_of


class GRUConfig(Config):
    """A gated recurrent unit and what reads its state."""

    hidden: int = pydantic.Field(25, ge=1)
    """Size of the hidden state."""
    width: int = pydantic.Field(20, ge=1)
    """Neurons of the hidden layer between state and value."""
    look_ahead: bool = True
    """Whether another unit first reads the observations from the last to the first, so that what is filled in knows of
    later observations too, as a latent ODE does. The published comparison does without."""


class GRUSeries(nn.Module):
    """One pass over the requested times t_k, in standardised units.

        x_k = u_k where observed, else û_{k-1},   h_k = GRU((x_k, m_k, t_k - t_{k-1}), h_{k-1}),   û_k = D(h_k)

    m_k says whether t_k was observed, D is a perceptron, and û_0 is preceded by the mean of the data. Where nothing was
    observed the network goes on from its own answers, so that extrapolation needs nothing special. Physical parameters
    are not used: what differs between series must show in the observations.

    Arguments:
        config: hyper-parameters.
        units: what standardises values.

    Reference:
        Chen, Rubanova, Bettencourt, Duvenaud, "Neural Ordinary Differential Equations", NeurIPS 2018, arXiv:1806.07366
        (the recurrent network with time differences it compares with).
    """

    time_unit: Tensor

    def __init__(self, config: GRUConfig, units: Units) -> None:
        super().__init__()
        self.units, self.hidden = units, config.hidden
        size = units.channels + 2
        self.cell = nn.GRUCell(size, config.hidden)
        self.reader = nn.GRUCell(size, config.hidden) if config.look_ahead else None
        self.decoder = MLP(config.hidden, units.channels, width=config.width, nonlinearity="relu")
        self.register_buffer("time_unit", torch.ones(()))

    def forward(self, inputs: Observed) -> Float[Tensor, "batch time channel"]:
        """Standardised values at all of ``inputs.times``."""
        mask = inputs.mask[:, :, None]
        values = torch.where(mask, self.units.standardise(inputs.values), 0.0)
        gaps = inputs.times.diff(prepend=inputs.times[:1]).to(values) / self.time_unit
        told = torch.cat((mask.to(values), gaps.view(1, -1, 1).expand(*values.shape[:2], 1)), dim=2)
        state = self._read(values, told, inputs.mask)
        guess, guesses = torch.zeros_like(values[:, 0]), []
        for k in range(values.shape[1]):
            seen = torch.where(mask[:, k], values[:, k], guess)
            state = self.cell(torch.cat((seen, told[:, k]), dim=1), state)
            guess = self.decoder(state)
            guesses.append(guess)
        return torch.stack(guesses, dim=1)

    def _read(self, values: Tensor, told: Tensor, mask: Tensor) -> Float[Tensor, "batch state"]:
        """The first hidden state: zero, or what the reader remembers, from the last observation back to t_0."""
        state = values.new_zeros(len(values), self.hidden)
        if self.reader is not None:
            begun = mask.flip(1).cumsum(1).flip(1) > 0
            for k in begun.any(0).nonzero()[:, 0].flip(0).tolist():
                update = self.reader(torch.cat((values[:, k], told[:, k]), dim=1), state)
                state = torch.where(begun[:, k, None], update, state)
        return state


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


class GRUSolver(Solver):
    """Series by a recurrent network that is told the time since the value before."""

    key = "gru"
    title = "GRU"
    citation = (
        "Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio, Learning Phrase Representations using "
        "RNN Encoder-Decoder for Statistical Machine Translation, EMNLP 2014, arXiv:1406.1078"
    )
    claim = ""
    task = Series
    knob = Knob("hidden", 1, 4096)

    def supports(self, problem: Problem) -> Support:
        """A problem that `Evolves` without spatial axes."""
        if not isinstance(problem, Evolves):
            return Support(False, "it has no reference simulation (the problem is not an Evolves)")
        if problem.boundary:
            return Support(
                False, f"it has {len(problem.boundary)} spatial axes; this solver knows series of points only"
            )
        return Support(True)

    def recipe(self, preset: str) -> Recipe:
        """The 25 hidden units of the published spirals; ``paper`` is larger and, as published, does not look ahead."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> GRUSeries:
        """A network for the problem's fields."""
        return GRUSeries(spec.model, Units(spec.statistics))

    def loss(self, module: nn.Module, batch: SeriesBatch, along: float = 1.0) -> Tensor:
        """Mean squared error of the standardised values at all times, observed or not."""
        assert isinstance(module, GRUSeries)
        return (module(batch.inputs()).float() - module.units.standardise(batch.targets)).square().mean()

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Observed) -> Prediction:
        """Values in physical units at ``inputs.times``."""
        assert isinstance(module, GRUSeries)
        module.eval()
        mean = module.units.restore(module(inputs))
        finite = mean.isfinite().flatten(1).all(1)
        return Prediction(mean, None, torch.where(finite, int(Status.OK), int(Status.DIVERGED)))

    def fit(self, module: nn.Module, examples: Any) -> bool:
        """Take the mean distance of the training times as the unit of time; the rest is fitted by gradient."""
        assert isinstance(module, GRUSeries)
        times = examples.batch(torch.arange(1), rng.generator(0, "gru")).times
        module.time_unit.fill_(float(times[-1] - times[0]) / (len(times) - 1))
        return False
