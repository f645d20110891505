"""Density estimation by a Gaussian around every training point."""

import math
from collections.abc import Iterator

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.capabilities import HasDensity
from sciml.core.config import Config
from sciml.core.errors import NumericsError
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.nn import Units
from sciml.tasks.density import DensityConfig, DensityContext, DensitySolver, PointBatch, Points
from sciml.train import Examples, Recipe, TrainConfig, recipe_of

_BLOCK = 2**22  # pairs of points and centres held at a time
_PAIRS = 2 * 10**8  # looked at for every width, at most; fewer points are left out in turn where there are more centres
_FINEST = 1e-7  # standard deviations; narrower kernels see the rounding of single precision


class KDEConfig(Config):
    """Gaussians of one width."""

    centres: int | None = pydantic.Field(default=None, ge=2)
    """Largest number of training points that carry a Gaussian, spread evenly over all of them; None for every one."""
    bandwidths: int = pydantic.Field(default=20, ge=2)
    """Widths tried, evenly spaced in their logarithm, and once more between the neighbours of the best."""
    narrowest: float | None = pydantic.Field(default=None, gt=0)
    """Smallest width tried, in standard deviations of the data; None for a quarter of the median distance of nearest
    neighbours, at most 0.02."""
    widest: float = pydantic.Field(default=1.0, gt=0)
    """Largest width tried."""


class KernelDensity(nn.Module):
    """p(x) = Σ_i exp(-|x̃ - c_i|² / 2h²) / (n (2π h²)^(d/2) Π σ): every centre c_i a Gaussian of width h.

    Fitted by `fit`; before that it is one Gaussian with the mean and the deviations of the data.

    Arguments:
        config: hyper-parameters.
        units: what standardises the points.
        room: for centres.
    """

    centres: Tensor
    log_weights: Tensor
    bandwidth: Tensor

    def __init__(self, config: KDEConfig, units: Units, room: int) -> None:
        super().__init__()
        self.config, self.units = config, units
        self.register_buffer("centres", torch.zeros(room, units.channels))
        self.register_buffer("log_weights", torch.full((room,), -torch.inf))
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


_RECIPE = Recipe[KDEConfig, DensityConfig](model=KDEConfig(), task=DensityConfig(), train=TrainConfig(steps=0))


class KernelProgram(nn.Module):
    """The same density as fixed operations: all centres at once, whose memory grows with points times centres.

    Arguments:
        density: fitted.
    """

    def __init__(self, density: KernelDensity) -> None:
        super().__init__()
        self.density = density

    def forward(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"]:
        """log p of points in physical units."""
        d = self.density
        x, centres = d.units.standardise(points).double() / d.bandwidth, d.centres.double() / d.bandwidth
        exponents = x @ centres.T + d.log_weights - 0.5 * centres.square().sum(1)
        volume = points.shape[1] * (0.5 * math.log(2 * math.pi) + d.bandwidth.log()) + d.units.log_volume()
        return (torch.logsumexp(exponents, dim=1) - 0.5 * x.square().sum(1) - volume).to(points.dtype)


class KDESolver(DensitySolver[KDEConfig, KernelDensity]):
    """Densities by kernels: what needs no training."""

    key = "kde"
    title = "Kernel density"
    citation = "Parzen, On estimation of a probability density function and mode, Ann. Math. Statist. 33 (1962)"
    claim = ""
    rule = None

    def recipe(self, preset: str) -> Recipe[KDEConfig, DensityConfig]:
        """The same for every preset: all points are centres."""
        return recipe_of(dict.fromkeys(("tiny", "small", "paper"), _RECIPE), preset)

    def build(self, problem: HasDensity, model: KDEConfig, context: DensityContext) -> KernelDensity:
        """One Gaussian, with room for the centres."""
        count = max(1, context.count)
        room = count if model.centres is None else min(model.centres, count) if context.count else model.centres
        return KernelDensity(model, Units(context.statistics), room)

    def loss(self, module: KernelDensity, batch: PointBatch, along: float = 1.0) -> Tensor:
        """Mean negative log density; nothing here has a gradient."""
        return -module(batch.points).mean()

    @torch.no_grad()
    def predict(self, module: KernelDensity, inputs: Points) -> Prediction:
        """log p per point, in physical units."""
        log_density = module(inputs.points)
        return Prediction(log_density, None, torch.where(log_density.isfinite(), int(Status.OK), int(Status.DIVERGED)))

    def program(self, module: KernelDensity) -> KernelProgram:
        """Points to log densities."""
        return KernelProgram(module)

    def sample(self, module: KernelDensity, count: int, generator: torch.Generator) -> Float[Tensor, "sample dim"]:
        """Draws in physical units."""
        return module.sample(count, generator)

    def solve_closed_form(self, module: KernelDensity, examples: Examples[PointBatch]) -> bool:
        """Keep training points as centres; the width is the one that makes left-out points most likely."""
        chosen = torch.linspace(0, len(examples) - 1, min(len(examples), len(module.centres))).long()
        points = examples.batch(chosen, rng.generator(0, "kde")).points.to(module.centres.device)
        centres = module.units.standardise(points.double())
        module.set(centres.to(module.centres.dtype), best_width(centres, module.config))
        return True


def best_width(centres: Float[Tensor, "centre dim"], config: KDEConfig) -> float:
    """The width at which left-out centres are most likely under all others, with copies of them left out as well.

    Where the best of those tried is the smallest, smaller ones are tried.

    Arguments:
        centres: standardised, float64.
        config: which widths are tried.

    Raises: NumericsError where points lie so densely that every smaller width is better (they are no draws from a
        density).
    """
    left_out = centres[torch.linspace(0, len(centres) - 1, min(len(centres), _left_out(len(centres)))).long()]
    nearest = torch.cat([d.amin(1) for d in _distances(left_out, centres)])
    typical = float(nearest[nearest.isfinite()].median()) if nearest.isfinite().any() else 1.0
    low = min(0.02, typical / 4) if config.narrowest is None else config.narrowest
    high = max(config.widest, 2 * low)
    while True:
        tried = torch.logspace(math.log10(low), math.log10(high), config.bandwidths, dtype=torch.float64)
        best = int(_likelihood(left_out, centres, tried).argmax())
        if best > 0 or config.narrowest is not None or low < _FINEST:
            break
        low, high = low / 100, float(tried[1])
    ends = tried[max(best - 1, 0)], tried[min(best + 1, len(tried) - 1)]
    first, last = (math.log10(float(end)) for end in ends)
    finer = torch.logspace(first, last, config.bandwidths, dtype=torch.float64)
    width = float(finer[_likelihood(left_out, centres, finer).argmax()])
    if width < _FINEST:
        raise NumericsError(
            f"the best kernel width of these points, {width:.1e} of their standard deviation, is below the rounding of "
            "single precision. Points that repeat others almost exactly are no draws from a density: leave the copies "
            "out, add the noise of the measurement, or set model.narrowest."
        )
    return width


def _left_out(count: int) -> int:
    """How many points are left out in turn."""
    return max(200, min(1000, _PAIRS // count))


def _distances(points: Tensor, centres: Tensor) -> Iterator[Tensor]:
    """Distances of points to centres, infinite where they coincide, block by block."""
    for block in points.split(max(1, _BLOCK // len(centres))):
        exact = torch.cdist(block, centres, compute_mode="donot_use_mm_for_euclid_dist")
        yield exact.masked_fill(exact == 0, torch.inf)


def _likelihood(points: Tensor, centres: Tensor, widths: Tensor) -> Tensor:
    """Mean log density of the points under the other centres, but for what no width changes; one per width."""
    total = torch.zeros(len(widths), dtype=torch.float64, device=points.device)
    for distances in _distances(points, centres):
        squares = distances.square()
        for i, width in enumerate(widths.tolist()):
            logs = torch.logsumexp(squares / (-2 * width**2), dim=1) - centres.shape[1] * math.log(width)
            total[i] += logs.sum()
    return total / len(points)
