"""The front door: check what was given, integrate, hand back a `Solution`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor

from sciml.core.errors import UnknownNameError, UnsupportedError
from sciml.ode import _dirk, _explicit, _rosenbrock
from sciml.ode._adjoint import Adjoint
from sciml.ode._checks import (
    check_args,
    check_backend,
    check_gradient,
    check_precision,
    check_settings,
    check_state,
    check_tangents,
    check_times,
)
from sciml.ode._control import PID, Tolerance
from sciml.ode._events import Event, Events
from sciml.ode._field import FlatField, UsesLaterParameters
from sciml.ode._forward import Trail, forward
from sciml.ode._gradient import Checkpointed, Discrete, Integrate
from sciml.ode._graph import is_older, leaves_of, now
from sciml.ode._method import Method
from sciml.ode._plan import Plan, step_budget
from sciml.ode._solution import Hit, Solution, Stats, Steps

_DISCRETE, _CONTROL = Discrete(), PID()
_RANDOM = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)

METHODS: dict[str, Method] = {
    method.name: method for method in (*_explicit.METHODS, *_dirk.METHODS, *_rosenbrock.METHODS)
}


def solve(
    f: Callable[..., Tensor],
    y0: Float[Tensor, "batch ..."],
    times: Float[Tensor, "*batch time"],
    *,
    args: Sequence[Tensor] = (),
    method: str | Method = "dopri5",
    rtol: float | int = 1e-6,
    atol: float | int | Float[Tensor, "..."] = 1e-8,
    step: float | int | None = None,
    gradient: Discrete | Checkpointed | Adjoint = _DISCRETE,
    controller: PID = _CONTROL,
    max_steps: int | None = None,
    event: Event | Sequence[Event] | None = None,
    record: bool = False,
    backend: Literal["sciml", "torchdiffeq"] = "sciml",
) -> Solution:
    """Solve dy/dt = f(t, y) for a batch of initial values, every sample with its own steps.

    Arguments:
        f: ``(time: row, state: row *shape, *args) -> row *shape``. Rows must not influence each other, and `f` is
            called with any number of rows: samples that are done leave, and backward repeats many steps at once.
        y0: initial states.
        times: requested times, increasing or decreasing, common to all samples or one row each; the first is the time
            of `y0`. A time may be repeated, so rows of unequal length are filled up with their last one.
        args: tensors with one row per sample that `f` needs, given to it row by row.
        method: a name (`METHODS`) or a `Method`.
        rtol, atol: a step is accepted when the RMS over a sample's components of error / (atol + rtol max(|y0|, |y1|))
            is at most 1; `atol` may be a tensor of the shape of one state.
        step: longest fixed step; equal steps then end on every requested time. None chooses steps by their error.
        gradient: `Discrete`, `Checkpointed` or `Adjoint`: how gradients are made, if any are asked for.
        controller: how the next step follows from the error.
        max_steps: attempts per sample before it is given up; None for 10,000. The number of fixed steps is known: more
            than `max_steps` (None: 10⁹) are refused.
        event: where to stop a sample early.
        record: keep E_j and S_j of every accepted step in ``solution.steps``.
        backend: ``torchdiffeq`` integrates with that library's method of the given name, for comparison. All samples
            share steps and status there; times per sample, events, records, checkpoints and controllers are refused,
            and so are its tsit5 and gl4, whose coefficients are wrong.

    Returns: states at the requested times, differentiable with respect to `y0`, `args`, `times` and whatever
        parameters `f` uses; a status per sample instead of an exception; counters per sample. The gradient with respect
        to times is the slope there, as for the exact flow. Second derivatives exist by the schedule ``graph``.

    Raises: UserError for arguments that do not fit together, and from ``backward()`` for parameters that only show at
        later times: those found are the ones f(t0, y0) depends on and those an nn.Module holds; and for a right-hand
        side that gives another answer when steps are repeated. UnsupportedError for tangents of forward-mode
        differentiation. UnknownNameError for an unknown method.

    Notes: where nothing depends on a gradient at the start, or `f` uses tensors that were computed elsewhere with
        gradient, or is a module with dropout or batch statistics in training, `Discrete` takes the schedule ``graph``,
        whatever the size of the batch.
    """
    ours = check_backend(backend)
    chosen = find_method(method if ours else "dopri5")
    check_state(y0)
    rows = check_times(times, y0)
    check_args(args, y0)
    check_settings(chosen, rtol, atol, step, max_steps)
    check_precision(y0.dtype, rtol, atol, step)
    check_gradient(gradient, event)
    check_tangents((y0, times, *args))
    shape = tuple(y0.shape[1:])
    sign = -1 if bool((rows[:, -1] < rows[:, 0]).any()) else 1
    events = _events(event, shape, sign)
    flat = FlatField(f, shape, sign, y0.dtype)
    plan = Plan(
        f=flat,
        args=tuple(args),
        wanted=(sign * rows.detach()).contiguous(),
        method=chosen,
        tolerance=Tolerance(float(rtol), atol.reshape(-1).to(y0) if isinstance(atol, Tensor) else float(atol)),
        controller=controller,
        step=None if step is None else float(step),
        max_steps=step_budget(rows.detach(), step, max_steps),
        record=record,
        repeatable=isinstance(gradient, Checkpointed),
        events=events,
        shared=(sign * times.detach().double()).contiguous() if times.ndim == 1 else None,
        sign=sign,
    )
    state = y0.reshape(len(y0), -1)
    if times.requires_grad:  # y0 at t0 + dt is on the curve that was at y(t0 - dt) at t0
        first = rows[:, 0]
        state = flat.moved(first, state, first.detach() - first, args, _is_graph(gradient, state))
    if ours:
        outputs, errors, stiffness, trail = _run(plan, state, gradient, f)
    else:
        outputs, errors, stiffness, trail = _run_torchdiffeq(plan, state, gradient, f, method)
    return _assemble(
        plan, flat, outputs, errors, stiffness, trail, times, rows, shape, sign, args, _is_graph(gradient, state)
    )


def _is_graph(gradient: Discrete | Checkpointed | Adjoint, state: Tensor) -> bool:
    """Whether it is certain that autograd follows the steps."""
    return torch.is_grad_enabled() and isinstance(gradient, Discrete) and gradient.follows(state)


def _run(
    plan: Plan, state: Tensor, gradient: Discrete | Checkpointed | Adjoint, f: Any
) -> tuple[Tensor, Tensor, Tensor, Trail]:
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
    if _is_graph(gradient, state) or (may_follow and (is_random or is_functorch_wrapped_tensor(state))):
        return _outcome(_followed(plan, state, f))
    start = _look(plan, state, f)
    plan = replace(plan, slope=start.slope)
    tensors = (state, *plan.args, *start.leaves)
    if not any(t.requires_grad for t in tensors):
        return _outcome(_watched(plan, state, f))
    if may_follow and start.captures:
        return _outcome(_followed(replace(plan, slope=None), state, f))
    if isinstance(gradient, Adjoint):
        return gradient.run(plan, state, start.leaves)
    box: list[Trail] = []
    outputs, errors, stiffness = Integrate.apply(plan, gradient, box, *tensors)
    return outputs, errors, stiffness, box[0]


def _followed(plan: Plan, state: Tensor, f: Any) -> Trail:
    """The steps with autograd following them, which costs nothing where nothing has a gradient."""
    slope = plan.bind(plan.args)(plan.wanted[:, 0].to(state.dtype), state)
    check_tangents((slope,))
    weights = f.parameters() if isinstance(f, nn.Module) else ()
    if any(t.requires_grad for t in (slope, state, *plan.args, *weights)):
        return forward(replace(plan, slope=slope, graph=True), state)
    return _watched(replace(plan, slope=slope), state, f)


def _watched(plan: Plan, state: Tensor, f: Any) -> Trail:
    """The steps of an equation without gradient so far; followed from the start if it uses a parameter later."""
    assert isinstance(plan.f, FlatField)
    plan.f.watched = True
    try:
        with torch.no_grad():
            return forward(plan, state.detach())
    except UsesLaterParameters:
        plan.f.watched = False
        return forward(replace(plan, slope=None, graph=True), state)
    finally:
        plan.f.watched = False


def _outcome(trail: Trail) -> tuple[Tensor, Tensor, Tensor, Trail]:
    return trail.outputs, trail.errors, trail.stiffness, trail


def _run_torchdiffeq(
    plan: Plan, state: Tensor, gradient: Discrete | Checkpointed | Adjoint, f: Any, method: str | Method
) -> tuple[Tensor, Tensor, Tensor, Trail]:
    from sciml.ode import _torchdiffeq

    name = method if isinstance(method, str) else method.name
    _torchdiffeq.check(plan, name, gradient)
    leaves = _look(plan, state, f).leaves if isinstance(gradient, Adjoint) and torch.is_grad_enabled() else []
    trail = _torchdiffeq.integrate(plan, name, state, gradient, leaves)
    return trail.outputs, trail.errors, trail.stiffness, trail


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


def find_method(method: str | Method) -> Method:
    """A method by name; an unknown name lists the valid ones."""
    if isinstance(method, Method):
        return method
    if method not in METHODS:
        raise UnknownNameError("integration method", str(method), METHODS)
    return METHODS[method]


def _events(event: Event | Sequence[Event] | None, shape: tuple[int, ...], sign: int) -> Events | None:
    if event is None:
        return None
    events = (event,) if isinstance(event, Event) else tuple(event)
    return Events(events, shape, sign)


def _assemble(
    plan: Plan,
    flat: FlatField,
    outputs: Tensor,
    errors: Tensor,
    stiffness: Tensor,
    trail: Trail,
    times: Tensor,
    rows: Tensor,
    shape: tuple[int, ...],
    sign: int,
    args: Sequence[Tensor],
    attached: bool,
) -> Solution:
    """The `Solution` from what the loop left."""
    count = rows.shape[1]
    states = outputs[:, :count]
    if times.requires_grad:  # the first takes back what moved the initial state: y(t0) is y0 at any t0
        columns = [
            flat.moved(rows[:, i].detach(), states[:, i], rows[:, i] - rows[:, i].detach(), args, attached)
            for i in range(count)
        ]
        states = torch.stack(columns, 1)
    stats = Stats(trail.accepted, trail.attempts - trail.accepted, trail.evaluations, trail.calls)
    steps = None
    if plan.record:
        taken = torch.arange(errors.shape[1], device=errors.device) < trail.accepted[:, None]
        steps = Steps(sign * trail.times, sign * trail.sizes, errors, stiffness, taken)
    hit = None if plan.events is None else _hit(plan, flat, outputs[:, count], trail, shape, sign, args)
    return Solution(
        states.reshape(*states.shape[:2], *shape),
        times,
        trail.status,
        stats,
        steps,
        hit,
        {row: trail.words[row] for row in sorted(trail.words)},
    )


def _hit(
    plan: Plan, flat: FlatField, place: Tensor, trail: Trail, shape: tuple[int, ...], sign: int, args: Sequence[Tensor]
) -> Hit:
    """Time and state of the events, with the gradient that follows from g(t, y(t)) = 0."""
    assert plan.events is not None
    met = trail.index >= 0
    time = (sign * trail.event_time).to(place.dtype)
    if not (torch.is_grad_enabled() and place.requires_grad and bool(met.any())):
        return Hit(sign * trail.event_time, _shaped(place, shape), trail.index)
    kept = met.nonzero().flatten()
    t, y = time[kept], place[kept]
    slope = flat.slope(t, y, [a[kept] for a in args])
    moved = t.detach().clone().requires_grad_()
    there = y.detach().clone().requires_grad_()
    with torch.enable_grad():
        every = plan.events.values(sign * moved, there)
        value = every.gather(1, trail.index[kept, None])[:, 0]
        by_time, by_state = torch.autograd.grad(value.sum(), (moved, there), allow_unused=True)
    by_time = torch.zeros_like(moved) if by_time is None else by_time
    by_state = torch.zeros_like(there) if by_state is None else by_state
    rate = by_time + (by_state * slope).sum(1)
    shift = -((by_state * (y - y.detach())).sum(1)) / rate
    event_time = (sign * trail.event_time).index_put((kept,), t.double().detach() + shift.double())
    state = place.index_put((kept,), y + slope * shift[:, None])
    return Hit(event_time, _shaped(state, shape), trail.index)


def _shaped(state: Tensor, shape: tuple[int, ...]) -> Tensor:
    return state.reshape(len(state), *shape)
