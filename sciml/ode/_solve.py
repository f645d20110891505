"""The front door: check what was given, integrate, hand back a `Solution`."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError, UserError
from sciml.ode import _dirk, _explicit, _rosenbrock
from sciml.ode._adjoint import Adjoint
from sciml.ode._control import PID, Tolerance
from sciml.ode._events import Event, Events
from sciml.ode._forward import Trail, forward
from sciml.ode._gradient import Checkpointed, Discrete, Integrate
from sciml.ode._graph import leaves_of
from sciml.ode._loop import Plan
from sciml.ode._method import Method
from sciml.ode._solution import Hit, Solution, Stats, Steps

_DISCRETE, _CONTROL = Discrete(), PID()

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
    max_steps: int = 10_000,
    event: Event | Sequence[Event] | None = None,
    record: bool = False,
    backend: Literal["sciml", "torchdiffeq"] = "sciml",
) -> Solution:
    """Solve dy/dt = f(t, y) for a batch of initial values, every sample with its own steps.

    Arguments:
        f: ``(time: row, state: row *shape, *args) -> row *shape``. Rows must not influence each other, and `f` is
            called with any number of rows: samples that are done leave, and backward repeats many steps at once.
        y0: initial states.
        times: requested times, strictly increasing or decreasing, common to all samples or one row each; the first is
            the time of `y0`.
        args: tensors with one row per sample that `f` needs, given to it row by row.
        method: a name (`METHODS`) or a `Method`.
        rtol, atol: a step is accepted when the RMS over a sample's components of error / (atol + rtol max(|y0|, |y1|))
            is at most 1; `atol` may be a tensor of the shape of one state.
        step: longest fixed step; equal steps then end on every requested time. None chooses steps by their error.
        gradient: `Discrete`, `Checkpointed` or `Adjoint`: how gradients are made, if any are asked for.
        controller: how the next step follows from the error.
        max_steps: attempts per sample before it is given up.
        event: where to stop a sample early.
        record: keep E_j and S_j of every accepted step in ``solution.steps``.
        backend: ``torchdiffeq`` integrates with that library's method of the given name, for comparison. All samples
            share steps and status there; times per sample, events, records, checkpoints and controllers are refused,
            and so are its tsit5 and gl4, whose coefficients are wrong.

    Returns: states at the requested times, differentiable with respect to `y0`, `args`, `times` and whatever
        parameters `f` uses; a status per sample instead of an exception; counters per sample. The gradient with respect
        to times is the slope there, as for the exact flow.

    Raises: UserError for arguments that do not fit together, and from ``backward()`` for parameters that only show at
        later times: those found are the ones f(t0, y0) depends on and those an nn.Module holds. UnknownNameError for an
        unknown method.
    """
    ours = _check_backend(backend)
    chosen = find_method(method if ours else "dopri5")
    _check_state(y0)
    rows = _check_times(times, y0)
    _check_args(args, y0)
    _check_settings(chosen, rtol, atol, step, max_steps)
    _check_gradient(gradient, event)
    shape = tuple(y0.shape[1:])
    sign = 1 if bool(rows[0, -1] > rows[0, 0]) else -1
    events = _events(event, shape, sign)
    flat = _Flat(f, shape, sign, y0.dtype)
    plan = Plan(
        f=flat,
        args=tuple(args),
        wanted=(sign * rows.detach()).contiguous(),
        method=chosen,
        tolerance=Tolerance(float(rtol), atol.reshape(-1).to(y0) if isinstance(atol, Tensor) else float(atol)),
        controller=controller,
        step=None if step is None else float(step),
        max_steps=max_steps,
        record=record,
        repeatable=isinstance(gradient, Checkpointed),
        events=events,
        shared=(sign * times.detach().double()).contiguous() if times.ndim == 1 else None,
        sign=sign,
        searched=not isinstance(f, nn.Module),
    )
    state = y0.reshape(len(y0), -1)
    if times.requires_grad:  # y0 at t0 + dt is on the curve through y0 - f dt at t0
        first = rows[:, :1]
        state = state - flat.slope(first[:, 0], state, args) * (first - first.detach()).to(state.dtype)
    if ours:
        outputs, errors, stiffness, trail = _run(plan, state, gradient, f)
    else:
        outputs, errors, stiffness, trail = _run_torchdiffeq(plan, state, gradient, f, method)
    return _assemble(plan, flat, outputs, errors, stiffness, trail, times, rows, shape, sign, args)


def _run(
    plan: Plan, state: Tensor, gradient: Discrete | Checkpointed | Adjoint, f: Any
) -> tuple[Tensor, Tensor, Tensor, Trail]:
    if torch.is_grad_enabled() and isinstance(gradient, Discrete) and gradient.follows(state):
        slope = plan.bind(plan.args)(plan.wanted[:, 0].to(state.dtype), state)
        weights = f.parameters() if isinstance(f, nn.Module) else ()
        if any(t.requires_grad for t in (slope, state, *plan.args, *weights)):
            trail = forward(replace(plan, slope=slope, graph=True), state)
            return trail.outputs, trail.errors, trail.stiffness, trail
        plan = replace(plan, slope=slope)
    elif torch.is_grad_enabled():
        leaves, slope = _leaves(plan, state, f)
        plan = replace(plan, slope=slope)
        tensors = (state, *plan.args, *leaves)
        if any(t.requires_grad for t in tensors):
            if isinstance(gradient, Adjoint):
                return gradient.run(plan, state, leaves)
            box: list[Trail] = []
            outputs, errors, stiffness = Integrate.apply(plan, gradient, box, *tensors)
            return outputs, errors, stiffness, box[0]
    with torch.no_grad():
        trail = forward(plan, state.detach())
    return trail.outputs, trail.errors, trail.stiffness, trail


def _run_torchdiffeq(
    plan: Plan, state: Tensor, gradient: Discrete | Checkpointed | Adjoint, f: Any, method: str | Method
) -> tuple[Tensor, Tensor, Tensor, Trail]:
    from sciml.ode import _torchdiffeq

    name = method if isinstance(method, str) else method.name
    _torchdiffeq.check(plan, name, gradient)
    leaves = _leaves(plan, state, f)[0] if isinstance(gradient, Adjoint) and torch.is_grad_enabled() else []
    trail = _torchdiffeq.integrate(plan, name, state, gradient, leaves)
    return trail.outputs, trail.errors, trail.stiffness, trail


def _leaves(plan: Plan, state: Tensor, f: Any) -> tuple[list[Tensor], Tensor]:
    """The parameters `f` uses: those of a module, and every leaf that f(t0, y0) was computed from; and that slope."""
    weights = [p for p in f.parameters() if p.requires_grad] if isinstance(f, nn.Module) else []
    with torch.enable_grad():
        here = state.detach().requires_grad_()
        args = tuple(a.detach() for a in plan.args)
        slope = plan.bind(args)(plan.wanted[:, 0].to(state.dtype), here)
    others = leaves_of(slope, [here, *args, *weights])
    return [*weights, *others], slope.detach()


class _Flat:
    """The right-hand side for flat states and forward time, with its answers checked."""

    def __init__(self, f: Callable[..., Tensor], shape: tuple[int, ...], sign: int, dtype: torch.dtype) -> None:
        self.f, self.shape, self.sign, self.dtype = f, shape, sign, dtype

    def __call__(self, time: Tensor, state: Tensor, *args: Tensor) -> Tensor:
        """Slopes in forward time."""
        slope = self.evaluate(time if self.sign > 0 else -time, state, *args)
        return slope if self.sign > 0 else -slope

    def slope(self, time: Tensor, state: Tensor, args: Sequence[Tensor]) -> Tensor:
        """f at the user's times, without gradient."""
        with torch.no_grad():
            slope = self.evaluate(time.detach().to(self.dtype), state.detach(), *(a.detach() for a in args))
        return slope.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)  # samples that failed: no gradient through them

    def evaluate(self, time: Tensor, state: Tensor, *args: Tensor) -> Tensor:
        """f at the user's times."""
        rows = len(state)
        shaped = state if len(self.shape) == 1 else state.view(rows, *self.shape)
        slope = self.f(time, shaped, *args)
        if slope.shape != shaped.shape or slope.dtype != self.dtype:
            self._complain(slope, shaped)
        return slope if len(self.shape) == 1 else slope.reshape(rows, -1)

    def _complain(self, slope: Any, shaped: Tensor) -> None:
        raise UserError(
            "the right-hand side returned the wrong kind of tensor",
            got=f"shape {tuple(slope.shape)}, {slope.dtype}",
            expected=f"shape {tuple(shaped.shape)}, {self.dtype}, like the state it was given",
            fix="It is called with any number of rows; give per-sample tensors through `args`.",
        )


def _check_backend(backend: Any) -> bool:
    """Whether it is ours."""
    if backend not in ("sciml", "torchdiffeq"):
        raise UnknownNameError("backend", str(backend), ("sciml", "torchdiffeq"))
    return backend == "sciml"


def find_method(method: str | Method) -> Method:
    """A method by name; an unknown name lists the valid ones."""
    if isinstance(method, Method):
        return method
    if method not in METHODS:
        raise UnknownNameError("integration method", str(method), METHODS)
    return METHODS[method]


def _check_state(y0: Tensor) -> None:
    if not isinstance(y0, Tensor) or y0.ndim == 0 or not len(y0):
        raise UserError(
            "the initial state must be a tensor with one row per sample",
            got=f"shape {tuple(y0.shape)}" if isinstance(y0, Tensor) else type(y0).__name__,
            expected="batch *shape, at least one sample",
            fix="For a single sample write y0[None].",
        )
    if not y0.is_floating_point():
        raise UserError(
            "the initial state must hold real floating-point numbers",
            got=y0.dtype,
            expected="float32 or float64",
            fix="Convert it, for example y0.double(); split complex states into real and imaginary parts.",
        )


def _check_times(times: Tensor, y0: Tensor) -> Float[Tensor, "batch time"]:
    """Times as one row per sample in float64."""
    fits = isinstance(times, Tensor) and (times.ndim == 1 or (times.ndim == 2 and len(times) == len(y0)))
    if not fits or times.shape[-1] < 2 or times.is_complex():
        raise UserError(
            "the requested times do not fit the state",
            got=f"shape {tuple(times.shape)}, {times.dtype}" if isinstance(times, Tensor) else type(times).__name__,
            expected=f"(time,) or ({len(y0)}, time) with at least two times",
        )
    if not bool(times.isfinite().all()):
        raise UserError("the requested times must be finite", got=times.detach().flatten()[:5].tolist())
    rows = times.double().expand(len(y0), -1)
    gaps = rows.detach().diff(dim=1)
    if not (bool((gaps > 0).all()) or bool((gaps < 0).all())):
        wrong = ((gaps == 0) | (gaps.sign() != gaps[0, 0].sign())).nonzero()
        sample, place = wrong[0].tolist()
        raise UserError(
            "the requested times must increase or decrease strictly, the same way for all samples",
            got=f"{float(rows[sample, place].detach()):.6g} followed by {float(rows[sample, place + 1].detach()):.6g}"
            f" at place {place + 1}" + (f" of sample {sample}" if times.ndim == 2 else ""),
            fix="Sort them and drop repeated ones.",
        )
    return rows


def _check_args(args: Sequence[Tensor], y0: Tensor) -> None:
    for place, value in enumerate(args):
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != len(y0):
            raise UserError(
                f"argument {place} of the right-hand side must have one row per sample",
                got=f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__,
                expected=f"a tensor of shape ({len(y0)}, ...)",
                fix="What is common to all samples belongs into f itself.",
            )


def _check_settings(method: Method, rtol: float | int, atol: Any, step: float | int | None, max_steps: int) -> None:
    lowest = float(atol.min()) if isinstance(atol, Tensor) else atol
    if not (rtol >= 0 and lowest >= 0 and rtol + lowest > 0 and math.isfinite(rtol + lowest)):
        raise ConfigError(
            "the tolerances must be finite and not negative, one of them positive", got=f"rtol={rtol}, atol={atol}"
        )
    if step is None and not method.adaptive:
        raise ConfigError(
            f"{method.name} has no error estimate to choose its steps by",
            fix="Give a fixed one, step=..., or take dopri5 or tsit5.",
        )
    if step is not None and not (step > 0 and math.isfinite(step)):
        raise ConfigError("a fixed step must be positive and finite", got=step)
    if max_steps < 1:
        raise ConfigError("max_steps must be at least 1", got=max_steps)


def _check_gradient(gradient: Any, event: Any) -> None:
    if not isinstance(gradient, (Discrete, Checkpointed, Adjoint)):
        raise ConfigError(
            "unknown kind of gradient",
            got=repr(gradient),
            expected="Discrete(), Checkpointed(budget) or Adjoint()",
        )
    if isinstance(gradient, Adjoint) and event is not None:
        raise UnsupportedError(
            "events have no gradient by the continuous adjoint", fix="Take gradient=Discrete() or Checkpointed()."
        )


def _events(event: Event | Sequence[Event] | None, shape: tuple[int, ...], sign: int) -> Events | None:
    if event is None:
        return None
    events = (event,) if isinstance(event, Event) else tuple(event)
    return Events(events, shape, sign)


def _assemble(
    plan: Plan,
    flat: _Flat,
    outputs: Tensor,
    errors: Tensor,
    stiffness: Tensor,
    trail: Trail,
    times: Tensor,
    rows: Tensor,
    shape: tuple[int, ...],
    sign: int,
    args: Sequence[Tensor],
) -> Solution:
    """The `Solution` from what the loop left."""
    count = rows.shape[1]
    states = outputs[:, :count]
    if times.requires_grad:
        places = [
            flat.slope(rows[:, i], states[:, i], args) * (rows[:, i : i + 1] - rows[:, i : i + 1].detach()).to(states)
            for i in range(count)  # the first takes back what moved the initial state: y(t0) is y0 at any t0
        ]
        states = states + torch.stack(places, 1)
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
    plan: Plan, flat: _Flat, place: Tensor, trail: Trail, shape: tuple[int, ...], sign: int, args: Sequence[Tensor]
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
