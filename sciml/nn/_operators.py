"""Operators that a block of a field network may be made of: local, wide, separable, dilated, spectral, or none."""

import math
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UnknownNameError, UserError
from sciml.nn._block import ConvBlock
from sciml.nn._boundary import Modes, Odd
from sciml.nn._condition import ConditionMode
from sciml.nn._conv import Conv, convolution
from sciml.nn._spectral import SpectralConv

Operator = Literal["conv3", "conv3_half", "conv5", "separable3", "separable5", "dilated3", "spectral", "skip"]
"""What a block mixes points with: a kernel of three or five points per axis, the same with half of the channels in
between, per channel before a pointwise map, three points two cells apart, the lowest Fourier modes beside a pointwise
map; or nothing but one pointwise map."""

OPERATORS: tuple[Operator, ...] = get_args(Operator)
_MODES = 8  # wavenumbers of a spectral operator, where the grid resolves as many


class SeparableConv(nn.Module):
    """A kernel for every channel by itself, then a pointwise map.

    Arguments:
        channels_in, channels_out: features.
        modes: padding along every axis.
        kernel_size: odd number of points per axis.
        odd: by axis, the channels in that change their sign in the mirror; empty for none.
    """

    def __init__(self, channels_in: int, channels_out: int, *, modes: Modes, kernel_size: int, odd: Odd = ()) -> None:
        super().__init__()
        self.each = Conv(channels_in, channels_in, modes=modes, kernel_size=kernel_size, odd=odd, groups=channels_in)
        self.mix = convolution(len(modes))(channels_in, channels_out, 1)

    def forward(self, x: Float[Tensor, "batch channel_in *space"]) -> Float[Tensor, "batch channel_out *space"]:
        """The convolved field on the same grid."""
        return self.mix(self.each(x))


class SpectralMix(nn.Module):
    """R(k) û(k) on the lowest Fourier modes plus a pointwise map, which the other modes pass.

    Arguments:
        channels_in, channels_out: features.
        modes: wavenumbers kept per axis.
    """

    def __init__(self, channels_in: int, channels_out: int, *, modes: tuple[int, ...]) -> None:
        super().__init__()
        self.spectral = SpectralConv(channels_in, channels_out, modes=modes, dims=len(modes))
        self.local = convolution(len(modes))(channels_in, channels_out, 1)

    def forward(self, x: Float[Tensor, "batch channel_in *space"]) -> Float[Tensor, "batch channel_out *space"]:
        """The convolved field on the same grid."""
        return self.spectral(x) + self.local(x)


class PointwiseBlock(nn.Module):
    """One pointwise linear map in the place of a `ConvBlock`: what is left of a block that is skipped.

    Arguments:
        channels_in, channels_out: features.
        dims: axes of the grid.
    """

    def __init__(self, channels_in: int, channels_out: int, *, dims: int) -> None:
        super().__init__()
        self.map = convolution(dims)(channels_in, channels_out, 1)

    def forward(
        self, x: Float[Tensor, "batch channel_in *space"], embedding: Float[Tensor, "batch embedding"] | None = None
    ) -> Float[Tensor, "batch channel_out *space"]:
        """The mapped features; no condition enters."""
        return self.map(x)


def operator_block(
    operator: str,
    channels_in: int,
    channels_out: int,
    *,
    modes: Modes,
    condition: ConditionMode = "none",
    embedding: int = 0,
    shortcut: bool = False,
    odd: Odd = (),
    size: tuple[int, ...] | None = None,
) -> ConvBlock | PointwiseBlock:
    """A block whose points are mixed by an operator; ``conv3`` is the plain `ConvBlock`.

    Arguments:
        operator: one of `OPERATORS`.
        channels_in, channels_out, modes, condition, embedding, shortcut, odd: as for `ConvBlock`.
        size: points of the grid, from which a spectral operator takes the number of its modes; four per axis without.

    Raises:
        UserError: an operator that does not exist, or a spectral one on axes that are not periodic.
    """
    if operator not in OPERATORS:
        raise UnknownNameError("operator", operator, OPERATORS)
    if operator == "skip":
        return PointwiseBlock(channels_in, channels_out, dims=len(modes))
    if operator == "spectral" and any(mode != "circular" for mode in modes):
        raise UserError("a spectral operator needs periodic axes", got=f"padding {', '.join(modes)}",
                        expected="circular on every axis", fix="Take another operator.")  # fmt: skip
    inner = math.ceil(channels_out / 2) if operator == "conv3_half" else channels_out
    block = ConvBlock(
        channels_in, channels_out, inner=inner, modes=modes, condition=condition, embedding=embedding,
        shortcut=shortcut, odd=odd,
    )  # fmt: skip
    if operator not in ("conv3", "conv3_half"):
        block.first = _mixing(operator, channels_in, inner, modes, odd, size)
        block.second = _mixing(operator, inner, channels_out, modes, (), size)
    return block


def split_operators(operators: tuple[Operator, ...], levels: int) -> tuple[tuple[Operator, ...], tuple[Operator, ...]]:
    """Those of the way down, finest first, and those of the way up, coarsest first; ``conv3`` everywhere for none.

    Raises:
        UserError: there are not two per level.
    """
    if operators and len(operators) != 2 * levels:
        raise UserError("a U-shaped network has two operators per level", got=f"{len(operators)} operators",
                        expected=f"{2 * levels} for {levels} levels, or none",
                        fix="Name those on the way down first, then those on the way up.")  # fmt: skip
    chosen = operators or ("conv3",) * (2 * levels)
    return chosen[:levels], chosen[levels:]


def _mixing(operator: str, a: int, b: int, modes: Modes, odd: Odd, size: tuple[int, ...] | None) -> nn.Module:
    if operator == "spectral":
        kept = tuple(max(1, min(_MODES, points // 2)) for points in size) if size else (4,) * len(modes)
        return SpectralMix(a, b, modes=kept)
    if operator in ("separable3", "separable5"):
        return SeparableConv(a, b, modes=modes, kernel_size=int(operator[-1]), odd=odd)
    return Conv(
        a, b, modes=modes, kernel_size=5 if operator == "conv5" else 3,
        dilation=2 if operator == "dilated3" else 1, odd=odd,
    )  # fmt: skip
