"""What references of ordinary differential equations share: a grid without axes, closed forms, SciPy row by row."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.core.types import Grid, Trajectory

Slope = Callable[[float, list[float]], Sequence[float]]
"""``dy/dt`` of one row: time and state in plain numbers, which SciPy calls fastest."""


def no_axes(size: Sequence[int]) -> Grid:
    """The grid of an ordinary differential equation. Raises UserError if `size` asks for points in space."""
    if len(size):
        raise UserError(
            "an ordinary differential equation has no spatial grid",
            got=tuple(size),
            expected="()",
            fix="Set grid = [] in the preset of the card.",
        )
    return Grid()


def closed_form(states: Float[Tensor, "batch time channel"]) -> Trajectory:
    """A trajectory known in closed form; DIVERGED, and NaN from there on, where a value is not finite.

    Arguments:
        states: at the requested times, the initial state first.
    """
    broken = (~states.isfinite()).any(2).long().cumsum(1) > 0
    status = torch.where(broken[:, -1], int(Status.DIVERGED), int(Status.OK)).to(torch.int8)
    return Trajectory(torch.where(broken[..., None], torch.nan, states), status, {})


def integrate_rows(
    slopes: Sequence[Slope],
    initial: Float[Tensor, "batch channel"],
    times: Float[Tensor, " time"],
    *,
    rtol: float = 1e-11,
    atol: float = 1e-13,
    max_steps: int = 100_000,
) -> Trajectory:
    """States of ``dy/dt = slope(t, y)`` at `times` by SciPy's DOP853, each row for itself.

    For solutions whose time scales differ so much, between rows or along one, that a batch of equal steps would
    be wasted on them. Order 8 with a dense output of order 7; explicit, so a stiff row costs steps but not accuracy.

    Arguments:
        slopes: the right-hand side of each row.
        initial: state at ``times[0]``.
        times: increasing output times.
        rtol, atol: tolerances of the local error.
        max_steps: step budget of a row.

    Returns:
        A float64 `Trajectory` on the device of `initial`: DIVERGED for a row that is or becomes not finite,
        STEP_UNDERFLOW for one whose step vanished, MAX_STEPS for one whose budget ran out, NaN from there on;
        ``stats["steps"]`` counts the accepted steps of each row and ``stats["evaluations"]`` its right-hand sides.

    Reference: Hairer, Nørsett and Wanner (1993), Solving Ordinary Differential Equations I, section II.5.
    """
    moments = times.double().cpu().numpy()
    if len(moments) < 1 or (np.diff(moments) <= 0).any() or len(slopes) != len(initial):
        raise UserError(
            "output times must increase, and every row needs its right-hand side",
            got=f"times {moments.tolist()}, {len(slopes)} right-hand sides for {len(initial)} rows",
        )
    rows = [
        _one(slope, state, moments, rtol, atol, max_steps)
        for slope, state in zip(slopes, initial.double().cpu().numpy(), strict=True)
    ]
    states = torch.from_numpy(np.stack([row[0] for row in rows])).to(initial.device)
    status, steps, evaluations = (torch.tensor([row[i] for row in rows], device=initial.device) for i in (1, 2, 3))
    return Trajectory(states, status.to(torch.int8), {"steps": steps, "evaluations": evaluations})


def _one(
    slope: Slope, initial: np.ndarray, times: np.ndarray, rtol: float, atol: float, max_steps: int
) -> tuple[np.ndarray, int, int, int]:
    """States, status, steps and evaluations of one row."""
    from scipy.integrate import DOP853

    states = np.full((len(times), len(initial)), np.nan)
    if not np.isfinite(initial).all():
        return states, Status.DIVERGED, 0, 0
    states[0], known, steps = initial, 1, 0
    with np.errstate(all="ignore"):  # what overflows is found below
        solver = DOP853(lambda t, y: slope(t, y.tolist()), times[0], initial, times[-1], rtol=rtol, atol=atol)
        while known < len(times):
            if steps == max_steps:
                return states, Status.MAX_STEPS, steps, solver.nfev
            solver.step()
            if solver.status == "failed":
                return states, Status.STEP_UNDERFLOW, steps, solver.nfev
            if not np.isfinite(solver.y).all():
                return states, Status.DIVERGED, steps, solver.nfev
            steps += 1
            reached = int(np.searchsorted(times, solver.t, side="right"))
            if reached > known:
                states[known:reached] = solver.dense_output()(times[known:reached]).T
                known = reached
    return states, Status.OK, steps, solver.nfev
