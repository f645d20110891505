"""What a run is asked for, as one object for the command line, Python and studies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic

from sciml.core import registry
from sciml.core.config import Config, parse
from sciml.core.errors import UnsupportedError, UserError
from sciml.core.problem import Problem
from sciml.discovery import TableData
from sciml.discovery import engine as find_engine
from sciml.train import find_solver, find_task, registered_solvers

_MEASURES, _BASELINE = "upinn", "spline_derivative"


class RunRequest(Config):
    """One run: what is solved by what, at which size, where it goes and what it may use of the machine."""

    problem: str | Path | TableData
    """A registered name, the path of a problem folder, or a table with the known part of its equations."""
    solver: str | None = None
    """Registry key; None for the one the problem names."""
    preset: str = "tiny"
    """Size of data and recipe."""
    seed: int = pydantic.Field(default=0, ge=0)
    """Of everything random but the data: the card has a seed of its own."""
    settings: tuple[str, ...] = ()
    """``key=value`` changes to the recipe (``train.steps=100``, ``model.waves=4``). Those of ``train``, but for the
    learning rate, apply to the trained baselines too."""
    conformal: float | None = pydantic.Field(default=None, gt=0, lt=1)
    """Share of the values that bands around predictions are to hold (split conformal prediction); None for no bands."""
    parameters: int | None = pydantic.Field(default=None, ge=1, le=1_000_000_000_000)
    """Re-size the solver to this parameter count; None keeps the recipe's size."""
    out: Path = Path("runs")
    """Folder under which ``<problem>/<solver>-<preset>-s<seed>`` is made."""
    resume: bool = False
    """Go on with the newest run of this name: continue it if it is unfinished, return it if it is finished, start it if
    there is none; so a scheduler can repeat one command."""
    start: Path | None = None
    """Folder of a finished run of the same solver and network whose weights the training begins with: continuation in a
    parameter, fine-tuning. Baselines begin as ever."""
    device: str = "auto"
    """``auto`` (CUDA if there is one), ``cpu``, ``cuda`` or ``cuda:N``."""
    threads: int = pydantic.Field(default=1, ge=1, le=256)
    """Torch threads of this process while it runs. One is reproducible bit for bit, and on a shared machine often the
    fastest for small networks."""
    workers: int = pydantic.Field(default=1, ge=0, le=1024)
    """Processes that generate data and train baselines beside the solver, this one included; 0 for as many as there are
    cores, where they pay. Their number changes no bit of the result."""


def make_request(problem: str | Path | TableData, options: dict[str, Any]) -> RunRequest:  # Any: checked here
    """A request from keyword arguments; ConfigError for one that does not exist (with the nearest) or is wrong."""
    return parse(RunRequest, {"problem": problem, **options}, "this call")


def make_discovery_request(
    problem: str | Path | TableData,
    options: dict[str, Any],  # Any: fields of RunRequest, checked there
    *,
    engine: str = "operon",
    anyway: bool = False,
    members: int | None = None,
    compare: bool = True,
    fast: bool = False,
) -> RunRequest:
    """A run that names the hidden term it measured.

    Arguments:
        problem: as for `RunRequest`.
        options: its other fields; their settings have the last word.
        engine: what looks for formulas.
        anyway: look for formulas even where the data do not determine them.
        members: independent fits of a solver that has them; None for the recipe's.
        compare: whether the spline baseline is run too, with the same naming.
        fast: Gaussian processes measure, and nothing is trained.

    Raises: UserError for a solver of another task, or an engine that does not exist.
    """
    if fast and options.get("solver") not in (None, "", _BASELINE):
        raise UserError("the fast way has a solver of its own", got=options["solver"], expected=_BASELINE,
                        fix="Leave out --solver, or --fast.")  # fmt: skip
    solver = find_solver(_BASELINE if fast else options.get("solver") or _MEASURES)
    task = find_task("discovery")
    if solver.task is not task:
        fitting = [key for key, entry in registered_solvers().items() if entry.task is task]
        raise UnsupportedError(f"solver {solver.key!r} does not look for hidden terms",
                               expected=f"one of: {', '.join(fitting)}")  # fmt: skip
    baselines = [_BASELINE] if compare and solver.key != _BASELINE else []
    settings = [
        f'task.naming.engine="{find_engine(engine).key}"',
        f"task.naming.anyway={str(anyway).lower()}",
        f"baselines={baselines}".replace("'", '"'),
        *([] if members is None else [f"model.members={members}"]),
        *(['model.smoother="gaussian"'] if fast else []),
    ]
    stated: Sequence[str] = options.get("settings", ())
    return make_request(problem, {**options, "solver": solver.key, "settings": (*settings, *stated)})


def open_problem(problem: str | Path | TableData) -> Problem:
    """The problem of a request. Raises UserError for one that does not exist or is not in order."""
    return problem.problem() if isinstance(problem, TableData) else registry.find_problem(problem)
