"""What became of the claims of studies: judged from their results, told in sentences, gathered in one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sciml.core.config import parse
from sciml.core.errors import DataError, UserError
from sciml.core.text import counted
from sciml.draw import format_number, format_seconds
from sciml.metrics import Metric, find_metric
from sciml.report._run import read_lines, read_object
from sciml.report._statistics import Verdict, judge, judge_together, mean_of, undecided
from sciml.report._study_table import EQUAL, Line, metrics_of_study, value_of
from sciml.study import Claim, Study, check_line

STUDY, RESULTS = "study.json", "results.jsonl"
_MANY = 10.0
"""Shares from here on are told as multiples, which per cent hide."""
_LARGE = 1e4
"""Multiples from here on are told with a power of ten."""


class ClaimRow(NamedTuple):
    """One line of the table of claims.

    Fields:
        study, folder: title and folder of the study.
        text: what is claimed.
        sign: ``holds``, ``does not hold`` or ``undecided``.
        words: what was measured, as a sentence.
    """

    study: str
    folder: str
    text: str
    sign: str
    words: str


def claims_of(folder: Path) -> list[ClaimRow]:
    """Every claim of every study in the folders below `folder`, study by study; one that cannot be read has no rows."""
    rows = []
    for path in sorted(folder.glob(f"*/{STUDY}")):
        try:
            study = parse(Study, read_object(path), str(path))
            lines, _ = read_results(study, path.parent / RESULTS)
        except UserError:
            continue  # the index names it and says why
        for claim, metric, verdict in judge_claims(study, lines):
            words = verdict_words(claim, metric, verdict)
            rows.append(ClaimRow(study.title, path.parent.name, claim.text, verdict.sign, words))
    return rows


def claims_markdown(rows: Sequence[ClaimRow], reports: str) -> str:
    """The table as Markdown; `reports` is the way from the page to the folder of the studies."""
    lines = ["| study | claim | verdict | measured |", "|---|---|---|---|"]
    for row in rows:
        cells = (f"[{row.study}]({reports}/{row.folder}/report.html)", row.text, row.sign, row.words)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def read_results(study: Study, path: Path) -> tuple[list[Line], tuple[str, ...]]:
    """The finished runs that a study names, and what a reader must know of them.

    Lines of variants, budgets and seeds that the study does not name (any more) are left out, and said.

    Raises: ConfigError for a line that is not the result of a run, DataError for two lines of one run.
    """
    if not path.is_file():
        return [], ()
    lines = list(read_lines(path))
    for index, line in enumerate(lines, start=1):
        check_line(line, f"line {index} of {path}")
    named = {(v.name, budget, seed) for v in study.variants for budget in study.budgets for seed in study.seeds}
    kept: dict[tuple[str, str, int], Line] = {}
    for index, line in enumerate(lines, start=1):
        run = line["variant"], line["budget"], line["seed"]
        if run in kept:
            raise DataError(
                f"line {index} of {path} is a second result of variant {run[0]!r}, seed {run[2]}",
                fix="Remove the one that does not belong there: every run counts once.",
            )
        if run in named:
            kept[run] = line
    return list(kept.values()), _remarks(list(kept.values()), len(lines) - len(kept))


def _remarks(lines: Sequence[Line], left_out: int) -> tuple[str, ...]:
    remarks = []
    if left_out:
        runs = "run is" if left_out == 1 else "runs are"
        remarks.append(f"{left_out} {runs} left out: of variants, budgets or seeds that the study does not name.")
    commits = {line["git"] for line in lines if line.get("git")}
    if len(commits) > 1:
        remarks.append(f"The runs are of {len(commits)} versions of the code.")
    if any(commit.endswith("+") for commit in commits):
        remarks.append("The code had local changes, so that the runs cannot be traced to a commit.")
    for line in lines:
        if reason := line.get("reason"):
            remarks.append(f"Variant {line['variant']!r}, seed {line['seed']}, broke down: {reason}")
    return tuple(remarks)


def judge_claims(study: Study, lines: Sequence[Line]) -> list[tuple[Claim, Metric, Verdict]]:
    """Whether the runs of a study bear out its claims, each by itself and all of them together."""
    declared = metrics_of_study(study)
    claims = [(claim, claim.judged(find_metric(declared, claim.metric))) for claim in study.claims]
    verdicts = judge_together([_judge_claim(study, claim, metric, lines) for claim, metric in claims])
    return [(claim, metric, verdict) for (claim, metric), verdict in zip(claims, verdicts, strict=True)]


def _judge_claim(study: Study, claim: Claim, metric: Metric, lines: Sequence[Line]) -> Verdict:
    labels = {variant.name: variant.label for variant in study.variants}
    asked = {variant.name: study.data_of(variant) for variant in study.variants}
    sides, cases, data, commits = [], [], [], set()
    for name, key in ((claim.better, metric.key), (claim.worse, claim.against or metric.key)):
        runs = [line for line in lines if line["variant"] == name and line["budget"] == claim.budget]
        values = {line["seed"]: value_of(line, key) for line in runs if key in line["metrics"]}
        if without := [line["seed"] for line in runs if line["seed"] not in values]:
            some = f" at {_seeds(without)}" if values else ""
            return undecided(f"the runs of {labels.get(name, name)} have no {metric.words}{some}")
        data.append({line["dataset"] for line in runs if line.get("dataset")})
        if not study.seeded and len(data[-1]) > 1:
            return undecided(f"the runs of {labels.get(name, name)} were made on different data")
        commits |= {line["git"] for line in runs if line.get("git")}
        sides.append(values)
        cases.append({line["seed"]: line["cases"][key] for line in runs if key in line.get("cases", {})})
    if asked.get(claim.better) and asked.get(claim.better) == asked.get(claim.worse) and len(data[0] | data[1]) > 1:
        return undecided("the two sides were made on different data")
    if len(commits) > 1:
        return undecided(f"the runs are of {len(commits)} versions of the code")
    (better, worse), (better_cases, worse_cases) = sides, cases
    verdict = judge(
        better,
        worse,
        claim.margin,
        metric=metric,
        tolerance=claim.tolerance,
        factor=claim.factor,
        cases=(better_cases, worse_cases),
    )
    if note := _unequal_times(claim, labels, lines):
        verdict = replace(verdict, reason="; ".join(filter(None, (verdict.reason, note))))
    missing = [seed for seed in study.seeds if seed not in better or seed not in worse]
    # chance = NaN: what is not tested takes no part in Holm's procedure
    return replace(verdict, sign="undecided", chance=math.nan, reason=_unfinished(missing)) if missing else verdict


def _unequal_times(claim: Claim, labels: Mapping[str, str], lines: Sequence[Line]) -> str:
    """What the two sides of a claim at equal time spent, where that is not equal; empty otherwise."""
    if claim.budget != "time":
        return ""
    better, worse = (
        mean_of([line["train_seconds"] for line in lines if (line["variant"], line["budget"]) == (name, "time")]).value
        for name in (claim.better, claim.worse)
    )
    if better == worse or abs(better - worse) <= EQUAL * worse:
        return ""
    names = (labels.get(name, name) for name in (claim.better, claim.worse))
    took = (f"{name} took {format_seconds(seconds)}" for name, seconds in zip(names, (better, worse), strict=True))
    return f"the training times are not equal: {', '.join(took)}"


def _unfinished(missing: Sequence[int]) -> str:
    return f"{_seeds(missing)} of the study {'is' if len(missing) == 1 else 'are'} missing"


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def verdict_words(claim: Claim, metric: Metric, verdict: Verdict) -> str:
    """The measured improvement of a claim as a sentence."""
    if not math.isfinite(verdict.gain):
        return verdict.reason[:1].upper() + verdict.reason[1:] + "."
    none = 0.0 if claim.factor is None else 1.0
    up = (verdict.gain > none) == (metric.better == "higher")
    direction = "higher" if up else "lower"
    if metric.target is not None:
        direction = f"{'closer to' if verdict.gain > none else 'farther from'} {format_number(metric.target)}"
    if claim.factor is not None:
        amount, size = _times, max(verdict.gain, 1 / verdict.gain)
    else:
        amount, size = _percent if claim.tolerance is None else _signed, abs(verdict.gain)
    measured = "Measured: equal" if verdict.gain == none else f"Measured: {amount(size)} {direction}"
    if math.isfinite(verdict.low):
        measured += f", 95 % interval of the improvement {amount(verdict.low)} to {amount(verdict.high)}"
    claimed = f"claimed: {_claimed(claim)}"
    note = f" {verdict.reason[:1].upper()}{verdict.reason[1:]}." if verdict.reason else ""
    return f"{measured} ({counted(verdict.count, verdict.over)}, paired); {claimed}.{note}"


def _claimed(claim: Claim) -> str:
    if claim.tolerance is not None:
        if claim.tolerance < 0:
            return f"at least {format_number(-claim.tolerance)} better"
        return f"at most {format_number(claim.tolerance)} worse"
    if claim.factor is not None and claim.factor > 1:
        return f"more than {_times(claim.factor)}"
    if claim.factor is not None and claim.factor < 1:
        return f"less than {_times(1 / claim.factor)} worse"
    if claim.margin < 0:
        return f"less than {_percent(-claim.margin)} worse"
    return f"more than {_percent(claim.margin)}" if claim.margin else "better at all"


def _percent(share: float) -> str:
    if abs(share) >= _MANY:  # a share of 10 more is 11 times as much
        return f"{_times(1 + abs(share))}{' worse' if share < 0 else ''}"
    return f"{100 * share:.1f} %".replace("-", "−")


def _times(factor: float) -> str:
    return f"{factor:.3g} times" if factor < _LARGE else f"{format_number(factor)} times"


def _signed(value: float) -> str:
    return format_number(value).replace("-", "−")
