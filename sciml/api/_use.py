"""``evaluate``, ``predict``, ``export``, ``tool``: what is done with a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray

from sciml.core import registry
from sciml.core.progress import Progress, interactive_progress
from sciml.report import write_run
from sciml.study import Examined, Exported, Run, apply_tool, evaluate_run, example_inputs, export_run, predict_run


def evaluate(folder: str | Path, *, problem: str | Path | None = None) -> Examined:
    """Examine a finished run again: `sciml.study.evaluate_run`."""
    return evaluate_run(folder, problem=problem)


def predict(
    folder: str | Path,
    inputs: str | Path,
    *,
    steps: int | None = None,
    problem: str | Path | None = None,
    extrapolate: bool = False,
    resample: bool = False,
) -> xarray.Dataset:
    """Apply a finished run to a user's file: `sciml.study.predict_run`."""
    return predict_run(folder, inputs, steps=steps, problem=problem, extrapolate=extrapolate, resample=resample)


def example(folder: str | Path) -> xarray.Dataset:
    """Inputs of one test sample of a run, to be filled with one's own: `sciml.study.example_inputs`."""
    return example_inputs(folder)


def export(
    folder: str | Path, formats: Sequence[str] = ("torch", "onnx"), *, problem: str | Path | None = None
) -> list[Exported]:
    """Write a finished run as standalone programs: `sciml.study.export_run`."""
    return export_run(folder, formats, problem=problem)


def tool(
    name: str,
    folder: str | Path,
    *,
    settings: Sequence[str] = (),
    resume: bool = False,
    problem: str | Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Apply a tool to a finished run: `sciml.study.apply_tool`, then ``report.html`` in the child's folder.

    Arguments:
        name: key of the tool.
        folder: the run.
        settings: ``key=value`` changes to the tool's settings.
        resume: go on with the newest child of this name.
        problem: the folder of the run's problem, if that is not registered.
        progress: where to report.

    Returns and errors are those of `sciml.study.apply_tool`.
    """
    progress = progress or interactive_progress()
    child = apply_tool(name, folder, settings=settings, resume=resume, problem=problem, progress=progress)
    write_run(child.folder, problem=None if problem is None else registry.find_problem(problem))
    return child
