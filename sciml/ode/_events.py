"""Events: zeros of functions of time and state that end an integration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.core.errors import ConfigError, UserError
from sciml.ode._method import Method, Step

EventFunction = Callable[[Tensor, Tensor], Tensor]
"""``(time: row, state: row *shape) -> row``; the event is where it is zero."""


@dataclass(frozen=True)
class Event:
    """Stop a sample where `function` crosses zero.

    Arguments:
        function: ``(time: row, state: row *shape) -> row``.
        direction: ``rising`` or ``falling`` for crossings of one kind only.
    """

    function: EventFunction
    direction: Literal["any", "rising", "falling"] = "any"

    def __post_init__(self) -> None:
        if self.direction not in ("any", "rising", "falling"):
            raise ConfigError(
                "unknown direction of an event",
                got=repr(self.direction),
                expected="any, rising or falling",
            )


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
    bisections: int = field(default=52)

    def values(self, time: Float[Tensor, " row"], state: Float[Tensor, "row dim"]) -> Float[Tensor, "row event"]:
        """Every event function at every row."""
        shaped = state.unflatten(1, self.shape) if self.shape else state[:, 0]
        columns = [event.function(self.sign * time.to(state.dtype), shaped) for event in self.events]
        for column in columns:
            if column.shape != time.shape:
                raise UserError(
                    "an event function returned the wrong shape",
                    got=tuple(column.shape),
                    expected=f"one value per row, {tuple(time.shape)}",
                )
        return torch.stack(columns, dim=1)

    def crossed(
        self, before: Float[Tensor, "row event"], after: Float[Tensor, "row event"]
    ) -> Bool[Tensor, "row event"]:
        """Sign changes in the wanted direction (of the user's time); a start on the zero itself is not one."""
        up, down = (before < 0) & (after >= 0), (before > 0) & (after <= 0)
        if self.sign < 0:
            up, down = down, up
        columns = []
        for i, event in enumerate(self.events):
            column = {"any": up[:, i] | down[:, i], "rising": up[:, i], "falling": down[:, i]}[event.direction]
            columns.append(column)
        return torch.stack(columns, dim=1)


@torch.no_grad()
def locate(
    events: Events,
    method: Method,
    step: Step,
    time: Float[Tensor, " row"],
    state: Float[Tensor, "row dim"],
    size: Float[Tensor, " row"],
    met: Bool[Tensor, "row event"],
) -> tuple[Int[Tensor, " row"], Float[Tensor, " row"]]:
    """Which event each row met first inside a step, and where in the step, by bisection of the dense output."""
    first = events.values(time, state)
    best = torch.full_like(size, 2.0)
    index = torch.zeros_like(size, dtype=torch.long)
    for column in range(met.shape[1]):
        low, high = torch.zeros_like(size), torch.ones_like(size)
        for _ in range(events.bisections):
            middle = (low + high) / 2
            value = events.values(
                time + size.double() * middle.double(), method.interpolate(step, state, size, middle)
            )[:, column]
            same = (value > 0) == (first[:, column] > 0)
            low, high = torch.where(same, middle, low), torch.where(same, high, middle)
        earlier = met[:, column] & (high < best)
        best, index = torch.where(earlier, high, best), torch.where(earlier, column, index)
    return index, best
