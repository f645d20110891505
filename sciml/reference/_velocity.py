"""Incompressible flow in a periodic box, for its velocity."""

from functools import reduce
from typing import ClassVar

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Grid, Params
from sciml.reference._exponential import IFRK4, ExponentialMethod
from sciml.reference._grids import check_initial
from sciml.reference._semilinear import Semilinear, over_space
from sciml.reference._spectral import Fourier

COURANT = 1.0
"""Time step times the fastest rate of advection of a resolved mode; IF-RK4 is stable up to 2.82."""
DIVERGENCE = 1e-3
"""Over the vorticity, both rms, up to which a velocity counts as one without."""


class Velocity(Semilinear):
    """``u_t = u × ω − ∇(p + |u|²/2) + ν ∇²u``, ``∇·u = 0`` in three dimensions; parameter by row: ``viscosity`` ν.

    The rotational form conserves energy without viscosity; the pressure is what the projection takes away. Channels are
    the velocity along x, y and z.
    """

    method: ClassVar[ExponentialMethod] = IFRK4
    longest_interval: ClassVar[float] = 0.5

    def linear(self, fourier: Fourier, params: Params) -> Tensor:
        """``−ν k²``."""
        return -over_space(params["viscosity"], fourier) * fourier.k_squared

    def nonlinear(self, u_hat: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """The solenoidal part of u × ω."""
        fields = fourier.inverse(torch.cat([u_hat, curl_modes(u_hat, fourier)], 1))
        return project(fourier.forward(torch.linalg.cross(fields[:, :3], fields[:, 3:], dim=1)), fourier)

    def largest_step(self, u: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """A Courant number on the fastest resolved mode."""
        speed = u.square().sum(1).sqrt().flatten(1).amax(1)
        return COURANT / (fourier.k_max * speed)


def curl_modes(u_hat: Complex[Tensor, "batch three *mode"], fourier: Fourier) -> Complex[Tensor, "batch three *mode"]:
    """Coefficients of ``∇ × u``; components along x, y, z, axes of the grid z, y, x."""
    ik_z, ik_y, ik_x = fourier.ik
    u, v, w = u_hat.unbind(1)
    return torch.stack([ik_y * w - ik_z * v, ik_z * u - ik_x * w, ik_x * v - ik_y * u], 1)


def project(u_hat: Complex[Tensor, "batch three *mode"], fourier: Fourier) -> Complex[Tensor, "batch three *mode"]:
    """The part of a vector field that has no divergence."""
    ik = fourier.ik[::-1]
    divergence = reduce(torch.add, [factor * part for factor, part in zip(ik, u_hat.unbind(1), strict=True)])
    k_squared = fourier.k_squared.clone()
    k_squared.view(-1)[0] = 1.0
    potential = divergence / k_squared
    return u_hat + torch.stack([factor * potential for factor in ik], 1)


def solenoidal(u: Float[Tensor, "batch three *space"], grid: Grid) -> Float[Tensor, "batch three *space"]:
    """The part of a vector field on a periodic box that has no divergence; components x, y, z, axes z, y, x."""
    fourier = Fourier(grid, u.device)
    return fourier.inverse(project(fourier.forward(u), fourier))


def curl(u: Float[Tensor, "batch three *space"], grid: Grid) -> Float[Tensor, "batch three *space"]:
    """``∇ × u`` on a periodic box; components x, y, z, axes z, y, x."""
    fourier = Fourier(grid, u.device)
    return fourier.inverse(curl_modes(fourier.forward(u), fourier))


def check_solenoidal(u: Float[Tensor, "batch three *space"], grid: Grid) -> None:
    """Raise UserError for a velocity with divergence, of which an incompressible flow has none.

    An rms divergence up to a thousandth of the rms vorticity is rounding, or what a coarser grid left out.
    """
    check_initial(u, 3, grid.size, "velocity along x, y and z")
    fourier = Fourier(grid, u.device)
    modes = fourier.forward(u)
    parts = [factor * part for factor, part in zip(fourier.ik[::-1], modes.unbind(1), strict=True)]
    divergence, turning = _rms(fourier, reduce(torch.add, parts)[:, None]), _rms(fourier, curl_modes(modes, fourier))
    wrong = divergence > DIVERGENCE * (turning + divergence)
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise UserError(
            "the initial velocity of an incompressible flow has divergence",
            got=f"an rms divergence of {float(divergence[row] / turning[row]):.3g} rms vorticities in row {row}",
            expected=f"at most {DIVERGENCE:g}",
            fix="Take the part without divergence: sciml.reference.solenoidal(velocity, grid).",
        )


def _rms(fourier: Fourier, modes: Complex[Tensor, "batch channel *mode"]) -> Float[Tensor, " batch"]:
    return fourier.inverse(modes).square().sum(1).flatten(1).mean(1).sqrt()
