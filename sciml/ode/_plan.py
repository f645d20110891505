"""What does not change during a solve: the equation, its times, method and tolerances."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import ConfigError
from sciml.ode._bound import Bound
from sciml.ode._control import PID, Tolerance
from sciml.ode._events import Events
from sciml.ode._method import Method

_STEPS, _MOST_FIXED = 10_000, 10**9


class Gaps(NamedTuple):
    """Stretches of time that are left out, one after another: a step ends where one begins, the next starts at its end.

    What the right-hand side is on both sides of a gap differs in its time, so it may jump there, and every row goes
    past it when it comes to it: all pieces of all rows are one integration, and one batch when steps are repeated.

    Fields:
        begin, end: of the gaps, increasing; no requested time lies within one, and the last begins at infinity.
    """

    begin: Float[Tensor, " gap"]
    end: Float[Tensor, " gap"]


@dataclass(frozen=True)
class Plan:
    """What does not change during a solve.

    Arguments:
        f: the right-hand side, ``(time: row, state: row dim, *args) -> row dim``, time running forward.
        args: tensors with one row per sample.
        wanted: requested times, increasing, ``batch time`` in float64.
        method, tolerance, controller, step, max_steps: as in `solve`; a fixed step takes no tolerance.
        record: whether errors and stiffness of the steps are kept.
        repeatable: whether moves will be repeated from a walk and must come out the same.
        events: what to stop at, if anything.
        shared: the requested times, if all samples have the same.
        first: the step every sample tries first; None estimates one.
        slope: f at the start, if it is known already; counted as an evaluation all the same.
        sign: -1 where the user's time runs the other way.
        graph: whether autograd follows all moves, each from the one before, as one graph.
        dense: whether the accepted steps are kept with their dense output.
        watch: called with every move.
        spent: steps that every sample has attempted before, of the `max_steps`; None for none.
        gaps: stretches of time that are left out; None for none.
    """

    f: Callable[..., Tensor]
    args: tuple[Tensor, ...]
    wanted: Float[Tensor, "batch time"]
    method: Method
    tolerance: Tolerance
    controller: PID
    step: float | None
    max_steps: int
    record: bool
    repeatable: bool = False
    events: Events | None = None
    shared: Float[Tensor, " time"] | None = None
    first: Float[Tensor, " batch"] | None = None
    slope: Float[Tensor, "batch dim"] | None = None
    sign: int = 1
    graph: bool = False
    dense: bool = False
    watch: Callable[[Any], None] | None = None  # Any: a `Move`, which knows plans
    spent: Int[Tensor, " batch"] | None = None
    gaps: Gaps | None = None

    @property
    def lands(self) -> bool:
        """Whether steps end exactly on requested times."""
        return self.step is not None or self.method.lands

    def next_target(self, rows: Int[Tensor, " row"], time: Float[Tensor, " row"]) -> Int[Tensor, " row"]:
        """Index of the first requested time beyond `time`."""
        if self.shared is not None:
            return torch.searchsorted(self.shared, time, right=True)
        return torch.searchsorted(self.wanted[rows], time[:, None], right=True)[:, 0]

    def bind(self, args: tuple[Tensor, ...]) -> Bound:
        """The right-hand side with its arguments filled in, repeated where it is asked for many states per row."""
        return Bound(self.f, args)


class Places(NamedTuple):
    """Requested times that accepted steps came past.

    Fields:
        position: row of the steps.
        target: index of the requested time; one more than there are times for the place of an event.
        along: where in the step, in [0, 1].
    """

    position: Int[Tensor, " output"]
    target: Int[Tensor, " output"]
    along: Float[Tensor, " output"]


def places(
    plan: Plan,
    rows: Int[Tensor, " row"],
    time: Float[Tensor, " row"],
    size: Float[Tensor, " row"],
    before: Int[Tensor, " row"],
    after: Int[Tensor, " row"],
) -> Places:
    """The requested times that steps came past, from the next requested time before and after each step."""
    passed = after - before
    total = int(passed.sum())
    position = torch.repeat_interleave(passed, output_size=total)
    order = torch.arange(total, device=size.device) - (torch.cumsum(passed, 0) - passed)[position]
    target = before[position] + order
    away, whole = (plan.wanted[rows[position], target] - time[position]).to(size.dtype), size[position]
    along = away / torch.where(whole == 0, 1.0, whole)  # a step between repeated times has no length
    return Places(position, target, along.clamp(0, 1))


def farthest(dtype: torch.dtype) -> float:
    """What an infinite time is taken for: far, and still a number where steps are of this type."""
    return torch.finfo(dtype).max ** 0.9


def parts_of(gap: Float[Tensor, "*row"], longest: float) -> Float[Tensor, "*row"]:
    """Into how many equal steps a gap is cut; rounding of the times, in single precision too, makes no step more."""
    return torch.ceil(gap / longest * (1 - 1e-6)).clamp_min(1)


def step_budget(times: Float[Tensor, "batch time"], step: float | int | None, max_steps: int | None) -> int:
    """Attempts allowed between the requested times; more than enough for fixed steps, whose number is known.

    Raises: ConfigError where these are more than `max_steps`.
    """
    if step is None or bool(times.isinf().any()):
        return _STEPS if max_steps is None else max_steps
    count = int(parts_of(times.diff(dim=1).abs(), float(step)).sum(1).max())
    most = _MOST_FIXED if max_steps is None else max_steps
    if count > most:
        raise ConfigError(
            "the fixed steps are more than max_steps",
            got=f"{count} steps of {float(step):g}",
            expected=f"at most {most}",
            fix="Take longer steps, or raise max_steps.",
        )
    return 2 * count
