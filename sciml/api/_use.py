"""``evaluate``, ``predict``, ``export``, ``tool``: what is done with a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray

from sciml.core import registry
from sciml.core.errors import DataError
from sciml.core.progress import Progress, interactive_progress
from sciml.report import model_card, write_run
from sciml.study import (
    Examined,
    Exported,
    Record,
    Run,
    apply_tool,
    evaluate_run,
    example_inputs,
    export_run,
    is_packed,
    load_run,
    predict_run,
    write_pack,
)


def pack(folder: str | Path, out: str | Path | None = None, *, problem: str | Path | None = None) -> Path:
    """Write a finished run as one file with a model card, which every verb takes where it takes a run folder.

    Arguments:
        folder: the run.
        out: the file; None for ``NAME.zip`` beside the run folder.
        problem: the folder of the run's problem, if that is not registered.

    Returns: the file. It holds weights, ``config.json``, ``record.json``, ``about.json``, ``example.nc``, the page, and
        ``README.md``, the card.

    Raises: DataError for a folder that is not a finished run, or is a packed one.
    """
    if is_packed(folder):
        raise DataError(f"{folder} is a packed run already")
    loaded = load_run(folder, problem=problem)
    name, words = loaded.folder.resolve().name, loaded.about()
    needs_problem = loaded.config.problem_path is not None and loaded.config.recorded is None
    card = model_card(Record.read(loaded.folder), words, name, needs_problem=needs_problem)
    return write_pack(loaded.folder, loaded.folder.parent / f"{name}.zip" if out is None else Path(out), words, card)


def evaluate(folder: str | Path, *, problem: str | Path | None = None, metrics: Sequence[str] = ()) -> Examined:
    """Examine a finished run again: `sciml.study.evaluate_run`."""
    return evaluate_run(folder, problem=problem, metrics=metrics)


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
    others: Sequence[str | Path] = (),
    resume: bool = False,
    problem: str | Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Apply a tool to a finished run: `sciml.study.apply_tool`, then ``report.html`` in the child's folder.

    Arguments:
        name: key of the tool.
        folder: the run.
        settings: ``key=value`` changes to the tool's settings.
        others: further runs, for a tool that merges several.
        resume: go on with the newest child of this name.
        problem: the folder of the run's problem, if that is not registered.
        progress: where to report.

    Returns and errors are those of `sciml.study.apply_tool`.
    """
    progress = progress or interactive_progress()
    child = apply_tool(
        name, folder, settings=settings, others=others, resume=resume, problem=problem, progress=progress
    )
    write_run(child.folder, problem=None if problem is None else registry.find_problem(problem))
    return child
