"""Events: zeros of functions of time and state that end an integration, or are noted on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import ConfigError, UserError

EventFunction = Callable[[Tensor, Tensor], Tensor]
"""``(time: row, state: row *shape) -> row``; the event is where it is zero, or where its truth changes."""


_NEAR = 1e-3


@dataclass(frozen=True)
class Event:
    """Where `function` crosses zero a sample stops, or the place is noted.

    Arguments:
        function: ``(time: row, state: row *shape) -> row``, numbers or truth values; False counts as below zero.
        direction: ``rising`` or ``falling`` for crossings of one kind only.
        terminal: whether the sample stops there; if not, every crossing is noted in ``solution.marks``.
        looks: at how many places inside of every step the function is looked at, beside its ends. Where it comes near
            zero and turns back between them its extremum is searched for, so that two roots in one step are found; only
            a dip shorter than the distance of two looks may be missed. 0 looks at the ends of steps only.
    """

    function: EventFunction
    direction: Literal["any", "rising", "falling"] = "any"
    terminal: bool = True
    looks: int = 4

    def __post_init__(self) -> None:
        if self.direction not in ("any", "rising", "falling"):
            raise ConfigError(
                "unknown direction of an event",
                got=repr(self.direction),
                expected="any, rising or falling",
            )
        if self.looks < 0:
            raise ConfigError("an event cannot be looked at fewer than 0 times in a step", got=self.looks)


@dataclass(frozen=True)
class Events:
    """Several events, as the loop sees them: states are flat, time runs forward.

    Arguments:
        events: what the user gave.
        shape: of one sample's state.
        sign: -1 where the integration runs backward in the user's time.
    """

    events: Sequence[Event]
    shape: tuple[int, ...]
    sign: int

    @property
    def looks(self) -> tuple[float, ...]:
        """Places inside of a step, in (0, 1): even ones, and two so near the ends that they tell the slopes there."""
        count = max(event.looks for event in self.events)
        if count < 3:
            return tuple((k + 1) / (count + 1) for k in range(count))
        inside = count - 2
        return (_NEAR, *((k + 1) / (inside + 1) for k in range(inside)), 1 - _NEAR)

    @property
    def terminal(self) -> tuple[bool, ...]:
        """Which of them end a sample."""
        return tuple(event.terminal for event in self.events)

    def values(self, time: Float[Tensor, " row"], state: Float[Tensor, "row dim"]) -> Float[Tensor, "row event"]:
        """Every event function at every row; ±1 for truth values."""
        shaped = state.unflatten(1, self.shape) if self.shape else state[:, 0]
        now = self.sign * time.to(state.dtype)
        columns = [event.function(now, shaped) for event in self.events]
        for column in columns:
            if not isinstance(column, Tensor) or column.shape != time.shape:
                raise UserError(
                    "an event function returned the wrong shape",
                    got=tuple(column.shape) if isinstance(column, Tensor) else type(column).__name__,
                    expected=f"one value per row, {tuple(time.shape)}",
                )
            if column.dtype != torch.bool and not column.is_floating_point():
                raise UserError(
                    "an event function returned neither numbers that can be zero between others nor truth values",
                    got=column.dtype,
                    expected="floating point or bool",
                    fix="Compare (y[:, 0] > 1), or return the difference that is zero at the event.",
                )
        numbers = [2 * c.to(state.dtype) - 1 if c.dtype == torch.bool else c.to(state.dtype) for c in columns]
        return torch.stack(numbers, dim=1)

    def crossed(
        self, before: Float[Tensor, "*place row event"], after: Float[Tensor, "*place row event"]
    ) -> Bool[Tensor, "*place row event"]:
        """Sign changes in the wanted direction (of the user's time); a start on the zero itself is not one."""
        up, down = (before < 0) & (after >= 0), (before > 0) & (after <= 0)
        if self.sign < 0:
            up, down = down, up
        columns = []
        for i, event in enumerate(self.events):
            rises, falls = up[..., i], down[..., i]
            columns.append({"any": rises | falls, "rising": rises, "falling": falls}[event.direction])
        return torch.stack(columns, dim=-1)
