"""Numbers and metrics in words: what a reader sees instead of ``nan``, ``1.9e-01`` and ``rollout/vrmse``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from sciml.report._run import Competitor, RunView

_WHEN = {"one_step": "one step ahead", "rollout": "rollout", "test": "test"}
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
}
_HEADLINE = (
    "one_step/relative_l2",
    "rollout/relative_l2",
    "rollout/valid_steps",
    "rollout/vrmse",
    "rollout/pearson",
)
_BRIEF = {"one_step/relative_l2": "one\N{NON-BREAKING HYPHEN}step error", "rollout/relative_l2": "rollout error"}
_MOST_COLUMNS = 5
_RISES = ("pearson", "valid_steps", "accuracy", "r2")


def metric_label(key: str) -> str:
    """``rollout/vrmse`` as ``VRMSE, rollout``; a key nobody knows stays as it is."""
    when, _, what = key.rpartition("/")
    name = _WHAT.get(what) or what.replace("_", " ")
    return f"{name}, {_WHEN.get(when, when.replace('_', ' '))}" if when else name


def rises(key: str) -> bool:
    """Whether larger values of a metric are better."""
    return key.rpartition("/")[2] in _RISES


def headline_metrics(view: RunView) -> list[str]:
    """The metrics worth a column: the problem's own first, then the usual ones, as far as the solver has them."""
    wanted = [*(view.problem.metrics if view.problem else ()), *_HEADLINE]
    found = [key for key in dict.fromkeys(wanted) if key in view.solver.metrics]
    return found[:_MOST_COLUMNS] or list(view.solver.metrics)[:_MOST_COLUMNS]


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


def best_of(values: Mapping[str, float | None], *, larger: bool = False) -> str | None:
    """Key of the best value: finite, and ahead in the digits shown; None when fewer than two were measured."""
    measured = {key: value for key, value in values.items() if value is not None}
    finite = {key: value for key, value in measured.items() if math.isfinite(value)}
    if len(measured) < 2 or not finite:
        return None
    best = (max if larger else min)(finite, key=lambda key: finite[key])
    same = [key for key in finite if format_number(finite[key]) == format_number(finite[best])]
    return best if len(same) == 1 else None


def headline(view: RunView) -> str:
    """One sentence: how the solver does against the strongest baseline in the first headline metric."""
    keys = headline_metrics(view)
    if not keys:
        return f"{view.solver.title} on {view.problem_title}: no test metric was recorded"
    key, larger = keys[0], rises(keys[0])
    what, own = _BRIEF.get(key) or metric_label(key), view.solver.metrics[key]
    outcomes = view.record.outcomes
    if lost := sum(outcomes.values()) - outcomes.get("ok", 0):
        return f"{view.solver.title} breaks down in {lost} of {sum(outcomes.values())} test rollouts"
    if not math.isfinite(own):
        return f"{view.solver.title} has no score on {view.problem_title}: its {what} is not finite"
    rival = _strongest(view.baselines, key, larger)
    if rival is None:
        return f"{view.solver.title} reaches a {what} of {format_number(own)}"
    theirs = rival.metrics[key]
    numbers = f"{format_number(own)} against {format_number(theirs)}"
    better = own > theirs if larger else own < theirs
    if format_number(own) == format_number(theirs):
        return f"{view.solver.title} and {rival.title} are level in {what}: {format_number(own)}"
    if larger:
        verb = "leads" if better else "falls behind"
        return f"{view.solver.title} {verb} {rival.title} in {what}: {numbers}"
    if not better:
        return f"{view.solver.title} does not beat {rival.title}: {what} {numbers}"
    return f"{view.solver.title} {_reduction(own / theirs, f'the {what} of {rival.title}')}: {numbers}"


def _reduction(ratio: float, what: str) -> str:
    if abs(ratio - 0.5) < 0.04:
        return f"halves {what}"
    for target, words in ((1 / 5, "a fifth"), (1 / 4, "a quarter"), (1 / 3, "a third")):
        if abs(ratio - target) < 0.03:
            return f"cuts {what} to {words}"
    if ratio < 1 / 6:
        return f"undercuts {what} {format_count(1 / max(ratio, 1e-12))} times"
    return f"lowers {what} by {max(1, round(100 * (1 - ratio)))} %"


def _strongest(rivals: Iterable[Competitor], key: str, larger: bool) -> Competitor | None:
    scored = []
    for rival in rivals:
        value = rival.metrics.get(key, math.nan)
        if math.isfinite(value):
            scored.append((value, rival))
    return (max if larger else min)(scored, key=lambda pair: pair[0])[1] if scored else None
