"""A normalising flow of spline couplings."""

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasDensity
from sciml.core.config import Config
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.models import SplineFlow
from sciml.nn import Activation, Units
from sciml.tasks.density import DensityConfig, DensityContext, DensitySolver, PointBatch, Points
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class SplineFlowConfig(Config):
    """Couplings with monotone splines."""

    couplings: int = pydantic.Field(default=4, ge=1)
    """Layers; every second one moves the components the others keep. One-dimensional data need and get one."""
    bins: int = pydantic.Field(default=16, ge=2, le=500)
    """Pieces of every spline."""
    reach: float = pydantic.Field(default=5.0, gt=0)
    """Where splines end, in standard deviations of the data."""
    width: int = pydantic.Field(default=64, ge=1)
    """Neurons of a hidden layer."""
    layers: int = pydantic.Field(default=2, ge=1)
    """Hidden layers of the perceptron in a coupling."""
    nonlinearity: Activation = "relu"
    """Between them."""


_RECIPES = {
    "tiny": Recipe[SplineFlowConfig, DensityConfig](
        model=SplineFlowConfig(width=32),
        task=DensityConfig(),
        train=TrainConfig(steps=600, batch_size=256, learning_rate=5e-3),
    ),
    "small": Recipe[SplineFlowConfig, DensityConfig](
        model=SplineFlowConfig(),
        task=DensityConfig(),
        train=TrainConfig(steps=2000, batch_size=256, learning_rate=3e-3, evaluate_every=250, checkpoint_every=250),
    ),
    "paper": Recipe[SplineFlowConfig, DensityConfig](
        model=SplineFlowConfig(couplings=8),
        task=DensityConfig(),
        train=TrainConfig(steps=50_000, batch_size=512, learning_rate=1e-3, evaluate_every=1000, checkpoint_every=1000),
    ),
}


class SplineFlowSolver(DensitySolver[SplineFlowConfig, SplineFlow]):
    """Densities by a flow of splines, in one dimension too."""

    key = "spline_flow"
    title = "Neural spline flow"
    citation = "Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows, NeurIPS 2019, arXiv:1906.04032"
    claim = ""
    knob = Knob("width", 1, 4096)

    def recipe(self, preset: str) -> Recipe[SplineFlowConfig, DensityConfig]:
        """``paper`` is a chain of eight couplings."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasDensity, model: SplineFlowConfig, context: DensityContext) -> SplineFlow:
        """A flow that begins as a Gaussian with the mean and the deviations of the data."""
        units = Units(context.statistics)
        return SplineFlow(
            units.channels,
            couplings=model.couplings,
            bins=model.bins,
            reach=model.reach,
            width=model.width,
            layers=model.layers,
            nonlinearity=model.nonlinearity,
            units=units,
        )

    def loss(self, module: SplineFlow, batch: PointBatch, along: float = 1.0) -> Tensor:
        """Mean negative log density."""
        return -module(batch.points).mean()

    @torch.no_grad()
    def predict(self, module: SplineFlow, inputs: Points) -> Prediction:
        """log p per point, in physical units."""
        module.eval()
        log_density = module(inputs.points)
        return Prediction(log_density, None, torch.where(log_density.isfinite(), int(Status.OK), int(Status.DIVERGED)))

    @torch.no_grad()
    def sample(self, module: SplineFlow, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """Draws in physical units; `generator` is a CPU one."""
        module.eval()
        noise = torch.randn(count, module.units.channels, generator=generator)
        return module.inverse(noise.to(module.units.field_mean))
