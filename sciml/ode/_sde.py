"""Stochastic differential equations: check what was given, integrate, hand back a `Solution`."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError, UserError
from sciml.ode import _sri
from sciml.ode._brownian import Brownian
from sciml.ode._checks import check_args, check_state
from sciml.ode._clock import check_clock
from sciml.ode._control import Tolerance
from sciml.ode._mapped import is_mapped
from sciml.ode._noise import Noise
from sciml.ode._plan import step_budget
from sciml.ode._sde_loop import Course, Parts, Walk
from sciml.ode._solution import Solution, Stats
from sciml.ode._sri import StochasticMethod

SDE_METHODS: dict[str, StochasticMethod] = {method.name: method for method in _sri.METHODS}

TORCHSDE_METHODS = ("euler", "milstein", "srk", "heun")
"""What torchsde offers of these."""


def solve_sde(
    drift: Callable[..., Tensor],
    diffusion: Callable[..., Tensor],
    y0: Float[Tensor, "batch ..."],
    times: Float[Tensor, " time"],
    *,
    args: Sequence[Tensor] = (),
    method: str | StochasticMethod = "sosri",
    rtol: float | int = 1e-2,
    atol: float | int = 1e-2,
    step: float | int | None = None,
    seed: int | torch.Generator | None = None,
    calculus: Literal["ito", "stratonovich"] = "ito",
    noise: Literal["diagonal", "general"] = "diagonal",
    correlation: Float[Tensor, "motion motion"] | None = None,
    record: bool = False,
    max_steps: int | None = None,
    backend: Literal["sciml", "torchsde"] = "sciml",
    brownian: Brownian | None = None,
) -> Solution:
    """Solve dy_i = f_i(t, y) dt + g_i(t, y) dW_i, by default every component of every sample with its own noise.

    All samples share one sequence of steps, as in the papers on regularised neural SDEs: a step is accepted when the
    RMS over samples and components of (δ|E1| + |E2|) / (atol + rtol max(|y0|, |y1|)) is at most 1 (`SRI` defines E1
    and E2). The PI controller takes h · 0.9 · E^(-0.7/1.5) E_before^(0.4/1.5), shrinking by at most 5 and growing by
    at most 9/8. Steps end on every requested time. A sample whose error stays above the tolerance at the smallest step,
    or that is not finite there, is given up alone; the others go on.

    Arguments:
        drift, diffusion: ``(time: row, state: row *shape, *args) -> row *shape``. Rows must not influence each other
            and any number of rows may be asked for. For strong orders above 1/2 component i of the diffusion may depend
            on component i of the state only.
        y0: initial states, ``batch *shape``.
        times: strictly increasing, the first is the time of `y0`. An Itô equation cannot be run backward.
        args: tensors with one row per sample that both functions need, given to them row by row.
        method: adaptive ``sosri``, ``sosri2``, ``sriw1`` (strong order 1.5), fixed-step ``srk`` (1.5), ``milstein``
            (1.0), ``euler`` (0.5), and ``heun`` for Stratonovich equations (1.0, or 0.5 where the columns of the noise
            do not commute); or a `StochasticMethod`.
        rtol, atol: tolerances of one step.
        step: longest fixed step; equal steps then end on every requested time. None chooses steps by their error.
        seed: of the Brownian paths, to be given unless `brownian` is: a number gives the same paths every time, a
            generator new ones with every call. The noise at the requested times depends on it, the times, the batch's
            shape and the dtype only, so different methods and tolerances are driven by the same path there.
        calculus: whether the equation is meant after Itô or Stratonovich. Where the method is of the other kind, the
            drift is converted exactly, ± ½ Σ_jk G_jk ∂_j G_ik by automatic differentiation.
        noise: ``general`` for a diffusion that returns a matrix ``row *shape motion``, dy = f dt + G dW with as many
            motions as it has columns; by the methods ``euler`` and ``heun``.
        correlation: of the motions, if they are not independent: dW dWᵀ = C dt, the same for all samples; by the
            methods ``euler`` and ``heun``, diagonal noise included.
        record: keep E_j and S_j of every accepted step in ``solution.steps``. E_j is per sample there: its RMS over the
            samples under way is at most 1, single samples may exceed 1.
        max_steps: attempted steps before all samples under way are given up; None for 10,000. The number of fixed steps
            is known: more than `max_steps` (None: 10⁹) are refused.
        backend: ``torchsde`` integrates with that library's euler, milstein (derivative-free form) or srk along the
            same path, for comparison. Without a fixed step it doubles steps to control them, and it interpolates
            linearly where its steps do not end on requested times. It knows neither E_j nor S_j.
        brownian: the paths, instead of those of `seed`; an object that was used before repeats its paths.

    Returns: states at the requested times, differentiable by ordinary autograd through the accepted steps with respect
        to `y0`, `args` and the parameters of both functions; step sizes, accept tests and noise are constants. Failures
        are a status per sample with NaN states after it. ``stats.evaluations`` counts the drift (the papers' NFE),
        ``stats.calls`` the calls of both functions.

    Raises: UserError for arguments that do not fit together, or functions that return the wrong shape or dtype.
    """
    check_state(y0)
    if is_mapped(y0):
        raise UnsupportedError(
            "torch.vmap over an SDE: all samples share steps and paths",
            fix="Give solve_sde the whole batch, one row per sample.",
        )
    wanted = _check_times(times)
    check_args(args, y0)
    check_clock(drift, y0, times, args)
    shape = tuple(y0.shape[1:])
    state = y0.reshape(len(y0), -1)
    chosen = find_sde_method(method)
    kind = Noise.of(calculus, noise, correlation, state)
    kind.check(chosen)
    parts = Parts(drift, diffusion, tuple(args), shape, kind, chosen, noise == "general")
    _check_settings(rtol, atol, step, max_steps)
    paths = _paths(brownian, seed, wanted, state, parts.motions(wanted[0], state))
    budget = step_budget(torch.tensor([wanted], dtype=torch.float64), step, max_steps)
    if backend not in ("sciml", "torchsde"):
        raise ConfigError("unknown backend of an SDE", got=repr(backend), expected="'sciml' or 'torchsde'")
    if backend == "torchsde":
        from sciml.ode._torchsde import integrate

        if record:
            raise ConfigError(
                "torchsde does not report the errors or stiffness of its steps",
                fix='Leave record out, or use backend="sciml".',
            )
        if chosen.name not in TORCHSDE_METHODS:
            raise UnknownNameError("torchsde method", chosen.name, TORCHSDE_METHODS)
        course = integrate(parts, chosen.name, state, wanted, paths, float(rtol), float(atol), step, budget)
    else:
        if step is None and not chosen.adaptive:
            raise ConfigError(
                f"{chosen.name} has no error estimate to choose its steps by",
                fix="Give a fixed one, step=..., or take sosri, sosri2 or sriw1.",
            )
        tolerance = Tolerance(float(rtol), float(atol))
        fixed = None if step is None else float(step)
        course = Walk(parts, chosen, paths, tolerance, fixed, budget, record).run(state, wanted)
    return _assemble(course, times, shape)


def find_sde_method(method: str | StochasticMethod) -> StochasticMethod:
    """A method by name; an unknown name lists the valid ones."""
    if isinstance(method, StochasticMethod):
        return method
    if method not in SDE_METHODS:
        raise UnknownNameError("SDE method", str(method), SDE_METHODS)
    return SDE_METHODS[method]


def _check_times(times: Tensor) -> list[float]:
    if not isinstance(times, Tensor) or times.ndim != 1 or len(times) < 2 or times.is_complex():
        raise UserError(
            "the requested times must be one list for all samples",
            got=f"shape {tuple(times.shape)}, {times.dtype}" if isinstance(times, Tensor) else type(times).__name__,
            expected="(time,) with at least two times",
            fix="All samples share the steps of an SDE.",
        )
    wanted = times.detach().double().tolist()
    if not all(map(math.isfinite, wanted)):
        raise UserError("the requested times must be finite", got=wanted[:5])
    for place, (before, after) in enumerate(itertools.pairwise(wanted), start=1):
        if after <= before:
            raise UserError(
                "the requested times of an SDE must increase strictly",
                got=f"{before:.6g} followed by {after:.6g} at place {place}",
                fix="Itô equations run forward in time only; sort the times and drop repeated ones.",
            )
    return wanted


def _paths(
    brownian: Brownian | None, seed: int | torch.Generator | None, wanted: list[float], state: Tensor, motions: int
) -> Brownian:
    shape = (len(state), motions)
    if brownian is None:
        if isinstance(seed, torch.Generator):
            seed = int(torch.randint(2**62, (), generator=seed, device=seed.device))
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise UserError(
                "the noise needs a seed",
                got=repr(seed),
                expected="an integer, which gives the same paths every time, or a torch.Generator, for new ones every "
                "time",
                fix="For example seed=0; in training draw one per step.",
            )
        return Brownian(wanted, shape, seed=seed, dtype=state.dtype, device=state.device)
    same = (brownian.shape, brownian.dtype, brownian.device) == (shape, state.dtype, state.device)
    if not same or not (brownian.start <= wanted[0] and wanted[-1] <= brownian.end):
        raise UserError(
            "the Brownian paths do not fit the state and times",
            got=f"{brownian.shape}, {brownian.dtype} on {brownian.device}, t in [{brownian.start}, {brownian.end}]",
            expected=f"{shape}, {state.dtype} on {state.device}, t in [{wanted[0]}, {wanted[-1]}]",
        )
    return brownian


def _check_settings(rtol: float | int, atol: float | int, step: float | int | None, max_steps: int | None) -> None:
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0 and math.isfinite(rtol + atol)):
        raise ConfigError(
            "the tolerances must be finite and not negative, one of them positive", got=f"rtol={rtol}, atol={atol}"
        )
    if step is not None and not (step > 0 and math.isfinite(step)):
        raise ConfigError("a fixed step must be positive and finite", got=step)
    if max_steps is not None and max_steps < 1:
        raise ConfigError("max_steps must be at least 1", got=max_steps)


def _assemble(course: Course, times: Tensor, shape: tuple[int, ...]) -> Solution:
    states = torch.stack(course.states, 1)
    return Solution(
        states if len(shape) == 1 else states.unflatten(2, shape) if shape else states[:, :, 0],
        times,
        course.status,
        Stats(course.accepted, course.rejected, course.evaluations, course.calls),
        course.steps,
        None,
        dict(sorted(course.failures.items())),
    )
