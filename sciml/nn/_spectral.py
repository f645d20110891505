"""Convolution by multiplying the lowest Fourier modes."""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn._full_precision import full_precision
from sciml.nn._weight_marks import WeightMark

_FEW = 3.0
"""Modes over log2 of the points of a line up to which matrix products replace fast Fourier transforms: with
64 to 1024 points they take 0.4 to 0.75 of the time, forwards and backwards."""


class SpectralLayer(nn.Module, ABC):
    """A layer that mixes the channels of the lowest Fourier modes, each with a matrix of its own, and drops the rest.

    ``modes`` are the numbers of wavenumbers kept per axis, as `mix_modes` takes them.
    """

    modes: tuple[int, ...]

    @abstractmethod
    def mix(self, low: Complex[Tensor, "mode batch channel_in"]) -> Complex[Tensor, "mode batch channel_out"]:
        """The coefficients that are kept, multiplied by their matrices."""

    def forward(self, x: Float[Tensor, "batch channel_in *space"]) -> Float[Tensor, "batch channel_out *space"]:
        """The convolved field on the same grid.

        Raises:
            UserError: the grid does not resolve the modes.
        """
        return mix_modes(x, self.modes, self.mix)


class SpectralConv(SpectralLayer):
    """v̂(k) = R(k) û(k) for the wavenumbers 0 ≤ k_j < m_j of the last axis and -m_j ≤ k_j < m_j of the others, 0 beyond.

    Coefficients are means over the grid (``norm="forward"``), so a band-limited field gives the same v on every grid
    that resolves it. R is kept as real pairs, mode by mode, so that it is one batched matrix product and a plain
    tensor to optimisers and files; it starts small (a tenth of what would keep amplitudes), which trains better where a
    pointwise path runs beside it. Computed in at least float32, eagerly: compilers do not handle complex numbers.

    Arguments:
        channels_in, channels_out: features.
        modes: m, the number of non-negative wavenumbers kept, the same for all axes or one per axis.
        dims: axes of the grid, all of them periodic to this layer.

    Raises:
        UserError: there are not as many modes as axes; in `forward`, the grid does not resolve them.
    """

    weight_marks: ClassVar[Mapping[str, WeightMark]] = {"weight": "pairs"}

    def __init__(self, channels_in: int, channels_out: int, *, modes: int | tuple[int, ...], dims: int = 2) -> None:
        super().__init__()
        self.modes = axis_counts(modes, dims)
        self.weight = nn.Parameter(torch.empty(num_kept(self.modes), channels_in, channels_out, 2))
        nn.init.normal_(self.weight, std=0.1 / math.sqrt(2 * channels_in))

    def mix(self, low: Complex[Tensor, "mode batch channel_in"]) -> Complex[Tensor, "mode batch channel_out"]:
        """R(k) û(k)."""
        return low @ complex_weight(self.weight, low)


# as ``torch.compiler.disable``, which would load the compiler on import: seconds
@torch._disable_dynamo  # pyright: ignore[reportPrivateImportUsage]
def mix_modes(
    x: Float[Tensor, "batch channel_in *space"], modes: tuple[int, ...], mix: Callable[[Tensor], Tensor]
) -> Float[Tensor, "batch channel_out *space"]:
    """The field whose lowest Fourier modes are `mix` of those of `x`, and whose other modes are zero.

    Arguments:
        x: a real field on a periodic box of any number of axes.
        modes: m per axis; kept are the wavenumbers 0 ≤ k < m along the last one and -m ≤ k < m along the others.
        mix: a linear map of complex coefficients ``mode batch channel_in`` to ``mode batch channel_out``.

    Raises:
        UserError: the grid does not resolve the modes.
    """
    batch, _, *size = x.shape  # `len` would fix the batch of an exported program
    check_modes(modes, size)
    if len(size) == 1 and modes[0] <= _FEW * math.log2(size[0]):
        return _mix_few(x, modes[0], mix)
    d = len(size)
    dtype, axes, kept = x.dtype, tuple(range(-d, 0)), (*(2 * m for m in modes[:-1]), modes[-1])
    with full_precision(x):
        x_hat = torch.fft.rfftn(x if dtype == torch.float64 else x.float(), dim=axes, norm="forward")
        low = x_hat[..., : modes[-1]]
        for axis, m in zip(axes[:-1], modes, strict=False):
            low = torch.cat((low.narrow(axis, 0, m), low.narrow(axis, low.shape[axis] - m, m)), dim=axis)
        low = mix(low.movedim((0, 1), (d, d + 1)).reshape(math.prod(kept), batch, -1))
        low = low.reshape(*kept, batch, -1).movedim((d, d + 1), (0, 1))
        v_hat = low.new_zeros(*low.shape[:2], *x_hat.shape[2:])
        for corner in itertools.product(*((slice(m), slice(-m, None)) for m in modes[:-1])):
            v_hat[(..., *corner, slice(modes[-1]))] = low[(..., *corner, slice(None))]
        return torch.fft.irfftn(v_hat, s=size, dim=axes, norm="forward").to(dtype)


def _mix_few(x: Tensor, modes: int, mix: Callable[[Tensor], Tensor]) -> Tensor:
    """`mix_modes` on one axis by matrix products with the few waves that are kept."""
    dtype, working = x.dtype, torch.float64 if x.dtype == torch.float64 else torch.float32
    analysis, synthesis = (
        torch.from_numpy(table).to(device=x.device, dtype=working) for table in _waves(x.shape[-1], modes)
    )
    with full_precision(x):
        low = torch.view_as_complex((x.to(working) @ analysis).unflatten(-1, (modes, 2)))
        low = mix(low.movedim(-1, 0))
        pairs = torch.view_as_real(low.movedim(0, -1).contiguous()).flatten(-2)
        return (pairs @ synthesis).to(dtype)


@lru_cache(maxsize=32)
def _waves(points: int, modes: int) -> tuple[np.ndarray, np.ndarray]:
    """What takes values to pairs (Re, Im) of coefficients, ``point pair``, and back, ``pair point``.

    NumPy arrays, since a tensor that is made while a program is traced must not be kept.
    """
    angle = 2 * np.pi * np.outer(np.arange(points), np.arange(modes)) / points
    pairs = np.stack([np.cos(angle), -np.sin(angle)], axis=-1)
    twice = np.where(np.arange(modes) > 0, 2.0, 1.0)[:, None]  # a real field has the conjugate modes as well
    return pairs.reshape(points, -1) / points, (pairs * twice).reshape(points, -1).T.copy()


def axis_counts(modes: int | tuple[int, ...], dims: int) -> tuple[int, ...]:
    """Modes kept along every axis. Raises UserError for another number of them than there are axes, or none kept."""
    counts = (modes,) * dims if isinstance(modes, int) else tuple(modes)
    if len(counts) != dims or min(counts) < 1:
        raise UserError(
            f"these Fourier modes do not fit {dims} axes",
            got=f"modes={modes}",
            expected=f"one positive number, or {dims} of them",
        )
    return counts


def check_modes(modes: tuple[int, ...], size: Sequence[int]) -> None:
    """Refuse a grid with fewer than twice as many points as modes along an axis, naming modes that would fit."""
    if any(2 * m > n for m, n in zip(modes, size, strict=True)):
        alike = len(set(modes)) == 1
        most = [min(m, n // 2) for m, n in zip(modes, size, strict=True)]
        raise UserError(
            "the grid does not resolve the Fourier modes",
            got=f"{' x '.join(map(str, size))} points and modes={modes[0] if alike else list(modes)}",
            expected=f"at least {' x '.join(str(2 * m) for m in modes)} points",
            fix=f"Set model.modes={min(most)} or less" + (f", or model.modes={most}." if len(modes) > 1 else "."),
        )


def num_kept(modes: tuple[int, ...]) -> int:
    """Number of coefficients with a matrix of their own."""
    return math.prod(modes) * 2 ** (len(modes) - 1)


def complex_weight(pairs: Float[Tensor, "*shape 2"], like: Tensor) -> Tensor:
    """Real pairs as complex numbers, in the precision of `like`."""
    return torch.view_as_complex(pairs.to(like.real.dtype))
