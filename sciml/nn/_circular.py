"""Circular padding with a cheap backward pass."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError


def circular_pad(
    x: Float[Tensor, "batch channel *space"], pad: tuple[int, ...]
) -> Float[Tensor, "batch channel *padded"]:
    """Repeat the opposite edge on both sides: along one axis x_pad[i] = x[(i - p) mod n].

    Keeps the memory format. Equal to ``torch.nn.functional.pad(mode="circular")``, whose backward pass is 2 to 10
    times slower on a CPU.

    Arguments:
        x: the field.
        pad: points added on each side of every axis; 0 leaves an axis alone.

    Raises:
        UserError: an axis has fewer points than are to be repeated.
    """
    axes = len(pad)
    for name, points, size in zip("zyx"[-axes:], pad, x.shape[-axes:], strict=True):
        if points > size:
            raise UserError(
                f"axis {name} is too short for its periodic padding",
                got=f"{size} points",
                expected=f"at least {points}",
                fix="Use a finer grid, fewer levels or a smaller dilation.",
            )
    return _CircularPad.apply(x, *pad) if any(pad) else x


class _CircularPad(torch.autograd.Function):
    """The transpose of periodic repetition adds each repeated edge to where it came from."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, *pad: int) -> Tensor:
        for axis, p in enumerate(pad, start=-len(pad)):
            if p:
                size = x.shape[axis]
                x = torch.cat((x.narrow(axis, size - p, p), x, x.narrow(axis, 0, p)), dim=axis)
        return x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # Any: torch's context, mixed inputs
        ctx.pad = inputs[1:]

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] (torch writes *grad_outputs)
        ctx: Any,
        gradient: Tensor,  # Any: torch's context
    ) -> tuple[Tensor | None, ...]:
        whole, last = gradient, len(ctx.pad) - 1
        for i in reversed(range(len(ctx.pad))):  # the last axis is padded last
            p, axis = ctx.pad[i], i - len(ctx.pad)
            size = whole.shape[axis] - 2 * p
            inner = whole.narrow(axis, p, size)
            if i == last:
                inner = inner.clone()  # what comes in is not ours to change
            if p:
                inner.narrow(axis, 0, p).add_(whole.narrow(axis, size + p, p))
                inner.narrow(axis, size - p, p).add_(whole.narrow(axis, 0, p))
            whole = inner
        return whole, *[None] * len(ctx.pad)
