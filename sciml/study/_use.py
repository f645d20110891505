"""Using a finished run: bring it back, examine it again, apply it to new inputs."""

import warnings
from pathlib import Path
from typing import NamedTuple

import xarray
from torch import nn

from sciml.core import registry
from sciml.core.config import parse
from sciml.core.errors import DataError, UserError
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.study._fit import spec_of
from sciml.study._folder import CONFIG, WEIGHTS, RunConfig, read_config
from sciml.study._record import Metrics, Record, finite
from sciml.tasks import Parametrised, out_of_range
from sciml.train import Solver, Task, load_weights


class Loaded(NamedTuple):
    """A finished run brought back into memory."""

    config: RunConfig
    problem: Problem
    solver: Solver
    task: Task
    module: nn.Module


class Examined(NamedTuple):
    """A run examined again.

    Fields:
        metrics: what the test split gives now.
        recorded: what ``record.json`` says.
        seconds: median wall time of one step of one sample.
        outcomes: samples by how they ended.
    """

    metrics: Metrics
    recorded: Metrics
    seconds: float
    outcomes: dict[str, int]


def load_run(folder: str | Path, *, problem: str | Path | None = None, progress: Progress | None = None) -> Loaded:
    """Rebuild the solver of a finished run with its weights and its data.

    Arguments:
        folder: the run.
        problem: the folder of its problem, needed if that is not registered: a path written in a run folder is not
            imported unasked, since the run may be somebody else's.
        progress: where generating lost data reports.

    Raises: DataError for a folder that is not a run; CheckpointError for weights that do not fit; UserError if the
        problem has to be named.
    """
    folder = Path(folder)
    config = read_config(folder)
    subject = _problem_of(config, folder, problem)
    solver = registry.solver(config.solver)
    recipe = parse(type(solver.recipe(config.preset)), config.recipe, str(folder / CONFIG))
    task = solver.task.prepare(subject, config.preset, recipe.task, progress=progress)
    if task.dataset["hash"] != config.dataset:
        raise DataError(
            f"the data of {folder} has changed since it ran",
            got=task.dataset["hash"],
            expected=config.dataset,
            fix="Run it again, or bring back the card and problem it was made with.",
        )
    module = solver.build(subject, spec_of(recipe, task))
    load_weights(module, folder / WEIGHTS)
    return Loaded(config, subject, solver, task, module.eval())


def evaluate_run(
    folder: str | Path, *, problem: str | Path | None = None, progress: Progress | None = None
) -> Examined:
    """Examine a finished run's weights on its test data, which is made again if it is gone.

    Arguments and errors are those of `load_run`.
    """
    recorded = Record.read(Path(folder))
    loaded = load_run(folder, problem=problem, progress=progress)
    examination = loaded.task.examine(loaded.solver, loaded.module)
    return Examined(
        finite(dict(examination.metrics)), recorded.metrics["test"], examination.seconds, dict(examination.status)
    )


def predict_run(
    folder: str | Path,
    inputs: str | Path,
    *,
    steps: int | None = None,
    problem: str | Path | None = None,
    extrapolate: bool = False,
) -> xarray.Dataset:
    """Apply a finished run to a file of inputs.

    Arguments:
        folder: the run.
        inputs: a NetCDF file with the parameters and, of every field, what the task starts from: context frames, an
            initial state, observations.
        steps: how far to predict; None for what the file or the run's own test trajectories say.
        problem: as for `load_run`.
        extrapolate: whether parameters may lie outside of their ranges; if they do, a warning says so, and so does the
            attribute ``extrapolated`` of the answer.

    Returns: named arrays with units, and a status per sample.

    Raises: DataError for inputs that do not fit the problem; UserError for a parameter outside of its range.
    """
    loaded = load_run(folder, problem=problem)
    given = loaded.task.read_inputs(Path(inputs), steps)
    outside = out_of_range(loaded.problem, given) if isinstance(given, Parametrised) else []
    if outside and not extrapolate:
        raise outside[0]
    found = loaded.task.describe(given, loaded.solver.predict(loaded.module, given))
    if outside:
        told = "; ".join(f"{error.what}: {error.got}, range {error.expected}" for error in outside)
        warnings.warn(f"{told}; nothing says how wrong the prediction is there", stacklevel=2)
        found.attrs["extrapolated"] = told
    return found


def _problem_of(config: RunConfig, folder: Path, given: str | Path | None) -> Problem:
    if given is None and config.problem_path is not None:
        raise UserError(
            f"the problem {config.problem!r} of {folder} is not a registered one",
            fix=f"Name its folder if you trust it, with --problem {config.problem_path} (problem=… in Python).",
        )
    subject = registry.problem(config.problem if given is None else given)
    if subject.name != config.problem:
        raise UserError(f"{folder} is a run of another problem", got=subject.name, expected=config.problem)
    return subject
