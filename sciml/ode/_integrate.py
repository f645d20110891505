"""One integration, from one time to the next at which the right-hand side is allowed to jump."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch._C import _are_functorch_transforms_active
from torch._C._functorch import is_functorch_wrapped_tensor

from sciml.core.errors import UnsupportedError
from sciml.ode._adjoint import Adjoint
from sciml.ode._checks import check_tangents
from sciml.ode._control import PID, Tolerance
from sciml.ode._dense import Dense
from sciml.ode._events import Event, Events
from sciml.ode._field import FlatField, UsesLaterParameters
from sciml.ode._forward import Trail, forward
from sciml.ode._gradient import Checkpointed, Discrete, Integrate
from sciml.ode._graph import is_older, leaves_of, now
from sciml.ode._hits import attached_marks, hit_of, implicit, marks_of
from sciml.ode._method import Method
from sciml.ode._plan import Gaps, Plan, farthest, step_budget
from sciml.ode._solution import Hit, Marks, Solution, Stats, Steps
from sciml.ode._walk import Move

_RANDOM = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)


@dataclass(frozen=True)
class Order:
    """What `solve` was asked for, checked, but for the initial states, times and arguments.

    Arguments:
        f, controller, step, max_steps, gradient, record, dense: as in `solve`.
        method, tolerance, events: what it made of them.
        peer, backend: method and name of the program that does the work, if it is not this one.
        watch: called with every move of the forward solve.
        gaps: stretches of time that are left out; for methods that do not land, without events.
    """

    f: Callable[..., Tensor]
    method: Method
    tolerance: Tolerance
    controller: PID
    step: float | None
    max_steps: int | None
    gradient: Discrete | Checkpointed | Adjoint
    events: tuple[Event, ...]
    record: bool
    dense: bool
    peer: str | None
    backend: str = "sciml"
    watch: Callable[[Move], None] | None = None
    gaps: Gaps | None = None


def integrate(
    order: Order,
    y0: Float[Tensor, "batch ..."],
    times: Float[Tensor, "*batch time"],
    args: tuple[Tensor, ...],
    within: tuple[float, float] | None = None,
    first: Float[Tensor, " batch"] | None = None,
    spent: Int[Tensor, " batch"] | None = None,
) -> tuple[Solution, Float[Tensor, " batch"]]:
    """The solution, and the step that every sample would have tried next.

    Arguments:
        order, y0, times, args: as in `solve`.
        within: bounds of the times that the right-hand side is asked for, if it jumps there.
        first: the step to begin with; None finds one.
        spent: steps that every sample has attempted before, of the `max_steps`; None for none.
    """
    if isinstance(order.gradient, Adjoint) and order.events and torch.is_grad_enabled():
        return _events_of_the_flow(order, y0, times, args, within, first, spent)
    shape, gradient = tuple(y0.shape[1:]), order.gradient
    rows = times.double().expand(len(y0), -1)
    sign = -1 if bool((rows[:, -1] < rows[:, 0]).any()) else 1
    flat = FlatField(order.f, shape, sign, y0.dtype, within)
    plan = Plan(
        f=flat,
        args=args,
        wanted=(sign * rows.detach()).clamp_max(farthest(y0.dtype)).contiguous(),
        method=order.method,
        tolerance=order.tolerance,
        controller=order.controller,
        step=order.step,
        max_steps=step_budget(rows.detach(), order.step, order.max_steps),
        record=order.record,
        repeatable=isinstance(gradient, Checkpointed),
        events=Events(order.events, shape, sign) if order.events else None,
        shared=(sign * times.detach().double()).clamp_max(farthest(y0.dtype)).contiguous() if times.ndim == 1 else None,
        first=first,
        sign=sign,
        dense=order.dense,
        watch=order.watch,
        spent=spent,
        gaps=order.gaps,
    )
    state = y0.reshape(len(y0), -1)
    attached = _is_graph(gradient, state, order.method)
    if times.requires_grad:  # y0 at t0 + dt is on the curve that was at y(t0 - dt) at t0
        begin = rows[:, 0]
        state = flat.moved(begin, state, begin.detach() - begin, args, attached)
    if order.peer is None:
        outputs, errors, stiffness, trail = _run(plan, state, gradient, flat)
    elif order.backend == "scipy":
        outputs, errors, stiffness, trail = _run_scipy(plan, state, gradient, order.f, order.peer)
    else:
        outputs, errors, stiffness, trail = _run_torchdiffeq(plan, state, gradient, order.f, order.peer)
    solution = _assemble(plan, flat, (outputs, errors, stiffness), trail, times, rows, args, attached)
    if solution.marks is not None and torch.is_grad_enabled():
        assert plan.events is not None
        marks = _attached(order, plan.events, flat, solution.marks, y0, times, args, within, first)
        solution = replace(solution, marks=marks)
    return solution, trail.following


def _attached(
    order: Order,
    events: Events,
    flat: FlatField,
    marks: Marks,
    y0: Tensor,
    times: Tensor,
    args: tuple[Tensor, ...],
    within: tuple[float, float] | None,
    first: Tensor | None,
) -> Marks:
    """Marks with their gradient, by a second solve."""
    again = replace(order, events=(), record=False, dense=False, watch=None)

    def solve_to(times: Tensor) -> Tensor:
        states = integrate(again, y0, times, args, within, first)[0].states
        return states.reshape(*states.shape[:2], -1)

    return attached_marks(events, flat, marks, times[..., :1].expand(len(y0), 1), args, solve_to)


def _events_of_the_flow(
    order: Order,
    y0: Tensor,
    times: Tensor,
    args: tuple[Tensor, ...],
    within: tuple[float, float] | None,
    first: Tensor | None,
    spent: Tensor | None,
) -> tuple[Solution, Tensor]:
    """Events under the continuous adjoint: found without gradient, then solved to as if their times were asked for."""
    with torch.no_grad():
        outcome, following = integrate(order, y0, times, args, within, first, spent)
    rows = times.double().expand(len(y0), -1)
    sign = -1 if bool((rows[:, -1] < rows[:, 0]).any()) else 1
    shape = tuple(y0.shape[1:])
    events = Events(order.events, shape, sign)
    flat = FlatField(order.f, shape, sign, y0.dtype, within)
    last = torch.where(rows.isfinite(), sign * rows, -torch.inf).amax(1).detach()
    met = outcome.event.index >= 0 if outcome.event is not None else torch.zeros_like(last, dtype=torch.bool)
    limit = last if outcome.event is None else torch.where(met, sign * outcome.event.time, last)
    asked = torch.where(sign * rows.detach() <= limit[:, None], rows, sign * limit[:, None])
    again = replace(order, events=(), record=False, dense=False, watch=None)
    asked = torch.cat([asked, sign * limit[:, None]], dim=1)
    states = integrate(again, y0, asked, args, within, first, spent)[0].states
    kept = torch.where(outcome.states.isfinite(), states[:, :-1], outcome.states)
    hit = outcome.event
    if hit is not None and bool(met.any()):
        item = met.nonzero().flatten()
        place = states[item, -1].reshape(len(item), -1)
        time, there = implicit(events, flat, hit.index[item], hit.time[item], place, [a[item] for a in args])
        state = hit.state.index_put((item,), there.reshape(-1, *shape))
        hit = Hit(hit.time.index_put((item,), time), state, hit.index)
    marks = outcome.marks
    if marks is not None:
        marks = _attached(order, events, flat, marks, y0, times, args, within, first)
    return replace(outcome, states=kept, event=hit, marks=marks), following


def _is_graph(gradient: Discrete | Checkpointed | Adjoint, state: Tensor, method: Method) -> bool:
    """Whether it is certain that autograd follows the steps."""
    follows = isinstance(gradient, Discrete) and (method.remembers or gradient.follows(state))
    return torch.is_grad_enabled() and follows


def _run(
    plan: Plan, state: Tensor, gradient: Discrete | Checkpointed | Adjoint, flat: FlatField
) -> tuple[Tensor, Tensor, Tensor, Trail]:
    f = flat.f
    if not torch.is_grad_enabled():
        return _outcome(forward(plan, state.detach()))
    is_random = isinstance(f, nn.Module) and any(isinstance(m, _RANDOM) and m.training for m in f.modules())
    if is_random and not isinstance(gradient, Discrete):
        raise UnsupportedError(
            "the right-hand side holds dropout or batch statistics in training, so steps cannot be repeated",
            got=type(gradient).__name__,
            fix="Take gradient=Discrete(), or call .eval() on the module.",
        )
    may_follow = isinstance(gradient, Discrete) and gradient.schedule == "auto"
    if _is_graph(gradient, state, plan.method) or (may_follow and (is_random or _are_functorch_transforms_active())):
        return _outcome(_followed(plan, state, flat))
    start = _look(plan, state, f)
    plan = replace(plan, slope=start.slope)
    tensors = (state, *plan.args, *start.leaves)
    named = (gradient.parameters or ()) if isinstance(gradient, Adjoint) else ()  # they have gradients, if zero ones
    if not any(t.requires_grad for t in (*tensors, *named)):
        return _outcome(_watched(plan, state, flat))
    if may_follow and start.captures:
        return _outcome(_followed(replace(plan, slope=None), state, flat))
    if isinstance(gradient, Adjoint):
        return gradient.run(plan, state, start.leaves)
    box: list[Trail] = []
    outputs, errors, stiffness = Integrate.apply(plan, gradient, box, *tensors)
    return outputs, errors, stiffness, box[0]


def _followed(plan: Plan, state: Tensor, flat: FlatField) -> Trail:
    """The steps with autograd following them, which costs nothing where nothing has a gradient."""
    slope = plan.bind(plan.args)(plan.wanted[:, 0].to(state.dtype), state)
    check_tangents((slope,))
    if not plan.method.twice and any(map(is_functorch_wrapped_tensor, (slope, state, *plan.args))):
        raise UnsupportedError(
            f"the derivatives of {plan.method.name} cannot be taken by torch.func",
            fix="Take rodas4 or rodas5p, an explicit method, or torch.autograd.grad.",
        )
    weights = flat.f.parameters() if isinstance(flat.f, nn.Module) else ()
    if any(t.requires_grad for t in (slope, state, *plan.args, *weights)):
        return forward(replace(plan, slope=slope, graph=True), state)
    return _watched(replace(plan, slope=slope), state, flat)


def _watched(plan: Plan, state: Tensor, flat: FlatField) -> Trail:
    """The steps of an equation without gradient so far; followed from the start if it uses a parameter later."""
    flat.watched = True
    try:
        with torch.no_grad():
            return forward(plan, state.detach())
    except UsesLaterParameters:
        flat.watched = False
        return forward(replace(plan, slope=None, graph=True), state)
    finally:
        flat.watched = False


def _outcome(trail: Trail) -> tuple[Tensor, Tensor, Tensor, Trail]:
    return trail.outputs, trail.errors, trail.stiffness, trail


def _run_torchdiffeq(
    plan: Plan, state: Tensor, gradient: Discrete | Checkpointed | Adjoint, f: Any, name: str
) -> tuple[Tensor, Tensor, Tensor, Trail]:
    from sciml.ode import _torchdiffeq

    _torchdiffeq.check(plan, name, gradient)
    leaves = _look(plan, state, f).leaves if isinstance(gradient, Adjoint) and torch.is_grad_enabled() else []
    trail = _torchdiffeq.integrate(plan, name, state, gradient, leaves)
    return trail.outputs, trail.errors, trail.stiffness, trail


def _run_scipy(
    plan: Plan, state: Tensor, gradient: Discrete | Checkpointed | Adjoint, f: Any, name: str
) -> tuple[Tensor, Tensor, Tensor, Trail]:
    from sciml.ode import _scipy

    _scipy.check(plan, name)
    if not torch.is_grad_enabled():
        return _outcome(_scipy.integrate(plan, name, state))
    leaves = _look(plan, state, f).leaves
    if isinstance(gradient, Adjoint):
        return gradient.run(plan, state, leaves, lambda plan, state: _scipy.integrate(plan, name, state))
    trail = _scipy.integrate(plan, name, state)
    anchors = [t for t in (state, *plan.args, *leaves) if t.requires_grad]
    return (_scipy.Value.apply(trail.outputs, *anchors) if anchors else trail.outputs, *_outcome(trail)[1:])


class _Start(NamedTuple):
    """What the right-hand side was at the start.

    Fields:
        leaves: the parameters it uses: those of a module, and every leaf that f(t0, y0) was computed from.
        slope: f(t0, y0), without gradient.
        captures: whether it uses tensors that were computed before with gradient.
    """

    leaves: list[Tensor]
    slope: Tensor
    captures: bool


def _look(plan: Plan, state: Tensor, f: Any) -> _Start:
    weights = [p for p in f.parameters() if p.requires_grad] if isinstance(f, nn.Module) else []
    with torch.enable_grad():
        here = state.detach().requires_grad_()
        args = tuple(a.detach() for a in plan.args)
        mark = now()
        slope = plan.bind(args)(plan.wanted[:, 0].to(state.dtype), here)
    check_tangents((slope,))
    others = leaves_of(slope, [here, *args, *weights])
    return _Start([*weights, *others], slope.detach(), is_older(slope, mark))


def _assemble(
    plan: Plan,
    flat: FlatField,
    found: tuple[Tensor, Tensor, Tensor],
    trail: Trail,
    times: Tensor,
    rows: Tensor,
    args: Sequence[Tensor],
    attached: bool,
) -> Solution:
    """The `Solution` from what the loop left."""
    outputs, errors, stiffness = found
    count, sign, shape = rows.shape[1], plan.sign, flat.shape
    states = outputs[:, :count]
    if times.requires_grad:  # the first takes back what moved the initial state: y(t0) is y0 at any t0
        columns = [
            flat.moved(rows[:, i].detach(), states[:, i], rows[:, i] - rows[:, i].detach(), args, attached)
            if bool(rows[:, i].isfinite().all())
            else states[:, i]
            for i in range(count)
        ]
        states = torch.stack(columns, 1)
    stats = Stats(trail.accepted, trail.attempts - trail.accepted, trail.evaluations, trail.calls)
    steps = None
    if plan.record:
        taken = torch.arange(errors.shape[1], device=errors.device) < trail.accepted[:, None]
        steps = Steps(sign * trail.times, sign * trail.sizes, errors, stiffness, taken)
    hit = marks = None
    if plan.events is not None:
        hit = hit_of(plan, flat, outputs[:, count], trail, args) if any(plan.events.terminal) else None
        marks = None if all(plan.events.terminal) else marks_of(plan, flat, trail)
    return Solution(
        states.reshape(*states.shape[:2], *shape),
        times,
        trail.status,
        stats,
        steps,
        hit,
        {row: trail.words[row] for row in sorted(trail.words)},
        marks,
        Dense.of(plan, flat, trail.pieces) if plan.dense else None,
    )
