"""Function spaces, and the exact solution along characteristics."""

import math

import torch
from torch import Tensor

from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import ChebyshevSpace, GaussianSpace, Kernel

from .equations import LENGTH, LINE

SPACES: dict[str, FunctionSpace] = {
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
    "grf_long": GaussianSpace(LINE, Kernel("rbf", 2.5 * LENGTH)),
    "chebyshev": ChebyshevSpace(LINE, size=10, bound=1.0),
}


def fields(v: Functions, queries: Tensor) -> Tensor:
    """v(sin² π(x - t)) at queries (t, x), ``function query``."""
    t, x = queries.unbind(1)
    return v(torch.sin(math.pi * (x - t)).square()[:, None])
