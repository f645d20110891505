"""The Gray-Scott equations for a solver in Fourier space."""

import torch
from torch import Tensor

from sciml.core.types import Grid, Params
from sciml.reference import Fourier, Semilinear, over_space

EQUATION = """\
∂u/∂t = D_u ∇²u − u v² + F (1 − u)
∂v/∂t = D_v ∇²v + u v² − (F + k) v"""
DIFFUSION = (2e-5, 1e-5)
"""D_u and D_v of Pearson, in units of his box of 2.5 and his unit of time."""
EXTENT = 0.5
"""Side of the periodic square, in the same units: a patch of Pearson's that holds about half a dozen spots."""
STEP = 2.0
"""Time step; ETDRK4 is then accurate to 1e-5 (see the README)."""


class Reaction(Semilinear):
    """Diffusion and linear decay in L, ``∓u v²`` in N, the feed as a source; any number of axes.

    Two thirds of the modes are kept although the product is cubic: its aliases fall on the highest modes, and dropping
    these too costs nine times more accuracy than the aliases do (6e-3 against 7e-4 at 64² points after a time of 450,
    from blots two thirds as wide).
    """

    def linear(self, fourier: Fourier, params: Params) -> Tensor:
        """``−D_u k² − F`` and ``−D_v k² − F − k``."""
        feed, kill = over_space(params["feed"], fourier), over_space(params["kill"], fourier)
        u, v = (-number * fourier.k_squared for number in DIFFUSION)
        return torch.cat([u - feed, v - feed - kill], 1)

    def nonlinear(self, u_hat: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """``−u v²`` and ``u v²``."""
        u, v = fourier.inverse(u_hat).unbind(1)
        rate = fourier.forward(u * v * v)
        return torch.stack([-rate, rate], 1)

    def source(self, fourier: Fourier, params: Params) -> Tensor:
        """F in the mean of u."""
        source = fourier.ik[0].new_zeros(len(params["feed"]), 2, *fourier.k_squared.shape)
        source[(slice(None), 0, *[0] * fourier.k_squared.ndim)] = params["feed"].to(source)
        return source

    def largest_step(self, u: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """The same for all."""
        return torch.full_like(params["feed"], STEP)


def bounds(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``1 + max(u − 1, v − 1, −u, −v, 0)``: one where concentrations keep to [0, 1], as those of the equation do."""
    values = states.flatten(2)
    return 1 + torch.maximum(values - 1, -values).amax(2).clamp(min=0)
