"""The verbs of the command line as functions."""

from collections.abc import Sequence
from pathlib import Path

import xarray

from sciml import DEFAULT_PROBLEM
from sciml.core import registry
from sciml.core.progress import Progress
from sciml.report import write_run
from sciml.study import Examined, Exported, Run, evaluate_run, export_run, predict_run
from sciml.study import run as _run

__all__ = ["evaluate", "export", "predict", "run"]


def run(
    problem: str | Path = DEFAULT_PROBLEM,
    *,
    solver: str | None = None,
    preset: str = "tiny",
    seed: int = 0,
    settings: Sequence[str] = (),
    parameters: int | None = None,
    out: str | Path = "runs",
    resume: bool = False,
    device: str = "auto",
    threads: int = 1,
    workers: int = 1,
    progress: Progress | None = None,
) -> Run | None:
    """Solve a problem from nothing to a page: `sciml.study.run`, then ``report.html`` in the run folder.

    Arguments, returns and errors are those of `sciml.study.run`.
    """
    finished = _run(
        problem,
        solver=solver,
        preset=preset,
        seed=seed,
        settings=settings,
        parameters=parameters,
        out=out,
        resume=resume,
        device=device,
        threads=threads,
        workers=workers,
        progress=progress,
    )
    if finished is not None:
        write_run(finished.folder, problem=registry.problem(problem))
    return finished


def evaluate(folder: str | Path, *, problem: str | Path | None = None) -> Examined:
    """Examine a finished run again: `sciml.study.evaluate_run`."""
    return evaluate_run(folder, problem=problem)


def predict(
    folder: str | Path, inputs: str | Path, *, steps: int | None = None, problem: str | Path | None = None
) -> xarray.Dataset:
    """Apply a finished run to a user's file: `sciml.study.predict_run`."""
    return predict_run(folder, inputs, steps=steps, problem=problem)


def export(
    folder: str | Path, formats: Sequence[str] = ("torch", "onnx"), *, problem: str | Path | None = None
) -> list[Exported]:
    """Write a finished run as standalone programs: `sciml.study.export_run`."""
    return export_run(folder, formats, problem=problem)
