"""The page of one run."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sciml.core import registry
from sciml.core.errors import DataError, UserError
from sciml.core.problem import Problem
from sciml.report import _curves as curves
from sciml.report._page import write_figures, write_page
from sciml.report._pictures import Panels, Picture, Strip, animation, space_time, still, strip
from sciml.report._run import PREDICTIONS, Forecasts, Rollout, RunView, read_run
from sciml.report._svg import Figure
from sciml.report._words import (
    best_of,
    format_count,
    format_number,
    format_seconds,
    headline,
    headline_metrics,
    metric_label,
    rises,
)

PAGE, FIGURES = "report.html", "figures"


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
    pictures = _pictures(view)
    plots = {
        "growth": curves.error_growth(view),
        "spectra": curves.spectra(view),
        "conserved": curves.conserved(view),
        "training": curves.training(view),
        "series": curves.time_series(view, pictures["typical"]) if pictures else [],
    }
    values = {
        "title": headline(view),
        "view": view,
        "record": view.record,
        "cards": _cards(view),
        "comparison": _comparison(view),
        "by_field": _by_field(view),
        "metrics": _all_metrics(view),
        "outcomes": {entry.title: entry.entry.outcomes for entry in view.competitors if entry.entry.outcomes},
        "pictures": pictures,
        "plots": plots,
        "command": _command(view),
    }
    write_figures(folder / FIGURES, [*(figure for group in plots.values() for figure in group), *_files(pictures)])
    return write_page(folder / PAGE, "run.html.j2", values)


def _cards(view: RunView) -> list[tuple[str, str, str]]:
    """Label, value and a remark: the numbers to remember."""
    cards = []
    for key in headline_metrics(view)[:3]:
        rivals = {entry.title: entry.metrics[key] for entry in view.baselines if key in entry.metrics}
        finite = {title: value for title, value in rivals.items() if math.isfinite(value)}
        remark = ""
        if finite:
            best = (max if rises(key) else min)(finite, key=lambda title: finite[title])
            remark = f"against {format_number(finite[best])} by {best}"
        cards.append((metric_label(key), format_number(view.solver.metrics[key]), remark))
    entry = view.record
    cards.append(("parameters", format_count(entry.parameters), f"{format_count(entry.flops)} operations per step"))
    cards.append(("training time", format_seconds(entry.train.seconds), f"{entry.train.steps:,} steps"))
    cards.append(("time to predict a step", format_seconds(entry.predict.seconds), "per sample, in a batch"))
    return cards


def _comparison(view: RunView) -> dict[str, Any]:
    """The table against the baselines: metric columns with the key of the best entry, and a row per competitor."""
    columns = headline_metrics(view)
    best = {key: best_of({c.key: c.metrics.get(key) for c in view.competitors}, larger=rises(key)) for key in columns}
    return {"columns": columns, "best": best, "rows": view.competitors}


def _by_field(view: RunView) -> dict[str, Any] | None:
    """VRMSE per field at the first, the middle and the last step; None when it was not stored."""
    if view.forecasts is None or not view.rolled_out or any(roll.vrmse is None for _, roll in view.rolled_out):
        return None
    steps = view.rolled_out[0][1].relative_l2.shape[1]
    shown = sorted({0, steps // 2, steps - 1})
    rows = []
    for channel, field in enumerate(view.forecasts.fields):
        means = {}
        for entry, rollout in view.rolled_out:
            assert rollout.vrmse is not None
            means[entry.key] = [float(rollout.vrmse[:, k, channel].astype(np.float64).mean()) for k in shown]
        best = [best_of({key: values[i] for key, values in means.items()}) for i in range(len(shown))]
        for entry, _ in view.rolled_out:
            rows.append((field, entry, [(v, best[i] == entry.key) for i, v in enumerate(means[entry.key])]))
    return {"steps": [k + 1 for k in shown], "rows": rows, "group": len(view.rolled_out)}


def _all_metrics(view: RunView) -> list[tuple[str, list[float | None], int | None]]:
    """Every metric: its key, the value of each competitor, and the position of the best."""
    keys = dict.fromkeys(key for entry in view.competitors for key in entry.metrics)
    rows = []
    for key in keys:
        values = [entry.metrics.get(key) for entry in view.competitors]
        best = best_of({str(i): value for i, value in enumerate(values)}, larger=rises(key))
        rows.append((key, values, None if best is None else int(best)))
    return rows


def _pictures(view: RunView) -> dict[str, Any]:
    """What is shown of the solver's rollouts; empty when there are none."""
    if view.forecasts is None or not view.rolled_out or view.rolled_out[0][0] is not view.solver:
        return {}
    forecasts, rollout = view.forecasts, view.rolled_out[0][1]
    order = np.argsort(rollout.scores, kind="stable")
    typical = int(order[(len(order) - 1) // 2])
    shown: dict[str, Any] = {
        "typical": typical,
        "typical_words": _sample_words(forecasts, rollout, typical),
        "moving": [],
        "space_time": [],
        "strips": [],
        "extremes": [],
        "steps": rollout.relative_l2.shape[1],
        "rank": forecasts.rank,
    }
    channels = range(len(forecasts.fields))
    if forecasts.rank == 1:
        shown["space_time"] = [space_time(forecasts, rollout, typical, channel) for channel in channels]
    if forecasts.rank >= 2:
        ratio = _ratio(view, forecasts)
        shown["moving"] = [animation(forecasts, rollout, typical, channel, ratio) for channel in channels]
        shown["strips"] = [strip(forecasts, rollout, typical, channel, ratio) for channel in channels]
        if len(order) > 1:
            for word, sample in (("best", int(order[0])), ("worst", int(order[-1]))):
                stills = [still(forecasts, rollout, sample, channel, ratio, word) for channel in channels]
                shown["extremes"].append((word, _sample_words(forecasts, rollout, sample), stills))
    return shown


def _ratio(view: RunView, forecasts: Forecasts) -> float:
    """Height over width of the domain, within what a page can show."""
    height, width = (
        (axis.extent for axis in view.grid.axes[-2:]) if view.grid else map(float, forecasts.truth.shape[-2:])
    )
    return float(np.clip(height / width, 1 / 3, 3))


def _sample_words(forecasts: Forecasts, rollout: Rollout, sample: int) -> str:
    score = rollout.scores[sample]
    error = f"rollout error {format_number(float(score))}" if math.isfinite(score) else "diverged"
    values = [f"{name} {format_number(float(values[sample]))}" for name, values in forecasts.parameters.items()]
    return ", ".join([f"test sample {forecasts.samples[sample]}", error, *values])


def _files(pictures: Mapping[str, Any]) -> list[Figure | Picture]:
    if not pictures:
        return []
    panels: list[Panels] = [*pictures["moving"], *pictures["space_time"]]
    panels += [panel for _, _, stills in pictures["extremes"] for panel in stills]
    strips: list[Strip] = pictures["strips"]
    return [*(panel.picture for panel in panels), *(picture for one in strips for _, picture in one.rows)]


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
