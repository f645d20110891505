"""The results of a study, one line per run: what is written, what is read again, and what must not be mixed."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch

from sciml.core import paths
from sciml.core.config import differences, parse, read_json
from sciml.core.errors import ConfigError, DataError, NumericsError, UserError
from sciml.study._folder import LOG
from sciml.study._provenance import commit, hardware, versions
from sciml.study._record import Metrics, Record
from sciml.study._result_line import check_line
from sciml.study._results import read_cases
from sciml.study._run import Run
from sciml.study._study_file import Study, Variant
from sciml.tools import find_tool

RESULTS, STUDY = "results.jsonl", "study.json"
BROKEN = "broke down"
"""The status of a run that broke down; its line has no numbers, and the reason."""

Line = dict[str, Any]  # Any: JSON
"""One run of a study."""


def read_results(folder: Path) -> list[Line]:
    """The finished runs of a study, one dictionary each; a line cut short by a kill is dropped.

    Raises: ConfigError for a whole line that is not the result of a run.
    """
    path = folder / RESULTS
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    entries = [entry for line in text.splitlines() if (entry := _entry(line))]
    for index, entry in enumerate(entries, start=1):
        check_line(entry, f"result {index} of {path}")
    if _text(entries) != text:
        write_results(folder, entries)
    return entries


def write_results(folder: Path, lines: Sequence[Line]) -> None:
    """Replace the results by these."""
    paths.write_text(folder / RESULTS, _text(lines))


def append_result(folder: Path, line: Line) -> None:
    """Add the line of a run that has just ended."""
    path = folder / RESULTS
    with paths.storage_errors(path), path.open("a", encoding="utf-8") as results:
        results.write(json.dumps(line) + "\n")


def _text(lines: Sequence[Line]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def _entry(line: str) -> Line | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and {"variant", "budget", "seed"} <= entry.keys() else None


def result_line(variant: Variant, budget: str, run: Run, judged: Collection[str] = ()) -> Line:
    """The line of a run that was examined.

    Arguments:
        variant, budget: whose run it is.
        run: the run.
        judged: the metrics of claims, which are kept case by case where the run has stored them.
    """
    record = run.record
    course = _course(run.folder)
    stored = read_cases(run.folder, record.solver) if judged else {}
    cases = {key: [float(f"{value:.5g}") for value in values] for key, values in stored.items() if key in judged}
    return {
        "variant": variant.name,
        "budget": budget,
        "seed": record.seed,
        "solver": record.solver,
        "preset": record.preset,
        "status": record.status,
        "parameters": record.parameters,
        "flops": record.flops,
        "steps": record.train.steps,
        "validation": record.train.best_validation,
        "train_seconds": sum(row.train_seconds for row in record.lineage) or record.train.seconds,
        "predict_seconds": record.predict.seconds,
        "metrics": record.metrics["test"]
        | (record.conclusion.metrics if record.conclusion else {})
        | _declared_findings(record),
        **({"cases": cases} if cases else {}),
        **({"course": course} if course else {}),
        **({"cost": record.lineage[-1].cost.model_dump(mode="json")} if record.lineage else {}),
        "model": record.model,
        "dataset": record.dataset.hash,
        "versions": record.versions,
        "hardware": record.hardware,
        "git": record.git,
    }


def _declared_findings(record: Record) -> Metrics:
    """What tools found in this run, as far as they say what it means."""
    return {
        metric.key: entry.metrics[name]
        for key, entry in record.findings.items()
        for metric in find_tool(key).metrics
        if (name := metric.key.removeprefix(f"{key}/")) in entry.metrics
    }


def broken_line(study: Study, variant: Variant, budget: str, seed: int, error: NumericsError) -> Line:
    """The line of a run that broke down: every metric that was asked for is missing."""
    return {
        "variant": variant.name,
        "budget": budget,
        "seed": seed,
        "solver": study.trained(variant).solver,
        "preset": study.preset,
        "status": BROKEN,
        "reason": str(error),
        "conditions": conditions_of(study, variant),
        "parameters": 0,
        "steps": 0,
        "train_seconds": 0.0,
        "predict_seconds": 0.0,
        "metrics": dict.fromkeys(sorted(study.asked)),
        "versions": versions(),
        "hardware": hardware(torch.device("cpu")),
        "git": commit(),
    }


def _course(folder: Path) -> list[list[float]]:
    """Seconds of training and the error that was watched, where a task watches one; see `Task.watch`."""
    path = folder / LOG
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [[line["seconds"], float(f"{line['error']:.4g}")] for line in lines if "error" in line]


def read_stored(folder: Path) -> Study | None:
    """The study whose results are in a folder; None where there is none that can be read."""
    path = folder / STUDY
    try:
        return parse(Study, read_json(path), str(path)) if path.exists() else None
    except UserError:
        return None


def conditions_of(study: Study, variant: Variant) -> Line:
    """Everything that changes the runs of a variant, apart from seed and budget."""
    shared = {"problem", "preset", "parameters", "settings", "seeded"} | ({"clock"} if study.clock else set())
    settings = {
        v.name: v.model_dump(mode="json", exclude={"name", "label", "line", "at"}) for v in _behind(study, variant)
    }
    return {**study.model_dump(mode="json", include=shared), "variants": settings}


def _behind(study: Study, variant: Variant) -> list[Variant]:
    """The variants whose runs a run of this one is made of, itself last."""
    named, line = {entry.name: entry for entry in study.variants}, study.line_of(variant)
    others = dict.fromkeys(name for maker in line for use in maker.tools for name in use.others)
    return [*(named[name] for name in others), *line]


def check_same(out: Path, study: Study, lines: Sequence[Line], current: str | None) -> None:
    """Refuse to mix results: what was run cannot change, but variants, seeds, budgets and claims may be added.

    Arguments:
        lines: the results that are kept.
        current: commit of this checkout; None outside one, where nothing can be said of the code.
    """
    if not lines:
        return
    names = {line["variant"] for line in lines}
    before = parse(Study, read_json(out / STUDY), str(out / STUDY))
    timed = before.clock is not None
    if different := differences(_conditions(before, names, timed), _conditions(study, names, timed)):
        raise ConfigError(
            f"{out} holds results of this study with other settings",
            got=", ".join(f"{key}={now}" for key, (_, now) in different.items()),
            expected=", ".join(f"{key}={old}" for key, (old, _) in different.items()),
            fix="Choose another --out, or move the folder away; nothing was changed.",
        )
    if others := {str(line.get("git")) for line in lines if line.get("git") != current}:
        raise ConfigError(
            f"{out} holds results of this study from another version of the code",
            got=str(current),
            expected=", ".join(sorted(others)),
            fix="Check that commit out to go on, or choose another --out to run all of it anew; nothing was changed.",
        )


def _conditions(study: Study, names: set[str], timed: bool) -> Line:
    variants = {
        v.name: v.model_dump(exclude={"name", "label", "line", "at"}) for v in study.variants if v.name in names
    }
    shared = {"problem", "preset", "parameters", "settings", "seeded"} | ({"clock"} if timed else set())
    return {**study.model_dump(include=shared), **variants}


def check_data(study: Study, line: Line, lines: Sequence[Line]) -> None:
    """Refuse the result of a run on other data than those of the results before it that were asked for the same."""
    asked = {variant.name: study.data_of(variant) for variant in study.variants}
    ours = asked[line["variant"]]
    if ours is None or line.get("status") == BROKEN:
        return
    for other in lines:
        alike = asked.get(other["variant"]) == ours and other.get("status") != BROKEN
        if alike and other["dataset"] != line["dataset"]:
            raise DataError(
                f"the data of variant {line['variant']!r} are not those that results of this study were made on",
                got=f"data {line['dataset']} at seed {line['seed']}",
                expected=f"data {other['dataset']}, as variant {other['variant']!r} at seed {other['seed']}",
                fix="Choose another --out to run all of it on the new data; the results so far are as they were.",
            )


def mended(study: Study, lines: Sequence[Line]) -> list[Line]:
    """The lines of runs that broke down with settings that their variants have no more: they are run again."""
    variants = {variant.name: variant for variant in study.variants}
    return [
        line
        for line in lines
        if line.get("status") == BROKEN
        and "conditions" in line
        and (line["variant"] not in variants or line["conditions"] != conditions_of(study, variants[line["variant"]]))
    ]
