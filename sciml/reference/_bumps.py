"""Smooth bumps on periodic boxes, band-limited, so that they are the same function on every grid that holds them."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.types import Grid


def periodic_bump(grid: Grid, centre: Float[Tensor, " axis"], power: int) -> Float[Tensor, "*space"]:
    """``Π_j ((1 + cos 2π (x_j − c_j)/extent_j) / 2)^power``, one at its centre, zero half a box away.

    Its modes reach `power` along every axis; its width at half maximum is about ``0.53/√power`` of the box.

    Arguments:
        grid: periodic, with more than ``2 power`` points per axis.
        centre: one coordinate per axis, in the order of the grid's axes.
        power: a positive number.
    """
    bump = torch.ones((), dtype=torch.float64, device=centre.device)
    for axis, position in zip(grid.axes, centre, strict=True):
        angle = 2 * math.pi * (axis.points().to(centre.device) - position) / axis.extent
        bump = bump[..., None] * ((1 + torch.cos(angle)) / 2) ** power
    return bump
