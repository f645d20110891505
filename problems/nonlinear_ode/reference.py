"""Function spaces, and the classical Runge-Kutta method for many functions at once."""

import torch
from torch import Tensor

from sciml.core.capabilities import Images
from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import ChebyshevSpace, GaussianSpace, Kernel, integrate_forced

from .equations import BOUND, LENGTH, LINE, STEP

SPACES: dict[str, FunctionSpace] = {
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
    "grf_short": GaussianSpace(LINE, Kernel("rbf", LENGTH / 2)),
    "grf_long": GaussianSpace(LINE, Kernel("rbf", 2.5 * LENGTH)),
    "chebyshev": ChebyshevSpace(LINE, size=20, bound=1.0),
}


def solutions(functions: Functions, queries: Tensor, *, step: float = STEP) -> Images:
    """s at queries, ``function query 1``; a solution that blows up is DIVERGED."""
    return integrate_forced(
        lambda s, u: u[:, None] - s.square(),
        functions,
        torch.zeros(1),
        queries[:, 0],
        start=0.0,
        largest_step=step,
        bound=BOUND,
    )
