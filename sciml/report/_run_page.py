"""The page of one run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from sciml.core.errors import DataError, UserError
from sciml.core.guests import as_guest
from sciml.core.problem import Problem
from sciml.core.text import counted
from sciml.draw import format_count, format_number, format_seconds
from sciml.metrics import Metric, find_metric
from sciml.report._headline import headline, headline_metrics
from sciml.report._page import task_template, write_figures, write_page
from sciml.report._run import PREDICTIONS, read_object, read_run
from sciml.report._tables import best_metric, format_metric
from sciml.report._tasks import metrics_of, view_of
from sciml.report._tool_figures import drawings
from sciml.study import FindingsEntry, Record
from sciml.tools import registered_tools
from sciml.train import RunView, View, find_solver

PAGE, FIGURES = "report.html", "figures"


@as_guest()
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
    view, record = read_run(folder, problem), Record.read(folder)
    config = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    task_view = view_of(view.task)
    shown, drawn = task_view.show(view), drawings(record, folder / PREDICTIONS)
    values = {
        "title": headline(view),
        "view": view,
        "record": record,
        "cards": _cards(view, task_view),
        "comparison": _comparison(view),
        "metrics": _all_metrics(view),
        "metric": lambda key: find_metric(metrics_of(view.task), key),
        "outcomes": {entry.title: entry.outcomes for entry in view.competitors if entry.outcomes},
        "command": _commands(record, config),
        "tools": _tools(record),
        "drawn": drawn,
        "words": task_view,
        **shown.values,
    }
    write_figures(folder / FIGURES, (*shown.files, *(item for entry in drawn.values() for item in entry.files)))
    try:
        return write_page(folder / PAGE, task_template(view.task), values)
    except jinja2.UndefinedError as error:
        raise DataError(f"{folder} lacks data that its page shows", got=error, fix="Run it again.") from None


def _cards(view: RunView, words: View) -> list[tuple[str, str, str]]:
    """Label, value and a remark: the numbers to remember."""
    cards = []
    columns = headline_metrics(view)
    costs = [metric for metric in columns if metric.cost and metric.units != "s"][:1]
    for metric in [*[metric for metric in columns if not metric.cost][: 3 - len(costs)], *costs]:
        baselines = {entry.title: entry.metrics.get(metric.key) for entry in view.baselines}
        best = metric.strongest(baselines)
        remark = f"against {format_metric(baselines[best], metric)} by {best}" if best else ""
        cards.append((metric.label, format_metric(view.solver.metrics[metric.key], metric), remark))
    solver = view.solver
    operations = f"{format_count(solver.flops)} operations per {words.counted}"
    cards.append(("parameters", format_count(solver.parameters), operations))
    cards.append(("training time", format_seconds(solver.train_seconds), counted(solver.train_steps, "steps")))
    cards.append((f"time to predict a {words.timed}", format_seconds(solver.predict_seconds), words.batched))
    return cards


def _comparison(view: RunView) -> dict[str, Any]:
    """The table against the baselines: metric columns with the key of the best entry, and a row per competitor."""
    columns = headline_metrics(view)
    best = {
        metric.key: best_metric(metric, {entry.key: entry.metrics.get(metric.key) for entry in view.competitors})
        for metric in columns
    }
    counts_evaluations = any(metric.key == "evaluations" for metric in columns)
    return {"columns": columns, "best": best, "rows": view.competitors, "counts_evaluations": counts_evaluations}


def _all_metrics(view: RunView) -> list[tuple[Metric, list[float | None], int | None]]:
    """Every metric but those of a sweep, with the value of each competitor and the position of the best."""
    declared = metrics_of(view.task)
    keys = dict.fromkeys(key for entry in view.competitors for key in entry.metrics)
    rows = []
    for metric in (find_metric(declared, key) for key in keys):
        values = [entry.metrics.get(metric.key) for entry in view.competitors]
        best = best_metric(metric, {str(i): value for i, value in enumerate(values)})
        if not metric.sweep:
            rows.append((metric, values, None if best is None else int(best)))
    return rows


def _tools(record: Record) -> list[tuple[str, str, FindingsEntry, list[tuple[str, str]]]]:
    """Key, title, findings and numbers of every tool that reported something; one that is not here goes by its key."""
    here = registered_tools()
    return [
        (
            key,
            here[key].title if key in here else key,
            entry,
            _numbers(key, entry, here[key].metrics if key in here else ()),
        )
        for key, entry in record.findings.items()
    ]


def _numbers(tool: str, entry: FindingsEntry, declared: Sequence[Metric]) -> list[tuple[str, str]]:
    """The numbers of a tool that have a name and units. The others are for programs, and are shown, by their keys, only
    where neither words nor tables say what was found."""
    if not (entry.words or entry.tables):
        return [(key.replace("_", " "), format_number(value)) for key, value in entry.metrics.items()]
    values = {f"{tool}/{key}": value for key, value in entry.metrics.items()}
    return [(metric.label, format_metric(values[metric.key], metric)) for metric in declared if metric.key in values]


def _commands(record: Record, config: Mapping[str, Any]) -> str:
    """The commands that make this run again: that of the first run of its lineage, then every tool."""
    steps = [step for step in config.get("lineage") or () if isinstance(step, Mapping)]
    changed = next((step["recipe_before"] for step in steps if step.get("recipe_before")), None)
    lines = [_command(record, {**config, "recipe": changed or config.get("recipe")})]
    here = registered_tools()
    for step, row in zip(steps, record.lineage, strict=False):
        parts = ["sciml", "tool", str(step.get("tool")), row.run]
        default = here[parts[2]].config().model_dump(mode="json") if parts[2] in here else {}
        for key, value in _changed(default, step.get("settings") or {}).items():
            parts += ["--set", f"{key}={json.dumps(value)}"]
        lines.append(shlex.join(parts))
    return "\n".join(lines)


def _command(record: Record, config: Mapping[str, Any]) -> str:
    """The command that trains a run again, with the settings that differ from the solver's preset."""
    parts = [
        "sciml",
        *_subject(record, config),
        "--solver",
        record.solver,
        "--preset",
        record.preset,
        "--seed",
        str(record.seed),
    ]
    try:
        default = find_solver(record.solver).recipe(record.preset).model_dump(mode="json")
    except UserError:
        default = {}
    if default:
        for key, value in _changed(default, config.get("recipe") or default).items():
            parts += ["--set", f"{key}={json.dumps(value)}"]
    return shlex.join(parts)


def _subject(record: Record, config: Mapping[str, Any]) -> list[str]:
    """The verb and what it acts on: a problem, or the file of a user's own table."""
    table = config.get("table")
    if not table:
        return ["run", str(config.get("problem_path") or record.problem)]
    values = [word for name, value in table["values"].items() for word in ("--value", f"{name}={value:g}")]
    return ["discover", "--data", table["title"], "--known", table["known"], *values]


def _changed(default: Mapping[str, Any], actual: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key, value in actual.items():
        before = default.get(key)
        if isinstance(value, Mapping) and "file" in value:  # a table that was read from a file is typed as its path
            changed[f"{prefix}{key}"] = value["file"]
        elif isinstance(value, Mapping) and isinstance(before, Mapping):
            changed |= _changed(before, value, f"{prefix}{key}.")
        elif value != before and value is not None:
            changed[f"{prefix}{key}"] = value
    return changed
