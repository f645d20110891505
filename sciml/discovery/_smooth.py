"""Smooth curves through observed values, splines or Gaussian processes, and a hidden term measured by their slopes.

H(t_i) ≈ S'(t_i) − K(S(t_i))
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.clock import Clock
from sciml.core.errors import DataError
from sciml.discovery._gaussian import Series, smooth_series
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
    Generalised cross-validation, where nobody says the noise, is done in units of the mean spacing: its search for the
    penalty, which has the units of a cubed time, starts at one and gives up far from it.
    """
    from scipy.interpolate import CubicSpline, UnivariateSpline, make_smoothing_spline

    if sigma is not None and not np.any(sigma):
        return CubicSpline(times, values)
    if sigma is None:
        weight, pace = np.where(fixed, 1e3, 1.0), (times[-1] - times[0]) / (len(times) - 1)
        size = float(np.ptp(values)) or 1.0  # of the order of one too
        spline = make_smoothing_spline(times / pace, values / size, w=weight)
        return lambda t, order=0: spline(np.asarray(t) / pace, order) * (size / pace**order)
    return UnivariateSpline(times, values, w=np.where(fixed, 1e3, 1.0) / sigma, k=4, s=len(times))


class Smoothed(NamedTuple):
    """Smooth curves of all trajectories.

    Fields:
        curves: of every trajectory and field, over the position of the trajectory's clock.
        noise: standard deviation of every field's values about them, as it was given or as the values speak of it.
        spacings: mean distance of observations over the length on which values of a field are alike.
    """

    curves: list[list[Curve]]
    noise: Float[Tensor, " channel"]
    spacings: Float[Tensor, " channel"]


def smooth(problem: HasHiddenTerm, seen: Sequence[Observations]) -> Smoothed:
    """Gaussian processes through the values of every field; see `smooth_series`. A known start is kept.

    Raises: DataError for too few points or a time that comes twice.
    """
    rows = [_rows_of(problem, k, entry) for k, entry in enumerate(seen)]
    curves: list[list[Curve]] = [[] for _ in seen]
    noise, spacings = [], []
    for c in range(len(problem.fields)):
        sigmas = [_sigma(entry, r.order, c, r.seen[:, c]) for entry, r in zip(seen, rows, strict=True)]
        known = all(sigma is not None and bool(np.all(sigma)) for sigma in sigmas)
        series = []
        for r, sigma in zip(rows, sigmas, strict=True):
            here = r.seen[:, c]
            share = np.broadcast_to(1.0 if sigma is None or not known else sigma, (int(here.sum()),))
            series.append(Series(r.along[here], r.values[here, c], np.where(r.fixed[here], 1e-3, 1.0) * share))
        smoothed = smooth_series(series, known)
        for each, curve in zip(curves, smoothed.curves, strict=True):
            each.append(curve)
        usual = (
            np.median(np.concatenate([np.atleast_1d(s) for s in sigmas if s is not None])) if known else smoothed.noise
        )
        noise.append(float(usual))
        spacings.append(float(np.mean([1 / (len(s.times) - 1) for s in series])) / smoothed.length)
    return Smoothed(curves, torch.tensor(noise).double(), torch.tensor(spacings).double())


class _Rows(NamedTuple):
    """A trajectory in the order of its times: the position of its clock, values, which were seen or known exactly."""

    order: Tensor
    along: np.ndarray
    values: np.ndarray
    seen: np.ndarray
    fixed: np.ndarray


def _rows_of(problem: HasHiddenTerm, trajectory: int, entry: Observations) -> _Rows:
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
    return _Rows(order, Clock.of(times).position(times).numpy(), values, seen, fixed)


def observed_rows(
    problem: HasHiddenTerm, trajectory: int, entry: Observations, channel: int, noise: float
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Times, values and standard deviations of a field on a trajectory, a start that is known exactly included.

    Arguments:
        problem, trajectory, entry, channel: which.
        noise: the standard deviation where the observations do not say it.
    """
    rows = _rows_of(problem, trajectory, entry)
    here = rows.seen[:, channel]
    sigma = _sigma(entry, rows.order, channel, here)
    sigma = np.broadcast_to(noise if sigma is None else sigma, (int(here.sum()),))
    least = np.where(sigma > 0, sigma, noise) * np.where(rows.fixed[here], 1e-3, 1.0)
    return entry.coordinates[rows.order, 0][torch.from_numpy(here)], rows.values[here, channel], least


def curves_of(problem: HasHiddenTerm, trajectory: int, entry: Observations) -> list[Curve]:
    """A spline per field over the position of the trajectory's clock; a start that is known exactly is kept.

    Raises: DataError for too few points or a time that comes twice.
    """
    rows, curves = _rows_of(problem, trajectory, entry), []
    for c in range(rows.values.shape[1]):
        here = rows.seen[:, c]
        sigma = _sigma(entry, rows.order, c, here)
        curves.append(smoothing_spline(rows.along[here], rows.values[here, c], sigma, rows.fixed[here]))
    return curves


def _sigma(entry: Observations, order: Tensor, channel: int, here: np.ndarray) -> float | np.ndarray | None:
    if entry.sigma is None:
        return None
    if entry.sigma.ndim == 1:
        return float(entry.sigma[channel])
    return entry.sigma[order, channel].numpy()[here]


def measure_by_curves(
    problem: HasHiddenTerm, seen: Sequence[Observations], smoother: Literal["gaussian", "spline"] = "gaussian",
    places: int | None = None,
) -> MeasuredTerm:  # fmt: skip
    """A hidden term along trajectories by smoothing their values and differentiating; for equations without space.

    Arguments:
        problem: gives the known part.
        seen: the observations.
        smoother: Gaussian processes, or splines.
        places: per trajectory, equidistant by its `Clock`; None for four per observation, 61 to 401.

    Raises: DataError for too few points.
    """
    every = [curves_of(problem, k, e) for k, e in enumerate(seen)] if smoother == "spline" else smooth(problem, seen)[0]
    parts: list[tuple[Tensor, ...]] = []
    for k, (entry, curves) in enumerate(zip(seen, every, strict=True)):
        clock, count = Clock.of(entry.coordinates[:, 0]), places or min(401, max(PLACES, 4 * len(entry.values) + 1))
        times = clock.ticks(count)
        along, speed = clock.position(times).numpy(), clock.speed(times)
        states = torch.from_numpy(np.stack([curve(along) for curve in curves], axis=1))
        slopes = torch.from_numpy(np.stack([curve(along, 1) for curve in curves], axis=1)) * speed[:, None]
        table = torch.cat([states, problem.drivers(k, times)], dim=1)
        rows = torch.full((count,), k)
        known = problem.rate_equation.known(times, table, problem.scalar_guesses(rows))
        parts.append((rows, table, (slopes - known) * problem.is_hidden, times))
    which, inputs, hidden, when = (torch.cat(part) for part in zip(*parts, strict=True))
    return MeasuredTerm(which, inputs, hidden, times=when)
