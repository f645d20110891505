"""Function spaces, and the solution as a Fourier series."""

import math

import torch
from torch import Tensor

from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import ChebyshevSpace, GaussianSpace, Kernel

from .equations import DIFFUSIVITY, LENGTH, LINE

POINTS = 512
"""That the initial state is expanded on; its coefficients fall below rounding long before the last."""
SPACES: dict[str, FunctionSpace] = {
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
    "grf_long": GaussianSpace(LINE, Kernel("rbf", 2.5 * LENGTH)),
    "chebyshev": ChebyshevSpace(LINE, size=10, bound=1.0),
}


def fields(v: Functions, queries: Tensor) -> Tensor:
    """s at queries (t, x), ``function query``: every wave moves with velocity one and decays as exp(-D k² t)."""
    grid = torch.arange(POINTS, dtype=torch.float64) / POINTS
    initial = v(torch.sin(math.pi * grid).square()[:, None])
    return propagated(initial, queries)


def propagated(initial: Tensor, queries: Tensor) -> Tensor:
    """States ``function query`` that start from values on an even periodic grid, ``function point``."""
    size = initial.shape[1]
    u_hat = torch.fft.rfft(initial, norm="forward")[:, : size // 2]
    k = 2 * math.pi * torch.arange(size // 2, dtype=torch.float64)
    t, x = queries.double().unbind(1)
    wave = torch.exp(1j * (x - t)[:, None] * k - DIFFUSIVITY * t[:, None] * k.square())
    weight = torch.where(k > 0, 2.0, 1.0).double()
    return ((u_hat * weight) @ wave.T).real
