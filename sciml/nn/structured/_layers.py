"""Layers around a structured matrix: affine, convolution, Fourier modes."""

from collections.abc import Sequence

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.errors import UserError
from sciml.nn._low_rank import PaddingMode, per_axis
from sciml.nn._spectral import SpectralLayer
from sciml.nn.structured._operator import Products, StructuredLinear

_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


class StructuredAffine(nn.Module):
    """W x + b.

    Arguments:
        operator: W, with one tap and no stack.
        bias: whether there is a b, which starts at zero.
    """

    def __init__(self, operator: StructuredLinear, *, bias: bool = True) -> None:
        super().__init__()
        self.operator = operator
        self.bias = nn.Parameter(torch.zeros(operator.shape.rows)) if bias else None

    @property
    def weight(self) -> Float[Tensor, "channel_out channel_in"]:
        """W, for code that reads the matrix of an affine layer."""
        return self.operator.to_dense()

    def forward(self, x: Float[Tensor, "*batch channel_in"]) -> Float[Tensor, "*batch channel_out"]:
        """The features."""
        return self.operator.affine(x, self.bias)


class _Fields(Products):
    """Fields ``batch channel *space``: the first product is a convolution, the second acts at every point.

    Arguments:
        kernel_size: of the convolution, whose matrices have one column per input and tap.
        stride, padding, dilation: of the convolution.
    """

    axis, taps = 1, 1

    def __init__(
        self,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[int, ...] | str,
        dilation: tuple[int, ...],
    ) -> None:
        self._kernel, self._stride, self._padding, self._dilation = kernel_size, stride, padding, dilation
        self._convolve = _CONVOLVE[len(kernel_size)]

    def first(self, x: Tensor, matrix: Tensor, groups: int = 1) -> Tensor:
        """The convolution of every group of channels."""
        kernel = matrix.flatten(0, -2).unflatten(1, (-1, *self._kernel))
        return self._convolve(
            x,
            kernel,
            stride=self._stride,
            padding=self._padding,  # pyright: ignore[reportArgumentType] (as many entries as there are axes)
            dilation=self._dilation,
            groups=groups,
        )

    def second(self, z: Tensor, matrix: Tensor, groups: int = 1) -> Tensor:
        """Products of the channels at every point."""
        kernel = matrix.mT.flatten(0, -2)
        return self._convolve(z, kernel[(..., *(None,) * len(self._kernel))], groups=groups)

    def mix(self, z: Tensor, weights: Tensor) -> Tensor:
        """Sums over j at every point."""
        return torch.einsum("ijr,bjr...->bir...", weights, z.unflatten(1, weights.shape[-2:])).flatten(1, 2)


class StructuredConv(nn.Module):
    """A convolution whose kernel, read as a matrix of outputs times (inputs and taps), is structured.

    Arguments:
        operator: the matrix, with one tap per point of the kernel.
        kernel_size: points per axis, one to three axes.
        stride, padding, dilation, padding_mode: as in ``torch.nn.Conv2d``.
        bias: whether there is a bias, which starts at zero.

    Raises:
        UserError: the operator has another number of taps, or there is no convolution with that many axes.
    """

    def __init__(
        self,
        operator: StructuredLinear,
        kernel_size: Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        padding_mode: PaddingMode = "zeros",
        bias: bool = True,
    ) -> None:
        super().__init__()
        dims, taps = len(kernel_size), torch.Size(kernel_size).numel()
        if dims not in _CONVOLVE or operator.shape.taps != taps:
            raise UserError("a structured kernel does not fit this convolution",
                            got=f"{operator.shape.taps} taps for a kernel of {tuple(kernel_size)}",
                            expected="one tap per point of one to three axes")  # fmt: skip

        self.operator = operator
        self.kernel_size, self.stride, self.dilation = (
            tuple(kernel_size),
            per_axis(stride, dims),
            per_axis(dilation, dims),
        )
        self.padding = padding if isinstance(padding, str) else per_axis(padding, dims)
        self.padding_mode: PaddingMode = padding_mode
        self.bias = nn.Parameter(torch.zeros(operator.shape.rows)) if bias else None
        zeros = padding_mode == "zeros"
        self._around = [] if zeros else self._beyond()
        self._products = _Fields(self.kernel_size, self.stride, self.padding if zeros else (0,) * dims, self.dilation)

    @property
    def weight(self) -> Float[Tensor, "channel_out channel_in *kernel"]:
        """The kernel of the one convolution it stands for."""
        return self.operator.to_dense().unflatten(1, (-1, *self.kernel_size))

    def forward(self, x: Float[Tensor, "batch channel_in *space"]) -> Float[Tensor, "batch channel_out *space_out"]:
        """The convolved field."""
        if self._around:
            x = functional.pad(x, self._around, mode=self.padding_mode)
        y = self.operator.apply_with(x, self._products)
        return y if self.bias is None else y + self.bias.view(-1, *(1,) * len(self.kernel_size))

    def _beyond(self) -> list[int]:
        """Points added before and after every axis, last axis first, as ``functional.pad`` wants them."""
        if isinstance(self.padding, tuple):
            return [p for p in reversed(self.padding) for _ in range(2)]
        if self.padding == "valid":
            return []
        totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        return [p for total in reversed(totals) for p in (total // 2, total - total // 2)]


class StructuredSpectralConv(SpectralLayer):
    """A `sciml.nn.SpectralConv` whose matrices of all modes have one structure.

    Arguments:
        operator: the matrices from inputs to outputs, complex, a stack of one per mode.
        modes: m per axis.
    """

    def __init__(self, operator: StructuredLinear, *, modes: tuple[int, ...]) -> None:
        super().__init__()
        self.operator, self.modes = operator, modes

    def mix(self, low: Complex[Tensor, "mode batch channel_in"]) -> Complex[Tensor, "mode batch channel_out"]:
        """Every mode by the matrix of the operator."""
        return self.operator.matvec(low)


Structured = StructuredAffine | StructuredConv | StructuredSpectralConv
"""Layers around a `StructuredLinear` called ``operator``."""
