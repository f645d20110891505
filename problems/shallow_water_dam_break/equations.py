"""Shallow water on flat ground, for people and for the checks of its data."""

import torch
from torch import Tensor

from sciml.core.types import Grid, Params

EQUATION = """\
∂h/∂t + ∂(h u)/∂x + ∂(h v)/∂y = 0
∂(h u)/∂t + ∂(h u² + g h²/2)/∂x + ∂(h u v)/∂y = 0
∂(h v)/∂t + ∂(h u v)/∂x + ∂(h v² + g h²/2)/∂y = 0"""

GRAVITY = 1.0
"""g: unit of acceleration."""
HALF = 2.5
"""Half the side of the square."""


def to_conserved(states: Tensor) -> Tensor:
    """(h, u, v) as (h, h u, h v), channels on axis -3."""
    h, u, v = states.unbind(-3)
    return torch.stack([h, h * u, h * v], dim=-3)


def mass(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """⟨h⟩, the mean depth; constant until a wave reaches an end."""
    return states[:, :, 0].mean(dim=(-2, -1))


def momentum(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """1 + (|⟨h u⟩| + |⟨h v⟩|)/⟨h⟩: what is pushed to one side is pushed to the other."""
    h, hu, hv = to_conserved(states).mean(dim=(-2, -1)).unbind(-1)
    return 1 + (hu.abs() + hv.abs()) / h
