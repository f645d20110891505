"""The verbs of the command line as functions."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import xarray

from sciml import DEFAULT_PROBLEM
from sciml.core import registry
from sciml.core.config import parse
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.progress import Progress, SilentProgress
from sciml.core.recorded import Imported
from sciml.core.statement import Statement
from sciml.data import AnyPlan, Arrays, ImportChoices, import_arrays, import_files
from sciml.discovery import HiddenPrior, TableData, TableLayout, parse_values, read_table
from sciml.report import write_run
from sciml.study import (
    Examined,
    Exported,
    Run,
    RunRequest,
    Solved,
    evaluate_run,
    example_inputs,
    export_run,
    make_discovery_request,
    make_request,
    open_problem,
    predict_run,
)
from sciml.study import apply_tool as _apply_tool
from sciml.study import run as _run
from sciml.study import solve as _solve

__all__ = ["dataset", "discover", "evaluate", "example", "export", "predict", "run", "solve", "tool"]

OwnData = str | Path | Sequence[str | Path] | tuple[np.ndarray | torch.Tensor, ...] | Arrays
"""Trajectories on a grid of one's own: files, or arrays in memory."""


def run(
    problem: str | Path | TableData | Imported | None = None,
    *,
    data: OwnData | None = None,
    choices: Mapping[str, Any] = MappingProxyType({}),  # Any: the fields of ImportChoices, which checks them
    progress: Progress | None = None,
    **options: Any,  # Any: the fields of RunRequest, which checks them
) -> Run | None:
    """Solve a problem from nothing to a page: `sciml.study.run`, then ``report.html`` in the run folder.

    Arguments:
        problem: a registered name, the path of a problem folder, imported data, or a table of one's own; shallow water
            if nothing is named.
        data: trajectories of one's own instead of a problem: they are imported first, as by `dataset`.
        choices: what is to be said of `data`, for example ``{"boundary": {"x": "periodic"}}``.
        progress: where to report.
        options: everything else of `sciml.study.RunRequest`: ``solver="fno"``, ``preset="small"``, ``seed=1``,
            ``settings=["train.steps=100"]``, …

    Returns and errors are those of `sciml.study.run`.
    """
    if data is not None:
        if problem is not None:
            raise UserError("a run is on a problem or on data of your own", got="both", fix="Leave out one of them.")
        problem = dataset(data, progress=progress, **choices)
    elif choices:
        raise UserError("choices are about data of your own", got=", ".join(choices), fix="Give data=... too.")
    subject = DEFAULT_PROBLEM if problem is None else problem
    if isinstance(subject, Imported):
        subject = registry.folder_of(subject)
    return _run_to_page(make_request(subject, options), progress)


def dataset(
    data: OwnData,
    *,
    out: str | Path | None = None,
    announce: Callable[[AnyPlan], None] | None = None,
    progress: Progress | None = None,
    **choices: Any,  # Any: the fields of ImportChoices, which checks them
) -> Imported:
    """Import trajectories on a grid of one's own; the result is taken by every verb like a problem.

    Arguments:
        data: one or several files or folders (PDEBench, The Well, PDEArena, NetCDF, Zarr, NumPy, MATLAB, PyTorch), an
            xarray dataset, a data frame with columns for sample, time and space, an array or tensor, or several by
            name, with coordinates as one-dimensional arrays ``t``, ``x``, ... Pairs of functions are arrays by name too
            (``branch``, ``trunk``, ``y``), or a tuple of them: functions, queries, values.
        out: where the folder is made; None for the cache folder, where it is known by its name.
        announce: called with what was recognised (``plan.words()``) before anything is written.
        progress: where to report, among others what was recognised.
        choices: overrides, see `sciml.data.ImportChoices`: ``name``, ``dims``, ``fields``, ``units``, ``rename``,
            ``dt``, ``boundary``, ``split``, ...

    Returns: the imported problem; its ``folder`` holds card and shards.

    Raises: UserError for data that cannot be read, or that could be understood in several ways.
    """
    told = parse(ImportChoices, choices, "this call")
    reporting = progress or SilentProgress()

    def tell(plan: AnyPlan) -> None:
        for line in plan.words():
            reporting.log(line)
        if announce is not None:
            announce(plan)

    place = None if out is None else Path(out)
    if isinstance(data, str | Path):
        imported = import_files([Path(data)], told, out=place, announce=tell, progress=reporting)
    elif isinstance(data, tuple) and (named := _named_pairs(data)):
        imported = import_arrays(named, told, out=place, announce=tell, progress=reporting)
    elif isinstance(data, Sequence):
        paths = [Path(path) for path in data if isinstance(path, str | Path)]
        if len(paths) < len(data):
            raise UserError("a sequence of data is one of files, or functions, queries and values as a tuple of arrays",
                            got=", ".join(type(part).__name__ for part in data))  # fmt: skip
        imported = import_files(paths, told, out=place, announce=tell, progress=reporting)
    else:
        imported = import_arrays(data, told, out=place, announce=tell, progress=reporting)
    if imported is None:
        raise AssertionError("only a dry import returns nothing")
    return imported


def _named_pairs(data: Sequence[object]) -> dict[str, np.ndarray | torch.Tensor]:
    """Functions, queries and values by name; nothing for what is not at least three arrays."""
    arrays = [part for part in data if isinstance(part, np.ndarray | torch.Tensor)]
    if len(arrays) < max(3, len(data)):
        return {}
    *functions, queries, values = arrays
    return {f"branch{i}": part for i, part in enumerate(functions)} | {"trunk": queries, "y": values}


def discover(
    problem: str | Path | None = None,
    *,
    data: str | Path | None = None,
    known: str = "",
    values: Sequence[str] = (),
    layout: TableLayout | None = None,
    prior: HiddenPrior | None = None,
    noise: str = "",
    engine: str = "operon",
    members: int | None = None,
    anyway: bool = False,
    compare: bool = True,
    progress: Progress | None = None,
    **options: Any,  # Any: the fields of RunRequest, which checks them
) -> Run | None:
    """Find the hidden part of an equation: a `run` that names the hidden term it measured.

    Arguments:
        problem: a registered problem with a hidden term, or the path of a problem folder.
        data, known, values: instead of it, a table (text, Excel, Parquet), the known part of its equations as text, and
            values of scalars in that (``a=1.3``).
        layout, prior, noise: of the table: what is not recognised in the file; inputs, complete equations and what the
            hidden part may be made of; standard deviations (``2%``, ``x=0.1, y=0.2``).
        engine: what looks for formulas: operon, sparse or pysr.
        members: independent fits that must agree, for a solver that has them; None for the recipe's.
        anyway: look for formulas even where the data do not determine them.
        compare: whether the spline baseline is run too, with the same naming.
        progress: where to report.
        options: as for `run`; the solver is ``upinn`` unless another is named.

    Returns: the run. ``record.conclusion.words`` has the equations, ``record.conclusion.details`` the formulas with
        their intervals, the fronts, the identifiability and the trial.

    Raises: UserError for a table that is not in order, an engine that cannot run here, and as `sciml.study.run`.
    """
    if data is not None and problem is None:
        read = read_table(Path(data), known, parse_values(values), layout=layout, prior=prior, noise=noise)
        subject = read.source
        if progress is not None:
            for note in subject.notes:
                progress.log(f"{subject.title}: {note}")
    elif problem is not None and data is None:
        if known or values:
            raise UserError("the known part of a registered problem is its own", fix="Leave out --known and --value.")
        if noise or layout not in (None, TableLayout()) or prior not in (None, HiddenPrior()):
            raise UserError("options of a table need a table", fix="Give --data; how formulas of a registered problem "
                            "are looked for is set with --set task.naming.search={operators=[...]}.")  # fmt: skip
        subject = problem
    else:
        raise UserError(
            "discovery needs either a problem or a table of data",
            got="both" if problem else "neither",
            fix='For example `sciml discover NAME`, or `sciml discover --data my.csv --known "x\' = a*x"`.',
        )
    request = make_discovery_request(subject, options, engine=engine, anyway=anyway, members=members, compare=compare)
    return _run_to_page(request, progress)


def solve(
    statement: Statement,
    *,
    observations: str | Path | Mapping[str, Any] | None = None,  # Any: whatever NumPy makes an array of
    sigma: float | None = None,
    progress: Progress | None = None,
    **options: Any,  # Any: the rest of sciml.study.solve, which checks it
) -> Solved:
    """Solve a differential equation from its statement, and find its unknown numbers: `sciml.study.solve`.

    Needs no folder and leaves none.

    Arguments:
        statement: the equation.
        observations: a file, a data frame, or arrays by name: all axes, the observed fields, and perhaps their standard
            deviations (``sigma_u``).
        sigma: standard deviation of the observations where they do not come with any.
        progress: where to report.
        options: everything else of `sciml.study.solve`: ``seed=1``, ``preset="small"``,
            ``settings=["train.steps=300"]``, ``reference=function``.

    Returns: the solution, a function of the coordinates, with unknown numbers, metrics and a verdict.

    Raises: UserError for an option that does not exist, and as `sciml.study.solve`.
    """
    if strange := sorted(set(options) - set(signature(_solve).parameters)):
        raise UnknownNameError("option", strange[0], set(signature(_solve).parameters))
    return _solve(statement, observations=observations, sigma=sigma, progress=progress, **options)


def _run_to_page(request: RunRequest, progress: Progress | None) -> Run | None:
    finished = _run(request, progress=progress)
    if finished is not None:
        write_run(finished.folder, problem=open_problem(request.problem))
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
    child = _apply_tool(name, folder, settings=settings, resume=resume, problem=problem, progress=progress)
    write_run(child.folder, problem=None if problem is None else registry.find_problem(problem))
    return child
