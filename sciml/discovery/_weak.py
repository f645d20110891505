"""Formulas against what was observed, without derivatives: by their integrals along smooth curves.

    y_j − ∫ K(S(t)) dt  ≈  c + ∫ H(S(t)) dt,   from the first time of a segment to t_j

The left side has the noise of the observations, which is independent from point to point, where slopes of smooth curves
have errors that are correlated; only the curves S in the integrals are smoothed. A constant c per segment stands for
the state at its begin. Segments are short, so that errors of S do not add up along a trajectory.

Reference: I. Dattner, C. A. J. Klaassen, Optimal rate of direct estimators in systems of ordinary differential
equations linear in functions of the parameters, Electronic Journal of Statistics 9 (2015) 1939-1973.
doi:10.1214/15-EJS1053
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.core.clock import Clock
from sciml.discovery._named import MeasuredTerm
from sciml.discovery._smooth import observed_rows
from sciml.discovery._weak_form import WeakForm

SEGMENT = 14
"""Observations that share one start."""


def weak_form(
    problem: HasHiddenTerm, seen: Sequence[Observations], measured: MeasuredTerm, channel: int, noise: Tensor
) -> WeakForm | None:
    """The weak form of one field's equation along curves that some method laid through the observations.

    Arguments:
        problem: gives the known part.
        seen: the observations.
        measured: the curves; None comes back if their times are not known.
        channel: the field.
        noise: standard deviation of every field's values where the observations do not say it.
    """
    if measured.times is None or problem.boundary:
        return None
    blocks, targets, begin, lost = [], [], 0, 0
    for k, entry in enumerate(seen):
        places = (measured.trajectory == k).nonzero()[:, 0]
        times, inputs, which = measured.times[places], measured.inputs[places], measured.trajectory[places]
        known = problem.rate_equation.known(times, inputs, problem.scalar_guesses(which))[:, channel].numpy()
        when, values, sigma = observed_rows(problem, k, entry, channel, float(noise[channel]))
        integral = _integrals(Clock.of(entry.coordinates[:, 0]), times, when)
        rise = values - integral @ known
        for rows in np.array_split(np.arange(len(when)), max(1, round(len(when) / SEGMENT))):
            weight = 1 / sigma[rows]
            integral[rows] = _centred(integral[rows] * weight[:, None], weight)
            rise[rows] = _centred(rise[rows] * weight, weight)
            lost += 1
        blocks.append((begin, int(places[0]), integral))
        targets.append(rise)
        begin += len(when)
    target = np.concatenate(targets)
    return WeakForm(tuple(blocks), target, max(2, len(target) - lost))


def _integrals(clock: Clock, places: Tensor, when: Tensor) -> Float[np.ndarray, "time place"]:
    """What the value at every place counts in the integral from the first of them to a time, by cubic splines."""
    from scipy.interpolate import CubicSpline  # takes seconds to load

    along, at = clock.position(places.double()).numpy(), clock.position(when.double()).numpy()
    weights = CubicSpline(along, np.eye(len(along))).antiderivative()(np.clip(at, along[0], along[-1]))
    return weights / clock.speed(places.double()).numpy()


def _centred(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Rows, in units of their noise, without the constant that fits them best."""
    unit = weight / np.linalg.norm(weight)
    return rows - np.multiply.outer(unit, unit @ rows)

