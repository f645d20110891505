"""Times and states of events, with the gradient that follows from g(t, y(t)) = 0."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.ode._events import Events
from sciml.ode._field import FlatField
from sciml.ode._forward import Trail
from sciml.ode._plan import Plan
from sciml.ode._solution import Hit, Marks


def hit_of(plan: Plan, flat: FlatField, place: Float[Tensor, "batch dim"], trail: Trail, args: Sequence[Tensor]) -> Hit:
    """Where every sample ended; `place` is the state there as the steps have it, with their gradient."""
    assert plan.events is not None
    time = plan.sign * trail.event_time
    kept = (trail.index >= 0).nonzero().flatten()
    if torch.is_grad_enabled() and len(kept):
        mine = [a[kept] for a in args]
        t, y = implicit(plan.events, flat, trail.index[kept], time[kept], place[kept], mine)
        time, place = time.index_put((kept,), t), place.index_put((kept,), y)
    return Hit(time, place.reshape(len(place), *flat.shape), trail.index)


def marks_of(plan: Plan, flat: FlatField, trail: Trail) -> Marks:
    """Events that ended nothing, sample by sample in the order in which they happened, without gradient."""
    rows, event, time, state = trail.marks
    batch = len(trail.status)
    order = time.argsort(stable=True)
    order = order[rows[order].argsort(stable=True)]
    rows, event, time, state = (column[order] for column in (rows, event, time, state))
    counts = torch.bincount(rows, minlength=batch)
    place = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    most = int(counts.max())
    times = time.new_full((batch, most), torch.nan).index_put((rows, place), plan.sign * time)
    states = state.new_full((batch, most, state.shape[1]), torch.nan).index_put((rows, place), state)
    index = event.new_full((batch, most), -1).index_put((rows, place), event)
    return Marks(times, states.reshape(batch, most, *flat.shape), index)


def attached_marks(
    events: Events,
    flat: FlatField,
    marks: Marks,
    start: Float[Tensor, "batch 1"],
    args: Sequence[Tensor],
    solve_to: Callable[[Tensor], Tensor],
) -> Marks:
    """The same with gradient: the states come from a second solve that asks for them at the times that were found.

    Arguments:
        start: the first times.
        solve_to: states ``batch time dim`` at given times.
    """
    there = marks.index >= 0
    if not bool(there.any()):
        return marks
    times = torch.cat([start.double(), marks.time.double()], dim=1)
    known = torch.where(there, events.sign * times[:, 1:], -torch.inf).detach()
    last = torch.maximum(known.cummax(1).values, events.sign * times[:, :1].detach())
    states = solve_to(torch.cat([times[:, :1], events.sign * last], dim=1))[:, 1:]
    row, place = there.nonzero().unbind(1)
    t, y = implicit(
        events, flat, marks.index[row, place], marks.time[row, place], states[row, place], [a[row] for a in args]
    )
    flat_states = marks.state.reshape(*marks.index.shape, -1).index_put((row, place), y)
    return Marks(marks.time.index_put((row, place), t), flat_states.reshape(marks.state.shape), marks.index)


def implicit(
    events: Events,
    flat: FlatField,
    index: Int[Tensor, " item"],
    time: Float[Tensor, " item"],
    state: Float[Tensor, "item dim"],
    args: Sequence[Tensor],
) -> tuple[Float[Tensor, " item"], Float[Tensor, "item dim"]]:
    """Time and state with dt = -(∂g/∂y dy + dg) / (∂g/∂t + ∂g/∂y f), dg being the change of g by its own parameters."""
    moment, there = time.detach().to(state.dtype), state.detach()
    with torch.enable_grad():
        moved, near = moment.clone().requires_grad_(), there.clone().requires_grad_()
        value = events.values(events.sign * moved, near).gather(1, index[:, None])[:, 0]
        by_time, by_state = (None, None)
        if value.requires_grad:
            by_time, by_state = torch.autograd.grad(value.sum(), (moved, near), allow_unused=True, retain_graph=True)
        owned = events.values(events.sign * moment, there).gather(1, index[:, None])[:, 0]
    if not (state.requires_grad or owned.requires_grad) or (by_time is None and by_state is None):
        return time, state  # nothing depends on anything, or a truth value: where it changes cannot be differentiated
    by_time = torch.zeros_like(moved) if by_time is None else by_time
    by_state = torch.zeros_like(near) if by_state is None else by_state
    slope = flat.slope(moment, there, args)
    rate = by_time + (by_state * slope).sum(1)
    change = (by_state * (state - there)).sum(1) + (owned - owned.detach())
    shift = -change / rate
    return time.detach() + shift.double(), state + slope * shift[:, None]
