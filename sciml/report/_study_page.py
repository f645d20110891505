"""The page of a study: every variant over its seeds, error against cost, and what became of the claims.

Files: ``study.json`` (`sciml.study`'s study file as read) and ``results.jsonl``, one finished run per line with
``variant``, ``budget``, ``seed``, ``solver``, ``parameters``, ``steps``, ``train_seconds``, ``predict_seconds`` and
``metrics``; shown if there: ``status``, ``versions``, ``hardware``, ``git``, ``dataset``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sciml.core.config import parse
from sciml.core.errors import DataError
from sciml.report._page import write_figures, write_page
from sciml.report._run import read_lines, read_object
from sciml.report._statistics import Verdict, judge
from sciml.report._study_figures import cost_figures, course_figures, drawn_metric, line_figures, tolerance_figures
from sciml.report._study_table import BUDGETS, Line, make_table, unit_of, value_of
from sciml.report._words import format_number, is_sweep, rises
from sciml.study import Study

if TYPE_CHECKING:
    from sciml.study import Claim

PAGE, FIGURES, STUDY, RESULTS = "report.html", "figures", "study.json", "results.jsonl"


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
    wanted = _metrics(study, lines)
    keys = [key for key in wanted if not is_sweep(key)]
    tables = [make_table(study, budget, lines, keys) for budget in study.budgets]
    tables = [table for table in tables if table.rows]
    figures = [*course_figures(study, lines), *(f for table in tables for f in cost_figures(study, table, wanted))]
    sweeps = tolerance_figures(study, lines)
    along = [figure for table in tables for figure in line_figures(study, table, keys)]
    claims = [(claim, _judge(claim, lines)) for claim in study.claims]
    values = {
        "title": study.title,
        "study": study,
        "tables": tables,
        "keys": keys,
        "along": along,
        "figures": figures,
        "sweeps": sweeps,
        "rising": any(rises(key) for key in drawn_metric(study, wanted)),
        "unit": unit_of(keys),
        "claims": [(claim, verdict, _verdict_words(claim, verdict)) for claim, verdict in claims],
        "tally": _tally([verdict for _, verdict in claims]),
        "lines": sorted(lines, key=lambda line: (line["budget"], _position(study, line), line["seed"])),
        "budgets": BUDGETS,
        "labels": {variant.name: variant.label for variant in study.variants},
        "expected": len(study.variants) * len(study.budgets) * len(study.seeds),
        "provenance": {key: _distinct(lines, key) for key in ("versions", "hardware", "git", "dataset")},
    }
    write_figures(folder / FIGURES, [*along, *figures, *sweeps])
    return write_page(folder / PAGE, "study.html.j2", values)


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


def _judge(claim: Claim, lines: Sequence[Line]) -> Verdict:
    better, worse = (
        {
            line["seed"]: value_of(line, claim.metric)
            for line in lines
            if line["variant"] == name and line["budget"] == claim.budget
        }
        for name in (claim.better, claim.worse)
    )
    return judge(better, worse, claim.margin, larger=rises(claim.metric), tolerance=claim.tolerance)


def _verdict_words(claim: Claim, verdict: Verdict) -> str:
    """The measured improvement of a claim as a sentence."""
    if not math.isfinite(verdict.gain):
        return verdict.reason[:1].upper() + verdict.reason[1:] + "."
    up = (verdict.gain > 0) == rises(claim.metric)
    amount = _percent if claim.tolerance is None else _signed
    measured = f"Measured: {amount(abs(verdict.gain))} {'higher' if up else 'lower'}"
    if math.isfinite(verdict.low):
        measured += f", 95 % interval of the improvement {amount(verdict.low)} to {amount(verdict.high)}"
    claimed = f"claimed: {_claimed(claim)}"
    note = f" {verdict.reason[:1].upper()}{verdict.reason[1:]}." if verdict.reason else ""
    return f"{measured} ({verdict.seeds} seeds, paired); {claimed}.{note}"


def _claimed(claim: Claim) -> str:
    if claim.tolerance is not None:
        return f"at most {format_number(claim.tolerance)} worse"
    if claim.margin < 0:
        return f"less than {_percent(-claim.margin)} worse"
    return f"more than {_percent(claim.margin)}" if claim.margin else "better at all"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace("-", "−")


def _signed(value: float) -> str:
    return format_number(value).replace("-", "−")


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
