"""torchdiffeq as a second backend: the same equation by another program, its failures as status."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError
from sciml.core.status import Status
from sciml.ode._adjoint import Adjoint
from sciml.ode._control import PID
from sciml.ode._forward import Trail
from sciml.ode._gradient import Checkpointed, Discrete
from sciml.ode._plan import Plan

TORCHDIFFEQ_ADAPTIVE = ("dopri5", "dopri8", "bosh3", "fehlberg2", "adaptive_heun")
"""Methods of torchdiffeq that choose their steps and are offered with ``backend="torchdiffeq"``."""
TORCHDIFFEQ_FIXED = ("euler", "midpoint", "heun2", "heun3", "rk4")
"""Methods of torchdiffeq with a fixed step that are offered."""
REFUSED = {
    "tsit5": "its weights of the solution are those of the embedded method, so its order is four",
    "gl4": "its two nodes are the same, so its order is one where f depends on time",
}


class _OutOfSteps(Exception):
    """The budget of attempts is spent; torchdiffeq counts them per requested time only."""


class _Watched(nn.Module):
    """A right-hand side of the whole batch as torchdiffeq wants it, counting what happens."""

    def __init__(self, plan: Plan, batch: int) -> None:
        super().__init__()
        self.plan, self.batch = plan, batch
        self.calls = self.attempts = self.accepted = 0

    def forward(self, time: Tensor, state: Tensor) -> Tensor:
        """Slopes of all samples."""
        self.calls += 1
        return self.plan.f(time.expand(self.batch), state, *self.plan.args)

    def callback_step(self, time: Tensor, state: Tensor, size: Tensor) -> None:
        """An attempt begins."""
        if self.attempts == self.plan.max_steps:
            raise _OutOfSteps
        self.attempts += 1
        if self.plan.step is not None:
            self.accepted += 1


class _Controlled(_Watched):
    """The same for adaptive methods, which tell what they accept."""

    def callback_accept_step(self, time: Tensor, state: Tensor, size: Tensor) -> None:
        """A step was accepted."""
        self.accepted += 1


def check(plan: Plan, method: str, gradient: Discrete | Checkpointed | Adjoint) -> None:
    """UserError for what torchdiffeq cannot do, or does wrongly."""
    if method in REFUSED:
        raise UnsupportedError(f"torchdiffeq's {method} is not used: {REFUSED[method]}", fix="Take dopri5, or ours.")
    valid = TORCHDIFFEQ_ADAPTIVE if plan.step is None else TORCHDIFFEQ_FIXED
    if method not in (*TORCHDIFFEQ_ADAPTIVE, *TORCHDIFFEQ_FIXED):
        raise UnknownNameError("method of torchdiffeq", method, (*TORCHDIFFEQ_ADAPTIVE, *TORCHDIFFEQ_FIXED))
    if method not in valid:
        raise ConfigError(
            f"torchdiffeq's {method} {'needs a fixed step' if plan.step is None else 'cannot step at fixed length'}",
            expected="without step one of "
            + ", ".join(TORCHDIFFEQ_ADAPTIVE)
            + "; with it one of "
            + ", ".join(TORCHDIFFEQ_FIXED),
        )
    if plan.shared is None:
        raise UnsupportedError("torchdiffeq integrates all samples to the same times", fix='Take backend="sciml".')
    if plan.record:
        raise UnsupportedError(
            "torchdiffeq does not report the errors or stiffness of its steps", fix="Leave record out."
        )
    if plan.events is not None:
        raise UnsupportedError("torchdiffeq stops a whole batch at one event", fix='Take backend="sciml".')
    if plan.controller != PID():
        raise UnsupportedError("torchdiffeq has its own step controller", fix="Leave controller out.")
    if isinstance(gradient, Checkpointed):
        raise UnsupportedError("torchdiffeq keeps no checkpoints", fix="Take gradient=Discrete() or Adjoint().")


def integrate(
    plan: Plan,
    method: str,
    state: Float[Tensor, "batch dim"],
    gradient: Discrete | Checkpointed | Adjoint,
    leaves: Sequence[Tensor],
) -> Trail:
    """Integrate with torchdiffeq, arguments checked; the trail's outputs carry gradient.

    All samples share steps and status: a failure leaves NaN from the second time on, where torchdiffeq gives nothing.
    Steps are made to end on requested times: the interpolation of its bosh3 and dopri8 is far worse than their steps.
    """
    import torchdiffeq

    assert plan.shared is not None
    times = plan.shared.to(state.device)
    watched = (_Watched if plan.step is not None else _Controlled)(plan, len(state))
    tolerance = plan.tolerance
    absolute = tolerance.absolute
    settings: dict[str, Any] = {
        "rtol": tolerance.relative,
        "atol": absolute.expand_as(state) if isinstance(absolute, Tensor) else absolute,
        "method": method,
        "options": {"step_t": times[1:]} if plan.step is None else {"grid_constructor": _grid(plan.step)},
    }
    status, words = Status.OK, ""
    outputs = torch.full_like(state, math.nan)[:, None].repeat(1, len(times), 1)
    try:
        if isinstance(gradient, Adjoint):
            backward = _adjoint(gradient, leaves, plan.args, settings["options"])
            answer = torchdiffeq.odeint_adjoint(watched, state, times, **settings, **backward)
        else:
            answer = torchdiffeq.odeint(watched, state, times, **settings)
        outputs = cast(Tensor, answer).transpose(0, 1)  # no events were asked for
    except _OutOfSteps:
        status, words = Status.MAX_STEPS, f"torchdiffeq took more than {plan.max_steps} steps"
    except AssertionError as error:
        text = str(error)
        if "underflow in dt" not in text and "non-finite" not in text:
            raise
        status = Status.STEP_UNDERFLOW if "underflow" in text else Status.DIVERGED
        words = f"torchdiffeq stopped: {text.splitlines()[0][:80]}"
    if status != Status.OK:
        outputs = torch.cat([state[:, None], outputs[:, 1:]], dim=1)
    return _trail(plan, watched, outputs, status, words)


def _trail(plan: Plan, watched: _Watched, outputs: Tensor, status: Status, words: str) -> Trail:
    """What is known, sample by sample; a sample that is not finite at the end has diverged."""
    batch = len(outputs)
    codes = torch.full((batch,), int(status), device=outputs.device)
    broken = ~outputs.detach().isfinite().all(2)
    if status == Status.OK:
        codes[broken.any(1)] = int(Status.DIVERGED)
    assert plan.shared is not None
    failures = {}
    for row in (codes != Status.OK).nonzero().flatten().tolist():
        first = float(plan.shared[int(broken[row].int().argmax())]) * plan.sign
        failures[row] = words or f"the state is not finite at t = {first:.6g}"
    nothing = torch.full_like(codes, -1)
    empty, clock = outputs.new_zeros(batch, 0), plan.wanted.new_zeros(batch, 0)
    return Trail(
        outputs,
        plan.wanted.new_full((batch,), math.nan),
        codes,
        torch.full_like(codes, watched.accepted),
        torch.full_like(codes, watched.attempts),
        nothing,
        torch.full_like(codes, watched.calls),
        watched.calls,
        empty,
        empty,
        clock,
        clock,
        failures,
        torch.zeros_like(plan.wanted[:, 0]),
        (nothing[:0], nothing[:0], clock.new_zeros(0), outputs.detach()[:0, 0]),
    )


def _grid(longest: float) -> Any:
    """Equal steps that end on every requested time, as ours do; left alone torchdiffeq interpolates linearly."""

    def construct(f: Any, state: Tensor, times: Tensor) -> Tensor:
        parts = [times[:1]]
        for start, end in itertools.pairwise(times):
            count = max(1, math.ceil(abs(float(end - start)) / longest - 1e-9))
            parts.append(torch.linspace(float(start), float(end), count + 1, dtype=times.dtype)[1:].to(times))
        grid = torch.cat(parts)
        grid[-1] = times[-1]
        return grid

    return construct


def _adjoint(
    gradient: Adjoint, leaves: Sequence[Tensor], args: Sequence[Tensor], options: dict[str, Any]
) -> dict[str, Any]:
    """The settings of the backward solve, with the semi-norm; arguments count as parameters there."""
    if gradient.method is not None or gradient.step != "same" or gradient.controller is not None:
        raise UnsupportedError("torchdiffeq's adjoint takes the method and steps of the forward solve")
    wanted = leaves if gradient.parameters is None else gradient.parameters
    return {
        "adjoint_params": (*wanted, *args),
        "adjoint_options": {"norm": "seminorm", **options},
        "adjoint_rtol": gradient.rtol,
        "adjoint_atol": gradient.atol,
    }
