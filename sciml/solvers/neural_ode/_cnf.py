"""The continuous normalising flow as a solver of densities: its recipes, its size, its claim."""

from typing import Literal

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasDensity
from sciml.core.config import Config
from sciml.core.types import Prediction
from sciml.models import Flow, IntegrateConfig, RegulariseConfig
from sciml.nn import Activation
from sciml.tasks.density import DensityConfig, DensityContext, DensitySolver, PointBatch, Points
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class FlowConfig(Config):
    """A velocity field and how its divergence is found."""

    kind: Literal["squash", "planar"] = "squash"
    """``squash``: layers gated by the time; ``planar``: a sum of planar fields whose coefficients a network makes of
    the time."""
    width: int = pydantic.Field(default=32, ge=1)
    """Neurons of a hidden layer, or number of planar fields."""
    layers: int = pydantic.Field(default=2, ge=1, le=1000)
    """Hidden layers (squash)."""
    hidden: int = pydantic.Field(default=32, ge=1)
    """Neurons of the two hidden layers that make the coefficients (planar)."""
    nonlinearity: Activation = "tanh"
    """Between the layers."""
    trace: Literal["exact", "hutchinson"] = "exact"
    """In training: the exact divergence, or an unbiased estimate with one product instead of one per dimension."""
    noise: Literal["rademacher", "gaussian"] = "rademacher"
    """What the estimate is drawn with, once per solve."""
    span: float = pydantic.Field(default=1.0, gt=0)
    """Time T from the base density to the data."""
    integrate: IntegrateConfig = IntegrateConfig(rtol=1e-5, atol=1e-5)
    """How it is integrated."""
    regularise: RegulariseConfig = RegulariseConfig()
    """What is penalised beside the negative log-likelihood."""


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


class CNFSolver(DensitySolver[FlowConfig, Flow]):
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
    knob = Knob("width", 1, 2**12)

    def recipe(self, preset: str) -> Recipe[FlowConfig, DensityConfig]:
        """``paper`` is the published planar flow with its network of the time."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasDensity, model: FlowConfig, context: DensityContext) -> Flow:
        """A flow in as many dimensions as the problem has fields."""
        config, statistics = model, context.statistics
        return Flow(
            len(statistics.field_mean),
            kind=config.kind,
            width=config.width,
            layers=config.layers,
            hidden=config.hidden,
            nonlinearity=config.nonlinearity,
            trace=config.trace,
            noise=config.noise,
            span=config.span,
            mean=statistics.field_mean,
            std=statistics.field_std,
            integrate=config.integrate,
            regularise=config.regularise,
        )

    def loss(self, module: Flow, batch: PointBatch, along: float = 1.0) -> Tensor:
        """Mean negative log-likelihood, and the penalty."""
        log_density, _ = module(batch.points)
        return module.block.policy.add_to(-log_density.mean(), along)

    @torch.no_grad()
    def predict(self, module: Flow, inputs: Points) -> Prediction:
        """log p at the points."""
        module.eval()
        log_density, solution = module(inputs.points, tolerance=inputs.tolerance)
        stats = {"evaluations": solution.stats.evaluations, "calls": solution.stats.calls}
        return Prediction(log_density, None, solution.status, stats)

    def sample(self, module: Flow, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """Draws from the learned density."""
        module.eval()
        return module.sample(count, generator)
