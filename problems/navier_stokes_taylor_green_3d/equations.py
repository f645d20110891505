"""Incompressible flow in three dimensions, and what it conserves."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params
from sciml.reference import Fourier, curl

EQUATION = """\
∂u/∂t + (u·∇) u = −∇p + ν ∇²u
∇·u = 0,  u = (u, v, w)"""
EXTENT = 2 * math.pi
"""Side of the periodic cube."""


def divergence(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``1 + rms ∇·u / rms ω(0)``, one exactly at all times."""
    fourier = Fourier(grid, states.device)
    total = sum(fourier.derivative(states[:, :, channel], 2 - channel) for channel in range(3))
    assert isinstance(total, Tensor)
    rotation = curl(states[:, 0], grid).square().sum(1).mean((-3, -2, -1)).sqrt()
    return 1 + total.square().mean((-3, -2, -1)).sqrt() / rotation[:, None]


def momentum(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``1 + |⟨u⟩| / rms u(0)``, one exactly at all times for flow that starts without a mean."""
    speed = states[:, 0].square().sum(1).mean((-3, -2, -1)).sqrt()
    return 1 + torch.linalg.vector_norm(states.mean((-3, -2, -1)), dim=2) / speed[:, None]
