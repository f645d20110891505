"""Numbers and metrics in words: what a reader sees instead of ``nan``, ``1.9e-01`` and ``rollout/vrmse``."""

from __future__ import annotations

import math
from collections.abc import Mapping

_WHEN = {
    "one_step": "one step ahead",
    "rollout": "rollout",
    "test": "test",
    "window": "over a training window",
    "interpolation": "up to the last observation time",
    "extrapolation": "after the last observation time",
    "all": "all times",
    "mae": "mean absolute error",
    "summary": "mean absolute error",
    "compared": "samples compared",
    "constraint": "largest violation",
    "beyond": "parameters out of range",
    "beyond/mae": "mean absolute error, parameters out of range",
    "beyond/outcome": "outcome, parameters out of range",
}
_WHAT = {
    "relative_l2": "relative L2 error",
    "scaled_l2": "scaled L2 error",
    "vrmse": "VRMSE",
    "rmse": "RMSE",
    "nrmse": "nRMSE",
    "pearson": "Pearson correlation",
    "valid_steps": "valid steps",
    "frmse_low": "error of large scales (fRMSE low)",
    "frmse_mid": "error of middle scales (fRMSE mid)",
    "frmse_high": "error of small scales (fRMSE high)",
    "max_error": "largest error",
    "crmse": "error of the mean (cRMSE)",
    "brmse": "error at the boundary (bRMSE)",
    "final_relative_l2": "relative L2 error at the last step",
    "mae_share": "mean absolute error in standard deviations",
    "mse": "mean squared error",
    "evaluations": "function evaluations (NFE)",
    "calls": "network calls",
    "nll": "negative log-likelihood",
    "kl": "Kullback–Leibler divergence",
    "normalisation": "integral of the density",
    "error": "error rate",
    "difference": "difference of the probabilities",
}
_WHOLE = {
    "moments/loss": "squared error of mean and variance",
    "moments/mean_rmse": "RMSE of the mean",
    "moments/variance_rmse": "RMSE of the variance",
    "moments/floor": "squared error expected of perfect paths",
    "prediction/seconds": "time to predict the test split",
    "error/relative_l2": "relative L2 error",
    "error/max": "largest error, relative",
    "residual/rms": "residual (RMS)",
    "residual/max": "largest residual",
    "condition/rms": "faults of conditions (RMS)",
}
_RISES = ("pearson", "valid_steps", "accuracy", "auc", "r2")
_TARGETS = {"normalisation": 1.0}
_COSTS = ("evaluations", "calls", "seconds")
_GIVEN = ("floor",)
_SWEEP = "tolerance_"


def metric_label(key: str) -> str:
    """``rollout/vrmse`` as ``VRMSE, rollout``; a key nobody knows stays as it is."""
    if key in _WHOLE:
        return _WHOLE[key]
    when, _, what = key.rpartition("/")
    name = _WHAT.get(what) or what.replace("_", " ")
    return f"{name}, {_WHEN.get(when, when.replace('_', ' '))}" if when else name


def rises(key: str) -> bool:
    """Whether larger values of a metric are better."""
    return key.rpartition("/")[2] in _RISES


def target(key: str) -> float | None:
    """The value a metric should have, where neither more nor less is better."""
    return _TARGETS.get(key.rpartition("/")[2])


def is_cost(key: str) -> bool:
    """Whether a metric counts work, not quality."""
    return key.rpartition("/")[2] in _COSTS


def is_sweep(key: str) -> bool:
    """Whether a metric is one point of a sweep over tolerances, which is shown as a whole."""
    return key.startswith(_SWEEP)


def format_metric(value: int | float | None, key: str) -> str:
    """A metric's value: a duration for seconds, else three significant digits."""
    return format_seconds(value) if key.rpartition("/")[2] == "seconds" else format_number(value)


def format_number(value: int | float | None, digits: int = 3) -> str:
    """Three significant digits; ``–`` for None (not measured), ``not finite`` for NaN and infinities."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not finite"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if -3 <= int(exponent) < 5:
        return f"{value:,.{max(0, digits - 1 - int(exponent))}f}"
    return f"{mantissa}·10{superscript(int(exponent))}"


def format_power(value: int | float) -> str:
    """A tolerance: ``10⁻³``, with a mantissa only where it is not 1."""
    mantissa, exponent = f"{value:.1e}".split("e")
    power = f"10{superscript(int(exponent))}"
    return power if mantissa == "1.0" else f"{mantissa.removesuffix('.0')}·{power}"


def superscript(exponent: int) -> str:
    """An integer in raised digits, for powers of ten."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def format_count(value: int | float | None) -> str:
    """A count with a unit prefix: ``512``, ``48.2 k``, ``1.30 M``, ``2.10 G``."""
    if value is None or not math.isfinite(value):
        return format_number(value)
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{format_number(value / size)}\N{NO-BREAK SPACE}{prefix}"
    return f"{value:,.0f}"


def format_seconds(value: int | float | None) -> str:
    """A duration: ``3.1 ms``, ``42.0 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if value is None or not math.isfinite(value):
        return format_number(value)
    if value < 1e-3:
        return f"{format_number(value * 1e6)}\N{NO-BREAK SPACE}µs" if value else "0\N{NO-BREAK SPACE}s"
    if value < 1:
        return f"{format_number(value * 1e3)}\N{NO-BREAK SPACE}ms"
    if value < 120:
        return f"{format_number(value)}\N{NO-BREAK SPACE}s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def best_of(values: Mapping[str, float | None], *, larger: bool = False, target: float | None = None) -> str | None:
    """Key of the best value: finite, and ahead in the digits shown; None when fewer than two were measured.

    Arguments:
        larger: whether more is better; else less is.
        target: the value that is best, if that is neither.
    """
    measured = {key: value for key, value in values.items() if value is not None}
    finite = {key: value for key, value in measured.items() if math.isfinite(value)}
    best = _first(finite, larger, target)
    if best is None or len(measured) < 2:
        return None
    same = [key for key in finite if format_number(finite[key]) == format_number(finite[best])]
    return best if len(same) == 1 else None


def best_metric(metric: str, values: Mapping[str, float | None]) -> str | None:
    """`best_of` with what is better for `metric`; None for one that says something of the test, not of a solver."""
    if metric.rpartition("/")[2] in _GIVEN or metric.startswith("compared/"):
        return None
    return best_of(values, larger=rises(metric), target=target(metric))


def strongest(metric: str, values: Mapping[str, float | None]) -> str | None:
    """Key of the best finite value of `metric`, the first of those that are level; None if there is none."""
    finite = {key: value for key, value in values.items() if value is not None and math.isfinite(value)}
    return _first(finite, rises(metric), target(metric))


def _first(finite: Mapping[str, float], larger: bool, target: float | None) -> str | None:
    faults = {key: -value if larger else value for key, value in finite.items()}
    if target is not None:
        faults = {key: abs(value - target) for key, value in finite.items()}
    return min(faults, key=lambda key: faults[key], default=None)
