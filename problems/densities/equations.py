"""The densities: their numbers, and their logarithms where they are known."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

EQUATION = """\
moons:     p = ½ Σ_k ∫₀^π N(c_k(t), 0.1² I) dt / π,  c₁ = (cos t, sin t),  c₂ = (1 − cos t, ½ − sin t)
gaussians: p = ⅛ Σ_k N(2√2 (cos kπ/4, sin kπ/4), I/8)
pinwheel:  2 (1 + 0.3 ξ₁, 0.1 ξ₂) turned clockwise by 2πk/5 + ¼ exp(1 + 0.3 ξ₁),  k uniform, ξ ~ N(0, I)"""

MOON_NOISE = 0.1
"""Standard deviation across the arcs, whose radius is 1."""
GAUSSIANS = 8
"""Number of Gaussians."""
RADIUS = 2 * math.sqrt(2)
"""Distance of their centres from the origin."""
WIDTH = 1 / math.sqrt(8)
"""Their standard deviation; neighbouring centres are 6.1 of it apart."""
BLADES = 5
"""Arms of the pinwheel."""
RADIAL, TANGENTIAL = 0.3, 0.1
"""Standard deviations of a blade along and across, before everything is doubled."""
TWIST = 0.25
"""Angle of a blade per exp(distance along it), in radians."""

NODES = 128
"""Of the quadrature along an arc: at most 0.039 apart, where the noise is 0.1."""
_BLOCK = 8192  # points at a time


def moon_arcs(t: Tensor) -> Tensor:
    """Both arcs at the angles `t`, ``2 angle 2``."""
    upper = torch.stack([t.cos(), t.sin()], dim=-1)
    lower = torch.stack([1 - t.cos(), 0.5 - t.sin()], dim=-1)
    return torch.stack([upper, lower])


def gaussian_centres() -> Tensor:
    """The centres, ``8 2``, float64."""
    angle = torch.arange(GAUSSIANS, dtype=torch.float64) * (2 * math.pi / GAUSSIANS)
    return RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)


def moons_log_density(points: Tensor, num_nodes: int = NODES) -> Tensor:
    """log p by Gauss-Legendre quadrature along the arcs, exact to rounding; ``point 2`` to ``point``, float64."""
    nodes, log_weights = _quadrature(num_nodes)
    centres = moon_arcs(nodes).flatten(0, 1)
    log_weights = torch.cat([log_weights, log_weights]) - math.log(2 * math.pi)  # two arcs, each of length π
    return _mixture(points, centres, log_weights, MOON_NOISE)


def gaussians_log_density(points: Tensor) -> Tensor:
    """log p of the eight Gaussians, ``point 2`` to ``point``, float64."""
    weights = torch.full((GAUSSIANS,), -math.log(GAUSSIANS), dtype=torch.float64)
    return _mixture(points, gaussian_centres(), weights, WIDTH)


LOG_DENSITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "moons": moons_log_density,
    "gaussians": gaussians_log_density,
}
"""By name, where it is known."""


def _mixture(points: Tensor, centres: Tensor, log_weights: Tensor, width: float) -> Tensor:
    """log Σ_k w_k N(points; centres_k, width² I)."""
    blocks = []
    for block in points.double().split(_BLOCK):
        squares = torch.cdist(block, centres, compute_mode="donot_use_mm_for_euclid_dist").square()
        blocks.append(torch.logsumexp(log_weights - squares / (2 * width**2), dim=1))
    return torch.cat(blocks) - math.log(2 * math.pi * width**2)


@lru_cache(maxsize=2)
def _quadrature(num_nodes: int) -> tuple[Tensor, Tensor]:
    """Angles in [0, π] and the logarithms of their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    angles = torch.from_numpy(nodes + 1) * (math.pi / 2)
    return angles, torch.from_numpy(weights * (math.pi / 2)).log()
