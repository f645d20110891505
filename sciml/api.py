"""The verbs of the command line as functions."""

from collections.abc import Sequence
from pathlib import Path

import xarray

from sciml import DEFAULT_PROBLEM
from sciml.core import registry
from sciml.core.errors import UserError
from sciml.core.progress import Progress
from sciml.report import write_discovery, write_run
from sciml.study import Discovery, Examined, Exported, Run, evaluate_run, export_run, predict_run, run_discovery
from sciml.study import run as _run

__all__ = ["discover", "evaluate", "export", "predict", "run"]


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


def discover(
    problem: str | Path | None = None,
    *,
    data: str | Path | None = None,
    known: str = "",
    values: Sequence[str] = (),
    solver: str = "upinn",
    engine: str = "operon",
    members: int | None = None,
    preset: str = "tiny",
    seed: int = 0,
    settings: Sequence[str] = (),
    anyway: bool = False,
    compare: bool = True,
    out: str | Path = "runs",
    progress: Progress | None = None,
) -> Discovery:
    """Find the hidden part of an equation: `sciml.study.run_discovery`, then ``report.html`` in its folder.

    Arguments:
        problem: a registered problem with a hidden term, or the path of a problem folder.
        data, known, values: instead of it, a CSV file, the known part of its equations as text, and values of scalars
            in that (``a=1.3``).

    Other arguments, returns and errors are those of `sciml.study.run_discovery`.
    """
    if (problem is None) == (data is None):
        raise UserError(
            "discovery needs either a problem or a table of data",
            got="both" if problem else "neither",
            fix='For example `sciml discover NAME`, or `sciml discover --data my.csv --known "x\' = a*x"`.',
        )
    if data is None:
        assert problem is not None
        if known or values:
            raise UserError("the known part of a registered problem is its own", fix="Leave out --known and --value.")
        subject = registry.problem(problem)
    else:
        from sciml.solvers.discovery import parse_values, read_table

        subject = read_table(Path(data), known, parse_values(values))
    finished = run_discovery(
        subject,
        solver=solver,
        engine=engine,
        members=members,
        preset=preset,
        seed=seed,
        settings=tuple(settings),
        anyway=anyway,
        compare=compare,
        out=Path(out),
        progress=progress,
    )
    write_discovery(finished.folder)
    return finished


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
) -> xarray.Dataset:
    """Apply a finished run to a user's file: `sciml.study.predict_run`."""
    return predict_run(folder, inputs, steps=steps, problem=problem, extrapolate=extrapolate)


def export(
    folder: str | Path, formats: Sequence[str] = ("torch", "onnx"), *, problem: str | Path | None = None
) -> list[Exported]:
    """Write a finished run as standalone programs: `sciml.study.export_run`."""
    return export_run(folder, formats, problem=problem)
