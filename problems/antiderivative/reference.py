"""Function spaces with integrals in closed form, so that labels are exact up to rounding."""

import math

import torch
from torch import Tensor

from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import ChebyshevSpace, GaussianSpace, GivenSpace, Kernel, PowerSpace

from .equations import LENGTH, LINE

_PI = math.pi
SPACES: dict[str, FunctionSpace] = {
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
    "grf_short": GaussianSpace(LINE, Kernel("rbf", LENGTH / 2)),
    "grf_long": GaussianSpace(LINE, Kernel("rbf", 2.5 * LENGTH)),
    "exponential": GaussianSpace(LINE, Kernel("exponential", LENGTH)),
    "chebyshev": ChebyshevSpace(LINE, size=20, bound=1.0),
    "power": PowerSpace(LINE, size=100, bound=1.0),
    "probes": GivenSpace(
        LINE,
        [
            lambda x: x[:, 0],
            lambda x: torch.sin(_PI * x[:, 0]),
            lambda x: torch.sin(2 * _PI * x[:, 0]),
            lambda x: x[:, 0] * torch.sin(2 * _PI * x[:, 0]),
        ],
        [
            lambda x: x[:, 0] ** 2 / 2,
            lambda x: (1 - torch.cos(_PI * x[:, 0])) / _PI,
            lambda x: (1 - torch.cos(2 * _PI * x[:, 0])) / (2 * _PI),
            lambda x: torch.sin(2 * _PI * x[:, 0]) / (4 * _PI**2) - x[:, 0] * torch.cos(2 * _PI * x[:, 0]) / (2 * _PI),
        ],
    ),
}
"""Gaussian fields of three lengths, rough ones, polynomials, and the functions that the paper's code probes with."""


def antiderivatives(u: Functions, queries: Tensor) -> Tensor:
    """∫₀ˣ u, ``function query``."""
    return u.integral(queries)
