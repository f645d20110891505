"""The vorticity equation with a sinusoidal force, and what its flows conserve."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params

EQUATION = """\
∂ω/∂t + u ∂ω/∂x + v ∂ω/∂y = ν ∇²ω − α ω − 4 F cos 4y
∂u/∂x + ∂v/∂y = 0,  ω = ∂v/∂x − ∂u/∂y"""

EXTENT = 2 * math.pi
"""Side of the periodic square."""
WAVENUMBER = 4
"""Of the force F sin(4y) along x."""


def forcing(amplitude: Tensor, grid: Grid) -> Tensor:
    """The curl ``−4 F cos 4y`` of the force, ``*batch y x``, for amplitudes ``batch`` or a scalar."""
    y = grid.axes[0].points().to(amplitude)
    profile = -WAVENUMBER * torch.cos(WAVENUMBER * y)
    return (amplitude[..., None, None] * profile[:, None]).expand(*amplitude.shape, *grid.size)


def circulation(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``1 + ⟨ω⟩ / rms ω(0)``, one exactly at all times: the velocity is periodic, so its curl has no mean."""
    vorticity = states[:, :, 0]
    return 1 + vorticity.mean((-2, -1)) / vorticity[:, :1].square().mean((-2, -1)).sqrt()


def enstrophy(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``⟨ω²⟩/2``, conserved where ν, α and F are zero."""
    return states[:, :, 0].square().mean((-2, -1)) / 2
