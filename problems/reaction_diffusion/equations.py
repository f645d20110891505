"""The Fisher-KPP equation for a solver in Fourier space."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params
from sciml.reference import Fourier, Semilinear, over_space

EQUATION = "∂u/∂t = D ∂²u/∂x² + r u (1 − u)"
EXTENT = 2 * math.pi
"""Length of the ring."""
STEP = 0.1
"""Time step times r; ETDRK4 is then accurate to 1e-6 (see the README)."""


class FisherKPP(Semilinear):
    """``L = −D k²``, ``N(u) = r u (1 − u)``; any number of axes."""

    def linear(self, fourier: Fourier, params: Params) -> Tensor:
        """``−D k²``."""
        return -over_space(params["diffusion"], fourier) * fourier.k_squared

    def nonlinear(self, u_hat: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """``r (u − u²)``."""
        square = fourier.forward(fourier.inverse(u_hat).square())
        return over_space(params["rate"], fourier) * (u_hat - square)

    def largest_step(self, u: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """A fixed share of the time of growth."""
        return STEP / params["rate"]


def bounds(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``1 + max(u − 1, −u, 0)``: one where the comparison principle holds, 0 ≤ u ≤ 1."""
    u = states.flatten(2)
    return 1 + torch.maximum(u - 1, -u).amax(2).clamp(min=0)
