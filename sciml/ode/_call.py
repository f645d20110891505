"""One call of torchdiffeq's interface, in the words of `solve`."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sciml.core.errors import ConfigError, NumericsError, UnknownNameError, UserError
from sciml.ode._adjoint import Adjoint
from sciml.ode._control import PID
from sciml.ode._events import Event
from sciml.ode._gradient import Checkpointed, Discrete
from sciml.ode._method import Method
from sciml.ode._one_sample import Components, Form, Held, OneSample
from sciml.ode._scipy import SCIPY_METHODS
from sciml.ode._solution import Solution
from sciml.ode._solve import METHODS, solve_watched
from sciml.ode._walk import Move

PATIENCE = 20_000
"""Steps after which an event is not waited for any longer, if nothing else is said."""

ADAPTIVE = {
    "dopri5": METHODS["dopri5"],
    "dopri8": METHODS["dopri8"],
    "tsit5": METHODS["tsit5"],
    "bosh3": METHODS["bosh3"],
    "fehlberg2": METHODS["fehlberg2"],
    "adaptive_heun": METHODS["heun"],
}
_SAME = (
    "euler",
    "midpoint",
    "heun3",
    "implicit_euler",
    "implicit_midpoint",
    "trapezoid",
    "sdirk2",
    "trbdf2",
    "radauIIA3",
    "radauIIA5",
    "gl4",
    "gl6",
)
FIXED_METHODS: dict[str, Method] = {
    "heun2": METHODS["heun"],
    "rk4": METHODS["rk38"],
    **{name: METHODS[name] for name in _SAME},
}
"""The fixed-step methods of `odeint` by the names torchdiffeq gives them."""
ADAPTIVE_OPTIONS = (
    "first_step",
    "min_step",
    "max_step",
    "safety",
    "ifactor",
    "dfactor",
    "max_num_steps",
    "jump_t",
    "step_t",
    "norm",
)
FIXED_OPTIONS = ("step_size", "grid_constructor", "perturb", "interp", "max_num_steps")
SCIPY_OPTIONS = ("solver", "min_step", "max_step", "first_step")
UNLIMITED = 2**31 - 1
_CALLBACKS = ("callback_step", "callback_accept_step", "callback_reject_step")


class Call:
    """The arguments of one call, as `solve` wants them.

    Arguments:
        func, y0, rtol, atol, method, options, event_fn: as in `odeint`.
        forward: whether this is the call itself, and not what is said of its backward solve.
    """

    def __init__(
        self,
        func: Any,
        y0: Any,
        rtol: Any,
        atol: Any,
        method: str | Method | None,
        options: Mapping[str, Any] | None,
        event_fn: Any,
        forward: bool = True,
    ) -> None:
        self.form = Form(y0)
        self.original = func
        self.state = self.form.flat(y0)
        if not self.state.numel():
            raise UserError("the initial state is empty", got=f"shape {tuple(self.state.shape)}",
                            expected="at least one number")  # fmt: skip
        self.func = Held(func, self.form) if isinstance(func, nn.Module) else OneSample(func, self.form)
        self.event_fn = event_fn
        self.rtol = _number("rtol", rtol)
        self.atol = self._absolute(atol)
        self.options = dict(options or {})
        self.scipy = method == "scipy_solver"
        self.method, self.adaptive = (METHODS["dopri5"], True) if self.scipy else _method(method, options)
        self._check_options()
        self.controller = self._controller()
        self.max_steps = int(self.options.get("max_num_steps", UNLIMITED if event_fn is None else PATIENCE))
        if forward:
            self._check_callbacks()

    @property
    def backward_method(self) -> Method:
        """What the backward solve of the adjoint takes."""
        stiff = self.scipy and self.options.get("solver", "LSODA") in ("Radau", "BDF")
        return METHODS["radauIIA5"] if stiff else self.method

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
            return self.form.shaped(self.state[None])
        grid = self._grid(t)
        states = self._solve(grid, gradient, ()).states[0]
        if grid is not t:
            states = states[torch.searchsorted(grid.detach() * _way(t), t.detach().to(grid) * _way(t))]
        return self.form.shaped(states)

    def adjoint_measure(self, norm: Callable[[Any], Tensor], parameters: Sequence[Tensor] | None) -> Any:
        """The caller's norm of (time, y, adjoint of y, adjoints of parameters), the first and last being zero here."""
        if not callable(norm):
            raise ConfigError("the norm of the adjoint must be a function or 'seminorm'", got=repr(norm))
        known = parameters
        if known is None:
            known = tuple(self.original.parameters()) if isinstance(self.original, nn.Module) else ()
        zeros = tuple(torch.zeros_like(p) for p in known if p.requires_grad)

        def measure(both: Tensor) -> Tensor:
            sizes = []
            for row in both:
                halves = [self.form.shaped(half.reshape(self.state.shape)) for half in row.chunk(2)]
                y, a = ((half,) if self.form.single else half for half in halves)
                sizes.append(norm((row.new_zeros(()), *y, *a, *zeros)))
            return torch.stack(sizes)

        return measure

    def callbacks(self, suffix: str = "") -> Callable[[Move], None] | None:
        """The callbacks of the caller's function, ready for the moves of a solve; None for none."""
        names = ("callback_step", *(_CALLBACKS[1:] if self.adaptive else ()))
        found = {name: getattr(self.original, name + suffix, None) for name in names}
        if self.scipy or not any(callable(call) for call in found.values()):
            return None

        def watch(move: Move) -> None:
            accepted = bool(move.accept[0])
            state = move.walk.state[0].detach()
            halves = state.chunk(2) if suffix else (state,)
            shown = [self.form.shaped(half.reshape(self.state.shape)) for half in halves]
            for name, call in found.items():
                if callable(call) and name != _CALLBACKS[2 if accepted else 1]:
                    call(move.walk.time[0].clone(), tuple(shown) if suffix else shown[0], move.size[0].double())

        return watch

    def _solve(self, t: Tensor, gradient: Discrete | Checkpointed | Adjoint, events: Sequence[Event]) -> Solution:
        solver = self.options.get("solver", "LSODA")
        step = self.step(t)
        return solve_watched(
            self.func,
            self.state[None],
            t,
            method=solver if self.scipy else self.method,
            backend="scipy" if self.scipy else "sciml",
            rtol=self.rtol,
            atol=self.atol,
            step=step,
            gradient=gradient,
            controller=self.controller,
            max_steps=self.max_steps,
            event=list(events) if events else None,
            jumps=self._jumps(t, step),
            watch=self.callbacks(),
            measure=self._measure(),
        ).check()

    def _jumps(self, t: Tensor, step: float | None) -> Tensor | None:
        """Times that no step crosses; with ``perturb`` the ends of all fixed steps."""
        if step is not None:
            if not self.options.get("perturb", False):
                return None
            pieces = []
            for a, b in zip(t[:-1].detach().double(), t[1:].detach().double(), strict=True):
                count = max(1, math.ceil(float((b - a).abs()) / step * (1 - 1e-6)))
                pieces.append(torch.linspace(float(a), float(b), count + 1, dtype=torch.float64))
            return torch.cat(pieces).unique() if len(pieces) else None
        named = [self.options[name] for name in ("jump_t", "step_t") if self.options.get(name) is not None]
        if not named:
            return None
        return torch.cat([torch.as_tensor(times).double().reshape(-1) for times in named])

    def _grid(self, t: Tensor) -> Tensor:
        """The times to solve for: those asked for, and those of a grid."""
        construct = self.options.get("grid_constructor")
        if construct is None:
            return t
        made = construct(self.original, self.form.shaped(self.state), t)
        if not isinstance(made, Tensor) or made.ndim != 1 or len(made) < 2:
            raise UserError("grid_constructor must return one list of times", got=type(made).__name__)
        if float(made[0].detach()) != float(t[0].detach()) or float(made[-1].detach()) != float(t[-1].detach()):
            raise UserError(
                "the grid must begin and end with the requested times",
                got=f"{float(made[0].detach()):g} to {float(made[-1].detach()):g}",
                expected=f"{float(t[0].detach()):g} to {float(t[-1].detach()):g}",
            )
        both = torch.cat([t.double(), made.detach().double().to(t.device)])
        order = (both.detach() * _way(t)).argsort(stable=True)
        fresh = torch.ones(len(both), dtype=torch.bool, device=t.device)
        fresh[1:] = both[order].detach().diff() != 0
        return both[order[fresh]]

    def _until_event(self, t: Tensor, gradient: Discrete | Checkpointed | Adjoint) -> Any:
        if len(t) != 2:
            raise UserError("an event needs two times, the first and one in the direction to go", got=f"{len(t)} times")
        if self.scipy:
            raise ConfigError("scipy_solver has no events here", fix="Take dopri5, or radauIIA5 for a stiff system.")
        if not self.adaptive and "step_size" not in self.options:
            raise ConfigError("an event with fixed steps needs options={'step_size': ...}")
        with torch.no_grad():
            values = self.event_fn(t[0].to(self.state.dtype), self.form.shaped(self.state))
        if not isinstance(values, Tensor):
            raise UserError("an event function must return a tensor", got=type(values).__name__)
        components = Components(self.event_fn, self.form)
        events = [Event(components.column(i)) for i in range(values.numel())]
        way = math.copysign(math.inf, float((t[1] - t[0]).detach()))
        solution = self._solve(torch.cat([t[:1], t.new_full((1,), way)]), gradient, events)
        assert solution.event is not None
        if int(solution.event.index[0]) < 0:
            raise NumericsError("the event did not happen, however far the solve went")
        states = torch.stack([solution.states[0, 0], solution.event.state[0]])
        return solution.event.time[0].to(t.dtype), self.form.shaped(states)

    def _absolute(self, atol: Any) -> float | Tensor:
        if self.form.single or isinstance(atol, (float, int)) or (isinstance(atol, Tensor) and atol.ndim == 0):
            if isinstance(atol, Tensor) and atol.ndim:
                wide = atol.detach().expand(self.form.shapes[0])
                wide = torch.stack([wide, wide], -1).reshape(-1) if self.form.complex[0] else wide
                return wide.to(self.state)
            return _number("atol", atol)
        entries = list(atol)
        if len(entries) != len(self.form.shapes):
            raise UserError(
                "atol must be one number or one per entry of the state",
                got=f"{len(entries)} numbers",
                expected=f"{len(self.form.shapes)}",
            )
        parts = [
            torch.as_tensor(a).to(self.state).expand(size) for a, size in zip(entries, self.form.sizes, strict=True)
        ]
        return torch.cat(parts)

    def _check_options(self) -> None:
        valid = SCIPY_OPTIONS if self.scipy else ADAPTIVE_OPTIONS if self.adaptive else FIXED_OPTIONS
        kind = "scipy_solver" if self.scipy else "adaptive methods" if self.adaptive else "fixed-step methods"
        for name in self.options:
            if name not in valid:
                raise UnknownNameError(f"option of {kind}", str(name), valid)
        if self.options.get("interp", "linear") not in ("linear", "cubic"):
            raise UnknownNameError("interpolation of fixed steps", str(self.options["interp"]), ("linear", "cubic"))
        if "step_size" in self.options and self.options.get("grid_constructor") is not None:
            raise ConfigError("step_size and grid_constructor exclude each other", fix="Give one of them.")
        if self.scipy and self.options.get("solver", "LSODA") not in SCIPY_METHODS:
            raise UnknownNameError("solver of SciPy", str(self.options["solver"]), SCIPY_METHODS)

    def _check_callbacks(self) -> None:
        idle = _CALLBACKS if self.scipy else () if self.adaptive else _CALLBACKS[1:]
        unused = [name for name in idle if callable(getattr(self.original, name, None))]
        if unused:
            warnings.warn(f"func has {', '.join(unused)}, which this method never calls", stacklevel=4)

    def _measure(self) -> Callable[[Tensor], Tensor] | None:
        norm = self.options.get("norm")
        if norm is None:
            return None

        def measure(rows: Tensor) -> Tensor:
            return torch.stack([norm(self.form.shaped(row.reshape(self.state.shape))) for row in rows])

        return measure

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


def _way(t: Tensor) -> int:
    return -1 if float(t[-1].detach()) < float(t[0].detach()) else 1


def _method(method: str | Method | None, options: Mapping[str, Any] | None) -> tuple[Method, bool]:
    """The method, and whether it steps by its error."""
    if isinstance(method, Method):
        return method, method.adaptive and "step_size" not in (options or {})
    name = "dopri5" if method is None else method
    if name in ADAPTIVE:
        return ADAPTIVE[name], True
    if name in FIXED_METHODS:
        return FIXED_METHODS[name], False
    if name in METHODS:
        return METHODS[name], METHODS[name].adaptive and "step_size" not in (options or {})
    raise UnknownNameError(
        "method of odeint",
        str(name),
        [*{**ADAPTIVE, **FIXED_METHODS, **METHODS}, "scipy_solver"],
        fix="Adams methods are not available: take dopri8 where evaluations are dear.",
    )


def _number(name: str, value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value.detach())
    if not isinstance(value, (float, int)):
        raise UserError(
            f"{name} must be one number", got=repr(value), fix="Scale the state if its entries differ in size."
        )
    return float(value)
