"""Where the rows of a batch are, and what one attempt of all of them was."""

from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.ode._method import Step


class Walk(NamedTuple):
    """Where the rows under way are.

    Fields:
        rows: their numbers in the batch.
        time, size, end: t, the step to try and the last requested time, float64 whatever the dtype of the state.
        state, slope: y and f(t, y).
        earlier: errors of the accepted steps before, as many as the controller remembers.
        accepted: steps accepted so far.
        attempts: steps tried so far; the same for all rows under way, since all started at once.
        target: index of the next requested time.
        args: the rows of the right-hand side's arguments.
        sides: values of the event functions at (t, y); no columns without events.
        memory: what the method remembers of earlier steps.
    """

    rows: Int[Tensor, " row"]
    time: Float[Tensor, " row"]
    size: Float[Tensor, " row"]
    end: Float[Tensor, " row"]
    state: Float[Tensor, "row dim"]
    slope: Float[Tensor, "row dim"]
    earlier: tuple[Float[Tensor, " row"], ...]
    accepted: Int[Tensor, " row"]
    attempts: int
    target: Int[Tensor, " row"]
    args: tuple[Tensor, ...]
    sides: Float[Tensor, "row event"]
    memory: tuple[Tensor, ...] = ()


class Hit(NamedTuple):
    """Rows that met an event in this step: which rows, which event, where in the step."""

    rows: Bool[Tensor, " row"]
    index: Int[Tensor, " row"]  # pyright: ignore[reportIncompatibleMethodOverride] (hides tuple.index)
    along: Float[Tensor, " row"]


class Marks(NamedTuple):
    """Events in a step that end nothing: whose, which, and when and where they were, without gradient."""

    rows: Int[Tensor, " mark"]
    event: Int[Tensor, " mark"]
    time: Float[Tensor, " mark"]
    state: Float[Tensor, "mark dim"]


class Move(NamedTuple):
    """One attempt of all rows under way.

    Fields:
        walk: where it started (with leaves for gradients if it was taped).
        size: the step tried, in the dtype of the state.
        accept: which rows accepted it; `everyone` if all.
        step, error: what the method returned, and E.
        target: index of the next requested time after the move.
        hit: rows that met an event, and where in the step; None for none.
        marks: events that were met and end nothing; None for none.
        ended: rows that are done, with their status, and the event they hit (-1 for none).
        words: by row number in the batch, why it failed.
    """

    walk: Walk
    size: Float[Tensor, " row"]
    accept: Bool[Tensor, " row"]
    everyone: bool
    step: Step
    error: Float[Tensor, " row"] | None
    target: Int[Tensor, " row"]
    hit: Hit | None
    marks: Marks | None
    ended: tuple[Int[Tensor, " ended"], Int[Tensor, " ended"], Int[Tensor, " ended"]] | None
    words: dict[int, str]


def leaves(walk: Walk) -> Walk:
    """The walk with states, slopes and arguments that gradients are asked for."""
    return walk._replace(
        state=walk.state.detach().requires_grad_(),
        slope=walk.slope.detach().requires_grad_(),
        args=tuple(a.detach().requires_grad_(a.is_floating_point()) for a in walk.args),
    )


def gather(walk: Walk, kept: Int[Tensor, " kept"]) -> Walk:
    """Some rows of a walk."""

    def rows_of(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(v[kept] for v in value)
        return value[kept] if isinstance(value, Tensor) else value

    return Walk(*(rows_of(value) for value in walk))
