"""A solve under `torch.vmap`: what is mapped over becomes rows of one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_batchedtensor, is_functorch_wrapped_tensor, maybe_get_level


def is_mapped(value: object) -> bool:
    """Whether `torch.vmap` maps over this tensor, at any level."""
    return bool(_levels(value))


def _levels(value: object) -> set[int]:
    """The levels at which this tensor is mapped over."""
    levels = set()
    while isinstance(value, Tensor) and is_functorch_wrapped_tensor(value):
        if is_batchedtensor(value):
            levels.add(maybe_get_level(value))
        value = get_unwrapped(value)
    return levels


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
    def vmap(  # pyright: ignore[reportIncompatibleMethodOverride] (torch writes *args)
        info: Any,  # Any: torch's
        in_dims: tuple[int | None, ...],
        value: Tensor,
    ) -> tuple[Tensor, None]:
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
    def vmap(  # pyright: ignore[reportIncompatibleMethodOverride] (torch writes *args)
        info: Any,  # Any: torch's
        in_dims: tuple[int | None, ...],
        value: Tensor,
        like: Tensor,
    ) -> tuple[Tensor, int]:
        """The physical tensor, mapped."""
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
    """The innermost level of maps taken away; at least one of the tensors is mapped over."""
    values = (y0, times, *args)
    innermost = max(level for value in values for level in _levels(value))
    mapped = [innermost in _levels(value) for value in values]
    like = next(value for value, is_like in zip(values, mapped, strict=True) if is_like)
    physical = [_Lowered.apply(value) if is_like else value for value, is_like in zip(values, mapped, strict=True)]
    count = next(low.shape[0] for low, is_like in zip(physical, mapped, strict=True) if is_like)
    whole = [low if is_like else low.expand(count, *low.shape) for low, is_like in zip(physical, mapped, strict=True)]
    start, asked, batch = whole[0], physical[1], whole[0].shape[1]
    if mapped[1] or times.ndim == 2:
        asked = whole[1]
        asked = asked[:, None].expand(count, batch, -1) if asked.ndim == 2 else asked
        asked = asked.flatten(0, 1)

    def back(rows: Tensor) -> Tensor:
        return _Raised.apply(rows.unflatten(0, (count, batch)), like)

    return Mapped(start.flatten(0, 1), asked, tuple(value.flatten(0, 1) for value in whole[2:]), back)
