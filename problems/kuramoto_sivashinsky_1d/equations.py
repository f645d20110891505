"""The Kuramoto-Sivashinsky equation for a solver in Fourier space."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params
from sciml.reference import Fourier, Semilinear, over_space

EQUATION = "∂u/∂t = −u ∂u/∂x − ∂²u/∂x² − ν ∂⁴u/∂x⁴"
EXTENT = 16 * math.pi
"""Length of the ring: five to six waves."""
STEP = 0.1
"""Time step; ETDRK4 is then accurate to 1e-6 per unit of time (see the README)."""


class KuramotoSivashinskyEquation(Semilinear):
    """``L = k² − ν k⁴``, ``N(u) = −∂(u²/2)/∂x``; one axis."""

    def linear(self, fourier: Fourier, params: Params) -> Tensor:
        """Growth of long waves, decay of short ones."""
        return fourier.k_squared - over_space(params["viscosity"], fourier) * fourier.k_squared**2

    def nonlinear(self, u_hat: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """In the form of a flux, so that the mean stays."""
        return -fourier.ik[0] / 2 * fourier.forward(fourier.inverse(u_hat).square())

    def largest_step(self, u: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """The same for all."""
        return torch.full_like(params["viscosity"], STEP)


def mean(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``1 + ⟨u⟩ / rms u(0)``, one exactly at all times for states that start without a mean."""
    u = states[:, :, 0]
    return 1 + u.mean(-1) / u[:, :1].square().mean(-1).sqrt()
