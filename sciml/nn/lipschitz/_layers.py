"""Layers whose Lipschitz constants are known: orthogonal products, circular convolutions, sorting, pooling."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.errors import ConfigError


class Constrained(nn.Module, ABC):
    """A layer whose weights obey a constraint, which `project` restores after a step."""

    @abstractmethod
    def project(self) -> None:
        """Bring the weights back to the constraint, in place."""

    @abstractmethod
    def operator_norm(self) -> float:
        """The largest singular value of the layer as a linear map, computed in float64."""


class OrthogonalLinear(Constrained):
    """W x with W Wᵀ = 1 or Wᵀ W = 1, whichever the shape allows; no bias. It keeps the norm of gradients.

    `project` takes the polar factor U Vᵀ of W = U Σ Vᵀ, the closest such matrix, from a singular value decomposition.

    Arguments:
        in_channels, out_channels: features.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(out_channels, in_channels)))

    def forward(self, x: Float[Tensor, "*batch in_channel"]) -> Float[Tensor, "*batch out_channel"]:
        """W x."""
        return functional.linear(x, self.weight)

    @torch.no_grad()
    def project(self) -> None:
        """The polar factor."""
        left, _, right = torch.linalg.svd(self.weight.double(), full_matrices=False)
        self.weight.copy_(left @ right)

    def operator_norm(self) -> float:
        """By a singular value decomposition."""
        return spectral_norm(self.weight)


class CircularConv(Constrained):
    """Convolution of periodic fields with operator norm at most 1 on one grid; no bias.

    On a periodic grid the Fourier transform makes it a product of matrices K̂(ω), one per frequency, so that its
    operator norm is max over ω of σ_max(K̂(ω)), exactly. `project` divides by it where it is above 1.

    Arguments:
        in_channels, out_channels: channels.
        grid: points per axis, one to three axes.
        kernel: points of the kernel per axis, odd and no more than the grid has.

    Reference: Sedghi, Gupta, Long, The singular values of convolutional layers, ICLR 2019, arXiv:1805.10408.
    """

    def __init__(self, in_channels: int, out_channels: int, *, grid: tuple[int, ...], kernel: int = 3) -> None:
        super().__init__()
        if not 1 <= len(grid) <= 3 or kernel % 2 == 0 or kernel > min(grid):
            raise ConfigError("a circular convolution cannot be like this", got=f"grid={grid}, kernel={kernel}",
                              expected="one to three axes, and an odd kernel that fits on them")  # fmt: skip
        self.grid, self.kernel = tuple(grid), kernel
        shape = (out_channels, in_channels, *(kernel,) * len(grid))
        self.weight = nn.Parameter(torch.randn(shape) / (in_channels * kernel ** len(grid)) ** 0.5)
        self.project()

    def forward(self, x: Float[Tensor, "batch in_channel *space"]) -> Float[Tensor, "batch out_channel *space"]:
        """The convolved field. Raises ConfigError on another grid, where the bound would be another."""
        if tuple(x.shape[2:]) != self.grid:
            raise ConfigError("a circular convolution is bounded on its own grid alone", got=tuple(x.shape[2:]),
                              expected=self.grid)  # fmt: skip
        half = self.kernel // 2
        padded = functional.pad(x, (half, half) * len(self.grid), mode="circular")
        convolve: Any = (functional.conv1d, functional.conv2d, functional.conv3d)[len(self.grid) - 1]
        return convolve(padded, self.weight)

    @torch.no_grad()
    def project(self) -> None:
        """Divide by the norm where it is above 1."""
        self.weight /= max(1.0, self.operator_norm())

    def operator_norm(self) -> float:
        """The largest singular value over all frequencies."""
        axes = tuple(range(2, 2 + len(self.grid)))
        transformed = torch.fft.fftn(self.weight.detach().double(), s=self.grid, dim=axes)
        matrices = transformed.flatten(2).permute(2, 0, 1)
        return float(torch.linalg.svdvals(matrices).amax())

    @property
    def window(self) -> int:
        """Points of the kernel."""
        return self.kernel ** len(self.grid)


class GroupSort(nn.Module):
    """Pairs of neighbouring channels in order; the gradient keeps its norm. An odd last channel stays as it is."""

    def forward(self, x: Float[Tensor, "batch channel *space"]) -> Float[Tensor, "batch channel *space"]:
        """Every pair as (larger, smaller)."""
        even = x.shape[1] - x.shape[1] % 2
        pairs = x[:, :even].unflatten(1, (-1, 2))
        ordered = torch.stack((pairs.amax(2), pairs.amin(2)), dim=2).flatten(1, 2)
        return torch.cat((ordered, x[:, even:]), dim=1)


class NormPool(nn.Module):
    """√Σ x² over neighbouring blocks of points along every axis: 1-Lipschitz, and keeps the norm.

    Arguments:
        window: points of a block per axis; it must divide the grid.
    """

    def __init__(self, window: int = 2) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Float[Tensor, "batch channel *space"]) -> Float[Tensor, "batch channel *coarse"]:
        """One number per block; the slope at zero is zero."""
        axes = x.ndim - 2
        if any(size % self.window for size in x.shape[2:]):
            raise ConfigError("the blocks of a norm pool do not tile the grid", got=tuple(x.shape[2:]),
                              expected=f"multiples of {self.window}")  # fmt: skip
        sizes = [part for size in x.shape[2:] for part in (size // self.window, self.window)]
        blocks = x.reshape(*x.shape[:2], *sizes).square().sum(tuple(3 + 2 * axis for axis in range(axes)))
        return torch.where(blocks > 0, blocks.clamp_min(torch.finfo(x.dtype).tiny).sqrt(), 0.0)


class Residual(nn.Module):
    """(x + g(x)) / 2, which is 1-Lipschitz if g is.

    Arguments:
        branch: g, from a shape to the same.
    """

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """The mean of both paths."""
        return 0.5 * (x + self.branch(x))


class ClipNorm(nn.Module):
    """Samples longer than `radius` are shortened to it: what bounds inputs instead of an assumption about them.

    Arguments:
        radius: largest norm of a sample.
    """

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """The projection onto the ball."""
        norms = x.flatten(1).norm(dim=1).clamp_min(self.radius).reshape(-1, *[1] * (x.ndim - 1))
        return x * (self.radius / norms)


class Constant(nn.Module):
    """(x, 1): a constant feature, in place of a bias."""

    def forward(self, x: Float[Tensor, "batch channel"]) -> Float[Tensor, "batch wider"]:
        """One more column."""
        return torch.cat((x, torch.ones_like(x[:, :1])), dim=1)


class Scale(nn.Module):
    """c x with a public constant c.

    Arguments:
        factor: c.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """The product."""
        return self.factor * x


class _ClippedGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, share: Tensor) -> Tensor:  # Any: torch's context
        ctx.save_for_backward(share)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # Any: torch's context
        (gradient,) = gradients
        (limit,) = ctx.saved_tensors
        norms = gradient.flatten(1).norm(dim=1).clamp_min(torch.finfo(gradient.dtype).tiny)
        share = (limit / norms).clamp_max(1.0).to(gradient)
        return gradient * share.reshape(-1, *[1] * (gradient.ndim - 1)), None


class ClipGradient(nn.Module):
    """x itself; on the way back the gradient of every sample's loss is shortened to `limit`.

    It goes after the output of a network, where it costs nothing, and bounds losses that have no Lipschitz constant.
    The loss must be a mean over `samples_of` samples: a row of the gradient is one sample's divided by that number.

    Arguments:
        limit: largest norm of the gradient of one sample's loss.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        if not limit > 0:
            raise ConfigError("a gradient is clipped to a positive norm", got=limit)
        self.limit = limit

    def forward(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """The same numbers; the batch is what the loss is a mean over."""
        return _ClippedGradient.apply(x, x.new_tensor(self.limit / len(x)))  # pyright: ignore[reportReturnType]


def spectral_norm(matrix: Tensor) -> float:
    """The largest singular value, in float64."""
    return float(torch.linalg.svdvals(matrix.detach().double()).amax())
