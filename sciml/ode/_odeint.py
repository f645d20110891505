"""The interface of torchdiffeq: code written for it runs here after changing one import."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import ConfigError, NumericsError, UnknownNameError, UserError
from sciml.ode import _tableau as tableaus
from sciml.ode._adjoint import Adjoint
from sciml.ode._control import PID
from sciml.ode._events import Event
from sciml.ode._explicit import Explicit
from sciml.ode._gradient import Checkpointed, Discrete
from sciml.ode._method import Method
from sciml.ode._solution import Solution
from sciml.ode._solve import METHODS, solve

State = Tensor | tuple[Tensor, ...]

HORIZON = 1e8
"""How far an event is waited for, in units of the distance of the two times given."""

KUTTA = "Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, Z. Math. Phys. 46 (1901)"
ADAPTIVE = {
    "dopri5": METHODS["dopri5"],
    "dopri8": METHODS["dopri8"],
    "tsit5": METHODS["tsit5"],
    "bosh3": METHODS["bosh3"],
    "adaptive_heun": METHODS["heun"],
}
FIXED_METHODS: dict[str, Method] = {
    "euler": METHODS["euler"],
    "midpoint": METHODS["midpoint"],
    "heun2": METHODS["heun"],
    "heun3": Explicit(
        name="heun3", order=3, error_order=None, stability=2.5127, tableau=tableaus.HEUN3, citation=KUTTA
    ),
    "rk4": Explicit(name="rk38", order=4, error_order=None, stability=2.7853, tableau=tableaus.RK38, citation=KUTTA),
}
"""The fixed-step methods of `odeint` by the names torchdiffeq gives them."""
ADAPTIVE_OPTIONS = ("first_step", "min_step", "max_step", "safety", "ifactor", "dfactor", "max_num_steps")
FIXED_OPTIONS = ("step_size", "max_num_steps")
UNLIMITED = 2**31 - 1


def odeint(
    func: Callable[[Tensor, Any], Any],  # Any: a tensor or a tuple of them, whichever y0 is
    y0: State,
    t: Float[Tensor, " time"],
    *,
    rtol: float | int | Tensor = 1e-7,
    atol: float | int | Tensor | Sequence[float | int | Tensor] = 1e-9,
    method: str | Method | None = None,
    options: Mapping[str, Any] | None = None,  # Any: numbers, tensors or names, checked by name
    event_fn: Callable[[Tensor, Any], Tensor] | None = None,  # Any: the state, as for func
) -> Any:  # Any: a tensor or a tuple of them, whichever y0 is
    """Solve dy/dt = func(t, y) as one sample: one step size and one error, the RMS over everything.

    Arguments:
        func: ``(time, state) -> slope`` with a scalar time and the state as given, a tensor or a tuple of tensors.
        y0: the state at the first time, of any shape.
        t: times, increasing or decreasing; a time may be repeated.
        rtol, atol: tolerances; `atol` may hold one number per entry of a tuple `y0`.
        method: ``dopri5`` (default), ``dopri8``, ``tsit5``, ``bosh3``, ``adaptive_heun``; with fixed steps ``rk4``
            (the 3/8 rule), ``heun3``, ``heun2``, ``midpoint``, ``euler``; or a `Method` of this package, stepping by
            its error if it can and no ``step_size`` is given.
        options: for adaptive methods ``first_step``, ``min_step``, ``max_step``, ``safety``, ``ifactor``, ``dfactor``,
            ``max_num_steps``; for fixed ones ``step_size`` (without it every interval of `t` is one step).
        event_fn: stop where this is zero; `t` then holds the first time and one in the direction to go.

    Returns: states at the times, ``time *shape`` (a tuple of them if `y0` is one), differentiable with respect to `y0`,
        `t` and all tensors `func` uses, through the steps that were taken. With `event_fn` the time of the event and
        the states at the first time and at the event, both differentiable.

    Raises: NumericsError when the solve fails; UserError for arguments that do not fit.

    Notes: the differences to torchdiffeq: a tuple's error is the RMS over all entries, not the largest of their RMS;
        fixed steps end on every requested time, where it interpolates linearly; ``max_num_steps`` counts over the whole
        solve; the event time carries gradient; ``tsit5`` has the right weights. `solve` does more, for many samples.
    """
    return _Call(func, y0, rtol, atol, method, options, event_fn).run(t, Discrete(schedule="graph"))


def odeint_adjoint(
    func: Callable[[Tensor, Any], Any],  # Any: a tensor or a tuple of them, whichever y0 is
    y0: State,
    t: Float[Tensor, " time"],
    *,
    rtol: float | int | Tensor = 1e-7,
    atol: float | int | Tensor | Sequence[float | int | Tensor] = 1e-9,
    method: str | Method | None = None,
    options: Mapping[str, Any] | None = None,  # Any: numbers, tensors or names, checked by name
    event_fn: Callable[[Tensor, Any], Tensor] | None = None,  # Any: the state, as for func
    adjoint_rtol: float | int | Tensor | None = None,
    adjoint_atol: float | int | Tensor | Sequence[float | int | Tensor] | None = None,
    adjoint_method: str | Method | None = None,
    adjoint_options: Mapping[str, Any] | None = None,  # Any: as for `options`
    adjoint_params: Iterable[Tensor] | None = None,
) -> Any:
    """`odeint` with the gradient of the continuous adjoint, in memory that does not grow with the number of steps.

    Arguments:
        func, y0, t, rtol, atol, method, options: as in `odeint`.
        event_fn: not possible; `odeint` differentiates events.
        adjoint_rtol, adjoint_atol, adjoint_method, adjoint_options: of the backward solve; as forward if not given. The
            error of the backward solve never counts the gradients of parameters, ``norm="seminorm"`` may be said.
        adjoint_params: tensors whose gradient is wanted; None finds all that `func` uses, a module or not.

    Returns and raises: as `odeint`; see `Adjoint` for when this gradient is wrong, of which it warns.
    """
    if event_fn is not None:
        raise ConfigError("odeint_adjoint has no events", fix="Take odeint, which differentiates them.")
    if adjoint_method is not None and adjoint_method != method and options and adjoint_options is None:
        raise ConfigError(
            "the backward solve has another method, so options of the forward solve do not apply",
            fix="Give adjoint_options.",
        )
    call = _Call(func, y0, rtol, atol, method, options, None)
    backward_options = dict(options or {}) if adjoint_options is None else dict(adjoint_options)
    if backward_options.get("norm") == "seminorm":
        del backward_options["norm"]
    back = _Call(
        func,
        y0,
        rtol if adjoint_rtol is None else adjoint_rtol,
        atol if adjoint_atol is None else adjoint_atol,
        method if adjoint_method is None else adjoint_method,
        backward_options,
        None,
    )
    if back.max_steps != call.max_steps:
        raise ConfigError("max_num_steps counts for the solve and its backward solve", got="two different ones")
    gradient = Adjoint(
        rtol=back.rtol,
        atol=back.atol,
        method=back.method,
        step=back.step(t),
        controller=back.controller,
        parameters=None if adjoint_params is None else tuple(adjoint_params),
    )
    return call.run(t, gradient)


def odeint_event(
    func: Callable[[Tensor, Any], Any],  # Any: a tensor or a tuple of them, whichever y0 is
    y0: State,
    t0: Float[Tensor, "*one"],
    *,
    event_fn: Callable[[Tensor, Any], Tensor],  # Any: the state, as for func
    reverse_time: bool = False,
    odeint_interface: Callable[..., Any] = odeint,  # Any: `odeint` or `odeint_adjoint`, and their arguments
    **kwargs: Any,
) -> Any:  # Any: a time, and a state or a tuple of states
    """The time of an event and the states at `t0` and there, with their gradients; arguments as in `odeint`."""
    start = t0.reshape(1)
    t = torch.cat([start, start.detach() + (-1 if reverse_time else 1)])
    return odeint_interface(func, y0, t, event_fn=event_fn, **kwargs)


class _Call:
    """The arguments of one call, as `solve` wants them."""

    def __init__(
        self,
        func: Any,
        y0: Any,
        rtol: Any,
        atol: Any,
        method: str | Method | None,
        options: Mapping[str, Any] | None,
        event_fn: Any,
    ) -> None:
        self.shapes = None if isinstance(y0, Tensor) else _shapes(y0)
        self.state = y0 if isinstance(y0, Tensor) else torch.cat([piece.reshape(-1) for piece in y0])
        if not self.state.numel():
            raise UserError("the initial state is empty", got=f"shape {tuple(self.state.shape)}",
                            expected="at least one number")  # fmt: skip
        self.func = _Held(func, self.shapes) if isinstance(func, nn.Module) else _OneSample(func, self.shapes)
        self.event_fn = event_fn
        self.rtol = _number("rtol", rtol)
        self.atol = self._absolute(atol)
        self.method, self.adaptive = _method(method, options)
        self.options = dict(options or {})
        self._check_options(func)
        self.controller = self._controller()
        self.max_steps = int(self.options.get("max_num_steps", UNLIMITED))

    def step(self, t: Tensor) -> float | None:
        """The fixed step; the longest distance of two times if none was given."""
        if self.adaptive:
            return None
        step_size = self.options.get("step_size")
        if step_size is not None:
            return float(step_size)
        return float(t.detach().diff().abs().max()) if t.ndim == 1 and len(t) > 1 else 1.0

    def run(self, t: Tensor, gradient: Discrete | Checkpointed | Adjoint) -> Any:
        """Solve, and hand back what the caller expects."""
        if not isinstance(t, Tensor) or t.ndim != 1 or not len(t):
            raise UserError(
                "the times must be one list",
                got=f"shape {tuple(t.shape)}" if isinstance(t, Tensor) else type(t).__name__,
                expected="a tensor (time,)",
            )
        if self.event_fn is not None:
            return self._until_event(t, gradient)
        if len(t) == 1:
            return self._shaped(self.state[None])
        return self._shaped(self._solve(t, gradient, None).states[0])

    def _solve(self, t: Tensor, gradient: Discrete | Checkpointed | Adjoint, event: Event | None) -> Solution:
        return solve(
            self.func,
            self.state[None],
            t,
            method=self.method,
            rtol=self.rtol,
            atol=self.atol,
            step=self.step(t),
            gradient=gradient,
            controller=self.controller,
            max_steps=self.max_steps,
            event=event,
        ).check()

    def _until_event(self, t: Tensor, gradient: Discrete | Checkpointed | Adjoint) -> Any:
        if len(t) != 2:
            raise UserError("an event needs two times, the first and one in the direction to go", got=f"{len(t)} times")
        if not self.adaptive and "step_size" not in self.options:
            raise ConfigError("an event with fixed steps needs options={'step_size': ...}")
        with torch.no_grad():
            signs = self.event_fn(t[0].to(self.state.dtype), self._shaped(self.state)).sign()

        def value(time: Tensor, state: Tensor) -> Tensor:
            """The least of the event functions, all of them made positive at the start."""
            least = [
                (self.event_fn(now, self._shaped(here)) * signs).min() for now, here in zip(time, state, strict=True)
            ]
            return torch.stack(least)

        if bool((signs == 0).any()):
            return t[0], self._shaped(torch.stack([self.state, self.state]))
        ahead = t[:1].detach() + HORIZON * (t[1:] - t[:1]).detach()
        solution = self._solve(torch.cat([t[:1], ahead]), gradient, Event(value))
        assert solution.event is not None
        if int(solution.event.index[0]) < 0:
            raise NumericsError(f"the event did not happen until t = {float(ahead):.3g}")
        states = torch.stack([solution.states[0, 0], solution.event.state[0]])
        return solution.event.time[0].to(t.dtype), self._shaped(states)

    def _shaped(self, states: Tensor) -> Any:
        """The states of the caller from flat ones."""
        return states if self.shapes is None else split(states, self.shapes)

    def _absolute(self, atol: Any) -> float | Tensor:
        if self.shapes is None or isinstance(atol, (float, int)) or (isinstance(atol, Tensor) and atol.ndim == 0):
            if isinstance(atol, Tensor) and atol.ndim:
                return atol.detach().expand(self.state.shape).to(self.state)
            return _number("atol", atol)
        entries = list(atol)
        if len(entries) != len(self.shapes):
            raise UserError(
                "atol must be one number or one per entry of the state",
                got=f"{len(entries)} numbers",
                expected=f"{len(self.shapes)}",
            )
        parts = [
            torch.as_tensor(a).to(self.state).expand(shape.numel())
            for a, shape in zip(entries, self.shapes, strict=True)
        ]
        return torch.cat(parts)

    def _check_options(self, func: Any) -> None:
        valid = ADAPTIVE_OPTIONS if self.adaptive else FIXED_OPTIONS
        for name in self.options:
            if name not in valid:
                raise UnknownNameError(
                    f"option of {'adaptive' if self.adaptive else 'fixed-step'} methods",
                    str(name),
                    valid,
                    fix="Options of torchdiffeq that change the error norm or the grid have no counterpart.",
                )
        called = [
            name for name in ("callback_step", "callback_accept_step", "callback_reject_step") if _has(func, name)
        ]
        if called:
            raise UserError(
                f"func has {', '.join(called)}, which is never called here",
                fix="Take solve(..., record=True): solution.steps holds every accepted step.",
            )

    def _controller(self) -> PID:
        o = self.options
        return PID(
            safety=float(o.get("safety", 0.9)),
            shrink=float(o.get("dfactor", 0.2)),
            grow=float(o.get("ifactor", 10.0)),
            first=None if o.get("first_step") is None else abs(float(o["first_step"])),
            shortest=float(o.get("min_step", 0.0)),
            longest=float(o.get("max_step", math.inf)),
        )


class _OneSample:
    """A function of one state as a right-hand side for rows of flat states, called for one row after another."""

    def __init__(self, func: Callable[[Tensor, Any], Any], shapes: list[torch.Size] | None) -> None:
        self.func, self.shapes = func, shapes

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Slopes of all rows."""
        return torch.stack([self._slope(now, here) for now, here in zip(time, state, strict=True)])

    def _slope(self, time: Tensor, state: Tensor) -> Tensor:
        if self.shapes is None:
            slope = self.func(time, state)
            if not isinstance(slope, Tensor) or slope.shape != state.shape:
                _complain(slope, tuple(state.shape))
            return slope
        slopes = self.func(time, split(state, self.shapes))
        shapes = [piece.shape for piece in slopes] if isinstance(slopes, (tuple, list)) else None
        if shapes != self.shapes:
            _complain(slopes, [tuple(shape) for shape in self.shapes])
        return torch.cat([piece.reshape(-1) for piece in slopes])


class _Held(nn.Module):
    """The same of a module, whose parameters are those of the right-hand side."""

    def __init__(self, module: nn.Module, shapes: list[torch.Size] | None) -> None:
        super().__init__()
        self.module, self.slopes = module, _OneSample(module, shapes)

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        """Slopes of all rows."""
        return self.slopes(time, state)


def split(states: Tensor, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
    """Flat states ``... dim`` as a tuple of tensors ``... *shape``."""
    parts = states.split([shape.numel() for shape in shapes], dim=-1)
    return tuple(piece.reshape((*states.shape[:-1], *shape)) for piece, shape in zip(parts, shapes, strict=True))


def _method(method: str | Method | None, options: Mapping[str, Any] | None) -> tuple[Method, bool]:
    """The method, and whether it steps by its error."""
    if isinstance(method, Method):
        return method, method.adaptive and "step_size" not in (options or {})
    name = "dopri5" if method is None else method
    if name in ADAPTIVE:
        return ADAPTIVE[name], True
    if name in FIXED_METHODS:
        return FIXED_METHODS[name], False
    raise UnknownNameError(
        "method of odeint",
        str(name),
        [*ADAPTIVE, *FIXED_METHODS],
        fix="Adams methods, fehlberg2 and scipy_solver are not available; "
        "for stiff problems take method=ode.METHODS['kvaerno5'].",
    )


def _shapes(y0: Any) -> list[torch.Size]:
    if not isinstance(y0, tuple) or not y0 or not all(isinstance(piece, Tensor) for piece in y0):
        raise UserError("the initial state must be a tensor or a tuple of tensors", got=type(y0).__name__)
    return [piece.shape for piece in y0]


def _number(name: str, value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value.detach())
    if not isinstance(value, (float, int)):
        raise UserError(
            f"{name} must be one number", got=repr(value), fix="Scale the state if its entries differ in size."
        )
    return float(value)


def _has(func: Any, name: str) -> bool:
    return callable(getattr(func, name, None))


def _complain(slope: Any, expected: Any) -> None:
    got = (
        [tuple(piece.shape) for piece in slope]
        if isinstance(slope, (tuple, list))
        else tuple(getattr(slope, "shape", ()))
    )
    raise UserError("func must return slopes of the shape of the state", got=got, expected=expected)
