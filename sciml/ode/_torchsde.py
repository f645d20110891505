"""torchsde as a second backend: the same equation along the same path, its failures as status."""

import math
import warnings
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.status import Status
from sciml.ode._brownian import Brownian
from sciml.ode._sde_loop import SMALLEST, Course, Parts


class _OutOfSteps(Exception):
    """The budget of attempts is spent; torchsde itself knows none."""


class _Equation:
    """An equation as torchsde wants it."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.noise_type = "general" if parts.noise.general else "diagonal"
        self.sde_type = parts.method.calculus

    def f(self, t: Tensor, y: Tensor) -> Tensor:
        """The drift."""
        return self.parts.drift(t, y)

    def g(self, t: Tensor, y: Tensor) -> Tensor:
        """The diffusion."""
        return self.parts.diffusion(t, y)


class _Watched:
    """A Brownian path as torchsde wants it, noting where steps began."""

    levy_area_approximation = "space-time"

    def __init__(self, paths: Brownian, budget: int) -> None:
        self.shape = paths.shape
        self.interval, self.budget = paths.interval, budget
        self.starts: list[float] = []

    def __call__(self, start: Any, end: Any, return_U: bool = False) -> Any:
        """The increment, with U if asked for."""
        if len(self.starts) == self.budget:
            raise _OutOfSteps
        self.starts.append(float(start))
        return self.interval(start, end, return_U=return_U)


def integrate(
    parts: Parts,
    method: str,
    state: Float[Tensor, "batch dim"],
    times: list[float],
    paths: Brownian,
    rtol: float,
    atol: float,
    step: float | int | None,
    max_steps: int,
) -> Course:
    """Integrate with torchsde; arguments as in `solve_sde`, checked.

    A failure of torchsde concerns the whole batch: all states but the first are NaN then. Without one, a sample is
    DIVERGED from its first value that is not finite.
    """
    import torchsde

    queries = 1 if step is not None else 3  # step doubling: one whole step, two halves
    watched = _Watched(paths, max_steps * queries)
    span = times[-1] - times[0]
    wanted = torch.tensor(times, dtype=torch.float64, device=state.device)
    status, words, course = Status.OK, "", (state,)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            states = torchsde.sdeint(
                _Equation(parts),
                state,
                wanted,
                bm=watched,  # pyright: ignore[reportArgumentType] (called like a path, and no more)
                method=method,
                dt=float(step) if step is not None else min(times[1] - times[0], span / 100),
                adaptive=step is None,
                rtol=rtol,
                atol=atol,
                dt_min=SMALLEST * span,
                options={"grad_free": True},
            )
        course = cast(Tensor, states).unbind(0)  # no logarithms of ratios were asked for
    except _OutOfSteps:
        status, words = Status.MAX_STEPS, f"torchsde took more than {max_steps} steps"
    except AssertionError as error:
        status, words = Status.DIVERGED, f"torchsde stopped: {error}"
    except UserWarning as warning:
        if "minimum allowed step" not in str(warning):
            raise
        status, words = Status.STEP_UNDERFLOW, f"torchsde stopped: {warning}"
    rows = torch.arange(len(state), device=state.device)
    codes = torch.full_like(rows, int(status))
    attempts = len(watched.starts) // queries
    accepted = len(set(watched.starts[::queries]))
    failures = {}
    if status != Status.OK:
        nothing = torch.full_like(state, math.nan)
        course = (state, *(nothing for _ in times[1:]))
        failures = dict.fromkeys(rows.tolist(), words)
    else:
        lost = torch.stack([~value.detach().isfinite().all(1) for value in course]).cummax(0).values
        codes[lost[-1]] = int(Status.DIVERGED)
        course = tuple(torch.where(mask[:, None], math.nan, value) for mask, value in zip(lost, course, strict=True))
        for row in lost[-1].nonzero().flatten().tolist():
            failures[row] = f"the state is not finite at t = {times[int(lost[:, row].int().argmax())]:.6g}"
    return Course(
        list(course),
        codes,
        torch.full_like(rows, accepted),
        torch.full_like(rows, attempts - accepted),
        torch.full_like(rows, parts.drifts),
        parts.calls,
        None,
        failures,
    )
