"""The continuous normalising flow as a solver of densities: its recipes, its size, its claim."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import HasDensity
from sciml.core.problem import Problem
from sciml.core.types import Prediction, Support
from sciml.solvers.neural_ode._block import IntegrateConfig
from sciml.solvers.neural_ode._flow import Flow, FlowConfig
from sciml.tasks.density import Density, DensityConfig, PointBatch
from sciml.train import Knob, Recipe, Solver, Spec, TrainConfig, recipe_of

_RECIPES = {
    "tiny": Recipe[FlowConfig, DensityConfig](
        model=FlowConfig(integrate=IntegrateConfig(rtol=1e-4, atol=1e-4)),
        task=DensityConfig(),
        train=TrainConfig(steps=250, batch_size=128, learning_rate=2e-2, evaluate_every=50),
        baselines=("realnvp", "kde"),
    ),
    "small": Recipe[FlowConfig, DensityConfig](
        model=FlowConfig(),
        task=DensityConfig(),
        train=TrainConfig(steps=1000, batch_size=512, learning_rate=1e-2, evaluate_every=100),
        baselines=("realnvp", "kde"),
    ),
    "paper": Recipe[FlowConfig, DensityConfig](
        model=FlowConfig(
            kind="planar",
            width=64,
            span=10.0,
            integrate=IntegrateConfig(method="dopri5", rtol=1e-5, atol=1e-5, gradient="adjoint"),
        ),
        task=DensityConfig(),
        train=TrainConfig(
            steps=1000,
            batch_size=512,
            learning_rate=1e-3,
            weight_decay=0.0,
            warmup=0.0,
            final_learning_rate=1e-3,
            clip=None,
        ),
        baselines=("realnvp", "kde"),
    ),
}


class CNFSolver(Solver):
    """Densities by a continuous normalising flow."""

    key = "cnf"
    title = "Continuous normalising flow"
    citation = (
        "Chen, Rubanova, Bettencourt, Duvenaud, Neural Ordinary Differential Equations, NeurIPS 2018, "
        "arXiv:1806.07366; "
        "Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud, FFJORD, ICLR 2019, arXiv:1810.01367"
    )
    claim = (
        "the density is normalised and the flow invertible to the solver's tolerance; it comes within 0.1 nat of a "
        "coupling flow with three times its parameters"
    )
    task = Density
    knob = Knob("width", 1, 2**12)

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasDensity`."""
        if isinstance(problem, HasDensity):
            return Support(True)
        return Support(False, "it offers no densities (the problem is not a HasDensity)")

    def recipe(self, preset: str) -> Recipe:
        """``paper`` is the published planar flow with its network of the time."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> Flow:
        """A flow in as many dimensions as the problem has fields."""
        return Flow(spec.model, spec.statistics)

    def loss(self, module: nn.Module, batch: PointBatch, along: float = 1.0) -> Tensor:
        """Mean negative log-likelihood, and the penalty."""
        assert isinstance(module, Flow)
        log_density, _ = module(batch.points)
        return module.block.policy.add_to(-log_density.mean(), along)

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Any) -> Prediction:
        """log p at the points."""
        assert isinstance(module, Flow)
        module.eval()
        log_density, solution = module(inputs.points, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(log_density, None, solution.status, stats)

    def sample(self, module: nn.Module, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """Draws from the learned density."""
        assert isinstance(module, Flow)
        module.eval()
        return module.sample(count, generator)
