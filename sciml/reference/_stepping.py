"""Explicit Runge-Kutta stepping of a batch between output times, every row with its own step.

The step of a row is chosen from that row alone and rows that need fewer steps wait with a step of zero, so rows never
influence each other.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Inexact, Shaped
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.core.types import Trajectory

Tendency = Callable[[Tensor], Tensor]
"""``dy/dt`` of a batch of states, row by row; the equation is autonomous."""


def rk4(tendency: Tendency, y: Inexact[Tensor, "batch *rest"], dt: Float[Tensor, "batch *one"]) -> Tensor:
    """One step of the classical Runge-Kutta method; order 4, stable on the imaginary axis for ``|ω dt| < 2.82``.

    Reference: Kutta (1901), Z. Math. Phys. 46, 435-453.
    """
    k1 = tendency(y)
    k2 = tendency(y + dt / 2 * k1)
    k3 = tendency(y + dt / 2 * k2)
    k4 = tendency(y + dt * k3)
    return y + dt / 6 * (k1 + 2 * (k2 + k3) + k4)


def ssp_rk2(tendency: Tendency, y: Inexact[Tensor, "batch *rest"], dt: Float[Tensor, "batch *one"]) -> Tensor:
    """One step of the strong-stability-preserving Runge-Kutta method of order 2 (Heun's); not stable on the imaginary
    axis, so for upwind fluxes only.

    The mean of the state and of two Euler steps from it: what an Euler step bounds (total variation, positivity) it
    bounds too, at two thirds of the cost of `ssp_rk3`.

    Reference: Shu and Osher (1988), doi:10.1016/0021-9991(88)90177-5.
    """
    y1 = y + dt * tendency(y)
    return (y + y1 + dt * tendency(y1)) / 2


def ssp_rk3(tendency: Tendency, y: Inexact[Tensor, "batch *rest"], dt: Float[Tensor, "batch *one"]) -> Tensor:
    """One step of the strong-stability-preserving Runge-Kutta method of order 3; stable for ``|ω dt| < 1.73``.

    A convex combination of Euler steps: what an Euler step bounds (total variation, positivity) it bounds too.

    Reference: Shu and Osher (1988), doi:10.1016/0021-9991(88)90177-5.
    """
    y1 = y + dt * tendency(y)
    y2 = 3 / 4 * y + 1 / 4 * (y1 + dt * tendency(y1))
    return 1 / 3 * y + 2 / 3 * (y2 + dt * tendency(y2))


ORDERS: dict[Callable[..., Tensor], int] = {rk4: 4, ssp_rk2: 2, ssp_rk3: 3}
"""The order each method claims; a test measures it."""


def check_step_factor(factor: float, largest: float) -> None:
    """Raise UserError for a factor of the time step that is not positive, or breaks the bound of stability (CFL)."""
    if not 0 < factor <= largest:
        raise UserError(
            "this factor makes time steps that are unstable or none",
            got=factor,
            expected=f"above 0 and at most {largest:g}",
            fix="Leave it at 1; smaller factors make smaller errors in time.",
        )


def check_times(times: Sequence[float]) -> None:
    """Raise UserError for output times that do not increase, or none."""
    if len(times) < 1 or any(not late > early for early, late in pairwise(times)):
        raise UserError("output times must increase", got=list(times))


def integrate(
    tendency: Tendency,
    initial: Inexact[Tensor, "batch *rest"],
    times: Sequence[float],
    *,
    largest_step: Callable[[Tensor], Float[Tensor, " batch"]],
    is_admissible: Callable[[Tensor], Bool[Tensor, " batch"]],
    observe: Callable[[Tensor], Shaped[Tensor, "batch ..."]] = torch.Tensor.clone,
    method: Callable[[Tendency, Tensor, Tensor], Tensor] = rk4,
    max_steps: int = 10_000,
    longest: float = math.inf,
) -> Trajectory:
    """States of ``dy/dt = tendency(y)`` at `times`.

    Arguments:
        tendency: right-hand side; must treat rows independently.
        initial: state at ``times[0]``, real or complex.
        times: increasing output times.
        largest_step: upper bound of the time step per row (a CFL condition), asked at every output time; each
            interval is cut into the smallest number of equal steps that keeps to it.
        is_admissible: which rows are still physical; asked at every output time.
        observe: what is kept of a state (for example its physical values on a coarser grid).
        method: one-step method.
        max_steps: step budget of a row between two times at which the step is chosen.
        longest: time after which the step is chosen anew where output times lie further apart, for states whose bound
            changes much between them (a flow that starts from rest).

    Returns:
        A `Trajectory`: ``observe`` of the states with time as second axis; DIVERGED for a row that became
        inadmissible, MAX_STEPS for one whose step budget ran out, and NaN from there on; ``stats["steps"]`` counts
        the steps of each row.

    Raises:
        UserError: if the times do not increase.
    """
    check_times(times)
    one = (-1, *[1] * (initial.ndim - 1))
    state = initial
    total = torch.zeros(len(initial), dtype=torch.int64, device=initial.device)
    status = torch.where(is_admissible(state), 0, int(Status.DIVERGED)).to(torch.int8)
    kept = [_blank(observe(state), status)]
    for early, late, is_output in _pieces(times, longest):
        wanted = torch.ceil((late - early) / largest_step(state)).nan_to_num(nan=0.0, posinf=max_steps + 1.0)
        status[(status == Status.OK) & (wanted > max_steps)] = Status.MAX_STEPS
        steps = torch.where(status == Status.OK, wanted.clamp(min=1), 0).long()
        dt = (late - early) / steps.clamp(min=1).to(wanted.dtype)
        for step in range(int(steps.max())):
            state = method(tendency, state, torch.where(step < steps, dt, 0.0).reshape(one))
        total += steps
        status[(status == Status.OK) & ~is_admissible(state)] = Status.DIVERGED
        if is_output:
            kept.append(_blank(observe(state), status))
    return Trajectory(torch.stack(kept, dim=1), status, {"steps": total})


def _pieces(times: Sequence[float], longest: float) -> Iterator[tuple[float, float, bool]]:
    """Begin and end of the intervals between outputs, cut where they are too long, and whether output follows."""
    for early, late in pairwise(times):
        count = max(1, math.ceil((late - early) / longest * (1 - 1e-12)))
        ends = [early + (late - early) * i / count for i in range(count)] + [late]
        for i in range(count):
            yield ends[i], ends[i + 1], i == count - 1


def in_chunks(solve: Callable[[slice], Trajectory], batch: int, chunk: int) -> Trajectory:
    """Solve a batch `chunk` rows at a time and join the results.

    On a CPU a batch pays until its work arrays leave the cache, and costs beyond; rows are independent, so how
    they are grouped changes nothing else.

    Arguments:
        solve: the trajectory of a slice of rows.
        batch: number of rows, at least one.
        chunk: rows at a time, at least one.
    """
    parts = [solve(slice(first, first + chunk)) for first in range(0, batch, chunk)]
    stats = {name: torch.cat([part.stats[name] for part in parts]) for name in parts[0].stats}
    return Trajectory(torch.cat([part.states for part in parts]), torch.cat([part.status for part in parts]), stats)


def _blank(values: Tensor, status: Tensor) -> Tensor:
    """`values` with the rows that failed set to NaN."""
    failed = (status != Status.OK).reshape(-1, *[1] * (values.ndim - 1))
    return torch.where(failed, torch.nan, values)
