"""The Schrödinger equation on a ring, its lattice, and what it conserves."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params
from sciml.reference import Fourier

EQUATION = """\
i ∂ψ/∂t = −½ ∂²ψ/∂x² + V₀ cos(2x) ψ + g |ψ|² ψ
ψ = Re ψ + i Im ψ"""
EXTENT = 2 * math.pi
"""Length of the ring."""
PERIODS = 2
"""Of the lattice around the ring."""


def potential(params: Params, grid: Grid) -> Tensor:
    """``V₀ cos 2x``, ``batch x``."""
    depth = params["depth"]
    return depth[:, None] * torch.cos(PERIODS * grid.axes[0].points().to(depth))


def norm(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``⟨|ψ|²⟩``."""
    return states.square().sum(2).mean(-1)


def energy(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``⟨½ |ψ_x|² + V |ψ|² + g/2 |ψ|⁴⟩ + V₀``, with the zero of energy at the bottom of the lattice."""
    slope = Fourier(grid, states.device).derivative(states, 0)
    density = states.square().sum(2)
    local = (potential(params, grid)[:, None] + params["depth"][:, None, None]) * density
    local = local + params["interaction"][:, None, None] / 2 * density.square()
    return (slope.square().sum(2) / 2 + local).mean(-1)
