"""The page of a study: every variant over its seeds, error against cost, and what became of the claims.

Files: ``study.json`` (`sciml.study`'s study file as read) and ``results.jsonl``, one finished run per line with
``variant``, ``budget``, ``seed``, ``solver``, ``parameters``, ``steps``, ``train_seconds``, ``predict_seconds`` and
``metrics``; shown if there: ``status``, ``versions``, ``hardware``, ``git``, ``dataset``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sciml.core.config import parse
from sciml.core.errors import DataError
from sciml.report._page import write_figures, write_page
from sciml.report._run import read_lines, read_object
from sciml.report._statistics import Mean, Verdict, judge, mean_of
from sciml.report._svg import Figure, draw, scale_axis, style
from sciml.report._words import best_of, format_number, metric_label, rises
from sciml.study import Study

if TYPE_CHECKING:
    from sciml.study import Claim

PAGE, FIGURES, STUDY, RESULTS = "report.html", "figures", "study.json", "results.jsonl"
_EQUAL = 0.1  # sizes and times within 10 % of the first variant's are called equal
_BUDGETS = {"steps": "at the recipe’s number of steps", "time": "at equal training time"}
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One variant under one budget, over its seeds."""

    name: str
    label: str
    solver: str
    parameters: Mean
    seconds: Mean
    predict: Mean
    steps: Mean
    parameters_ratio: str
    seconds_ratio: str
    metrics: Mapping[str, Mean]


@dataclass(frozen=True)
class Table:
    """All variants under one budget."""

    budget: str
    words: str
    rows: tuple[Row, ...]
    best: Mapping[str, str | None]


def write_study(folder: Path) -> Path:
    """Write ``report.html`` and ``figures/`` into the folder of a study, finished or not.

    Returns:
        The path of the page.

    Raises:
        UserError: ``study.json`` or ``results.jsonl`` is missing or damaged.
        StorageError: the folder cannot be written.
    """
    study = parse(Study, read_object(folder / STUDY), str(folder / STUDY))
    lines = _read_results(folder / RESULTS)
    keys = _metrics(study, lines)
    tables = [_table(study, budget, lines, keys) for budget in study.budgets]
    tables = [table for table in tables if table.rows]
    figures = [figure for table in tables for figure in _cost_figures(study, table, keys)]
    claims = [(claim, _judge(claim, lines)) for claim in study.claims]
    values = {
        "title": study.title,
        "study": study,
        "tables": tables,
        "keys": keys,
        "figures": figures,
        "claims": [(claim, verdict, _verdict_words(claim, verdict)) for claim, verdict in claims],
        "tally": _tally([verdict for _, verdict in claims]),
        "lines": sorted(lines, key=lambda line: (line["budget"], _position(study, line), line["seed"])),
        "budgets": _BUDGETS,
        "labels": {variant.name: variant.label for variant in study.variants},
        "expected": len(study.variants) * len(study.budgets) * len(study.seeds),
        "provenance": {key: _distinct(lines, key) for key in ("versions", "hardware", "git", "dataset")},
    }
    write_figures(folder / FIGURES, figures)
    return write_page(folder / PAGE, "study.html.j2", values)


def value_of(line: Line, key: str) -> float:
    """A metric of one run; NaN where it is not finite or was not measured."""
    value = line["metrics"].get(key)
    return math.nan if value is None else float(value)


def _read_results(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = list(read_lines(path))
    needed = (
        "variant",
        "budget",
        "seed",
        "solver",
        "parameters",
        "steps",
        "train_seconds",
        "predict_seconds",
        "metrics",
    )
    for index, line in enumerate(lines, start=1):
        missing = [key for key in needed if key not in line]
        if missing:
            raise DataError(f"line {index} of {path} is not the result of a run", got=f"no {', '.join(missing)}")
    return lines


def _metrics(study: Study, lines: Sequence[Line]) -> list[str]:
    wanted = dict.fromkeys([*study.metrics, *(claim.metric for claim in study.claims)])
    return [key for key in wanted if any(key in line["metrics"] for line in lines)]


def _table(study: Study, budget: str, lines: Sequence[Line], keys: list[str]) -> Table:
    rows: list[Row] = []
    for variant in study.variants:
        own = [line for line in lines if line["variant"] == variant.name and line["budget"] == budget]
        if not own:
            continue
        parameters, seconds = (mean_of([line[key] for line in own]) for key in ("parameters", "train_seconds"))
        first = rows[0] if rows else None
        rows.append(
            Row(
                name=variant.name,
                label=variant.label,
                solver=variant.solver,
                parameters=parameters,
                seconds=seconds,
                predict=mean_of([line["predict_seconds"] for line in own]),
                steps=mean_of([line["steps"] for line in own]),
                parameters_ratio=_ratio(parameters, first.parameters if first else None),
                seconds_ratio=_ratio(seconds, first.seconds if first else None),
                metrics={key: mean_of([value_of(line, key) for line in own]) for key in keys},
            )
        )
    best = {key: best_of({row.name: row.metrics[key].value for row in rows}, larger=rises(key)) for key in keys}
    return Table(budget, _BUDGETS.get(budget, budget), tuple(rows), best)


def _ratio(mean: Mean, first: Mean | None) -> str:
    """A size relative to the first variant's, in words."""
    if first is None:
        return "reference"
    if not mean.value or not first.value:
        return "none" if not mean.value else "–"
    ratio = mean.value / first.value
    return f"equal ({ratio:.2f} ×)" if abs(ratio - 1) <= _EQUAL else f"{format_number(ratio)} ×"


def _cost_figures(study: Study, table: Table, keys: list[str]) -> list[Figure]:
    """The metric of the claims against training time, prediction time and parameters.

    Only trained variants are drawn, and only costs in which they differ: the others would set the scale and hide them.
    """
    trained = [row for row in table.rows if row.steps.value > 0]
    figures = []
    for cost, words in (
        ("seconds", "training time [s]"),
        ("predict", "one step of one sample [s]"),
        ("parameters", "parameters"),
    ):
        values = [getattr(row, cost).value for row in trained]
        if keys and len(values) > 1 and max(values) > (1 + _EQUAL) * min(values):
            key = study.claims[0].metric if study.claims else keys[0]
            figures.append(_cost_figure(table, key, cost, words))
    return figures


def _cost_figure(table: Table, key: str, cost: str, words: str) -> Figure:
    points, left_out = [], []
    for index, row in enumerate(table.rows):
        x, y = getattr(row, cost).value, row.metrics[key]
        if row.steps.value > 0 and math.isfinite(y.value):
            points.append((index, row.label, x, y))
        else:
            left_out.append(f"{row.label} ({format_number(y.value)})")

    def paint(axes) -> None:
        for index, label, x, y in points:
            look = {**style(index), "linestyle": "none", "markersize": 8}
            axes.errorbar(x, y.value, yerr=y.half_width or 0.0, label=label, capsize=4, elinewidth=1.4, **look)
        axes.set(xlabel=words, ylabel=metric_label(key))
        scale_axis(axes.xaxis, log=True)
        scale_axis(axes.yaxis, log=True)
        axes.margins(0.12)

    missing = f" Not trained by steps, or not finite, so not drawn: {', '.join(left_out)}." if left_out else ""
    summary = "; ".join(f"{label} {format_number(y.value)} at {format_number(x)}" for _, label, x, y in points)
    name = f"{cost}-{key.replace('/', '-')}-{table.budget}"
    title = f"{metric_label(key)}, {table.words}"
    caption = f"Means over seeds with 95 % intervals.{missing}"
    return draw(name, paint, title=title, caption=caption, alt=f"{title}, against {words}: {summary}.")


def _judge(claim: Claim, lines: Sequence[Line]) -> Verdict:
    better, worse = (
        {
            line["seed"]: value_of(line, claim.metric)
            for line in lines
            if line["variant"] == name and line["budget"] == claim.budget
        }
        for name in (claim.better, claim.worse)
    )
    return judge(better, worse, claim.margin, larger=rises(claim.metric))


def _verdict_words(claim: Claim, verdict: Verdict) -> str:
    """The measured improvement of a claim as a sentence."""
    if not math.isfinite(verdict.gain):
        return verdict.reason[:1].upper() + verdict.reason[1:] + "."
    up = (verdict.gain > 0) == rises(claim.metric)
    measured = f"Measured: {_percent(abs(verdict.gain))} {'higher' if up else 'lower'}"
    if math.isfinite(verdict.low):
        measured += f", 95 % interval of the improvement {_percent(verdict.low)} to {_percent(verdict.high)}"
    claimed = f"claimed: more than {_percent(claim.margin)}" if claim.margin else "claimed: better at all"
    note = f" {verdict.reason[:1].upper()}{verdict.reason[1:]}." if verdict.reason else ""
    return f"{measured} ({verdict.seeds} seeds, paired); {claimed}.{note}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace("-", "−")


def _tally(verdicts: Sequence[Verdict]) -> str:
    counts = {
        sign: sum(verdict.sign == sign for verdict in verdicts) for sign in ("holds", "does not hold", "undecided")
    }
    verb = {"holds": "hold", "does not hold": "do not hold", "undecided": "undecided"}
    parts = [f"{n} {sign if n == 1 else verb[sign]}" for sign, n in counts.items() if n]
    return f"Of {len(verdicts)} claims: " + ", ".join(parts) if parts else ""


def _position(study: Study, line: Line) -> int:
    names = [variant.name for variant in study.variants]
    return names.index(line["variant"]) if line["variant"] in names else len(names)


def _distinct(lines: Sequence[Line], key: str) -> list[Any]:
    found: list[Any] = []
    for line in lines:
        value = line.get(key)
        if isinstance(value, Mapping):
            value = {name: entry for name, entry in value.items() if name != "load"}
        if value is not None and value not in found:
            found.append(value)
    return found
