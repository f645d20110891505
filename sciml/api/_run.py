"""``run``, ``discover``, ``solve``: from a problem, a table or a statement to an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sciml import DEFAULT_PROBLEM
from sciml.api._data import OwnData, dataset
from sciml.core import registry
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.progress import Progress, interactive_progress
from sciml.core.recorded import Imported
from sciml.core.statement import Statement
from sciml.discovery import HiddenPrior, TableData, TableLayout, parse_values, read_table
from sciml.report import write_run
from sciml.study import Run, RunRequest, Solved, make_discovery_request, make_request, open_problem
from sciml.study import run as _run
from sciml.study import solve as _solve


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
        progress: where to report; None for bars in a notebook or at a prompt, and silence in a program.
        options: everything else of `sciml.study.RunRequest`: ``solver="fno"``, ``preset="small"``, ``seed=1``,
            ``settings=["train.steps=100"]``, …

    Returns and errors are those of `sciml.study.run`.
    """
    reporting = progress or interactive_progress()
    if data is not None:
        if problem is not None:
            raise UserError("a run is on a problem or on data of your own", got="both", fix="Leave out one of them.")
        problem = dataset(data, progress=reporting, **choices)
    elif choices:
        raise UserError("choices are about data of your own", got=", ".join(choices), fix="Give data=... too.")
    subject = DEFAULT_PROBLEM if problem is None else problem
    if isinstance(subject, Imported):
        subject = registry.folder_of(subject)
    return _run_to_page(make_request(subject, options), reporting)


def discover(
    problem: str | Path | None = None,
    *,
    data: str | Path | None = None,
    known: str = "",
    values: Sequence[str] = (),
    layout: TableLayout | None = None,
    prior: HiddenPrior | None = None,
    noise: str = "",
    engine: str = "",
    members: int | None = None,
    anyway: bool = False,
    compare: bool = True,
    fast: bool = False,
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
        engine: what looks for formulas: operon, sparse, auto (sparse, and operon where that does not do) or pysr;
            empty for operon, and auto where it must be fast.
        members: independent fits that must agree, for a solver that has them; None for the recipe's.
        anyway: look for formulas even where the data do not determine them.
        compare: whether the spline baseline is run too, with the same naming.
        fast: Gaussian processes measure the hidden term, nothing is trained; ``details["advice"]`` says whether a
            surrogate would pay.
        progress: where to report; None for bars in a notebook or at a prompt, and silence in a program.
        options: as for `run`; the solver is ``upinn`` unless another is named.

    Returns: the run. ``record.conclusion.words`` has the equations, ``record.conclusion.details`` the formulas with
        their intervals, the fronts, the identifiability and the trial.

    Raises: UserError for a table that is not in order, an engine that cannot run here, and as `sciml.study.run`.
    """
    reporting = progress or interactive_progress()
    if data is not None and problem is None:
        read = read_table(Path(data), known, parse_values(values), layout=layout, prior=prior, noise=noise)
        subject = read.source
        for note in subject.notes:
            reporting.log(f"{subject.title}: {note}")
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
    request = make_discovery_request(subject, options, engine=engine or ("auto" if fast else "operon"), anyway=anyway,
                                     members=members, compare=compare, fast=fast)  # fmt: skip
    return _run_to_page(request, reporting)


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
        progress: where to report; None for bars in a notebook or at a prompt, and silence in a program.
        options: everything else of `sciml.study.solve`: ``seed=1``, ``preset="small"``,
            ``settings=["train.steps=300"]``, ``reference=function``.

    Returns: the solution, a function of the coordinates, with unknown numbers, metrics and a verdict.

    Raises: UserError for an option that does not exist, and as `sciml.study.solve`.
    """
    if strange := sorted(set(options) - set(signature(_solve).parameters)):
        raise UnknownNameError("option", strange[0], set(signature(_solve).parameters))
    progress = progress or interactive_progress()
    return _solve(statement, observations=observations, sigma=sigma, progress=progress, **options)


def _run_to_page(request: RunRequest, progress: Progress) -> Run | None:
    finished = _run(request, progress=progress)
    if finished is not None:
        write_run(finished.folder, problem=open_problem(request.problem))
    return finished
