"""The sentence at the top of a run's page, and the metrics that are worth a column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sciml import metrics
from sciml.core.capabilities import HasDerivedQuantities
from sciml.core.problem import Problem
from sciml.draw import format_count, format_number
from sciml.metrics import Metric
from sciml.report._tasks import metrics_of, view_of
from sciml.train import RunView

_VOWELS = ("a", "e", "i", "RMSE", "ROC")
_TOO_MUCH_TO_SAY = 1000


def headline_metrics(view: RunView) -> list[Metric]:
    """The metrics worth a column: the problem's own first, then the task's, as far as the solver has them."""
    first = view.problem.metrics if view.problem else ()
    columns = metrics.headline_metrics(metrics_of(view.task), view.solver.metrics, first=first)
    return [_with_units(metric, view.problem) for metric in columns]


def _with_units(metric: Metric, problem: Problem | None) -> Metric:
    """The metric with the units of the quantity it is named after in its label, where they are its own."""
    if metric.units or problem is None:
        return metric
    derived = problem.derived_quantities if isinstance(problem, HasDerivedQuantities) else ()
    units = {entry.name: entry.units for entry in (*problem.fields, *derived)}.get(metric.key.rpartition("/")[2], "1")
    return metric if units == "1" else replace(metric, label=f"{metric.label} [{units}]", brief=metric.words)


def usual_metrics(task: str, values: Mapping[str, float]) -> Sequence[Metric]:
    """The two metrics that say most, for a line in a list of runs."""
    declared = [metric for metric in metrics_of(task) if metric.headline and metric.key in values]
    return declared[:2]


def headline(view: RunView) -> str:
    """One sentence: how the solver does against the strongest baseline in the first headline metric."""
    solver, columns = view.solver, headline_metrics(view)
    if not columns:
        return f"{solver.title} on {view.problem_title}: no test metric was recorded"
    metric = columns[0]
    value, total = solver.metrics[metric.key], sum(solver.outcomes.values())
    if failed := total - solver.outcomes.get("ok", 0):
        return f"{solver.title} fails on {failed} of {total} test {view_of(view.task).samples}"
    if not math.isfinite(value):
        return f"{solver.title} on {view.problem_title}: the {metric.words} is not finite"
    best = metric.strongest({entry.key: entry.metrics.get(metric.key) for entry in view.baselines})
    if best is None and _is_blind(metric, value):
        return f"{solver.title} is no better than answering {metric.blind}: {metric.words} {format_number(value)}"
    if best is None:
        article = "an" if metric.words.startswith(_VOWELS) else "a"
        return f"{solver.title} reaches {article} {metric.words} of {format_number(value)}"
    baseline = next(entry for entry in view.baselines if entry.key == best)
    return _comparison(metric, solver.title, value, baseline.title, baseline.metrics[metric.key])


def _comparison(metric: Metric, solver: str, value: float, baseline: str, reference: float) -> str:
    numbers = f"{format_number(value)} vs {format_number(reference)}"
    better = metric.loss(value) < metric.loss(reference)
    if _is_blind(metric, value) and _is_blind(metric, reference):
        return f"Neither {solver} nor {baseline} is better than answering {metric.blind}: {metric.words} {numbers}"
    if format_number(value) == format_number(reference):
        return f"{solver} matches {baseline} in {metric.words}: {format_number(value)}"
    factor = reference / max(value, 1e-12)
    if metric.better != "lower" or metric.signed or factor >= _TOO_MUCH_TO_SAY:
        return f"{solver} {'beats' if better else 'trails'} {baseline} in {metric.words}: {numbers}"
    if not better:
        return f"{solver} does not beat {baseline}: {metric.words} {numbers}"
    if factor > 6:
        return f"{solver} has a {format_count(factor)}x lower {metric.words} than {baseline}: {numbers}"
    return f"{solver} {_reduction(value / reference, f'the {metric.words} of {baseline}')}: {numbers}"


def _is_blind(metric: Metric, value: float) -> bool:
    """Whether an answer that knows nothing would do as well, so that nothing is to be praised."""
    return bool(metric.blind) and value >= 1


def _reduction(ratio: float, what: str) -> str:
    if abs(ratio - 0.5) < 0.04:
        return f"halves {what}"
    for target, words in ((1 / 5, "a fifth"), (1 / 4, "a quarter"), (1 / 3, "a third")):
        if abs(ratio - target) < 0.03:
            return f"cuts {what} to {words}"
    return f"lowers {what} by {max(1, round(100 * (1 - ratio)))} %"
