"""One call of torchdiffeq's interface, in the words of `solve`."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sciml.core.errors import ConfigError, NumericsError, UserError
from sciml.ode._adjoint import Adjoint
from sciml.ode._events import Event
from sciml.ode._gradient import Checkpointed, Discrete
from sciml.ode._method import Method
from sciml.ode._one_sample import Components, Form, Held, OneSample
from sciml.ode._options import Options, way
from sciml.ode._solution import Solution
from sciml.ode._solve import solve_watched
from sciml.ode._walk import Move

_CALLBACKS = ("callback_step", "callback_accept_step", "callback_reject_step")


class Call:
    """The arguments of one call, as `solve` wants them.

    Arguments:
        func, y0, rtol, atol, method, options, event_fn: as in `odeint`.
        forward: whether this is the call itself, and not what is said of its backward solve.

    Any: what torchdiffeq's callers hand over, tensors, numbers and tuples of them, checked here.
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
        self.options = Options(method, options, waits=event_fn is not None)
        if forward:
            self._check_callbacks()

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
        grid = self.options.grid(t, self.original, self.form.shaped(self.state))
        states = self._solve(grid, gradient, ()).states[0]
        if grid is not t:
            states = states[torch.searchsorted(grid.detach() * way(t), t.detach().to(grid) * way(t))]
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
        names = ("callback_step", *(_CALLBACKS[1:] if self.options.adaptive else ()))
        methods = {name: getattr(self.original, name + suffix, None) for name in names}
        if self.options.scipy or not any(callable(call) for call in methods.values()):
            return None

        def watch(move: Move) -> None:
            accepted = bool(move.accept[0])
            state = move.walk.state[0].detach()
            halves = state.chunk(2) if suffix else (state,)
            shown = [self.form.shaped(half.reshape(self.state.shape)) for half in halves]
            for name, call in methods.items():
                if callable(call) and name != _CALLBACKS[2 if accepted else 1]:
                    call(move.walk.time[0].clone(), tuple(shown) if suffix else shown[0], move.size[0].double())

        return watch

    def _solve(self, t: Tensor, gradient: Discrete | Checkpointed | Adjoint, events: Sequence[Event]) -> Solution:
        options, step = self.options, self.options.step(t)
        return solve_watched(
            self.func,
            self.state[None],
            t,
            method=options.solver if options.scipy else options.method,
            backend="scipy" if options.scipy else "sciml",
            rtol=self.rtol,
            atol=self.atol,
            step=step,
            gradient=gradient,
            controller=options.controller,
            max_steps=options.max_steps,
            event=list(events) if events else None,
            jumps=options.jumps(t, step),
            watch=self.callbacks(),
            measure=self._measure(),
        ).check()

    def _until_event(self, t: Tensor, gradient: Discrete | Checkpointed | Adjoint) -> Any:
        if len(t) != 2:
            raise UserError("an event needs two times, the first and one in the direction to go", got=f"{len(t)} times")
        if self.options.scipy:
            raise ConfigError("scipy_solver has no events here", fix="Take dopri5, or radauIIA5 for a stiff system.")
        if not self.options.adaptive and "step_size" not in self.options.given:
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

    def _check_callbacks(self) -> None:
        idle = _CALLBACKS if self.options.scipy else () if self.options.adaptive else _CALLBACKS[1:]
        unused = [name for name in idle if callable(getattr(self.original, name, None))]
        if unused:
            warnings.warn(f"func has {', '.join(unused)}, which this method never calls", stacklevel=4)

    def _measure(self) -> Callable[[Tensor], Tensor] | None:
        norm = self.options.given.get("norm")
        if norm is None:
            return None

        def measure(rows: Tensor) -> Tensor:
            return torch.stack([norm(self.form.shaped(row.reshape(self.state.shape))) for row in rows])

        return measure


def _number(name: str, value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value.detach())
    if not isinstance(value, (float, int)):
        raise UserError(
            f"{name} must be one number", got=repr(value), fix="Scale the state if its entries differ in size."
        )
    return float(value)
