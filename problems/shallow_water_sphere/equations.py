"""Shallow water on a rotating sphere, for people and for the checks of its data."""

from functools import lru_cache

import torch
from torch import Tensor

from sciml.core.types import Grid, Params
from sciml.reference import EARTH_GRAVITY, EARTH_RADIUS, EARTH_ROTATION, SphericalHarmonics

EQUATION = """\
∂h/∂t + ∇·(h u) = 0
∂u/∂t + (ζ + f) k × u = −∇(g h + |u|²/2),  f = 2 Ω sin φ,  ζ = k·∇×u"""

RADIUS = EARTH_RADIUS
GRAVITY = EARTH_GRAVITY
HOUR = 3600.0
"""Seconds per unit of time of the data."""


def rotation(params: Params) -> Tensor:
    """Ω, 1/s."""
    return EARTH_ROTATION * params["rotation"]


def truncation_of(latitudes: int) -> int:
    """The largest degree that a quadratic grid of so many latitudes is made for: 31 for 48, 63 for 96."""
    return (2 * latitudes - 1) // 3


@lru_cache(maxsize=4)
def uniform(grid: Grid, device: torch.device) -> SphericalHarmonics:
    """The transform on the grid that data is stored on."""
    latitudes, longitudes = grid.size
    return SphericalHarmonics(truncation_of(latitudes), latitudes, longitudes, nodes="uniform", device=device)


def _mean(values: Tensor, grid: Grid) -> Tensor:
    """Mean over the sphere, by the quadrature of the stored latitudes; exact for degrees up to their number."""
    return uniform(grid, values.device).mean(values)


def mass(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """⟨h⟩, m; conserved exactly."""
    return _mean(states[:, :, 0], grid)


def energy(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """⟨h |u|²/2 + g (h − ⟨h⟩)²/2⟩, m³/s²: kinetic plus available potential energy; conserved but for damping."""
    h, u, v = states.unbind(2)
    anomaly = h - _mean(h, grid)[..., None, None]
    return _mean(h * (u * u + v * v) / 2 + GRAVITY / 2 * anomaly**2, grid)


def angular_momentum(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """⟨h (u + Ω a cos φ) cos φ⟩, m²/s: about the axis of rotation; conserved, as no mountain takes it up."""
    h, u, _ = states.unbind(2)
    cosine = torch.cos(torch.deg2rad(grid.axes[0].points(states.dtype)).to(states.device))[:, None]
    turning = RADIUS * rotation(params).to(states)[:, None, None, None] * cosine
    return _mean(h * (u + turning) * cosine, grid)
