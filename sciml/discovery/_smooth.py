"""Smoothing splines through the observed values of curves, and a hidden term measured by their slopes.

H(t_i) ≈ S'(t_i) − K(S(t_i))
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.clock import Clock
from sciml.core.errors import DataError
from sciml.discovery._named import MeasuredTerm
from sciml.discovery._simulate import start_of

FEWEST = 5
"""Points that a smoothing spline needs."""
PLACES = 61
"""Places per trajectory at which slopes are taken."""
Curve = Callable[..., Any]  # Any: SciPy does not say that splines give arrays
"""``curve(position, order)``: value or derivative."""


def smoothing_spline(
    times: Float[np.ndarray, " point"], values: Float[np.ndarray, " point"],
    sigma: float | Float[np.ndarray, " point"] | None, fixed: np.ndarray,
) -> Curve:  # fmt: skip
    """A cubic spline with derivatives, ``spline(t, order)``.

    Its squared misfit equals the number of points times sigma² where sigma is known; interpolates where that is zero.
    """
    from scipy.interpolate import CubicSpline, UnivariateSpline, make_smoothing_spline

    if sigma is not None and not np.any(sigma):
        return CubicSpline(times, values)
    if sigma is None:
        weight = np.where(fixed, 1e3, 1.0)
        return make_smoothing_spline(times, values, w=weight)
    return UnivariateSpline(times, values, w=np.where(fixed, 1e3, 1.0) / sigma, k=4, s=len(times))


def curves_of(problem: HasHiddenTerm, trajectory: int, entry: Observations) -> list[Curve]:
    """A spline per field over the position of the trajectory's clock; a start that is known exactly is kept.

    Raises: DataError for too few points or a time that comes twice.
    """
    times, order = entry.coordinates[:, 0].sort()
    values, seen = entry.values[order].numpy().copy(), entry.seen[order].numpy()
    fixed = np.zeros(len(times), dtype=bool)
    offset, factor = start_of(problem, trajectory, entry.coordinates[order][:1])
    if bool((factor == 0).all()):
        values[0], seen[0], fixed[0] = offset[0].numpy(), True, True
    if seen.sum(0).min() < FEWEST or (times.diff() <= 0).any():
        raise DataError(
            f"trajectory {trajectory} cannot be smoothed",
            got=f"{len(times.unique())} different times of {len(times)}, {seen.sum(0).min()} values of a field",
            expected=f"at least {FEWEST}, none of them twice",
        )  # fmt: skip
    along = Clock.of(times).position(times).numpy()
    curves = []
    for c in range(values.shape[1]):
        here = seen[:, c]
        sigma = _sigma(entry, order, c, here)
        curves.append(smoothing_spline(along[here], values[here, c], sigma, fixed[here]))
    return curves


def _sigma(entry: Observations, order: Tensor, channel: int, here: np.ndarray) -> float | np.ndarray | None:
    if entry.sigma is None:
        return None
    if entry.sigma.ndim == 1:
        return float(entry.sigma[channel])
    return entry.sigma[order, channel].numpy()[here]


def measure_by_splines(problem: HasHiddenTerm, seen: Sequence[Observations], places: int = PLACES) -> MeasuredTerm:
    """A hidden term along trajectories by smoothing their values and differentiating; for equations without space.

    Arguments:
        problem: gives the known part.
        seen: the observations.
        places: per trajectory, equidistant by its `Clock`.

    Raises: DataError for too few points.
    """
    which, inputs, hidden = [], [], []
    for k, entry in enumerate(seen):
        clock = Clock.of(entry.coordinates[:, 0])
        times = clock.ticks(places)
        along, speed = clock.position(times).numpy(), clock.speed(times)
        curves = curves_of(problem, k, entry)
        states = torch.from_numpy(np.stack([curve(along) for curve in curves], axis=1))
        slopes = torch.from_numpy(np.stack([curve(along, 1) for curve in curves], axis=1)) * speed[:, None]
        table = torch.cat([states, problem.drivers(k, times)], dim=1)
        rows = torch.full((places,), k)
        known = problem.rate_equation.known(times, table, problem.scalar_guesses(rows))
        which.append(rows)
        inputs.append(table)
        hidden.append((slopes - known) * problem.is_hidden)
    return MeasuredTerm(torch.cat(which), torch.cat(inputs), torch.cat(hidden))
