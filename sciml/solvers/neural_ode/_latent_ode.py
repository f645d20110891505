"""The latent ODE as a solver of sparsely observed series: its recipes, its size, its claim."""

from typing import Literal

import pydantic
import torch
from torch import Tensor

from sciml.core.capabilities import HasTrajectories
from sciml.core.config import Config
from sciml.core.types import Prediction
from sciml.models import IntegrateConfig, LatentODE, RegulariseConfig
from sciml.solvers.neural_ode._calibrate import spread
from sciml.tasks.series import Observed, SeriesBatch, SeriesConfig, SeriesContext, SeriesSolver
from sciml.train import Examples, Knob, Recipe, TrainConfig, recipe_of


class LatentConfig(Config):
    """Recognition, latent dynamics and decoder."""

    latent: int = pydantic.Field(default=8, ge=1)
    """Components of the latent state."""
    units: int = pydantic.Field(default=32, ge=1)
    """Hidden neurons of a block of the dynamics."""
    blocks: int = pydantic.Field(default=1, ge=1, le=1000)
    """Blocks latent -> units -> latent of the dynamics, one after another."""
    bounded: bool = False
    """Whether the last block too ends with tanh, so that no component is faster than `rate`."""
    rate: float | None = pydantic.Field(default=None, gt=0)
    """Factor on the dynamics, one over a time in the problem's units; None measures how fast series change."""
    reads: Literal["times", "observations"] = "times"
    """Where the recurrent unit steps: at the times of the data and the observations from the last one back, or at the
    observations only; in both cases at the first time, too."""
    recognition: int = pydantic.Field(default=32, ge=1)
    """Means (and as many spreads) that the recurrent unit carries."""
    gates: int = pydantic.Field(default=32, ge=1)
    """Hidden neurons of its gates."""
    posterior: int = pydantic.Field(default=32, ge=1)
    """Hidden neurons between its last state and mean and log-variance of z(t_0)."""
    decoder: int = pydantic.Field(default=0, ge=0)
    """Hidden ReLU neurons of the decoder; 0 for an affine one."""
    sigma: float = pydantic.Field(default=0.1, gt=0)
    """Standard deviation of the likelihood, in standard deviations of the field."""
    kl_delay: float = pydantic.Field(default=0.05, ge=0, le=1)
    """Share of the training before the prior counts."""
    kl_rate: float = pydantic.Field(default=3.0, ge=0)
    """How fast its weight then rises, 1 - exp(-kl_rate (along - kl_delay))."""
    integrate: IntegrateConfig = IntegrateConfig(rtol=1e-4, atol=1e-4)
    """How it is integrated."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the evidence bound."""


_RECIPES = {
    "tiny": Recipe[LatentConfig, SeriesConfig](
        model=LatentConfig(integrate=IntegrateConfig(rtol=1e-3, atol=1e-3)),
        task=SeriesConfig(),
        train=TrainConfig(steps=400, batch_size=32, optimiser="adamax", learning_rate=2e-2, evaluate_every=100),
        baselines=("gru",),
    ),
    "small": Recipe[LatentConfig, SeriesConfig](
        model=LatentConfig(units=50, blocks=2, latent=10),
        task=SeriesConfig(),
        train=TrainConfig(steps=3000, batch_size=50, optimiser="adamax", learning_rate=1e-2, evaluate_every=150),
        baselines=("gru",),
    ),
    "paper": Recipe[LatentConfig, SeriesConfig](
        model=LatentConfig(
            latent=20,
            units=50,
            blocks=4,
            bounded=True,
            rate=1.0,
            reads="observations",
            recognition=50,
            gates=40,
            posterior=50,
            sigma=0.01,
            kl_delay=1 / 30,
            kl_rate=3.015,
            integrate=IntegrateConfig(rtol=1.4e-8, atol=1.4e-8),
        ),
        task=SeriesConfig(),
        train=TrainConfig(
            steps=3600,
            batch_size=512,
            optimiser="adamax",
            learning_rate=1e-2,
            weight_decay=0.0,
            warmup=0.0,
            clip=None,
            evaluate_every=120,
            checkpoint_every=120,
        ),
        baselines=("gru",),
    ),
}


class LatentODESolver(SeriesSolver[LatentConfig, LatentODE]):
    """Series by a latent equation with a recognition network."""

    key = "latent_ode"
    title = "Latent ODE"
    citation = (
        "Chen, Rubanova, Bettencourt, Duvenaud, Neural Ordinary Differential Equations, NeurIPS 2018, "
        "arXiv:1806.07366; "
        "Rubanova, Chen, Duvenaud, Latent Ordinary Differential Equations for Irregularly-Sampled Time Series, "
        "NeurIPS 2019, arXiv:1907.03907"
    )
    claim = (
        "few irregular observations are completed and continued better than by a recurrent network, and penalised "
        "solver errors save evaluations"
    )
    knob = Knob("units", 1, 2**16)
    unread = {"parameters": "a series is completed from its observations alone"}

    def recipe(self, preset: str) -> Recipe[LatentConfig, SeriesConfig]:
        """``paper`` has the sizes and the schedule of the published clinical series."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasTrajectories, model: LatentConfig, context: SeriesContext) -> LatentODE:
        """Recognition, dynamics and decoder for the problem's fields."""
        config, statistics = model, context.statistics
        return LatentODE(
            len(statistics.field_mean),
            latent=config.latent,
            units=config.units,
            blocks=config.blocks,
            bounded=config.bounded,
            rate=config.rate,
            reads=config.reads,
            step=context.dt,
            recognition=config.recognition,
            gates=config.gates,
            posterior=config.posterior,
            decoder=config.decoder,
            sigma=config.sigma,
            kl_delay=config.kl_delay,
            kl_rate=config.kl_rate,
            mean=statistics.field_mean,
            std=statistics.field_std,
            integrate=config.integrate,
            regularise=config.regularise,
        )

    def loss(self, module: LatentODE, batch: SeriesBatch, along: float = 1.0) -> Tensor:
        """The negative evidence bound per value (see `LatentODE.negative_bound`), and the penalty."""
        bound = module.negative_bound(batch.times, batch.values, batch.mask, batch.targets, along)
        return module.block.policy.add_to(bound, along)

    def initialise(self, module: LatentODE, examples: Examples[SeriesBatch]) -> None:
        """Measure how fast the training series change."""
        if not module.rate_given:
            batch = spread(examples).to(module.std.device)
            module.measure(batch.targets, batch.times)

    @torch.no_grad()
    def predict(self, module: LatentODE, inputs: Observed) -> Prediction:
        """Series in physical units at ``inputs.times``, from the mean of the posterior."""
        module.eval()
        mean, _ = module.encode(inputs.times, inputs.values, inputs.mask)
        series, solution = module.solve_in_double(mean, inputs.times, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(module.restore(series), None, solution.status, stats)
