"""Density estimation by a Gaussian around every training point."""

import math

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import HasDensity
from sciml.core.config import Config
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.nn import Units
from sciml.tasks.density import DensityConfig, DensityContext, DensitySolver, PointBatch, Points
from sciml.train import Examples, Recipe, TrainConfig, recipe_of

_BLOCK = 2**22  # pairs of points and centres held at a time


class KDEConfig(Config):
    """Gaussians of one width."""

    centres: int = pydantic.Field(default=2000, ge=2)
    """Largest number of training points that carry a Gaussian, spread evenly over all of them."""
    bandwidths: int = pydantic.Field(default=20, ge=1, le=10_000)
    """Widths tried, evenly spaced in their logarithm."""
    narrowest: float = pydantic.Field(default=0.02, gt=0)
    """Smallest width tried, in standard deviations of the data."""
    widest: float = pydantic.Field(default=1.0, gt=0)
    """Largest width tried."""
    folds: int = pydantic.Field(default=5, ge=2, le=1000)
    """Parts of the cross-validation that chooses among them."""


class KernelDensity(nn.Module):
    """p(x) = Σ_i exp(-|x̃ - c_i|² / 2h²) / (n (2π h²)^(d/2) Π σ): every centre c_i a Gaussian of width h.

    Fitted by `fit`; before that it is one Gaussian with the mean and the deviations of the data.

    Arguments:
        config: hyper-parameters; ``centres`` is the room for centres.
        units: what standardises the points.
    """

    centres: Tensor
    log_weights: Tensor
    bandwidth: Tensor

    def __init__(self, config: KDEConfig, units: Units) -> None:
        super().__init__()
        self.config, self.units = config, units
        self.register_buffer("centres", torch.zeros(config.centres, units.channels))
        self.register_buffer("log_weights", torch.full((config.centres,), -torch.inf))
        self.register_buffer("bandwidth", torch.ones(()))
        self.log_weights[0] = 0.0

    def forward(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"]:
        """log p of points in physical units."""
        used = self.log_weights > -torch.inf
        centres = self.centres[used].double() / self.bandwidth
        constants = self.log_weights[used] - 0.5 * centres.square().sum(1)
        size = points.shape[1]
        volume = size * (0.5 * math.log(2 * math.pi) + self.bandwidth.log()) + self.units.log_volume()
        blocks = []
        for block in self.units.standardise(points).split(max(1, _BLOCK // len(centres))):
            x = block.double() / self.bandwidth  # in double precision the square may be multiplied out
            exponents = torch.addmm(constants, x, centres.T)
            blocks.append(torch.logsumexp(exponents, dim=1) - 0.5 * x.square().sum(1))
        return (torch.cat(blocks) - volume).to(points.dtype)

    @torch.no_grad()
    def set(self, centres: Float[Tensor, "centre dim"], bandwidth: float) -> None:
        """Take standardised centres and the width of their Gaussians."""
        self.centres[: len(centres)] = centres
        self.log_weights.fill_(-torch.inf)
        self.log_weights[: len(centres)] = -math.log(len(centres))
        self.bandwidth.fill_(bandwidth)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """Independent draws in physical units; `generator` is a CPU one."""
        chosen = torch.multinomial(self.log_weights.cpu().exp(), count, replacement=True, generator=generator)
        noise = torch.randn(count, self.units.channels, generator=generator)
        return self.units.restore(
            self.centres[chosen.to(self.centres.device)] + self.bandwidth * noise.to(self.centres)
        )


_RECIPES = {
    preset: Recipe[KDEConfig, DensityConfig](
        model=KDEConfig(centres=centres), task=DensityConfig(), train=TrainConfig(steps=0)
    )
    for preset, centres in {"tiny": 1000, "small": 2000, "paper": 10_000}.items()
}


class KDESolver(DensitySolver[KDEConfig, KernelDensity]):
    """Densities by kernels: what needs no training."""

    key = "kde"
    title = "Kernel density"
    citation = "Parzen, On estimation of a probability density function and mode, Ann. Math. Statist. 33 (1962)"
    claim = ""
    rule = None

    def recipe(self, preset: str) -> Recipe[KDEConfig, DensityConfig]:
        """Larger presets keep more centres."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasDensity, model: KDEConfig, context: DensityContext) -> KernelDensity:
        """One Gaussian, with room for the centres."""
        return KernelDensity(model, Units(context.statistics))

    def loss(self, module: KernelDensity, batch: PointBatch, along: float = 1.0) -> Tensor:
        """Mean negative log density; nothing here has a gradient."""
        return -module(batch.points).mean()

    @torch.no_grad()
    def predict(self, module: KernelDensity, inputs: Points) -> Prediction:
        """log p per point, in physical units."""
        log_density = module(inputs.points)
        return Prediction(log_density, None, torch.where(log_density.isfinite(), int(Status.OK), int(Status.DIVERGED)))

    def sample(self, module: KernelDensity, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """Draws in physical units."""
        return module.sample(count, generator)

    def solve_closed_form(self, module: KernelDensity, examples: Examples[PointBatch]) -> bool:
        """Keep training points as centres; the width is the one that makes left-out points most likely."""
        from sklearn.model_selection import GridSearchCV, KFold
        from sklearn.neighbors import KernelDensity as Estimator

        c = module.config
        chosen = torch.linspace(0, len(examples) - 1, min(len(examples), c.centres)).long()
        points = examples.batch(chosen, rng.generator(0, "kde")).points.to(module.centres.device)
        centres = module.units.standardise(points)
        tried = torch.logspace(math.log10(c.narrowest), math.log10(c.widest), c.bandwidths, dtype=torch.float64)
        folds = KFold(min(c.folds, len(centres)), shuffle=True, random_state=0)
        search = GridSearchCV(Estimator(), {"bandwidth": tried.tolist()}, cv=folds)
        search.fit(centres.cpu().double().numpy())
        module.set(centres, float(search.best_params_["bandwidth"]))
        return True
