"""Gaussian random fields on periodic grids that are the same function whatever the grid."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Grid


def band_limited_field(
    grid: Grid,
    spectrum: Callable[[Tensor], Tensor],
    band: int,
    generator: torch.Generator,
) -> Float[Tensor, "*space"]:
    """One draw of a real, statistically homogeneous Gaussian field with zero mean.

    ``u(x) = Σ_{0<|n|_∞≤band} sqrt(S(|k_n|)) ξ_n exp(i k_n·x)``, ``k_n = 2π n / extent``, ``ξ_{-n}`` the conjugate of
    ``ξ_n`` and ``E|ξ_n|² = 1``, so that ``E[u²] = Σ S(|k_n|)``.

    Arguments:
        grid: a periodic grid with more than ``2 band`` points per axis.
        spectrum: expected ``|û_k|²`` of one mode as a function of ``|k|``; evaluated at k > 0 only.
        band: largest mode number per axis.
        generator: source of the normal draws. Their number and order depend on `band` alone, so equal generator
            states give the same function on every grid.

    Returns:
        The field in float64 on the generator's device.

    Raises:
        UserError: if the grid cannot hold the band.
    """
    if not all(grid.periodic) or min(grid.size, default=0) <= 2 * band:
        raise UserError(
            f"a field of band {band} does not fit on this grid",
            got=f"{grid.size} points, boundaries {[axis.boundary for axis in grid.axes]}",
            expected=f"periodic axes of more than {2 * band} points",
        )
    modes = torch.arange(-band, band + 1, dtype=torch.float64, device=generator.device)
    axes = [modes * (2 * math.pi / axis.extent) for axis in grid.axes]
    k = torch.stack(torch.meshgrid(*axes, indexing="ij")).square().sum(0).sqrt()
    noise = torch.randn(2, *k.shape, generator=generator, dtype=torch.float64, device=generator.device)
    xi = torch.complex(noise[0], noise[1]) / math.sqrt(2)
    xi = (xi + xi.flip(tuple(range(k.ndim))).conj()) / math.sqrt(2)
    k[(band,) * k.ndim] = math.inf  # the mean: no amplitude
    amplitude = torch.where(torch.isinf(k), 0.0, spectrum(k.nan_to_num(posinf=1.0))).sqrt()
    u_hat = xi.new_zeros((*grid.size[:-1], grid.size[-1] // 2 + 1))
    rows = [modes.long() % size for size in grid.size[:-1]]
    u_hat[torch.meshgrid(*rows, modes[band:].long(), indexing="ij")] = (xi * amplitude)[..., band:]
    return torch.fft.irfftn(u_hat, s=grid.size, norm="forward")
