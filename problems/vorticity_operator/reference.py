"""Initial vorticities, and a pseudospectral method with an integrating factor."""

import math

import torch
from torch import Tensor

from sciml.core.functions import Functions, FunctionSpace
from sciml.core.types import Axis, Grid
from sciml.reference import Fourier, FourierSpace

from .equations import AMPLITUDE, EXPONENT, INVERSE_LENGTH, SQUARE, TIME, VISCOSITY

POINTS = 64
"""Of the reference along an axis; products are free of aliasing by the 2/3 rule."""
STEPS = 100

SPACES: dict[str, FunctionSpace] = {
    "grf": FourierSpace(SQUARE, size=6, inverse_length=INVERSE_LENGTH, exponent=EXPONENT, amplitude=AMPLITUDE),
    "weak": FourierSpace(SQUARE, size=6, inverse_length=INVERSE_LENGTH, exponent=EXPONENT, amplitude=AMPLITUDE / 3),
}
"""Eddies that turn about each other, and eddies that hardly move before they decay."""


def later(w: Functions, queries: Tensor, *, points: int = POINTS, steps: int = STEPS) -> Tensor:
    """ω(x, y, 2) at queries (y, x), ``function query``; NaN where it is not finite.

    With q̂ = exp(ν k² t) ω̂ the stiff term is gone: q̂′ = -exp(ν k² t) (u·∇ω)^, in Runge-Kutta steps of order 4, the
    factor taken anew in every step.
    """
    transform = Fourier(Grid(tuple(Axis(axis.name, points, 0.0, 1.0, "periodic") for axis in SQUARE.axes)))
    ik_y, ik_x = transform.ik
    inverse_laplacian = torch.where(transform.k_squared > 0, 1 / transform.k_squared.clamp_min(1e-30), 0.0)
    dt = TIME / steps
    half = torch.exp(-VISCOSITY * transform.k_squared * dt / 2)

    def tendency(w_hat: Tensor) -> Tensor:
        w_hat = w_hat * transform.resolved
        psi = w_hat * inverse_laplacian
        u, v, w_x, w_y = map(transform.inverse, (ik_y * psi, -ik_x * psi, ik_x * w_hat, ik_y * w_hat))
        return -transform.forward(u * w_x + v * w_y) * transform.resolved

    state = transform.forward(w(SQUARE.lattice((points, points))).unflatten(1, (points, points)))
    for _ in range(steps):
        k1 = tendency(state)
        k2 = tendency(half * (state + dt / 2 * k1))
        k3 = tendency(half * state + dt / 2 * k2)
        k4 = tendency(half.square() * state + dt * half * k3)
        state = half.square() * (state + dt / 6 * k1) + dt / 3 * half * (k2 + k3) + dt / 6 * k4
    return _series(state, queries)


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
