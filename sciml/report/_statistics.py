"""Means with intervals over seeds, and the verdicts on claims.

Improvements are judged on logarithms of ratios, so that "A is half of B" and "B is twice A" are one statement with one
interval; tolerances on differences. Both are compared with what is claimed by a paired Student t test, over seeds, over
test cases where seeds change nothing, or over both. The claims of one page share one error rate by Holm's procedure
(Scandinavian Journal of Statistics 6, 65, 1979).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sciml.metrics import Metric

LEVEL = 0.95
_ROUNDING = 8 * np.finfo(np.float64).eps
"""Relative rounding of a difference of two metrics: a tolerance that is met exactly is met."""

Sign = Literal["holds", "does not hold", "undecided"]
Over = Literal["seeds", "test cases", "pairs of seed and test case"]


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
    """Whether a claim holds on what was measured.

    Arguments:
        sign: ``holds`` if the whole interval lies above what is claimed, ``does not hold`` if it lies below it,
            ``undecided`` otherwise.
        gain: the improvement: the share of the metric or its factor, both by the geometric mean of the ratios, or its
            mean difference if a tolerance is claimed.
        low, high: its 95 % Student t interval; NaN below two values.
        count: of seeds, test cases, or seeds times test cases.
        over: what the interval is taken over.
        chance: two-sided probability of a mean this far from what is claimed by chance; NaN where nothing was tested.
        reason: what the numbers do not say.
    """

    sign: Sign
    gain: float
    low: float
    high: float
    count: int
    over: Over = "seeds"
    chance: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class _Scale:
    """How improvements are added up: as logarithms of ratios, or as differences.

    Arguments:
        bar: what is claimed, on that scale.
        shown: from a mean on that scale to a `Verdict.gain`.
        slack: rounding within which the bar counts as met; None where it must be passed.
    """

    bar: float
    shown: Literal["share", "excess", "factor", "difference"]
    slack: float | None = None

    def gain(self, mean: float) -> float:
        if self.shown == "difference":
            return mean
        factor = math.exp(mean) if mean < 700 else math.inf
        return {"share": -math.expm1(-mean), "excess": factor - 1, "factor": factor}[self.shown]


def mean_of(values: Sequence[int | float]) -> Mean:
    """Mean and t interval of one number per seed."""
    array = np.asarray(values, dtype=np.float64)
    lost = int((~np.isfinite(array)).sum())
    if lost or not len(array):
        return Mean(math.nan, None, len(array), lost)
    half = _quantile(len(array) - 1) * _error(array) if len(array) > 1 else None
    return Mean(float(array.mean()), half, len(array))


def judge(
    better: Mapping[int, float],
    worse: Mapping[int, float],
    margin: float,
    *,
    metric: Metric,
    tolerance: float | None = None,
    factor: float | None = None,
    cases: tuple[Mapping[int, Sequence[float]], Mapping[int, Sequence[float]]] | None = None,
) -> Verdict:
    """Judge "`better` improves on `worse` by a share of more than `margin`", seed by seed.

    The improvement at one seed is the logarithm of ``worse / better`` (``better / worse`` for a metric where more is
    better); a share `m` is claimed as ``-log(1 - m)`` (``log(1 + m)``). Of a metric with a target its distance from it
    is judged. A seed at which `better` is not finite breaks the claim; one at which only `worse` is not finite is left
    out, which favours `worse`.

    With a tolerance judge instead "`better` is at most `tolerance` worse than `worse`", by the differences ``worse -
    better`` (``better - worse``). Here a seed at which only `worse` is not finite counts as level.

    Arguments:
        better, worse: values of the metric by seed.
        margin: the claimed share; 0 claims an improvement of any size, a negative one that it is not much worse.
        metric: which way is better.
        tolerance: in the metric's units; None for a claim about a share.
        factor: judge "`better` is lower by a factor of more than this" instead; None for a claim about a share.
        cases: of both sides, the metric of every test case by seed, in the same order; None where it is not known. The
            interval is then over the cases if the seeds change nothing, and over both if they do.
    """
    if metric.better == "none":
        return undecided(f"nothing says whether a higher or a lower {metric.words} is better")
    if metric.target is not None:
        better, worse = ({seed: metric.loss(value) for seed, value in side.items()} for side in (better, worse))
        cases = None  # the distance of a mean is not the mean of distances
    seeds = sorted(set(better) & set(worse))
    lost = [seed for seed in seeds if not math.isfinite(better[seed])]
    if lost:
        nothing = math.nan
        reason = f"it diverged at {len(lost)} of {len(seeds)} seeds"
        return Verdict("does not hold", nothing, nothing, nothing, len(seeds), reason=reason)
    if tolerance is None and (reason := _no_ratio(better, worse, seeds, metric)):
        return undecided(reason, len(seeds))
    if tolerance is None:
        kept = [seed for seed in seeds if math.isfinite(worse[seed])]
        if not kept and len(seeds) > 1:
            return Verdict("holds", math.inf, math.nan, math.nan, len(seeds), reason="the other diverged at every seed")
    else:
        kept = seeds
    gains = _gains(better, worse, kept, metric, tolerance)
    scale = _scale(better, worse, margin, metric, tolerance, factor)
    left_out = len(seeds) - len(kept)
    note = f"the other diverged at {left_out} of {len(seeds)} seeds, which are left out" if left_out else ""
    table = _by_case(cases, gains, kept, metric, tolerance)
    constant = all(len({side[seed] for seed in kept}) == 1 for side in (better, worse)) and len(kept) > 1
    verdict = _decide(gains, table, scale, constant=constant, exact=metric.cost)
    return replace(verdict, reason=f"{verdict.reason}; {note}" if verdict.reason else note) if note else verdict


def judge_together(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The claims of one page, of which at most 5 % are to be decided wrongly by chance: Holm's step-down procedure.

    A claim that is decided by itself and not beside the others is undecided, and its reason says so.
    """
    tested = sorted((verdict.chance, index) for index, verdict in enumerate(verdicts) if math.isfinite(verdict.chance))
    together, stopped = list(verdicts), False
    for rank, (chance, index) in enumerate(tested):
        stopped = stopped or chance >= (1 - LEVEL) / (len(tested) - rank)
        if stopped and verdicts[index].sign != "undecided":
            reason = f"decided by itself, not among the {len(tested)} claims of this page (Holm)"
            together[index] = replace(verdicts[index], sign="undecided", reason=reason)
    return together


def undecided(reason: str, seeds: int = 0) -> Verdict:
    """The verdict on a claim that the numbers cannot decide."""
    return Verdict("undecided", math.nan, math.nan, math.nan, seeds, reason=reason)


def _no_ratio(better: Mapping[int, float], worse: Mapping[int, float], seeds: list[int], metric: Metric) -> str:
    """Why a ratio of the two means nothing; empty where it does."""
    target = metric.target is not None
    for side, words in ((worse, "the metric it is compared with"), (better, "its own metric")):
        if any(side[seed] <= 0 for seed in seeds):
            if target:
                return f"{words} is exactly on target"
            zero = any(side[seed] == 0 for seed in seeds)
            return f"{words} is {'zero' if zero else 'negative'}, so that a ratio means nothing"
    return ""


def _gains(
    better: Mapping[int, float], worse: Mapping[int, float], seeds: list[int], metric: Metric, tolerance: float | None
) -> np.ndarray:
    """The improvement at every seed: logarithms of ratios, or differences."""
    ours, other = (np.array([side[seed] for seed in seeds], dtype=np.float64) for side in (better, worse))
    sign = 1 if metric.better == "higher" else -1
    if tolerance is None:
        return sign * np.log(ours / other)
    return np.where(np.isfinite(other), sign * (ours - other), 0.0)


def _scale(
    better: Mapping[int, float],
    worse: Mapping[int, float],
    margin: float,
    metric: Metric,
    tolerance: float | None,
    factor: float | None,
) -> _Scale:
    if tolerance is not None:
        largest = max((abs(v) for side in (better, worse) for v in side.values() if math.isfinite(v)), default=0.0)
        return _Scale(-tolerance, "difference", _ROUNDING * largest)
    if factor is not None:
        return _Scale(math.log(factor), "factor")
    if metric.better == "higher":
        return _Scale(math.log1p(margin), "excess")
    return _Scale(-math.log1p(-margin) if margin < 1 else math.inf, "share")


def _by_case(
    cases: tuple[Mapping[int, Sequence[float]], Mapping[int, Sequence[float]]] | None,
    gains: np.ndarray,
    seeds: list[int],
    metric: Metric,
    tolerance: float | None,
) -> np.ndarray | None:
    """Improvements by seed and test case, whose means over the cases are `gains`; None without the same cases for all.

    The logarithm of a ratio of two means over cases is linearised in every case, ``w / mean(w) - b / mean(b)``, so that
    a case without any error has its place; this takes errors that are not dominated by a few cases.
    """
    if cases is None or not seeds or not all(seed in side for side in cases for seed in seeds):
        return None
    if len({len(side[seed]) for side in cases for seed in seeds}) != 1:
        return None
    ours, other = (np.array([side[seed] for seed in seeds], dtype=np.float64) for side in cases)
    if tolerance is None:
        ours, other = (side / side.mean(1, keepdims=True) for side in (ours, other))
    table = ours - other if metric.better == "higher" else other - ours
    table += gains[:, None] - table.mean(1, keepdims=True)
    return table if np.isfinite(table).all() and table.shape[1] > 1 else None


def _decide(gains: np.ndarray, table: np.ndarray | None, scale: _Scale, *, constant: bool, exact: bool) -> Verdict:
    """By the seeds; by the test cases where these change nothing; by both where both are known.

    A metric that is `exact`, such as a count of parameters, needs no chance to vary.
    """
    if table is not None and (constant or len(gains) == 1):
        return _tested(table[0], scale, "test cases")
    if table is not None and len(gains):
        return _crossed(table, scale)
    if constant and not exact:
        reason = "the seeds change nothing, so that they say nothing of chance"
        return Verdict("undecided", scale.gain(float(gains[0])), math.nan, math.nan, 1, reason=reason)
    if len(gains) < 2:
        gain = scale.gain(float(gains[0])) if len(gains) else math.nan
        return Verdict("undecided", gain, math.nan, math.nan, len(gains), reason="fewer than two seeds in common")
    return _tested(gains, scale, "seeds")


def _tested(gains: np.ndarray, scale: _Scale, over: Over) -> Verdict:
    return _verdict(float(gains.mean()), _error(gains), len(gains) - 1, len(gains), over, scale)


def _crossed(table: np.ndarray, scale: _Scale) -> Verdict:
    """Seeds and test cases both drawn at random, every seed on the same cases: the mean of a two-way table.

    Its variance is estimated by the mean squares of rows, columns and their interaction, its degrees of freedom after
    Satterthwaite (Biometrics Bulletin 2, 110, 1946).
    """
    seeds, cases = table.shape
    mean, rows, columns = table.mean(), table.mean(1), table.mean(0)
    rest = table - rows[:, None] - columns[None, :] + mean
    squares = np.array([cases * rows.var(ddof=1), seeds * columns.var(ddof=1)])
    interaction = float((rest**2).sum()) / ((seeds - 1) * (cases - 1))
    terms = np.array([*squares, -interaction])
    freedom = np.array([seeds - 1, cases - 1, (seeds - 1) * (cases - 1)])
    variance = max(float(terms.sum()), float(squares.max()))  # the estimate may fall below either part alone
    degrees = variance**2 / float((terms**2 / freedom).sum()) if variance > 0 else float(seeds - 1)
    error = math.sqrt(variance / (seeds * cases))
    return _verdict(float(mean), error, max(1.0, degrees), seeds * cases, "pairs of seed and test case", scale)


def _verdict(mean: float, error: float, degrees: float, count: int, over: Over, scale: _Scale) -> Verdict:
    from scipy import stats  # takes seconds to load, and only studies use it

    half = _quantile(degrees) * error
    low, high = mean - half, mean + half
    if scale.slack is None:
        holds, fails = low > scale.bar, high <= scale.bar
    else:
        holds, fails = low >= scale.bar - scale.slack, high < scale.bar - scale.slack
    chance = float(2 * stats.t.sf(abs(mean - scale.bar) / error, degrees)) if error > 0 else 0.0
    sign: Sign = "holds" if holds else "does not hold" if fails else "undecided"
    return Verdict(sign, scale.gain(mean), scale.gain(low), scale.gain(high), count, over, chance)


def _error(values: np.ndarray) -> float:
    """Standard error of the mean."""
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _quantile(degrees: float) -> float:
    from scipy import stats

    return float(stats.t.ppf(0.5 + LEVEL / 2, degrees))
