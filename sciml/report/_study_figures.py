"""The figures of a study: what it varies, error against cost and over the training, and sweeps over tolerances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sciml.draw import Figure, format_number, plot, scale_axis, style, sweep_figures, sweep_of
from sciml.metrics import Metric, find_metric
from sciml.report._statistics import mean_of
from sciml.report._study_table import EQUAL, Line, Row, Table, metrics_of_study, unit_of, value_of
from sciml.study import Study


def cost_figures(study: Study, table: Table, metrics: Sequence[Metric]) -> list[Figure]:
    """The metric of the claims against evaluations, training and prediction time, parameters and FLOPs.

    Only variants that learned are drawn, and only costs in which they differ: others would set the scale and hide them.
    """
    learned = [row for row in table.rows if row.learned]
    figures = []
    for cost, words in (
        ("evaluations", "function evaluations (NFE)"),
        ("seconds", "training time [s]"),
        ("predict", f"time to predict {unit_of(study)} [s]"),
        ("parameters", "parameters"),
        ("flops", "FLOPs of one prediction"),
    ):
        values = [value for row in learned if math.isfinite(value := getattr(row, cost).value)]
        if len(values) > 1 and max(values) > (1 + EQUAL) * min(values):
            figures += [_cost_figure(table, metric, cost, words) for metric in drawn_metric(study, metrics)]
    return figures


def line_figures(study: Study, table: Table, metrics: Sequence[Metric]) -> list[Figure]:
    """Every metric of quality along the lines that variants form, one figure each."""
    rows = {row.name: row for row in table.rows}
    lines: dict[str, list[tuple[float, Row]]] = {}
    for variant in study.variants:
        if variant.line and variant.at is not None and variant.name in rows:
            lines.setdefault(variant.line, []).append((variant.at, rows[variant.name]))
    drawn = [metric for metric in metrics if not metric.cost and not metric.sweep and not metric.check]
    figures = [_line_figure(study.along, table, metric, lines) for metric in drawn]
    return [figure for figure in figures if figure is not None]


def _line_figure(
    along: str, table: Table, metric: Metric, lines: Mapping[str, Sequence[tuple[float, Row]]]
) -> Figure | None:
    shown = []
    for index, (label, rows) in enumerate(lines.items()):
        points = [(x, y) for x, row in rows if (y := row.metrics[metric.key]) is not None and math.isfinite(y.value)]
        if len(points) > 1:
            shown.append((index, label, sorted(points, key=lambda point: point[0])))
    if not shown:
        return None

    def paint(axes) -> None:
        for index, label, points in shown:
            x, y = [p for p, _ in points], [m.value for _, m in points]
            reach = [m.half_width or 0.0 for _, m in points]
            axes.errorbar(x, y, yerr=reach, label=label, capsize=4, elinewidth=1.2, **style(index))
        axes.set(xlabel=along, ylabel=metric.label)
        places = {x for *_, points in shown for x, _ in points}
        scale_axis(axes.xaxis, log=min(places) > 0 and max(places) >= 4 * min(places))
        scale_axis(axes.yaxis, log=metric.better != "higher")
        axes.margins(0.08)

    title = f"{metric.label}, {table.words}"
    ends = "; ".join(f"{label} {format_number(points[0][1].value)} at {format_number(points[0][0])}, "
                     f"{format_number(points[-1][1].value)} at {format_number(points[-1][0])}"
                     for _, label, points in shown)  # fmt: skip
    return plot(
        f"along-{metric.key.replace('/', '-')}-{table.budget}", paint, title=title,
        caption="Means over seeds with 95 % intervals.", alt=f"{title}, against {along}: {ends}.",
    )  # fmt: skip


def course_figures(study: Study, lines: Sequence[Line]) -> list[Figure]:
    """The error that runs watched against their seconds of training: one line per seed, for each budget."""
    figures = []
    for budget in study.budgets:
        courses = []
        for index, variant in enumerate(study.variants):
            of_variant = [line for line in lines if line["variant"] == variant.name and line["budget"] == budget]
            kept = [[(s, e) for s, e in line.get("course", ()) if s > 0 and _positive(e)] for line in of_variant]
            courses += [(index, variant.label, points) for points in kept if len(points) > 1]
        if courses:
            figures.append(_course_figure(courses, budget))
    return figures


def _course_figure(courses: list[tuple[int, str, list[tuple[float, float]]]], budget: str) -> Figure:
    def paint(axes) -> None:
        named = set()
        for index, label, points in courses:
            look = {**style(index), "linewidth": 1.4, "markersize": 4, "markevery": max(1, len(points) // 6)}
            axes.plot(*zip(*points, strict=True), label=None if label in named else label, **look)
            named.add(label)
        axes.set(xlabel="training time [s]", ylabel="error against the reference")
        scale_axis(axes.xaxis, log=True)
        scale_axis(axes.yaxis, log=True)

    ends = "; ".join(f"{label} {format_number(p[-1][1])} after {format_number(p[-1][0])} s" for _, label, p in courses)
    title = "Error over the training"
    caption = "One line per seed; the error is watched and chooses nothing. The time includes that of watching."
    return plot(f"course-{budget}", paint, title=title, caption=caption, alt=f"{title}: {ends}.")


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def drawn_metric(study: Study, metrics: Sequence[Metric]) -> list[Metric]:
    """The metric that is drawn against costs: the first of the claims, or else of the study, that is none itself."""
    by_key = {metric.key: metric for metric in metrics}
    wanted = [by_key[key] for key in (*(claim.metric for claim in study.claims), *by_key) if key in by_key]
    return [metric for metric in wanted if not metric.cost and not metric.sweep][:1]


def _cost_figure(table: Table, metric: Metric, cost: str, words: str) -> Figure:
    points, left_out = [], []
    for index, row in enumerate(table.rows):
        x, y = getattr(row, cost).value, row.metrics[metric.key]
        if row.steps.value > 0 and y is not None and math.isfinite(y.value) and math.isfinite(x):
            points.append((index, row.label, x, y))
        else:
            left_out.append(f"{row.label} ({format_number(y.value if y else None)})")

    def paint(axes) -> None:
        for index, label, x, y in points:
            look = {**style(index), "linestyle": "none", "markersize": 8}
            axes.errorbar(x, y.value, yerr=y.half_width or 0.0, label=label, capsize=4, elinewidth=1.4, **look)
        axes.set(xlabel=words, ylabel=metric.label)
        scale_axis(axes.xaxis, log=True)
        scale_axis(axes.yaxis, log=True)
        axes.margins(0.12)

    reason = "Without evaluations" if cost == "evaluations" else "Not trained by steps, or not finite"
    missing = f" {reason}, so not drawn: {', '.join(left_out)}." if left_out else ""
    summary = "; ".join(f"{label} {format_number(y.value)} at {format_number(x)}" for _, label, x, y in points)
    name = f"{cost}-{metric.key.replace('/', '-')}-{table.budget}"
    title = f"{metric.label}, {table.words}"
    caption = f"Means over seeds with 95 % intervals.{missing}"
    return plot(name, paint, title=title, caption=caption, alt=f"{title}, against {words}: {summary}.")


def tolerance_figures(study: Study, lines: Sequence[Line]) -> list[Figure]:
    """Sweeps over tolerances of the variants that have one, means over seeds at the first budget."""
    sweeps, declared = [], metrics_of_study(study)
    for variant in study.variants:
        of_variant = [line for line in lines if line["variant"] == variant.name and line["budget"] == study.budgets[0]]
        keys = dict.fromkeys(key for line in of_variant for key in line["metrics"] if find_metric(declared, key).sweep)
        points = sweep_of({key: mean_of([value_of(line, key) for line in of_variant]).value for key in keys})
        if points:
            sweeps.append((variant.label, points))
    return sweep_figures(sweeps)
