"""``study`` and ``report``: many runs, and pages of what was run."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

from sciml.core import registry
from sciml.core.errors import DataError
from sciml.core.progress import Progress, interactive_progress
from sciml.report import write_index, write_run, write_study
from sciml.study import RECORD, run_study


class StudyPage(NamedTuple):
    """A finished study.

    Fields:
        folder: with ``study.json`` and ``results.jsonl``.
        page: its HTML page.
    """

    folder: Path
    page: Path


def study(
    file: str | Path,
    *,
    out: str | Path = "reports",
    runs: str | Path | None = None,
    preset: str | None = None,
    problem: str | Path | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    draft: bool = False,
    progress: Progress | None = None,
) -> StudyPage:
    """Run many variants over seeds and write one page; a stopped study goes on where it was.

    Arguments:
        file: the study (TOML).
        out: folder under which the study's folder is made; its index is written too.
        runs: where run folders go; None for the study's folder.
        preset: another one than the file's.
        problem: the folder of the problem, if that is not registered.
        workers: runs at a time, one thread each.
        executor: of `concurrent.futures`, instead of local processes; Dask's ``Client.get_executor()`` for a cluster.
        draft: whether to run it in a checkout with local changes, which nobody can trace.
        progress: where to report.

    Returns and errors are those of `sciml.study.run_study`, with the page.
    """
    file, out = Path(file), Path(out)
    folder = run_study(
        file,
        out=out / file.stem,
        runs=None if runs is None else Path(runs),
        preset=preset,
        problem=None if problem is None else str(problem),
        workers=workers,
        executor=executor,
        draft=draft,
        progress=progress or interactive_progress(),
    )
    page = write_study(folder)
    write_index(out)
    return StudyPage(folder, page)


def report(folder: str | Path = ".", *, problem: str | Path | None = None) -> Path:
    """Write the page of a run or a study again from its files, or the index of a folder of them.

    Arguments:
        folder: a run folder, a study folder, or one that holds such folders.
        problem: the folder of a run's problem, if that is not registered.

    Returns: the page.

    Raises: DataError if there is no such folder, or its files are not in order.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", fix="Give a run folder, a study folder, or one above them.")
    if (folder / RECORD).is_file():
        return write_run(folder, problem=registry.find_problem(problem) if problem else None)
    if (folder / "study.json").is_file():
        return write_study(folder)
    return write_index(folder)
