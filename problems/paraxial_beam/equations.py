"""The paraxial wave equation, its graded index, and what it conserves."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params

EQUATION = """\
i ∂A/∂z = −∇²A/(2k) − k δn A
δn = −Δ (cos x + cos y)/2,  A = Re A + i Im A"""
EXTENT = 2 * math.pi
"""Side of the periodic cross-section."""


def index(params: Params, grid: Grid) -> Tensor:
    """δn, ``batch y x``; largest, Δ, in the middle of the cross-section."""
    contrast = params["contrast"]
    y, x = (torch.cos(axis.points().to(contrast)) for axis in grid.axes)
    return -contrast[:, None, None] * (y[:, None] + x) / 2


def power(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``⟨|A|²⟩``."""
    return states.square().sum(2).mean((-2, -1))
