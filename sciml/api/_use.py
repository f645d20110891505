"""``evaluate``, ``predict``, ``export``, ``tool``: what is done with a finished run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray

from sciml.core import registry
from sciml.core.errors import DataError, UserError
from sciml.core.progress import Progress, interactive_progress
from sciml.data import netcdf_bytes
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
    inputs: str | Path | xarray.Dataset | Any,  # Any: a data frame of pandas, which is an extra
    *,
    steps: int | None = None,
    problem: str | Path | None = None,
    extrapolate: bool = False,
    resample: bool = False,
) -> xarray.Dataset:
    """Apply a finished run to inputs of one's own: `sciml.study.predict_run`.

    Arguments:
        inputs: a file, or what would be in it: an xarray dataset as `example` gives one, or a data frame with the
            columns of a table.

    Other arguments, returns and errors are those of `sciml.study.predict_run`.
    """
    with _as_file(inputs) as path:
        return predict_run(folder, path, steps=steps, problem=problem, extrapolate=extrapolate, resample=resample)


@contextmanager
def _as_file(inputs: object) -> Iterator[Path]:
    """The file of inputs, or a temporary one of inputs in memory, which no error names.

    There is one way to read inputs, that of files, so that what is in memory is checked as strictly.
    """
    if isinstance(inputs, str | Path):
        yield Path(inputs)
        return
    is_frame = hasattr(inputs, "to_csv") and hasattr(inputs, "columns")
    if not is_frame and not isinstance(inputs, xarray.Dataset):
        raise UserError("inputs of a prediction are a file, an xarray dataset or a data frame",
                        got=type(inputs).__name__, fix="sciml.example(RUN) gives such a dataset.")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("inputs.csv" if is_frame else "inputs.nc")
        if isinstance(inputs, xarray.Dataset):
            path.write_bytes(netcdf_bytes(inputs))
        else:
            path.write_text(inputs.to_csv(index=False), encoding="utf-8")  # pyright: ignore[reportAttributeAccessIssue]
        try:
            yield path
        except UserError as error:
            for name in ("what", "got", "expected", "fix"):
                if isinstance(words := getattr(error, name), str):
                    setattr(error, name, words.replace(str(path), "the data frame" if is_frame else "the dataset"))
            raise


def example(folder: str | Path, *, table: bool = False) -> xarray.Dataset:
    """Inputs of one test sample of a run, to be filled with one's own: `sciml.study.example_inputs`."""
    return example_inputs(folder, table=table)


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
