"""The numbers of a study: every variant under one budget, over its seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sciml.draw import format_number
from sciml.metrics import Metric
from sciml.report._statistics import Mean, mean_of
from sciml.report._tables import best_metric
from sciml.report._tasks import metrics_of, tasks_of, view_of
from sciml.study import LEFT, Study
from sciml.train import registered_tasks

EQUAL = 0.1
"""Sizes and times within 10 % of the first variant's are called equal."""

Line = Mapping[str, Any]  # Any: JSON
"""A finished run, a line of ``results.jsonl``."""

BUDGETS = {"steps": "at the recipe’s number of steps", "time": "at equal training time"}
"""The budgets in words."""


@dataclass(frozen=True)
class Row:
    """One variant under one budget, over its seeds; a metric that its runs do not have is None."""

    name: str
    label: str
    solver: str
    learned: bool
    parameters: Mean
    seconds: Mean
    predict: Mean
    steps: Mean
    flops: Mean
    evaluations: Mean
    parameters_ratio: str
    seconds_ratio: str
    metrics: Mapping[str, Mean | None]


@dataclass(frozen=True)
class Table:
    """All variants under one budget."""

    budget: str
    words: str
    rows: tuple[Row, ...]
    best: Mapping[str, str | None]


def value_of(line: Line, key: str) -> float:
    """A metric of one run; NaN where it is not finite or was not measured."""
    value = line["metrics"].get(key)
    return math.nan if value is None else float(value)


def metrics_of_study(study: Study) -> tuple[Metric, ...]:
    """What the tasks of the variants and the tools declare; of all tasks, if none of the solvers is registered here."""
    tasks = tasks_of(study.trained(variant).solver for variant in study.variants) or registered_tasks()
    of_tools = dict.fromkeys(metric for variant in study.variants for metric in study.tool_metrics(variant))
    return (*(metric for task in tasks for metric in metrics_of(task)), *of_tools, *LEFT)


def make_table(study: Study, budget: str, lines: Sequence[Line], metrics: Sequence[Metric]) -> Table:
    """Means over seeds of every variant that has a finished run under `budget`."""
    rows: list[Row] = []
    for variant in study.variants:
        of_variant = [line for line in lines if line["variant"] == variant.name and line["budget"] == budget]
        if not of_variant:
            continue
        parameters, seconds = (mean_of([line[key] for line in of_variant]) for key in ("parameters", "train_seconds"))
        first = rows[0] if rows else None
        rows.append(
            Row(
                name=variant.name,
                label=variant.label,
                solver=study.trained(variant).solver,
                learned=bool(variant.of) or any(line["steps"] for line in of_variant),
                parameters=parameters,
                seconds=seconds,
                predict=mean_of([line["predict_seconds"] for line in of_variant]),
                steps=mean_of([line["steps"] for line in of_variant]),
                flops=mean_of([line.get("flops", math.nan) for line in of_variant]),
                evaluations=mean_of([value_of(line, "evaluations") for line in of_variant]),
                parameters_ratio=_ratio(parameters, first.parameters if first else None),
                seconds_ratio=_ratio(seconds, first.seconds if first else None),
                metrics={metric.key: _mean(of_variant, metric.key) for metric in metrics},
            )
        )
    best = {metric.key: best_metric(metric, _compared(lines, budget, rows, metric.key)) for metric in metrics}
    return Table(budget, BUDGETS.get(budget, budget), tuple(rows), best)


def _compared(lines: Sequence[Line], budget: str, rows: Sequence[Row], key: str) -> dict[str, float]:
    """Means of a metric over the seeds that every variant of an unfinished study has."""
    by_variant = {
        row.name: {
            line["seed"]: value_of(line, key)
            for line in lines
            if (line["variant"], line["budget"]) == (row.name, budget)
        }
        for row in rows
        if row.metrics[key] is not None
    }
    common = set.intersection(*map(set, by_variant.values())) if by_variant else set()
    return {name: mean_of([values[seed] for seed in sorted(common)]).value for name, values in by_variant.items()}


def _mean(lines: Sequence[Line], key: str) -> Mean | None:
    """A metric over seeds; None where no run has it, such as the evaluations of a method that does not integrate."""
    return mean_of([value_of(line, key) for line in lines]) if any(key in line["metrics"] for line in lines) else None


def _ratio(mean: Mean, first: Mean | None) -> str:
    """A size relative to the first variant's, in words."""
    if first is None:
        return "reference"
    if not mean.value or not first.value:
        return "none" if not mean.value else "–"
    ratio = mean.value / first.value
    return f"equal ({ratio:.2f} ×)" if abs(ratio - 1) <= EQUAL else f"{format_number(ratio)} ×"


def unit_of(study: Study) -> str:
    """What the time of a prediction is given for."""
    units = {view_of(task).timed for task in tasks_of(study.trained(variant).solver for variant in study.variants)}
    return f"one {units.pop()}" if len(units) == 1 else "one answer"
