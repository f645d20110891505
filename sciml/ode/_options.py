"""The names of methods and the options of torchdiffeq's interface, in the words of `solve`."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sciml.core.errors import ConfigError, UnknownNameError, UserError
from sciml.ode._control import PID
from sciml.ode._method import Method
from sciml.ode._scipy import SCIPY_METHODS
from sciml.ode._solve import METHODS

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
    "explicit_adams",
    "implicit_adams",
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


class Options:
    """What the method and the options of one call mean; unknown and contradicting ones are refused.

    Arguments:
        method, options: as in `odeint`.
        waits: whether an event is waited for.

    Any: what torchdiffeq's callers hand over, checked here.
    """

    def __init__(self, method: str | Method | None, options: Mapping[str, Any] | None, waits: bool) -> None:
        self.given = dict(options or {})
        self.scipy = method == "scipy_solver"
        self.method, self.adaptive = (METHODS["dopri5"], True) if self.scipy else _method(method, options)
        self._check()
        self.solver = str(self.given.get("solver", "LSODA"))
        self.controller = self._controller()
        self.max_steps = int(self.given.get("max_num_steps", PATIENCE if waits else UNLIMITED))

    @property
    def backward_method(self) -> Method:
        """What the backward solve of the adjoint takes."""
        stiff = self.scipy and self.solver in ("Radau", "BDF")
        return METHODS["radauIIA5"] if stiff else self.method

    def step(self, t: Tensor) -> float | None:
        """The fixed step; the longest distance of two times if none was given."""
        if self.adaptive:
            return None
        step_size = self.given.get("step_size")
        if step_size is not None:
            return float(step_size)
        return float(t.detach().diff().abs().max()) if t.ndim == 1 and len(t) > 1 else 1.0

    def jumps(self, t: Tensor, step: float | None) -> Tensor | None:
        """Times that no step crosses; with ``perturb`` the ends of all fixed steps."""
        if step is not None:
            if not self.given.get("perturb", False):
                return None
            pieces = []
            for a, b in zip(t[:-1].detach().double(), t[1:].detach().double(), strict=True):
                count = max(1, math.ceil(float((b - a).abs()) / step * (1 - 1e-6)))
                pieces.append(torch.linspace(float(a), float(b), count + 1, dtype=torch.float64))
            return torch.cat(pieces).unique() if len(pieces) else None
        named = [self.given[name] for name in ("jump_t", "step_t") if self.given.get(name) is not None]
        if not named:
            return None
        return torch.cat([torch.as_tensor(times).double().reshape(-1) for times in named])

    def grid(self, t: Tensor, func: Any, y0: Any) -> Tensor:
        """The times to solve for: those asked for, and those of a grid."""
        construct = self.given.get("grid_constructor")
        return t if construct is None else _joined(t, construct(func, y0, t))

    def _check(self) -> None:
        valid = SCIPY_OPTIONS if self.scipy else ADAPTIVE_OPTIONS if self.adaptive else FIXED_OPTIONS
        kind = "scipy_solver" if self.scipy else "adaptive methods" if self.adaptive else "fixed-step methods"
        for name in self.given:
            if name not in valid:
                raise UnknownNameError(f"option of {kind}", str(name), valid)
        if self.given.get("interp", "linear") not in ("linear", "cubic"):
            raise UnknownNameError("interpolation of fixed steps", str(self.given["interp"]), ("linear", "cubic"))
        if "step_size" in self.given and self.given.get("grid_constructor") is not None:
            raise ConfigError("step_size and grid_constructor exclude each other", fix="Give one of them.")
        if self.scipy and self.given.get("solver", "LSODA") not in SCIPY_METHODS:
            raise UnknownNameError("solver of SciPy", str(self.given["solver"]), SCIPY_METHODS)

    def _controller(self) -> PID:
        o = self.given
        return PID(
            safety=float(o.get("safety", 0.9)),
            shrink=float(o.get("dfactor", 0.2)),
            grow=float(o.get("ifactor", 10.0)),
            first=None if o.get("first_step") is None else abs(float(o["first_step"])),
            shortest=float(o.get("min_step", 0.0)),
            longest=float(o.get("max_step", math.inf)),
        )


def way(t: Tensor) -> int:
    """Which way times go: 1 or -1."""
    return -1 if float(t[-1].detach()) < float(t[0].detach()) else 1


def _joined(t: Tensor, made: Any) -> Tensor:
    """Requested times and those of a grid, in their order, none of them twice."""
    if not isinstance(made, Tensor) or made.ndim != 1 or len(made) < 2:
        raise UserError("grid_constructor must return one list of times", got=type(made).__name__)
    if float(made[0].detach()) != float(t[0].detach()) or float(made[-1].detach()) != float(t[-1].detach()):
        raise UserError(
            "the grid must begin and end with the requested times",
            got=f"{float(made[0].detach()):g} to {float(made[-1].detach()):g}",
            expected=f"{float(t[0].detach()):g} to {float(t[-1].detach()):g}",
        )
    both = torch.cat([t.double(), made.detach().double().to(t.device)])
    order = (both.detach() * way(t)).argsort(stable=True)
    fresh = torch.ones(len(both), dtype=torch.bool, device=t.device)
    fresh[1:] = both[order].detach().diff() != 0
    return both[order[fresh]]


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
    )
