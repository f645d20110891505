"""Normalisation over groups of features and all points of a sample."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Norm(nn.Module):
    """Group normalisation: (h - mean) / std over the channels of a group and all points, then scale and shift.

    The backward pass of torch's kernel for channels-last tensors on a CPU crashes the process when the gradient of the
    scale is wanted but not that of the input (all layers before it frozen, for example). Here the input formally
    depends on scale and shift, with derivative zero, so that its gradient is always computed.

    Arguments:
        channels: features.
        groups: equal parts the channels are normalised in; one unless said otherwise.
    """

    def __init__(self, channels: int, *, groups: int = 1) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)

    def forward(self, h: Float[Tensor, "batch channel *space"]) -> Float[Tensor, "batch channel *space"]:
        """The normalised features."""
        return self.norm(_Tied.apply(h, self.norm.weight, self.norm.bias))


class _Tied(torch.autograd.Function):
    """h as a function of (h, scale, shift) that does not vary with the last two."""

    generate_vmap_rule = True

    @staticmethod
    def forward(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return h.view_as(h)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:  # Any: torch's context
        ctx.sizes = inputs[1].shape, inputs[2].shape

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] (torch writes *grad_outputs)
        ctx: Any,
        gradient: Tensor,  # Any: torch's context
    ) -> tuple[Tensor, Tensor, Tensor]:
        scale, shift = ctx.sizes
        return gradient, gradient.new_zeros(scale), gradient.new_zeros(shift)
