"""The page that lists every run and study below a folder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.text import counted
from sciml.report._claims import claims_of
from sciml.report._headline import usual_metrics
from sciml.report._page import write_page
from sciml.report._run import competitor, read_object
from sciml.report._tables import format_metric
from sciml.study import RECORD, Record, Study

PAGE = "index.html"


@dataclass(frozen=True)
class Entry:
    """One line of the index.

    Arguments:
        href: the page, relative to the index.
        name: the folder.
        words: what it is.
        details: numbers, or the reason why it cannot be read.
    """

    href: str
    name: str
    words: str
    details: str


def write_index(folder: Path) -> Path:
    """Write ``index.html`` into `folder`: links to the page of every study and run below it that has one.

    A folder that cannot be read is listed with the reason.
    """
    pages = sorted(folder.rglob("report.html"))
    studies = [_study(folder, page) for page in pages if (page.parent / "study.json").is_file()]
    runs = [_run(folder, page) for page in pages if (page.parent / RECORD).is_file()]
    claims = claims_of(folder)
    counts = {sign: sum(row.sign == sign for row in claims) for sign in ("holds", "does not hold", "undecided")}
    sizes = [f"{len(studies)} {'study' if len(studies) == 1 else 'studies'}"] if studies else []
    sizes += [counted(len(runs), "runs")] if runs else []
    values = {"title": "Reports", "studies": studies, "runs": runs, "claims": claims, "counts": counts,
              "size": " and ".join(sizes)}  # fmt: skip
    return write_page(folder / PAGE, "index.html.j2", values)


def _study(root: Path, page: Path) -> Entry:
    path = page.parent / "study.json"
    try:
        study = parse(Study, read_object(path), str(path))
    except UserError as error:
        return _entry(root, page, "a study that cannot be read", str(error))
    size = f"{counted(len(study.variants), 'variants')}, {counted(len(study.seeds), 'seeds')}"
    details = f"{', '.join(study.problems)}, {study.preset}: {size}"
    return _entry(root, page, study.title, details)


def _run(root: Path, page: Path) -> Entry:
    try:
        record = Record.read(page.parent)
    except UserError as error:
        return _entry(root, page, "a run that cannot be read", str(error))
    values = competitor(record.solver, record).metrics
    numbers = [
        f"{metric.label} {format_metric(values[metric.key], metric)}"
        for metric in usual_metrics(record.task, values)
        if not math.isnan(values[metric.key])
    ]
    concluded = () if record.conclusion is None else record.conclusion.words
    details = " · ".join([f"{record.preset}, seed {record.seed}", record.status, *numbers, *concluded])
    made_by = ", ".join(step.tool for step in record.lineage if step.tool) or record.tool
    tools = f", after {made_by}" if made_by else ""
    return _entry(root, page, f"{record.title} on {record.problem.replace('_', ' ')}{tools}", details)


def _entry(root: Path, page: Path, words: str, details: str) -> Entry:
    relative = page.relative_to(root)
    return Entry(quote(relative.as_posix()), relative.parent.as_posix(), words, details)
