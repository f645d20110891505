"""The page of one run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sciml.core import registry
from sciml.core.errors import DataError, UserError
from sciml.core.problem import Problem
from sciml.report import (
    _show_classification,
    _show_collocation,
    _show_density,
    _show_forecast,
    _show_paths,
    _show_plain,
    _show_series,
    _show_trajectories,
)
from sciml.report._headline import headline, headline_metrics
from sciml.report._page import write_figures, write_page
from sciml.report._run import PREDICTIONS, RunView, read_run
from sciml.report._shown import Shown
from sciml.report._words import (
    best_metric,
    format_count,
    format_metric,
    format_seconds,
    is_cost,
    is_sweep,
    metric_label,
    strongest,
)

PAGE, FIGURES = "report.html", "figures"
_SHOW: Mapping[str, Callable[[RunView], Shown]] = {
    "forecast": _show_forecast.show,
    "trajectories": _show_trajectories.show,
    "series": _show_series.show,
    "classification": _show_classification.show,
    "density": _show_density.show,
    "collocation": _show_collocation.show,
    "paths": _show_paths.show,
}
"""By the key of the task; a task that is not here gets a page without pictures."""


def write_run(folder: Path, *, problem: Problem | None = None) -> Path:
    """Write ``report.html`` and ``figures/`` into a run folder from the files that lie there.

    The page is self-contained: no scripts, no network, light and dark, phone and paper.

    Arguments:
        folder: a finished run; see `sciml.report._run` for its files.
        problem: the loaded problem, needed only if it is not registered; it gives the equation and the invariants.

    Returns:
        The path of the page.

    Raises:
        UserError: the folder is not a run, a file in it is damaged (by name), or its predictions are gone and the page
            that is there could not be made again with its pictures.
        StorageError: the folder cannot be written.
    """
    if (folder / PAGE).exists() and not (folder / PREDICTIONS).exists():
        raise DataError(
            f"{folder} has a page but no {PREDICTIONS} any more, so a new page would lose its pictures",
            fix=f"Remove {PAGE} first if a page without pictures is what you want.",
        )
    view = read_run(folder, problem)
    shown = _SHOW.get(view.record.task, _show_plain.show)(view)
    values = {
        "title": headline(view),
        "view": view,
        "record": view.record,
        "cards": _cards(view, shown),
        "comparison": _comparison(view),
        "metrics": _all_metrics(view),
        "outcomes": {entry.title: entry.entry.outcomes for entry in view.competitors if entry.entry.outcomes},
        "command": _command(view),
        "shown": shown,
        **shown.values,
    }
    write_figures(folder / FIGURES, shown.files)
    return write_page(folder / PAGE, shown.template, values)


def _cards(view: RunView, shown: Shown) -> list[tuple[str, str, str]]:
    """Label, value and a remark: the numbers to remember."""
    cards = []
    columns = headline_metrics(view)
    counted = [key for key in columns if key == "evaluations"]
    for key in [*[key for key in columns if not is_cost(key)][: 3 - len(counted)], *counted]:
        rivals = {entry.title: entry.metrics.get(key) for entry in view.baselines}
        best = strongest(key, rivals)
        remark = f"against {format_metric(rivals[best], key)} by {best}" if best else ""
        cards.append((metric_label(key), format_metric(view.solver.metrics[key], key), remark))
    entry = view.record
    operations = f"{format_count(entry.flops)} operations per {shown.counted}"
    cards.append(("parameters", format_count(entry.parameters), operations))
    cards.append(("training time", format_seconds(entry.train.seconds), f"{entry.train.steps:,} steps"))
    cards.append((f"time to predict a {shown.timed}", format_seconds(entry.predict.seconds), shown.batched))
    return cards


def _comparison(view: RunView) -> dict[str, Any]:
    """The table against the baselines: metric columns with the key of the best entry, and a row per competitor."""
    columns = headline_metrics(view)
    best = {key: best_metric(key, {c.key: c.metrics.get(key) for c in view.competitors}) for key in columns}
    return {"columns": columns, "best": best, "rows": view.competitors}


def _all_metrics(view: RunView) -> list[tuple[str, list[float | None], int | None]]:
    """Every metric but those of a sweep: its key, the value of each competitor, and the position of the best."""
    keys = dict.fromkeys(key for entry in view.competitors for key in entry.metrics if not is_sweep(key))
    rows = []
    for key in keys:
        values = [entry.metrics.get(key) for entry in view.competitors]
        best = best_metric(key, {str(i): value for i, value in enumerate(values)})
        rows.append((key, values, None if best is None else int(best)))
    return rows


def _command(view: RunView) -> str:
    """The command that makes this run again, with the settings that differ from the solver's preset."""
    record = view.record
    problem = view.config.get("problem_path") or record.problem
    parts = [
        "sciml",
        "run",
        str(problem),
        "--solver",
        record.solver,
        "--preset",
        record.preset,
        "--seed",
        str(record.seed),
    ]
    try:
        default = registry.solver(record.solver).recipe(record.preset).model_dump(mode="json")
    except UserError:
        default = {}
    if default:
        for key, value in _changed(default, view.config.get("recipe") or default).items():
            parts += ["--set", f"{key}={json.dumps(value)}"]
    return shlex.join(parts)


def _changed(default: Mapping[str, Any], actual: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in actual.items():
        before = default.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            found |= _changed(before, value, f"{prefix}{key}.")
        elif value != before and value is not None:
            found[f"{prefix}{key}"] = value
    return found
