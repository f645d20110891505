"""A normalising flow of affine couplings."""

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasDensity
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.models import RealNVP
from sciml.nn import Activation, Units
from sciml.tasks.density import DensityConfig, DensityContext, DensitySolver, PointBatch, Points
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class RealNVPConfig(Config):
    """Couplings with perceptrons."""

    couplings: int = pydantic.Field(default=8, ge=1)
    """Layers; every second one moves the components the others keep."""
    width: int = pydantic.Field(default=64, ge=1)
    """Neurons of a hidden layer."""
    layers: int = pydantic.Field(default=2, ge=1)
    """Hidden layers of the perceptron in a coupling."""
    nonlinearity: Activation = "relu"
    """Between them."""


_RECIPES = {
    "tiny": Recipe[RealNVPConfig, DensityConfig](
        model=RealNVPConfig(width=32),
        task=DensityConfig(),
        train=TrainConfig(steps=1000, batch_size=256, learning_rate=5e-3),
    ),
    "small": Recipe[RealNVPConfig, DensityConfig](
        model=RealNVPConfig(),
        task=DensityConfig(),
        train=TrainConfig(steps=2000, batch_size=256, learning_rate=3e-3, evaluate_every=250, checkpoint_every=250),
    ),
    "paper": Recipe[RealNVPConfig, DensityConfig](
        model=RealNVPConfig(couplings=32, width=64),
        task=DensityConfig(),
        train=TrainConfig(steps=50_000, batch_size=512, learning_rate=1e-3, evaluate_every=1000, checkpoint_every=1000),
    ),
}


class RealNVPSolver(DensitySolver[RealNVPConfig, RealNVP]):
    """Densities by a flow in finitely many steps."""

    key = "realnvp"
    title = "Real NVP"
    citation = "Dinh, Sohl-Dickstein, Bengio, Density estimation using Real NVP, ICLR 2017, arXiv:1605.08803"
    claim = ""
    knob = Knob("width", 1, 4096)

    def recipe(self, preset: str) -> Recipe[RealNVPConfig, DensityConfig]:
        """``paper`` is a chain of 32 couplings, as deep as the flows continuous ones were compared with."""
        return recipe_of(_RECIPES, preset)

    def supports(self, problem: Problem) -> Support:
        """A density of two or more components."""
        support = super().supports(problem)
        if support.ok and len(problem.fields) == 1:
            return Support(False, "it is 1-D, where affine couplings are one affine map; spline_flow bends there")
        return support

    def build(self, problem: HasDensity, model: RealNVPConfig, context: DensityContext) -> RealNVP:
        """A flow that begins as a Gaussian with the mean and the deviations of the data."""
        config, units = model, Units(context.statistics)
        return RealNVP(
            units.channels,
            couplings=config.couplings,
            width=config.width,
            layers=config.layers,
            nonlinearity=config.nonlinearity,
            units=units,
        )

    def loss(self, module: RealNVP, batch: PointBatch, along: float = 1.0) -> Tensor:
        """Mean negative log density."""
        return -module(batch.points).mean()

    @torch.no_grad()
    def predict(self, module: RealNVP, inputs: Points) -> Prediction:
        """log p per point, in physical units."""
        module.eval()
        log_density = module(inputs.points)
        return Prediction(log_density, None, torch.where(log_density.isfinite(), int(Status.OK), int(Status.DIVERGED)))

    @torch.no_grad()
    def sample(self, module: RealNVP, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """Draws in physical units; `generator` is a CPU one."""
        module.eval()
        noise = torch.randn(count, module.units.channels, generator=generator)
        return module.inverse(noise.to(module.units.field_mean))
