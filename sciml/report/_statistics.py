"""Means with intervals over seeds, and the verdict on a claim."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sciml.metrics import Metric

LEVEL = 0.95
_ROUNDING = 8 * np.finfo(np.float64).eps
"""Relative rounding of a difference of two metrics: a tolerance that is met exactly is met."""


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with the half-width of its 95 % Student t interval (None below two values).

    Arguments:
        value: the mean; NaN if any seed is not finite, since leaving it out would flatter.
        half_width: half the length of the interval.
        count: number of seeds.
        lost: how many of them are not finite.
    """

    value: float
    half_width: float | None
    count: int
    lost: int = 0


@dataclass(frozen=True)
class Verdict:
    """Whether a claim holds on the measured seeds.

    Arguments:
        sign: ``holds`` if the whole interval lies above what is claimed, ``does not hold`` if it lies below it,
            ``undecided`` otherwise.
        gain: mean over seeds of the improvement: the share of the metric, or its difference if a tolerance is claimed,
            or the geometric mean of the factors if one is.
        low, high: its 95 % Student t interval; NaN below two seeds.
        seeds: seeds that both variants have.
        reason: what the numbers do not say.
    """

    sign: Literal["holds", "does not hold", "undecided"]
    gain: float
    low: float
    high: float
    seeds: int
    reason: str = ""


def mean_of(values: Sequence[int | float]) -> Mean:
    """Mean and t interval of one number per seed."""
    array = np.asarray(values, dtype=np.float64)
    lost = int((~np.isfinite(array)).sum())
    if lost or not len(array):
        return Mean(math.nan, None, len(array), lost)
    return Mean(float(array.mean()), _half_width(array), len(array))


def judge(
    better: Mapping[int, float],
    worse: Mapping[int, float],
    margin: float,
    *,
    metric: Metric,
    tolerance: float | None = None,
    factor: float | None = None,
) -> Verdict:
    """Judge "`better` improves on `worse` by a share of more than `margin`", seed by seed.

    The share of one seed is ``1 - better / worse`` (``better / worse - 1`` for a metric where more is better). A seed
    at which only `worse` is not finite counts as a share of 1. Of a metric with a target its distance from it is
    judged.

    With a tolerance judge instead "`better` is at most `tolerance` worse than `worse`", by the differences ``worse -
    better`` (``better - worse``). Here a seed at which only `worse` is not finite counts as level.

    Arguments:
        better, worse: values of the metric by seed.
        margin: the claimed share; 0 claims an improvement of any size, a negative one that it is not much worse.
        metric: which way is better.
        tolerance: in the metric's units; None for a claim about a share.
        factor: judge "`better` is lower by a factor of more than this" instead, by the logarithms of the ratios; None
            for a claim about a share.
    """
    if metric.better == "none":
        return undecided(f"nothing says whether a higher or a lower {metric.words} is better")
    if metric.target is not None:
        better, worse = ({seed: metric.loss(value) for seed, value in side.items()} for side in (better, worse))
    larger = metric.better == "higher"
    seeds = sorted(set(better) & set(worse))
    lost = [seed for seed in seeds if not math.isfinite(better[seed])]
    if lost:
        return Verdict(
            "does not hold",
            math.nan,
            math.nan,
            math.nan,
            len(seeds),
            f"it diverged at {len(lost)} of {len(seeds)} seeds",
        )
    if tolerance is None and any(worse[seed] <= 0 for seed in seeds):
        sign = "zero" if any(worse[seed] == 0 for seed in seeds) else "negative, so that a share of it means nothing"
        if metric.target is not None:
            sign = "exactly on target"
        return undecided(f"the metric it is compared with is {sign}", len(seeds))
    if factor is not None:
        return _judge_factor(better, worse, seeds, factor, larger)
    gains = _shares(better, worse, seeds, larger) if tolerance is None else _differences(better, worse, seeds, larger)
    if len(gains) < 2:
        gain = float(gains[0]) if len(gains) else math.nan
        return Verdict("undecided", gain, math.nan, math.nan, len(gains), "fewer than two seeds in common")
    gain, half = float(gains.mean()), _half_width(gains)
    assert half is not None
    low, high = gain - half, gain + half
    if tolerance is None:
        holds, fails = low > margin, high <= margin
    else:
        slack = _ROUNDING * max(
            abs(value) for side in (better, worse) for value in side.values() if math.isfinite(value)
        )
        holds, fails = low >= -tolerance - slack, high < -tolerance - slack
    return Verdict("holds" if holds else "does not hold" if fails else "undecided", gain, low, high, len(gains))


def _judge_factor(
    better: Mapping[int, float], worse: Mapping[int, float], seeds: list[int], factor: float, larger: bool
) -> Verdict:
    """By the mean of the logarithms of the factors and its interval, both given back as factors."""
    if any(not math.isfinite(worse[seed]) or better[seed] <= 0 for seed in seeds):
        return undecided("a factor of a metric that is zero, negative or not finite means nothing", len(seeds))
    ratios = [better[seed] / worse[seed] if larger else worse[seed] / better[seed] for seed in seeds]
    if len(seeds) < 2:
        gain = ratios[0] if ratios else math.nan
        return Verdict("undecided", gain, math.nan, math.nan, len(seeds), "fewer than two seeds in common")
    logs = np.log(ratios)
    half = _half_width(logs)
    assert half is not None
    gain, low, high = (float(np.exp(logs.mean() + shift)) for shift in (0.0, -half, half))
    sign = "holds" if low > factor else "does not hold" if high <= factor else "undecided"
    return Verdict(sign, gain, low, high, len(seeds))


def undecided(reason: str, seeds: int = 0) -> Verdict:
    """The verdict on a claim that the numbers cannot decide."""
    return Verdict("undecided", math.nan, math.nan, math.nan, seeds, reason)


def _shares(better: Mapping[int, float], worse: Mapping[int, float], seeds: list[int], larger: bool) -> np.ndarray:
    ratio = np.array([better[seed] / worse[seed] if math.isfinite(worse[seed]) else math.nan for seed in seeds])
    return np.where(np.isnan(ratio), 1.0, ratio - 1 if larger else 1 - ratio)


def _differences(better: Mapping[int, float], worse: Mapping[int, float], seeds: list[int], larger: bool) -> np.ndarray:
    differences = np.array([worse[seed] - better[seed] if math.isfinite(worse[seed]) else 0.0 for seed in seeds])
    return -differences if larger else differences


def _half_width(values: np.ndarray) -> float | None:
    from scipy import stats  # takes seconds to load, and only studies use it

    if len(values) < 2:
        return None
    quantile = stats.t.ppf(0.5 + LEVEL / 2, len(values) - 1)
    return float(quantile * values.std(ddof=1) / math.sqrt(len(values)))
