"""Function spaces, and the classical Runge-Kutta method for many torques at once."""

import torch
from torch import Tensor

from sciml.core.capabilities import Images
from sciml.core.functions import Functions, FunctionSpace
from sciml.reference import ChebyshevSpace, GaussianSpace, Kernel, integrate_forced

from .equations import LENGTH, LINE, STEP, STIFFNESS

SPACES: dict[str, FunctionSpace] = {
    "grf": GaussianSpace(LINE, Kernel("rbf", LENGTH)),
    "grf_short": GaussianSpace(LINE, Kernel("rbf", LENGTH / 2)),
    "grf_long": GaussianSpace(LINE, Kernel("rbf", 2.5 * LENGTH)),
    "chebyshev": ChebyshevSpace(LINE, size=20, bound=1.0),
}


def angles(functions: Functions, queries: Tensor, *, step: float = STEP) -> Images:
    """s₁ at times, ``function query 1``."""

    def slope(state: Tensor, u: Tensor) -> Tensor:
        return torch.stack((state[:, 1], u - STIFFNESS * torch.sin(state[:, 0])), dim=1)

    images = integrate_forced(slope, functions, torch.zeros(2), queries[:, 0], start=0.0, largest_step=step)
    return images._replace(values=images.values[..., :1])
