"""The sentence at the top of a run's page, and the metrics that are worth a column."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sciml.report._run import RunView
from sciml.report._words import format_count, format_number, metric_label, rises, strongest

_HEADLINE = (
    "one_step/relative_l2",
    "rollout/relative_l2",
    "rollout/valid_steps",
    "rollout/vrmse",
    "rollout/pearson",
    "window/relative_l2",
    "interpolation/rmse",
    "extrapolation/rmse",
    "error/relative_l2",
    "residual/rms",
    "accuracy",
    "nll",
    "moments/loss",
    "evaluations",
    "prediction/seconds",
)
_BRIEF = {
    "one_step/relative_l2": "one\N{NON-BREAKING HYPHEN}step error",
    "rollout/relative_l2": "rollout error",
    "interpolation/rmse": "interpolation error",
    "nll": "negative log-likelihood",
    "error/relative_l2": "relative error",
    "moments/loss": "error of mean and variance",
}
_THINGS = {
    "forecast": "rollouts",
    "trajectories": "trajectories",
    "paths": "paths",
    "density": "points",
    "collocation": "points",
}
_MOST_COLUMNS = 5
_VOWELS = ("a", "e", "i", "RMSE")
_SIGNED = ("nll", "kl")  # a share of these means nothing: they pass through zero


def headline_metrics(view: RunView) -> list[str]:
    """The metrics worth a column: the problem's own first, then the usual ones, as far as the solver has them."""
    wanted = [*(view.problem.metrics if view.problem else ()), *_HEADLINE]
    found = [key for key in dict.fromkeys(wanted) if key in view.solver.metrics]
    return found[:_MOST_COLUMNS] or list(view.solver.metrics)[:_MOST_COLUMNS]


def usual_metrics(metrics: Mapping[str, float]) -> list[str]:
    """The two metrics that say most, for a line in a list of runs."""
    return [key for key in _HEADLINE if key in metrics][:2]


def headline(view: RunView) -> str:
    """One sentence: how the solver does against the strongest baseline in the first headline metric."""
    keys = headline_metrics(view)
    if not keys:
        return f"{view.solver.title} on {view.problem_title}: no test metric was recorded"
    key, larger = keys[0], rises(keys[0])
    what, own = _BRIEF.get(key) or metric_label(key), view.solver.metrics[key]
    outcomes = view.record.outcomes
    if lost := sum(outcomes.values()) - outcomes.get("ok", 0):
        things = _THINGS.get(view.record.task, "samples")
        return f"{view.solver.title} breaks down in {lost} of {sum(outcomes.values())} test {things}"
    if not math.isfinite(own):
        return f"{view.solver.title} has no score on {view.problem_title}: its {what} is not finite"
    found = strongest(key, {entry.key: entry.metrics.get(key) for entry in view.baselines})
    if found is None:
        article = "an" if what.startswith(_VOWELS) else "a"
        return f"{view.solver.title} reaches {article} {what} of {format_number(own)}"
    rival = next(entry for entry in view.baselines if entry.key == found)
    theirs = rival.metrics[key]
    numbers = f"{format_number(own)} against {format_number(theirs)}"
    better = own > theirs if larger else own < theirs
    if format_number(own) == format_number(theirs):
        return f"{view.solver.title} and {rival.title} are level in {what}: {format_number(own)}"
    if larger or key in _SIGNED:
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
