"""Layers whose matrix is a product of two thin ones, W ≈ U V, one layer after the other.

With W of m x n entries and rank r, applying U V costs r (m + n) multiply-adds where W costs m n.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn._spectral import SpectralLayer, axis_counts, complex_weight, num_kept
from sciml.nn._weight_marks import WeightMark

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
"""What torch's convolutions see beyond the edge."""

_CONVOLUTIONS: dict[int, Callable[..., nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class LowRankLinear(nn.Module):
    """U (V x) + b, with V of r x channels_in and U of channels_out x r entries.

    Starts with outputs of the same variance as a plain linear layer's.

    Arguments:
        channels_in, channels_out: features.
        rank: r.
        bias: whether there is a b.

    Raises:
        UserError: the rank is not between 1 and the smaller number of features.
    """

    def __init__(self, channels_in: int, channels_out: int, *, rank: int, bias: bool = True) -> None:
        super().__init__()
        check_rank(rank, channels_out, channels_in)
        self.first = nn.Linear(channels_in, rank, bias=False)
        self.second = nn.Linear(rank, channels_out, bias=bias)
        _keep_variance(self.first.weight, fan_in=channels_in)

    @property
    def weight(self) -> Float[Tensor, "channel_out channel_in"]:
        """U V, for code that reads the matrix of an affine layer."""
        return self.second.weight @ self.first.weight

    @property
    def bias(self) -> Float[Tensor, " channel_out"] | None:
        """The bias b."""
        return self.second.bias

    def forward(self, x: Float[Tensor, "*batch channel_in"]) -> Float[Tensor, "*batch channel_out"]:
        """The features."""
        return self.second(self.first(x))


class LowRankConv(nn.Module):
    """A convolution to r channels, then a 1x1 convolution to all: W of channels_out x (channels_in · kernel) as U V.

    Arguments:
        channels_in, channels_out: features.
        kernel_size: points per axis; as many entries as there are axes, one to three.
        rank: r.
        stride, padding, dilation, padding_mode: of the first convolution, as in ``torch.nn.Conv2d``.
        bias: whether there is a bias, added after the second convolution.

    Raises:
        UserError: there is no convolution with that many axes, or the rank is not between 1 and that of the dense W.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel_size: Sequence[int],
        *,
        rank: int,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        padding_mode: PaddingMode = "zeros",
        bias: bool = True,
    ) -> None:
        super().__init__()
        kind, dims = _CONVOLUTIONS.get(len(kernel_size)), len(kernel_size)
        if kind is None:
            raise UserError("convolutions have one to three axes", got=f"a kernel of {dims}: {tuple(kernel_size)}")
        fan_in = channels_in * math.prod(kernel_size)
        check_rank(rank, channels_out, fan_in)

        self.first = kind(
            channels_in,
            rank,
            tuple(kernel_size),
            stride=per_axis(stride, dims),
            padding=padding if isinstance(padding, str) else per_axis(padding, dims),
            dilation=per_axis(dilation, dims),
            bias=False,
            padding_mode=padding_mode,
        )
        self.second = kind(rank, channels_out, (1,) * dims, bias=bias)
        _keep_variance(self.first.weight, fan_in=fan_in)

    @property
    def weight(self) -> Float[Tensor, "channel_out channel_in *kernel"]:
        """U V as the kernel of one convolution."""
        first = self.first.weight
        return (self.second.weight.flatten(1) @ first.flatten(1)).unflatten(1, first.shape[1:])

    @property
    def bias(self) -> Float[Tensor, " channel_out"] | None:
        """The bias."""
        return self.second.bias

    def forward(self, x: Float[Tensor, "batch channel_in *space"]) -> Float[Tensor, "batch channel_out *space_out"]:
        """The convolved field."""
        return self.second(self.first(x))


class LowRankSpectralConv(SpectralLayer):
    """A `SpectralConv` whose matrix of every mode is R(k) = V(k) U(k), of one rank for all modes.

    The factors are kept as real pairs, and start such that R has the variance a `SpectralConv` starts with.

    Arguments:
        channels_in, channels_out: features.
        modes: m, the number of non-negative wavenumbers kept, the same for two axes or one per axis.
        rank: r.

    Raises:
        UserError: the rank is not between 1 and the smaller number of features; in `forward`, the grid does not resolve
            the modes.
    """

    weight_marks: ClassVar[Mapping[str, WeightMark]] = {"first": "pairs", "second": "pairs"}

    def __init__(self, channels_in: int, channels_out: int, *, modes: int | tuple[int, ...], rank: int) -> None:
        super().__init__()
        check_rank(rank, channels_out, channels_in)
        self.modes = axis_counts(modes, 2) if isinstance(modes, int) else modes
        self.first = nn.Parameter(torch.empty(num_kept(self.modes), channels_in, rank, 2))
        self.second = nn.Parameter(torch.empty(num_kept(self.modes), rank, channels_out, 2))
        nn.init.normal_(self.first, std=1 / math.sqrt(2 * channels_in))
        nn.init.normal_(self.second, std=0.1 / math.sqrt(2 * rank))

    def mix(self, low: Complex[Tensor, "mode batch channel_in"]) -> Complex[Tensor, "mode batch channel_out"]:
        """V(k) U(k) û(k), from the right."""
        return low @ complex_weight(self.first, low) @ complex_weight(self.second, low)


LowRank = LowRankLinear | LowRankConv | LowRankSpectralConv
"""Layers with two factors, called ``first`` and ``second`` in the order they are applied."""


def per_axis(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    """One number for each axis."""
    return (value,) * dims if isinstance(value, int) else tuple(value)


def check_rank(rank: int, rows: int, columns: int) -> None:
    """Refuse a rank that a matrix of `rows` x `columns` cannot have, with a UserError."""
    if not 1 <= rank <= min(rows, columns):
        raise UserError(
            f"a {rows} x {columns} matrix cannot be factored to this rank",
            got=f"rank {rank}",
            expected=f"a rank between 1 and {min(rows, columns)}",
        )


def _keep_variance(first: Tensor, *, fan_in: int) -> None:
    """Let the first factor keep the variance of its inputs, so that torch's own start of the second sets the product's.

    Two factors as torch starts them would give a third of a plain layer's variance.
    """
    bound = math.sqrt(3 / fan_in)
    nn.init.uniform_(first, -bound, bound)
