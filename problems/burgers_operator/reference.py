"""Initial velocities, and a pseudospectral method with an integrating factor."""

import math

import torch
from torch import Tensor

from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import FourierSpace

from .equations import AMPLITUDE, CIRCLE, EXPONENT, INVERSE_LENGTH, TIME, VISCOSITY

POINTS = 256
"""Of the reference; a third of the waves is cut by the 2/3 rule."""
STEPS = 400

SPACES: dict[str, FunctionSpace] = {
    "grf": FourierSpace(CIRCLE, size=64, inverse_length=INVERSE_LENGTH, exponent=EXPONENT, amplitude=AMPLITUDE),
    "rougher": FourierSpace(CIRCLE, size=64, inverse_length=2 * INVERSE_LENGTH, exponent=EXPONENT, amplitude=50.0),
}


def later(u: Functions, queries: Tensor, *, points: int = POINTS, steps: int = STEPS) -> Tensor:
    """u(x, 1) at queries, ``function query``; NaN where it is not finite.

    With v̂ = exp(ν k² t) û the stiff term is gone: v̂′ = -exp(ν k² t) ½ i k (u²)^, in Runge-Kutta steps of order 4, the
    factor taken anew in every step. The product is free of aliasing by the 2/3 rule.
    """
    x = torch.arange(points, dtype=torch.float64) / points
    k = 2 * math.pi * torch.arange(points // 2 + 1, dtype=torch.float64)
    kept = torch.arange(points // 2 + 1) <= points // 3
    dt = TIME / steps
    half = torch.exp(-VISCOSITY * k.square() * dt / 2)

    def slope(u_hat: Tensor) -> Tensor:
        velocity = torch.fft.irfft(u_hat * kept, n=points)
        return -0.5j * k * kept * torch.fft.rfft(velocity.square())

    state = torch.fft.rfft(u(x[:, None]))
    for _ in range(steps):
        k1 = slope(state)
        k2 = slope(half * (state + dt / 2 * k1))
        k3 = slope(half * state + dt / 2 * k2)
        k4 = slope(half.square() * state + dt * half * k3)
        state = half.square() * (state + dt / 6 * k1) + dt / 3 * half * (k2 + k3) + dt / 6 * k4
    weight = torch.where(k > 0, 2.0, 1.0).double()
    wave = torch.exp(1j * queries.double() * k)[:, : points // 2]
    return ((state * weight)[:, : points // 2] @ wave.T).real / points
