"""How much faster a forecaster is than the reference solver, at the reference's own accuracy and at its own."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml import metrics
from sciml.core.capabilities import Evolves
from sciml.core.errors import UserError
from sciml.core.types import Grid, Params
from sciml.tasks.forecast._regrid import regrid
from sciml.train import Conclusion

SAMPLES = 4
"""Test trajectories that both are timed on."""
_SHARES = (Fraction(3, 4), Fraction(1, 2), Fraction(3, 8), Fraction(1, 4), Fraction(3, 16), Fraction(1, 8))
"""Coarser grids that are tried, as shares of the points per axis."""
_FRAMES = "sample time channel *space"
_SHORT = 0.3  # seconds below which a run is timed once more


@dataclass(frozen=True)
class Rung:
    """The reference on one grid.

    Arguments:
        points: per axis, of the fields it is given and gives.
        own: whether it is the solver that made the data, as it made them.
        seconds: wall time of the forecast steps of one trajectory.
        error: mean relative L2 error of these steps, on the grid of the data.
    """

    points: tuple[int, ...]
    own: bool
    seconds: float
    error: float


def ladder(
    problem: Evolves,
    grid: Grid,
    states: Float[Tensor, "sample time channel *space"],
    params: Params,
    times: Float[Tensor, " time"],
    history: int,
) -> tuple[Rung, ...]:
    """The reference as it made the data, and on coarser grids; those that it refuses or diverges on are left out.

    Every one starts from the first stored frame, on its grid, and is charged the share of its time that the forecast
    steps are of the trajectory.

    Arguments:
        problem, grid: what is simulated, on which stored grid.
        states: what it gave, from the first frame on.
        params: by name.
        times: of the frames.
        history: frames that a forecaster is given.
    """
    share = (len(times) - history) / (len(times) - 1) / len(states)
    rungs = []
    for candidate, target, its_grid in _candidates(problem, grid):
        try:
            start = regrid(states[:, 0], grid, target)
            seconds, simulated = _timed(candidate, params, start, times, target)
        except UserError:
            continue
        error = 0.0
        if not its_grid:
            ahead = regrid(simulated[:, history:], target, grid)
            error = float(metrics.relative_l2(ahead.float(), states[:, history:], dims=_FRAMES).mean())
        if math.isfinite(error):
            rungs.append(Rung(target.size, its_grid, seconds * share, error))
    return tuple(rungs)


def _candidates(problem: Evolves, grid: Grid) -> Iterator[tuple[Evolves, Grid, bool]]:
    yield problem, grid, True
    coarse = problem.coarsest()
    if coarse is not None:
        yield coarse, grid, False
    for share in _SHARES:
        sizes = [share * n for n in grid.size]
        if any(size.denominator > 1 for size in sizes):
            continue
        try:
            target = (coarse or problem).grid([int(size) for size in sizes])
        except UserError:
            continue
        yield coarse or problem, target, False


@torch.no_grad()
def _timed(
    problem: Evolves, params: Params, start: Tensor, times: Tensor, grid: Grid
) -> tuple[float, Float[Tensor, "sample time channel *space"]]:
    marks = [time.perf_counter()]
    states = problem.simulate(params, start, times, grid).states
    marks.append(time.perf_counter())
    if marks[1] - marks[0] < _SHORT:
        problem.simulate(params, start, times, grid)
        marks.append(time.perf_counter())
    return min(after - before for before, after in pairwise(marks)), states


def speed(rungs: Sequence[Rung], seconds: float, error: float) -> Conclusion | None:
    """The speed-up of a forecaster over the reference, from what its rollouts take per trajectory and how they err.

    At equal error means: over the cheapest reference that errs no more. None without a reference that could be timed.
    """
    finest = next((rung for rung in rungs if rung.own), None)
    if finest is None or math.isnan(error):
        return None
    equal = min((rung for rung in rungs if rung.error <= error), key=lambda rung: rung.seconds, default=finest)
    details: dict[str, Any] = {  # Any: JSON
        "seconds": seconds,
        "error": error,
        "rungs": [
            {"points": list(r.points), "own": r.own, "seconds": r.seconds, "error": r.error, "equal": r is equal}
            for r in rungs
        ],
    }
    numbers = {"speedup/finest": finest.seconds / seconds, "speedup/equal_error": equal.seconds / seconds}
    words = (
        f"{numbers['speedup/finest']:.3g} times the speed of the reference that made the data, "
        f"{numbers['speedup/equal_error']:.3g} times that of the cheapest one with no larger error ({_name(equal)})"
    )
    return Conclusion(numbers, {"speed": details}, xarray.Dataset(), (words,))


def _name(rung: Rung) -> str:
    points = " x ".join(map(str, rung.points))
    return f"as it made the data, {points}" if rung.own else f"{points}, error {rung.error:.3g}"
