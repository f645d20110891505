"""The page of a study: every variant over its seeds, error against cost, and what became of the claims.

Files: ``study.json`` (`sciml.study`'s study file as read) and ``results.jsonl``, one finished run per line with
``variant``, ``budget``, ``seed``, ``solver``, ``parameters``, ``steps``, ``train_seconds``, ``predict_seconds`` and
``metrics``; shown if there: ``status``, ``versions``, ``hardware``, ``git``, ``dataset``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sciml.core.config import parse
from sciml.core.guests import as_guest
from sciml.core.text import counted
from sciml.metrics import Metric, find_metric
from sciml.report._claims import RESULTS, STUDY, judge_claims, read_results, verdict_words
from sciml.report._page import write_figures, write_page
from sciml.report._run import read_object
from sciml.report._statistics import Verdict
from sciml.report._study_figures import cost_figures, course_figures, drawn_metric, line_figures, tolerance_figures
from sciml.report._study_table import BUDGETS, Line, make_table, metrics_of_study, unit_of
from sciml.study import Study

PAGE, FIGURES = "report.html", "figures"


@as_guest()
def write_study(folder: Path) -> Path:
    """Write ``report.html`` and ``figures/`` into the folder of a study, finished or not.

    Returns:
        The path of the page.

    Raises:
        UserError: ``study.json`` or ``results.jsonl`` is missing or damaged.
        StorageError: the folder cannot be written.
    """
    study = parse(Study, read_object(folder / STUDY), str(folder / STUDY))
    lines, remarks = read_results(study, folder / RESULTS)
    wanted = _metrics(study, lines)
    columns = [metric for metric in wanted if not metric.sweep]
    tables = [make_table(study, budget, lines, columns) for budget in study.budgets]
    tables = [table for table in tables if table.rows]
    figures = [*course_figures(study, lines), *(f for table in tables for f in cost_figures(study, table, wanted))]
    sweeps = tolerance_figures(study, lines)
    along = [figure for table in tables for figure in line_figures(study, table, columns)]
    claims = judge_claims(study, lines)
    values = {
        "title": study.title,
        "study": study,
        "tables": tables,
        "columns": columns,
        "along": along,
        "figures": figures,
        "sweeps": sweeps,
        "rising": any(metric.better == "higher" for metric in drawn_metric(study, wanted)),
        "unit": unit_of(study),
        "claims": [(*judged, verdict_words(*judged)) for judged in claims],
        "remarks": remarks,
        "tally": _tally([verdict for _, _, verdict in claims]),
        "lines": sorted(lines, key=lambda line: (line["budget"], _position(study, line), line["seed"])),
        "budgets": BUDGETS,
        "labels": {variant.name: variant.label for variant in study.variants},
        "expected": len(study.variants) * len(study.budgets) * len(study.seeds),
        "provenance": {key: _distinct(lines, key) for key in ("versions", "hardware", "git", "dataset")},
    }
    write_figures(folder / FIGURES, [*along, *figures, *sweeps])
    return write_page(folder / PAGE, "study.html.j2", values)


def study_numbers(folder: Path) -> dict[str, Any]:  # Any: JSON
    """The means over seeds and the verdicts of a study as plain data; numbers that are not finite are None."""
    study = parse(Study, read_object(folder / STUDY), str(folder / STUDY))
    lines, remarks = read_results(study, folder / RESULTS)
    wanted = [metric for metric in _metrics(study, lines) if not metric.sweep]
    return {
        "remarks": list(remarks),
        "means": [
            {
                "variant": row.name,
                "budget": budget,
                "seeds": row.steps.count,
                "metrics": {
                    key: {"mean": _finite(mean.value), "half_width": _finite(mean.half_width), "lost": mean.lost}
                    for key, mean in row.metrics.items()
                    if mean is not None
                },
            }
            for budget in study.budgets
            for row in make_table(study, budget, lines, wanted).rows
        ],
        "claims": [
            {
                "text": claim.text,
                "verdict": verdict.sign,
                "gain": _finite(verdict.gain),
                "interval": [_finite(verdict.low), _finite(verdict.high)],
                "over": counted(verdict.count, verdict.over),
                "words": verdict_words(claim, metric, verdict),
            }
            for claim, metric, verdict in judge_claims(study, lines)
        ],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _metrics(study: Study, lines: Sequence[Line]) -> list[Metric]:
    """The metrics of the study and of its claims, as far as any run has them."""
    declared = metrics_of_study(study)
    wanted = dict.fromkeys([*study.metrics, *(claim.metric for claim in study.claims)])
    return [find_metric(declared, key) for key in wanted if any(key in line["metrics"] for line in lines)]


def _tally(verdicts: Sequence[Verdict]) -> str:
    counts = {
        sign: sum(verdict.sign == sign for verdict in verdicts) for sign in ("holds", "does not hold", "undecided")
    }
    verb = {"holds": "hold", "does not hold": "do not hold", "undecided": "undecided"}
    parts = [f"{n} {sign if n == 1 else verb[sign]}" for sign, n in counts.items() if n]
    return f"Of {counted(len(verdicts), 'claims')}: " + ", ".join(parts) if parts else ""


def _position(study: Study, line: Line) -> int:
    names = [variant.name for variant in study.variants]
    return names.index(line["variant"]) if line["variant"] in names else len(names)


def _distinct(lines: Sequence[Line], key: str) -> list[Any]:
    distinct: list[Any] = []
    for line in lines:
        value = line.get(key)
        if isinstance(value, Mapping):
            value = {name: entry for name, entry in value.items() if name != "load"}
        if value is not None and value not in distinct:
            distinct.append(value)
    return distinct
