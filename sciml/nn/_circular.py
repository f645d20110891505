"""Circular padding with a cheap backward pass."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError


def circular_pad(
    x: Float[Tensor, "batch channel y x"], pad: tuple[int, int]
) -> Float[Tensor, "batch channel padded_y padded_x"]:
    """Repeat the opposite edge on both sides: x_pad[j, i] = x[(j - p_y) mod n_y, (i - p_x) mod n_x].

    Keeps the memory format. Equal to ``torch.nn.functional.pad(mode="circular")``, whose backward pass is 2 to 10
    times slower on a CPU.

    Arguments:
        x: the field.
        pad: points added on each side along y and x; 0 leaves an axis alone.

    Raises:
        UserError: an axis has fewer points than are to be repeated.
    """
    for name, points, size in zip("yx", pad, x.shape[-2:], strict=True):
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
    def forward(x: Tensor, pad_y: int, pad_x: int) -> Tensor:
        if pad_y:
            x = torch.cat((x[..., -pad_y:, :], x, x[..., :pad_y, :]), dim=-2)
        if pad_x:
            x = torch.cat((x[..., -pad_x:], x, x[..., :pad_x]), dim=-1)
        return x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, int], output: Tensor) -> None:
        _, ctx.pad_y, ctx.pad_x = inputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        y, x, whole = ctx.pad_y, ctx.pad_x, gradient
        height, width = whole.shape[-2:]
        inner = whole[..., x : width - x].clone()
        if x:
            inner[..., :x] += whole[..., width - x :]
            inner[..., -x:] += whole[..., :x]
        result = inner[..., y : height - y, :]
        if y:
            result[..., :y, :] += inner[..., height - y :, :]
            result[..., -y:, :] += inner[..., :y, :]
        return result, None, None
