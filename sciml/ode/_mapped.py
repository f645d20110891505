"""A solve under `torch.vmap`: what is mapped over becomes rows of one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_batchedtensor, is_functorch_wrapped_tensor


def is_mapped(value: object) -> bool:
    """Whether `torch.vmap` maps over this tensor, at any level."""
    while isinstance(value, Tensor) and is_functorch_wrapped_tensor(value):
        if is_batchedtensor(value):
            return True
        value = get_unwrapped(value)
    return False


class _Lowered(torch.autograd.Function):
    """A mapped tensor as one whose first dimension is what is mapped over."""

    @staticmethod
    def forward(value: Tensor) -> Tensor:
        """Without a map: one of it."""
        return value[None].clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # Any: torch's context
        """Keep the tensor, to be mapped like it on the way back."""
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # Any: torch's context
        """The costate as a mapped tensor."""
        return _Raised.apply(grads[0], ctx.saved_tensors[0])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], value: Tensor) -> tuple[Tensor, None]:  # Any: torch's
        """The physical tensor."""
        assert in_dims[0] is not None
        return value.movedim(in_dims[0], 0).clone(), None


class _Raised(torch.autograd.Function):
    """The other way round: the first dimension is mapped over as in another tensor."""

    @staticmethod
    def forward(value: Tensor, like: Tensor) -> Tensor:
        """Without a map: the only one."""
        return value[0].clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # Any: torch's context
        """Nothing is needed."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:  # Any: torch's context
        """The costate as one tensor."""
        return _Lowered.apply(grads[0]), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], value: Tensor, like: Tensor) -> tuple[Tensor, int]:
        """The physical tensor, mapped."""  # Any: torch's
        return value.clone(), 0


class Mapped(NamedTuple):
    """What was mapped over, as rows of one batch.

    Fields:
        y0, times, args: of all rows.
        back: rows as what is mapped over.
    """

    y0: Tensor
    times: Tensor
    args: tuple[Tensor, ...]
    back: Callable[[Tensor], Tensor]


def lowered(y0: Tensor, times: Tensor, args: tuple[Tensor, ...]) -> Mapped:
    """One level of maps taken away; at least one of the tensors is mapped over."""
    like = next(value for value in (y0, times, *args) if is_mapped(value))
    physical = [_Lowered.apply(value) if is_mapped(value) else value for value in (y0, times, *args)]
    count = next(low.shape[0] for low, value in zip(physical, (y0, times, *args), strict=True) if is_mapped(value))

    def whole(low: Tensor, value: Tensor) -> Tensor:
        return low if is_mapped(value) else low.expand(count, *low.shape)

    start = whole(physical[0], y0)
    rest = tuple(whole(low, value).flatten(0, 1) for low, value in zip(physical[2:], args, strict=True))
    asked, batch = physical[1], start.shape[1]
    if is_mapped(times) or times.ndim == 2:
        asked = whole(asked, times)
        asked = asked[:, None].expand(count, batch, -1) if asked.ndim == 2 else asked
        asked = asked.flatten(0, 1)

    def back(rows: Tensor) -> Tensor:
        return _Raised.apply(rows.unflatten(0, (count, batch)), like)

    return Mapped(start.flatten(0, 1), asked, rest, back)
