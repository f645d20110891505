"""The latent ODE as a solver of sparsely observed series: its recipes, its size, its claim."""

from typing import Any

import torch
from torch import Tensor, nn

from sciml.core.capabilities import Evolves
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.solvers.neural_ode._block import IntegrateConfig
from sciml.solvers.neural_ode._calibrate import spread
from sciml.solvers.neural_ode._latent import LatentConfig, LatentODE, divergence
from sciml.tasks.series import Observed, Series, SeriesBatch, SeriesConfig
from sciml.train import Knob, Recipe, Solver, Spec, TrainConfig, recipe_of

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


class LatentODESolver(Solver):
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
    task = Series
    knob = Knob("units", 1, 2**16)

    def supports(self, problem: Problem) -> Support:
        """A problem that `Evolves` without spatial axes."""
        if not isinstance(problem, Evolves):
            return Support(False, "it has no reference simulation (the problem is not an Evolves)")
        if problem.boundary:
            return Support(False, f"it has {len(problem.boundary)} spatial axes; this solver knows points only")
        return Support(True)

    def recipe(self, preset: str) -> Recipe:
        """``paper`` has the sizes and the schedule of the published clinical series."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> LatentODE:
        """Recognition, dynamics and decoder for the problem's fields."""
        return LatentODE(spec.model, spec.statistics)

    def loss(self, module: nn.Module, batch: SeriesBatch, along: float = 1.0) -> Tensor:
        """The negative evidence bound per value, (Σ (x - x̂)² / 2σ² + β KL) / values, and the penalty.

        x runs over the targets at all times, observed or not, in standard deviations of each field. The constant of
        the likelihood is left out.
        """
        assert isinstance(module, LatentODE)
        mean, log_variance = module.encode(batch.times, batch.values, batch.mask)
        latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        series, _ = module(latent, batch.times)
        squares = (series - module.standardise(batch.targets)).square().sum((1, 2))
        prior = module.config.prior_weight(along) * divergence(mean, log_variance)
        bound = (squares / (2 * module.config.sigma**2) + prior).mean() / batch.targets[0].numel()
        return module.block.policy.add_to(bound, along)

    def fit(self, module: nn.Module, examples: Any) -> bool:
        """Measure how fast the training series change, then leave the rest to the trainer."""
        assert isinstance(module, LatentODE)
        if module.config.rate is None:
            batch = spread(examples).to(module.std.device)
            module.measure(batch.targets, batch.times)
        return False

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Observed) -> Prediction:
        """Series in physical units at ``inputs.times``, from the mean of the posterior."""
        assert isinstance(module, LatentODE)
        module.eval()
        mean, _ = module.encode(inputs.times, inputs.values, inputs.mask)
        series, solution = module(mean, inputs.times, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(module.restore(series), None, solution.status, stats)
