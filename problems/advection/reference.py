"""Function spaces, and the exact solution along characteristics."""

import math

import torch
from torch import Tensor

from sciml.core.capabilities import Images
from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import ChebyshevSpace, GaussianSpace, Kernel

from .equations import LENGTH, LINE

SPACES: dict[str, FunctionSpace] = {
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
    "grf_long": GaussianSpace(LINE, Kernel("rbf", 2.5 * LENGTH)),
    "chebyshev": ChebyshevSpace(LINE, size=10, bound=1.0),
}


def fields(functions: Functions, queries: Tensor) -> Images:
    """v(sin² π(x - t)) at queries (t, x), ``function query 1``."""
    t, x = queries.unbind(1)
    values = functions(torch.sin(math.pi * (x - t)).square()[:, None])
    return Images(values[..., None], torch.zeros(len(values), dtype=torch.int8))
