"""Initial vorticities, and what becomes of them."""

import math

import torch
from torch import Tensor

from sciml.core.capabilities import Images
from sciml.core.functions import Functions, FunctionSpace
from sciml.core.types import Axis, Grid
from sciml.reference import Fourier, FourierSpace, evolve_vorticity

from .equations import AMPLITUDE, EXPONENT, INVERSE_LENGTH, SQUARE, TIME, VISCOSITY

POINTS = 64
"""Of the reference along an axis; products are free of aliasing by the 2/3 rule."""

SPACES: dict[str, FunctionSpace] = {
    "grf": FourierSpace(SQUARE, size=6, inverse_length=INVERSE_LENGTH, exponent=EXPONENT, amplitude=AMPLITUDE),
    "weak": FourierSpace(SQUARE, size=6, inverse_length=INVERSE_LENGTH, exponent=EXPONENT, amplitude=AMPLITUDE / 3),
}
"""Eddies that turn about each other, and eddies that hardly move before they decay."""


def later(w: Functions, queries: Tensor, *, points: int = POINTS, step_factor: float = 1.0) -> Images:
    """ω(x, y, 2) at queries (y, x), ``function query``; a function whose flow broke down has DIVERGED."""
    grid = Grid(tuple(Axis(axis.name, points, 0.0, 1.0, "periodic") for axis in SQUARE.axes))
    start = w(SQUARE.lattice(grid.size)).unflatten(1, grid.size)
    solved = evolve_vorticity(
        start, torch.tensor([0.0, TIME], dtype=torch.float64), grid, viscosity=VISCOSITY, step_factor=step_factor
    )
    return Images(_series(Fourier(grid).forward(solved.states[:, -1, 0]), queries)[..., None], solved.status)


def _series(w_hat: Tensor, queries: Tensor) -> Tensor:
    """A Fourier series at any points: along y, then along x, whose negative modes are conjugate and not stored."""
    size = w_hat.shape[1]
    n_y = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    n_x = torch.arange(w_hat.shape[2], dtype=torch.float64)
    wave_y = torch.exp(2j * math.pi * queries[:, :1] * n_y)
    wave_x = torch.exp(2j * math.pi * queries[:, 1:] * n_x) * torch.where(n_x > 0, 2.0, 1.0)
    kept = (n_x < size // 2).nonzero().flatten()  # the highest mode has no phase
    w_hat = torch.where((n_y.abs() < size // 2)[:, None], w_hat, 0.0)[..., kept]
    rows, number = queries[:, 0].unique(return_inverse=True)  # a lattice has few
    if len(rows) * 4 < len(queries):
        along = torch.exp(2j * math.pi * rows[:, None] * n_y) @ w_hat
        return torch.stack([part[number] for part in along]).mul(wave_x[:, kept]).sum(2).real
    return torch.einsum("qy,fyx,qx->fq", wave_y, w_hat, wave_x[:, kept]).real
