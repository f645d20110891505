"""The loop: every row of a batch advances by its own steps, accepted or not by its own error, until it is done.

One attempt is a pure function `advance` from a `Walk` (where every row is) to the next one and a `Move` (what happened
on the way). The forward pass writes down what the moves say; the reverse passes repeat or remember them. Rows that are
done leave, so work shrinks with the number of rows under way. Time runs forward here; `solve` turns backward
integration around.
"""

import itertools
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.ode._control import first_step
from sciml.ode._endings import ended_rows, stuck_rows, without
from sciml.ode._meeting import cut, meet
from sciml.ode._method import Step
from sciml.ode._plan import Gaps, Plan, parts_of
from sciml.ode._walk import Hit, Move, Walk, gather, leaves


def start(plan: Plan, state: Float[Tensor, "batch dim"]) -> tuple[Walk, int]:
    """The walk at the first requested time, and how many evaluations of f that took."""
    batch = len(state)
    time = plan.wanted[:, 0]
    f = plan.bind(plan.args)
    slope = f(time.to(state.dtype), state) if plan.slope is None else plan.slope
    span = plan.wanted[:, -1] - time
    calls = 1
    if plan.step is not None:
        size = _equal_parts(plan.wanted[:, 1] - time, plan.step)
    elif plan.first is not None:
        size = plan.controller.bound(plan.first)
    elif plan.controller.first is not None:
        size = plan.controller.bound(torch.full_like(time, plan.controller.first))
    else:
        order = plan.method.error_order
        assert order is not None
        with torch.no_grad():
            size = first_step(f, time.to(state.dtype), state, slope, plan.tolerance, order, span)
        size = plan.controller.bound(size)
        calls += 1
    ones = torch.ones(batch, dtype=state.dtype, device=state.device)
    counter = torch.zeros(batch, dtype=torch.long, device=state.device)
    memory = plan.controller.memory if plan.step is None else 0
    sides = plan.events.values(time, state.detach()) if plan.events else state.new_zeros(batch, 0)
    walk = Walk(
        torch.arange(batch, device=state.device),
        time,
        size,
        plan.wanted[:, -1],
        state,
        slope,
        (ones,) * memory,
        counter,
        0,
        counter + 1,
        plan.args,
        sides,
        plan.method.begin(state),
    )
    return walk, calls


def march(plan: Plan, walk: Walk, taped: bool = False, limit: int | None = None) -> Iterator[tuple[Move, Walk | None]]:
    """Moves and the walks after them, until no row is under way or `limit` moves are made."""
    left: Walk | None = walk
    for _ in itertools.count() if limit is None else range(limit):
        if left is None:
            return
        move, left = advance(plan, left, taped)
        yield move, left


def advance(plan: Plan, walk: Walk, taped: bool) -> tuple[Move, Walk | None]:
    """One attempt of every row under way; None for the next walk when all of them are done.

    With `taped`, the move's walk holds leaves and its step the graph from them; the next walk has no graph. With a plan
    whose moves are one graph, the next walk is part of it.
    """
    if taped:
        walk = leaves(walk)
    dtype = walk.state.dtype
    stop = plan.wanted[walk.rows, walk.target] if plan.lands else walk.end
    gap = _next_gap(plan, walk)
    if gap is not None:
        stop = torch.minimum(stop, gap.begin)
    remaining = stop - walk.time
    reaches = remaining <= walk.size * (1 + (1e-9 if plan.step is None else 1e-6))  # sums of equal steps round
    taken = torch.where(reaches, remaining, walk.size)
    size = taken.to(dtype)
    with torch.set_grad_enabled(taped or plan.graph):
        step = plan.method.step(
            plan.bind(walk.args),
            walk.time.to(dtype),
            size,
            walk.state,
            walk.slope,
            stiffness=plan.record,
            repeatable=plan.repeatable,
            memory=walk.memory,
        )
        scaled = None if step.error is None else plan.tolerance.ratio(step.error, walk.state, step.state)
    error = None if scaled is None else scaled.detach()
    if plan.step is not None or error is None:
        accept = _finite(step)
    else:
        shortest = plan.controller.shortest
        accept = (error <= 1) | (taken <= shortest) if shortest else error <= 1
        if shortest or not plan.method.embeds_slope:
            accept = accept & _finite(step)
    if step.failed is not None:
        accept = accept & ~step.failed
    everyone = bool(accept.all())
    if plan.graph and not everyone:
        step = _without_rejected(plan, walk, size, step, accept)
    after = _after(plan, walk, step, error, accept, everyone, taken, torch.where(reaches, stop, walk.time + taken))
    done = accept & reaches
    if gap is not None:
        landed = done & (stop < walk.end)
        done = done & ~landed
        if bool(landed.any()):
            after = _past_gap(plan, walk, after, landed.nonzero().flatten(), gap.end)
            step = step._replace(evaluations=step.evaluations + 1)
    hit = marks = None
    if plan.events is not None:
        after, hit, marks = meet(plan, plan.events, walk, after, step, size, accept)
    if hit is not None and plan.method.lands:
        step, size, hit = cut(plan, walk, step, size, hit, taped)
    if plan.lands:
        after = _new_interval(plan, walk, after, accept & reaches, hit)
    else:
        after = after._replace(target=plan.next_target(walk.rows, after.time))
    stuck = stuck_rows(plan, walk, after, accept, everyone, reaches)
    ended, words = ended_rows(plan, walk, after, step, done, hit, stuck, size)
    move = Move(walk, size, accept, everyone, step, scaled, after.target, hit, marks, ended, words)
    return move, after if ended is None else without(after, ended[0])


def _without_rejected(plan: Plan, walk: Walk, size: Tensor, step: Step, accept: Bool[Tensor, " row"]) -> Step:
    """The step without the graph of rejected rows where they are not finite, which would spoil all gradients."""
    if bool(_finite(step).all()):
        return step
    kept = accept.nonzero().flatten()
    if not len(kept):
        return step._replace(state=step.state.detach(), slope=step.slope.detach())
    accepted = gather(walk, kept)
    f, time = plan.bind(accepted.args), accepted.time.to(size.dtype)
    again = plan.method.step(
        f, time, size[kept], accepted.state, accepted.slope, stiffness=plan.record, memory=accepted.memory
    )
    stages = [old.detach().index_copy(0, kept, new) for old, new in zip(step.stages, again.stages, strict=True)]
    rest = {
        name: None if new is None else getattr(step, name).detach().index_copy(0, kept, new)
        for name in ("state", "slope", "error", "stiffness")
        if (new := getattr(again, name)) is not None
    }
    memory = tuple(old.detach().index_copy(0, kept, new) for old, new in zip(step.memory, again.memory, strict=True))
    return step._replace(stages=stages, memory=memory, **rest)


def _next_gap(plan: Plan, walk: Walk) -> Gaps | None:
    """The gap ahead of every row."""
    if plan.gaps is None:
        return None
    number = torch.searchsorted(plan.gaps.begin, walk.time.contiguous(), right=True)
    return Gaps(*(edges[number] for edges in plan.gaps))


def _past_gap(plan: Plan, walk: Walk, after: Walk, landed: Int[Tensor, " landed"], end: Float[Tensor, " row"]) -> Walk:
    """The walk with some rows at the end of their gap: slopes of there, errors forgotten, the step tried last kept."""
    there = end[landed]
    time, size = (old.index_copy(0, landed, new) for old, new in ((after.time, there), (after.size, walk.size[landed])))
    dtype = after.state.dtype
    with torch.set_grad_enabled(plan.graph):
        slope = plan.bind(tuple(a[landed] for a in after.args))(there.to(dtype), after.state[landed])
        slopes = after.slope.index_copy(0, landed, slope)
    earlier = tuple(error.index_fill(0, landed, 1.0) for error in after.earlier)
    return after._replace(time=time, size=size, slope=slopes, earlier=earlier)


def _finite(step: Step) -> Bool[Tensor, " row"]:
    """Rows a next step can start from."""
    return (step.state.detach().isfinite() & step.slope.detach().isfinite()).all(1)


def _after(
    plan: Plan,
    walk: Walk,
    step: Step,
    error: Tensor | None,
    accept: Tensor,
    everyone: bool,
    taken: Tensor,
    ahead: Tensor,
) -> Walk:
    """The rows after the attempt, with the size of the next one."""
    state, slope, before = step.state, step.slope, (walk.state, walk.slope)
    memory = step.memory
    if not plan.graph:
        memory = tuple(m.detach() for m in memory)
        state, slope, before = state.detach(), slope.detach(), (walk.state.detach(), walk.slope.detach())
    size, earlier = walk.size, walk.earlier
    if plan.step is None:
        assert error is not None and plan.method.error_order is not None
        factor = plan.controller.factor(error, walk.earlier, plan.method.error_order)
        if not everyone:
            factor = torch.where(accept, factor, factor.clamp_max(0.9))
        if step.failed is not None:
            factor = torch.where(step.failed, factor.clamp_max(0.25), factor)
        size = taken * factor
        if plan.lands:  # a step cut short by a requested time says little about the next one
            size = torch.where(accept & (taken < walk.size), torch.maximum(size, walk.size), size)
        size = plan.controller.bound(size)
        if earlier:
            kept = error.clamp_min(1e-10)
            kept = kept if everyone else torch.where(accept, kept, earlier[0])
            earlier = (kept, *earlier[: plan.controller.memory - 1])
    if not everyone:
        column = accept[:, None]
        state, slope = torch.where(column, state, before[0]), torch.where(column, slope, before[1])
        ahead = torch.where(accept, ahead, walk.time)
        memory = tuple(
            torch.where(accept.view(-1, *(1,) * (new.ndim - 1)), new, old)
            for new, old in zip(memory, walk.memory, strict=True)
        )
    return walk._replace(
        time=ahead,
        size=size,
        state=state,
        slope=slope,
        earlier=earlier,
        accepted=walk.accepted + accept,
        attempts=walk.attempts + 1,
        args=walk.args if plan.graph else tuple(a.detach() for a in walk.args),
        memory=memory,
    )


def _new_interval(plan: Plan, walk: Walk, after: Walk, landed: Tensor, hit: Hit | None) -> Walk:
    """For methods that land: the next requested time, and with a fixed step the equal parts of the way there."""
    target = walk.target + (landed if hit is None else landed & ~hit.rows)
    if plan.step is None:
        return after._replace(target=target)
    gap = plan.wanted[walk.rows, target.clamp_max(plan.wanted.shape[1] - 1)] - after.time
    return after._replace(target=target, size=torch.where(landed, _equal_parts(gap, plan.step), after.size))


def _equal_parts(gap: Float[Tensor, " row"], longest: float) -> Float[Tensor, " row"]:
    return gap / parts_of(gap, longest)
