"""Spectral layers in real numbers, for formats of programs that have neither complex numbers nor Fourier transforms."""

import copy
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.nn._spectral import SpectralLayer, check_modes
from sciml.nn._structure import dense_matrices


class RealSpectralConv(nn.Module):
    """A `SpectralLayer` as it is now, by matrix products with sines and cosines: the same map, to rounding.

        û = Σ_x e^{-ikx} u / N,   v̂(k) = R(k) û(k),   v = Σ_k e^{ikx} v̂,   each with real and imaginary parts apart

    On a line of N points of which m wavenumbers are kept it takes N m products instead of N log N.

    Arguments:
        layer: whose matrices R are taken.
    """

    def __init__(self, layer: SpectralLayer) -> None:
        super().__init__()
        self.modes = layer.modes
        response = dense_matrices(layer).mT  # mode channel_in channel_out
        self.register_buffer("real", response.real.to(next(layer.parameters())))
        self.register_buffer("imaginary", response.imag.to(next(layer.parameters())))

    real: Tensor
    imaginary: Tensor

    def forward(self, x: Float[Tensor, "batch channel_in *space"]) -> Float[Tensor, "batch channel_out *space"]:
        """The convolved field on the same grid. Raises UserError for one that does not resolve the modes."""
        size = list(x.shape[2:])
        check_modes(self.modes, size)
        re, im = _to_modes(x.to(self.real), self.modes)
        first, last = (part.flatten(2).permute(2, 0, 1) for part in (re, im))  # mode batch channel
        re, im = first @ self.real - last @ self.imaginary, first @ self.imaginary + last @ self.real
        kept = [*(2 * m for m in self.modes[:-1]), self.modes[-1]]
        re, im = (part.permute(1, 2, 0).unflatten(2, kept) for part in (re, im))
        return _to_points(re, im, size).to(x)


def without_complex_numbers(module: nn.Module) -> nn.Module:
    """A copy in which every spectral layer is a `RealSpectralConv`; the module itself if it has none."""
    if not any(isinstance(layer, SpectralLayer) for layer in module.modules()):
        return module
    twin = copy.deepcopy(module)
    if isinstance(twin, SpectralLayer):
        return RealSpectralConv(twin)
    for parent in list(twin.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, SpectralLayer):
                setattr(parent, name, RealSpectralConv(layer))
    return twin


def _to_modes(x: Tensor, modes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Real and imaginary parts of the coefficients that are kept, axis by axis from the last one."""
    cos, sin = _waves(x.shape[-1], modes[-1], signed=False, like=x)
    re, im = x @ cos / x.shape[-1], -(x @ sin) / x.shape[-1]
    for axis, m in enumerate(modes[:-1], start=2):
        cos, sin = _waves(x.shape[axis], m, signed=True, like=x)
        re, im = (part.movedim(axis, -1) / x.shape[axis] for part in (re, im))
        re, im = re @ cos + im @ sin, im @ cos - re @ sin
        re, im = re.movedim(-1, axis), im.movedim(-1, axis)
    return re, im


def _to_points(re: Tensor, im: Tensor, size: list[int]) -> Tensor:
    """The real field of coefficients; those of negative wavenumbers along the last axis are the conjugate ones."""
    for axis, points in enumerate(size[:-1], start=2):
        cos, sin = (table.T for table in _waves(points, re.shape[axis] // 2, signed=True, like=re))
        re, im = re.movedim(axis, -1), im.movedim(axis, -1)
        re, im = re @ cos - im @ sin, im @ cos + re @ sin
        re, im = re.movedim(-1, axis), im.movedim(-1, axis)
    cos, sin = (table.T for table in _waves(size[-1], re.shape[-1], signed=False, like=re))
    return 2 * (re @ cos - im @ sin) - re[..., :1]  # the constant has no conjugate partner


def _waves(points: int, modes: int, *, signed: bool, like: Tensor) -> tuple[Tensor, Tensor]:
    """cos kx and sin kx, ``point mode``, for k from 0 to m - 1, and then from -m to -1 if `signed`."""
    cos, sin = (torch.from_numpy(table).to(like) for table in _tables(points, modes, signed))
    return cos, sin


@lru_cache(maxsize=32)
def _tables(points: int, modes: int, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """NumPy arrays, since a tensor that is made while a program is traced must not be kept."""
    numbers = np.arange(modes)
    numbers = np.concatenate((numbers, numbers - modes)) if signed else numbers
    angle = 2 * np.pi * np.outer(np.arange(points), numbers) / points
    return np.cos(angle), np.sin(angle)
