"""Fourier series on periodic grids of any dimension: transforms, derivatives, dealiasing, resampling.

Coefficients are those of the Fourier series, ``u(x) = Σ_k û_k exp(i k·x)`` (FFT norm ``forward``), so they do not
depend on the number of points and a field is resampled by copying coefficients.
"""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Grid


@final
class Fourier:
    """The real Fourier transform of one periodic grid.

    Arguments:
        grid: a grid whose axes are all periodic.
        device: where the wavenumbers live.
        truncate: keep only the columns of the spectrum (modes of the last axis) up to the last that is resolved. The
            transforms then lose what lies beyond, and a solver whose states hold resolved modes only saves a third.
        degree: of the polynomials of fields whose products are taken.

    Attributes:
        ik: ``i k_j`` per axis (y before x), broadcastable over a spectrum; zero on the Nyquist mode of an even axis,
            whose odd derivatives are not representable.
        k_squared: ``|k|²``.
        resolved: ``Σ_j (k_j / k_j,Nyquist)² < (2/(degree + 1))²``, for two factors the 2/3 rule: a product of `degree`
            fields that hold these modes only is free of aliasing on these modes. The set is an ellipse, so the
            truncation is isotropic.
        k_max: the largest ``|k|`` resolved.
    """

    ik: tuple[Complex[Tensor, "..."], ...]
    k_squared: Float[Tensor, "*mode"]
    resolved: Bool[Tensor, "*mode"]
    k_max: float

    def __init__(
        self, grid: Grid, device: torch.device | str = "cpu", *, truncate: bool = False, degree: int = 2
    ) -> None:
        if not grid.axes or not all(grid.periodic):
            raise UserError(
                "a Fourier transform needs a grid that is periodic along every axis",
                got={axis.name: axis.boundary for axis in grid.axes},
            )
        self.size = grid.size
        self._dims = tuple(range(-len(self.size), 0))
        ik, k_squared, radius = [], torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for dim, axis in zip(self._dims, grid.axes, strict=True):
            frequencies = torch.fft.rfftfreq if dim == -1 else torch.fft.fftfreq
            mode = frequencies(axis.size, 1 / axis.size, dtype=torch.float64).reshape(-1, *[1] * (-1 - dim))
            k = mode * (2 * math.pi / axis.extent)
            k_squared = k_squared + k**2
            radius = radius + (2 * mode / axis.size) ** 2
            ik.append((1j * k.masked_fill(2 * mode.abs() == axis.size, 0)).to(device))
        resolved = radius < (2 / (degree + 1)) ** 2 - 1e-12
        self._columns = int(resolved.reshape(-1, resolved.shape[-1]).any(0).sum()) if truncate else resolved.shape[-1]
        self.ik = (*ik[:-1], ik[-1][..., : self._columns].contiguous())
        self.k_squared = k_squared[..., : self._columns].contiguous().to(device)
        self.resolved = resolved[..., : self._columns].contiguous().to(device)
        self.k_max = float(self.k_squared[self.resolved].max().sqrt())

    def forward(self, u: Float[Tensor, "*rest"]) -> Complex[Tensor, "*other"]:
        """Series coefficients of a real field over its last axes."""
        columns = torch.fft.rfft(u, dim=-1, norm="forward")[..., : self._columns]
        return torch.fft.fftn(columns, dim=self._dims[:-1], norm="forward") if self._dims[:-1] else columns

    def inverse(self, u_hat: Complex[Tensor, "*rest"]) -> Float[Tensor, "*other"]:
        """The real field of series coefficients."""
        columns = torch.fft.ifftn(u_hat, dim=self._dims[:-1], norm="forward") if self._dims[:-1] else u_hat
        return torch.fft.irfft(columns, n=self.size[-1], dim=-1, norm="forward")

    def derivative(self, u: Float[Tensor, "*rest"], axis: int) -> Float[Tensor, "*rest"]:
        """``∂u/∂x_axis`` of a real field; `axis` counts the grid's axes (0 is y in two dimensions)."""
        return self.inverse(self.ik[axis] * self.forward(u))


def resample(u: Float[Tensor, "*rest"], size: Sequence[int]) -> Float[Tensor, "*other"]:
    """The trigonometric interpolant of a periodic field on another number of points per axis.

    Arguments:
        u: a real field; its last ``len(size)`` axes are space.
        size: points per axis wanted. Modes that both grids hold are copied, others dropped or zero; the Nyquist mode
            of the coarser grid, whose phase is not defined, is dropped.

    Returns:
        The field on `size` points; `u` itself when the size is unchanged.
    """
    dims = tuple(range(-len(size), 0))
    before = tuple(u.shape[dim] for dim in dims)
    if before == tuple(size):
        return u
    u_hat = torch.fft.rfftn(u, dim=dims, norm="forward")
    for dim, old, new in zip(dims[:-1], before[:-1], size[:-1], strict=True):
        half = (min(old, new) - 1) // 2
        low, high = u_hat.narrow(dim, 0, half + 1), u_hat.narrow(dim, old - half, half)
        gap = list(u_hat.shape)
        gap[dim] = new - 2 * half - 1
        u_hat = torch.cat([low, u_hat.new_zeros(gap), high], dim)
    u_hat = u_hat.narrow(-1, 0, (min(before[-1], size[-1]) - 1) // 2 + 1)
    return torch.fft.irfftn(u_hat, s=tuple(size), dim=dims, norm="forward")
