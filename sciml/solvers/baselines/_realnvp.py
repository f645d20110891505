"""A normalising flow of affine couplings."""

import math
from typing import Any

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.capabilities import HasDensity
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import MLP, Activation
from sciml.solvers.baselines._units import Units
from sciml.tasks.density import Density, DensityConfig, PointBatch, Points
from sciml.train import Knob, Recipe, Solver, Spec, TrainConfig, recipe_of

_STRONGEST = 3.0  # largest |s| of one coupling, which so never stretches more than about twentyfold


class RealNVPConfig(Config):
    """Couplings with perceptrons."""

    couplings: int = pydantic.Field(8, ge=1)
    """Layers; every second one moves the components the others keep."""
    width: int = pydantic.Field(64, ge=1)
    """Neurons of a hidden layer."""
    layers: int = pydantic.Field(2, ge=1)
    """Hidden layers of the perceptron in a coupling."""
    nonlinearity: Activation = "relu"
    """Between them."""


class Coupling(nn.Module):
    """Components with m = 0 are scaled and shifted by what the others say.

        z = m x + (1 - m) (x exp(s(m x)) + t(m x))

    log |det ∂z/∂x| = Σ (1 - m) s, and the inverse is as cheap. It begins as the identity.

    Arguments:
        config: hyper-parameters.
        kept: m, which components stay, as zeros and ones.
    """

    kept: Tensor

    def __init__(self, config: RealNVPConfig, kept: Float[Tensor, " dim"]) -> None:
        super().__init__()
        self.register_buffer("kept", kept, persistent=False)
        self.network = MLP(
            len(kept), 2 * len(kept), width=config.width, layers=config.layers, nonlinearity=config.nonlinearity
        )
        last = self.network.layers[-1]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Float[Tensor, "point dim"]) -> tuple[Float[Tensor, "point dim"], Float[Tensor, " point"]]:
        """z and log |det ∂z/∂x|."""
        s, t = self._scale_and_shift(x)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, z: Float[Tensor, "point dim"]) -> Float[Tensor, "point dim"]:
        """x, given z."""
        s, t = self._scale_and_shift(z)
        return (z - t) * (-s).exp()

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.network(x * self.kept).to(x.dtype).chunk(2, dim=1)
        moved = 1 - self.kept
        return _STRONGEST * torch.tanh(raw / _STRONGEST) * moved, shift * moved


class RealNVP(nn.Module):
    """log p(x) = log N(f(x̃); 0, 1) + log |det ∂f/∂x̃| - Σ log σ, with f a chain of couplings.

    Arguments:
        config: hyper-parameters.
        units: what standardises the points.

    Reference:
        Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP", ICLR 2017, arXiv:1605.08803.
    """

    def __init__(self, config: RealNVPConfig, units: Units) -> None:
        super().__init__()
        self.units = units
        places = torch.arange(units.channels)
        self.couplings = nn.ModuleList(Coupling(config, ((places + k) % 2).float()) for k in range(config.couplings))

    def forward(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"]:
        """log p of points in physical units."""
        z, log_det = self.flow(points)
        normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
        return normal + log_det - self.units.log_volume()

    def flow(self, points: Float[Tensor, "point dim"]) -> tuple[Float[Tensor, "point dim"], Float[Tensor, " point"]]:
        """z = f(x̃) and log |det ∂z/∂x̃|."""
        z = self.units.standardise(points)
        log_det = z.new_zeros(len(z))
        for coupling in self.couplings:
            z, part = coupling(z)
            log_det = log_det + part
        return z, log_det

    def inverse(self, z: Float[Tensor, "point dim"]) -> Float[Tensor, "point dim"]:
        """The points in physical units that `flow` takes to z."""
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)
        return self.units.restore(z)


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


class RealNVPSolver(Solver):
    """Densities by a flow in finitely many steps."""

    key = "realnvp"
    title = "Real NVP"
    citation = "Dinh, Sohl-Dickstein, Bengio, Density estimation using Real NVP, ICLR 2017, arXiv:1605.08803"
    claim = ""
    task = Density
    knob = Knob("width", 1, 4096)

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasDensity`."""
        if not isinstance(problem, HasDensity):
            return Support(False, "it offers no densities (the problem is not a HasDensity)")
        return Support(True)

    def recipe(self, preset: str) -> Recipe:
        """``paper`` is a chain of 32 couplings, as deep as the flows continuous ones were compared with."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: Problem, spec: Spec[Any]) -> RealNVP:
        """A flow that begins as a Gaussian with the mean and the deviations of the data."""
        return RealNVP(spec.model, Units(spec.statistics))

    def loss(self, module: nn.Module, batch: PointBatch, along: float = 1.0) -> Tensor:
        """Mean negative log density."""
        return -module(batch.points).mean()

    @torch.no_grad()
    def predict(self, module: nn.Module, inputs: Points) -> Prediction:
        """log p per point, in physical units."""
        module.eval()
        found = module(inputs.points)
        return Prediction(found, None, torch.where(found.isfinite(), int(Status.OK), int(Status.DIVERGED)))

    @torch.no_grad()
    def sample(self, module: nn.Module, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """Draws in physical units; `generator` is a CPU one."""
        assert isinstance(module, RealNVP)
        module.eval()
        noise = torch.randn(count, module.units.channels, generator=generator)
        return module.inverse(noise.to(module.units.field_mean))
