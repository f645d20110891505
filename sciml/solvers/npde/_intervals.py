"""Intervals by the delete-a-group jackknife: refits without one group of windows each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

GROUPS = 8


class Interval(NamedTuple):
    """Ends of a 95 % interval."""

    low: float
    high: float


def jackknife(
    whole: Mapping[str, float], refit: Callable[[Tensor], Mapping[str, float]], windows: int
) -> dict[str, Interval]:
    """95 % intervals of numbers that were fitted to windows.

    The variance is (G - 1)/G Σ (θ_g - θ̄)² over the fits θ_g without group g, the interval that of Student's t with
    G - 1 degrees of freedom. Groups are runs of consecutive windows, because neighbours overlap or share a trajectory.
    Nothing is assumed of the noise; a bias of the scheme or of missing terms is not in it.

    Arguments:
        whole: the numbers fitted to all windows.
        refit: from the windows that stay to the numbers.
        windows: how many there are; with fewer than three there are no intervals.

    Reference: C. F. J. Wu, Ann. Statist. 14 (1986) 1261, doi:10.1214/aos/1176350142.
    """
    groups = min(GROUPS, windows)
    if groups < 3:
        return {}
    group_of = torch.arange(windows) * groups // windows
    fits = [refit(torch.nonzero(group_of != g).flatten()) for g in range(groups)]
    factor = t_quantile(groups - 1)
    intervals = {}
    for name, value in whole.items():
        spread = torch.tensor([fit[name] for fit in fits], dtype=torch.float64)
        half = factor * deviation(spread)
        intervals[name] = Interval(value - half, value + half)
    return intervals


def deviation(fits: Float[Tensor, " group"]) -> float:
    """The standard error that the fits without one group each give."""
    groups = len(fits)
    return math.sqrt((groups - 1) / groups * float((fits - fits.mean()).square().sum()))


def t_quantile(freedom: int) -> float:
    """The 97.5 % point of Student's t."""
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))
