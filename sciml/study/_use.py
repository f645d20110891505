"""Using a finished run: bring it back, examine it again, apply it to new inputs."""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xarray
from torch import nn

from sciml.core.config import parse
from sciml.core.errors import DataError, UnknownNameError, UserError
from sciml.core.guests import as_guest
from sciml.core.paths import shown
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.status import count, in_words
from sciml.data import load_netcdf, netcdf_bytes
from sciml.data.tables import TABLE_ENDINGS
from sciml.metrics import CONVENTIONS
from sciml.study._about import About, about, read_about
from sciml.study._folder import CONFIG, EXAMPLE, WEIGHTS, RunConfig, Step, read_config
from sciml.study._origin import origin
from sciml.study._pack import place_of
from sciml.study._problem import problem_of, recorded_problem
from sciml.study._record import RECORD, Metrics, Record, finite
from sciml.tasks import Parametrised, keep_sample_labels, out_of_range
from sciml.tools import Rewrite, find_tool
from sciml.train import AnyBench, AnyRecipe, AnySolver, AnyTask, Context, build_module, find_solver, load_weights


class Loaded(NamedTuple):
    """A finished run brought back into memory, without its data."""

    folder: Path
    config: RunConfig
    problem: Problem
    solver: AnySolver
    task: AnyTask
    recipe: AnyRecipe
    context: Context
    module: nn.Module

    def example(self) -> Any:  # Any: the inputs of its task
        """The shortest question about one test sample. Raises DataError if the run folder lost it."""
        inputs = self.task.read_inputs(self.folder / EXAMPLE, self.problem, self.context, None)
        shorter = self.task.shorten(inputs)
        return inputs if shorter is None else shorter[0]

    def about(self) -> About:
        """What its inputs and answers are, as its folder says or else as the problem does."""
        context = self.context
        return read_about(self.folder) or about(
            self.problem, self.solver, self.config.preset, self.config.dataset, context
        )

    def bench(self, progress: Progress | None = None) -> AnyBench:
        """Its data, made again if it is gone. Raises DataError if it is not the data the run has seen."""
        bench = self.task.prepare(self.problem, self.config.preset, self.recipe.task, progress=progress)
        if bench.dataset["hash"] != self.config.dataset:
            raise DataError(
                f"the data of {self.folder} has changed since it ran",
                got=bench.dataset["hash"],
                expected=self.config.dataset,
                fix="Run it again, or bring back the card and problem it was made with.",
            )
        return bench


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


@as_guest()
def load_run(folder: str | Path, *, problem: str | Path | None = None) -> Loaded:
    """Rebuild the solver of a finished run with its weights; no data is made or opened.

    Arguments:
        folder: the run; a packed one is opened into the cache folder.
        problem: the folder of its problem, needed if that is not registered: a path written in a run folder is not
            imported unasked, since the run may be somebody else's.

    Raises: DataError for a folder that is not a finished run; CheckpointError for weights that do not fit; UserError if
        the problem has to be named.
    """
    folder = place_of(folder).folder
    config = read_config(folder)
    if not (folder / RECORD).is_file():  # its weights would be those of a training on its way
        Record.read(folder)
    subject = _problem_of(config, folder, problem)
    solver = find_solver(config.solver)
    if not (support := solver.supports(subject)).ok:
        raise DataError(f"{folder} is a run of solver {solver.key!r} on {subject.name!r}, which it does not support",
                        got=support.reason)  # fmt: skip
    source = str(folder / CONFIG)
    recipe = parse(type(solver.recipe("tiny")), config.recipe, f"{source}, table recipe,", stored=True)
    context = parse(solver.task.context, config.context, f"{source}, table context,")
    module = build_module(solver, subject, recipe.model, context)
    solver.task.equip(module, context)
    for number, step in enumerate(config.lineage):
        module = _rebuild(module, step, f"{source}, step {number + 1} of the lineage,")
    load_weights(module, folder / WEIGHTS)
    return Loaded(folder, config, subject, solver, solver.task, recipe, context, module.eval())


@as_guest()
def evaluate_run(
    folder: str | Path,
    *,
    problem: str | Path | None = None,
    progress: Progress | None = None,
    metrics: Sequence[str] = (),
) -> Examined:
    """Examine a finished run's weights on its test data, which is made again if it is gone.

    Arguments:
        folder, problem: as for `load_run`.
        progress: where the making of data is shown.
        metrics: benchmarks whose own numbers are wanted too, ``pdebench`` or ``the_well``; they are called
            ``pdebench/rmse`` and so on.

    Raises: what `load_run` does; DataError for data that has changed; UnknownNameError for another benchmark;
        UnsupportedError where it has no such numbers.
    """
    for name in metrics:
        if name not in CONVENTIONS:
            raise UnknownNameError("convention of metrics", name, CONVENTIONS)
    files = place_of(folder).folder
    recorded = Record.read(files)
    loaded = load_run(files, problem=problem)
    bench = loaded.bench(progress)
    theirs = {name: bench.convention(name, loaded.solver, loaded.module) for name in metrics}
    examination = bench.examine(loaded.solver, loaded.module)
    numbers = dict(examination.metrics)
    numbers |= {f"{name}/{key}": value for name, values in theirs.items() for key, value in values.items()}
    return Examined(finite(numbers), recorded.metrics["test"], examination.seconds, dict(examination.status))


def predict_run(
    folder: str | Path,
    inputs: str | Path,
    *,
    steps: int | None = None,
    problem: str | Path | None = None,
    extrapolate: bool = False,
    resample: bool = False,
) -> xarray.Dataset:
    """Apply a finished run to a file of inputs; the run's own data is not needed.

    Arguments:
        folder: the run.
        inputs: a NetCDF file with the parameters and, of every field, what the task starts from: context frames, an
            initial state, observations. The run's ``example.nc`` is one.
        steps: how far to predict; None for what the file or the run's own test trajectories say.
        problem: as for `load_run`.
        extrapolate: whether parameters may lie outside of their ranges; if they do, a warning says so, and so does the
            attribute ``extrapolated`` of the answer.
        resample: whether fields on other points of the run's domain are interpolated to its own; the attribute
            ``resampled`` of the answer says so.

    Returns: named arrays with units, a status per sample, and where they are from: program, run, hashes of data and
        weights, time, citation and licence as attributes. What the solver does not read of the file, such as the
        parameters before a persistence forecast, is named in the attribute ``ignored``.

    Raises: DataError for inputs that do not fit the problem; UserError for a parameter outside of its range.
    """
    with as_guest():
        loaded = load_run(folder, problem=problem)
        question = _read_question(loaded, Path(inputs), steps, resample)
        outside = out_of_range(loaded.problem, question) if isinstance(question, Parametrised) else []
        outside += loaded.task.unseen(question, loaded.problem, loaded.context)
        if outside and not extrapolate:
            raise outside[0]
        prediction = loaded.solver.predict(loaded.module, question)
        prediction = loaded.task.complete(loaded.solver, loaded.module, question, prediction, loaded.problem)
        answer = loaded.task.describe(question, prediction, loaded.problem, loaded.context)
        answer = keep_sample_labels(Path(inputs), answer)
    answer.attrs |= origin(loaded.about(), loaded.folder, "predict")
    if "status" in answer and (failures := in_words(count(answer["status"].values.tolist()))):
        warnings.warn(failures, stacklevel=2)
        answer.attrs["failures"] = failures
    if ignored := _ignored(loaded, Path(inputs)):
        answer.attrs["ignored"] = ignored
    if outside:
        words = "; ".join(f"{error.what}: {error.got}, range {error.expected}" for error in outside)
        warnings.warn(f"{words}; nothing says how wrong the prediction is there", stacklevel=2)
        answer.attrs["extrapolated"] = words
    if resample:
        answer.attrs["resampled"] = "inputs were interpolated linearly to the points of the run"
    return answer


def example_inputs(folder: str | Path, *, table: bool = False) -> xarray.Dataset:
    """Inputs of one test sample of a run: what a file for `predict_run` looks like.

    Arguments:
        folder: the run.
        table: arrange them as the columns of a table.

    Raises: DataError for a folder that is not a run, or lost its example.
    """
    folder = place_of(folder).folder
    config = read_config(folder)
    try:
        content = load_netcdf(folder / EXAMPLE)
    except FileNotFoundError:
        raise DataError(f"{folder} has no {EXAMPLE}", fix="Run it again.") from None
    return find_solver(config.solver).task.as_rows(content) if table else content


def _read_question(loaded: Loaded, path: Path, steps: int | None, resample: bool) -> Any:  # Any: inputs of its task
    """What a file asks, with its fields interpolated to the points of the run if that is wanted."""
    task, problem, context = loaded.task, loaded.problem, loaded.context
    if not resample:
        return task.read_inputs(path, problem, context, steps)
    try:
        source = load_netcdf(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"there is no file {shown(path)}") from None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(netcdf_bytes(task.resample(source, context, str(path))))
        return task.read_inputs(copy, problem, context, steps)


def _ignored(loaded: Loaded, path: Path) -> str:
    """Which variables of a file no prediction depends on, with the reasons, in words."""
    reasons = loaded.solver.unread_variables(loaded.problem)
    if reasons and path.suffix.lower() not in TABLE_ENDINGS:
        with xarray.open_dataset(path, engine="h5netcdf", decode_times=False) as opened:
            reasons = {name: reason for name, reason in reasons.items() if name in opened.variables}
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        by_reason.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)} not read: {reason}" for reason, names in by_reason.items())


def _rebuild(module: nn.Module, step: Step, source: str) -> nn.Module:
    """The structure a tool left, from its plan; a tool that changed no structure changes nothing here."""
    try:
        tool = find_tool(step.tool)
    except UnknownNameError as error:
        raise DataError(
            f"{source} was taken by a tool that is not installed here",
            got=repr(step.tool),
            expected=error.expected,
            fix="Install the package that brings the tool.",
        ) from None
    if not isinstance(tool, Rewrite):
        return module
    plan = parse(tool.plan_type, step.plan, source)
    try:
        return tool.apply(module, plan)
    except (UserError, LookupError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{source} is a plan for another module",
            got=str(error).rstrip("."),
            fix="The file was changed or mixed with another run's; apply the tool again.",
        ) from error


def _problem_of(config: RunConfig, folder: Path, named: str | Path | None) -> Problem:
    """The problem of a run: its own table or imported data, the folder its user names, else the registered problem."""
    if config.table is not None:
        if named is not None:
            raise UserError(f"{folder} is a run on a table of its own", got=f"problem {named}",
                            fix="Leave out the problem.")  # fmt: skip
        return config.table.problem()
    if config.recorded is not None and named is None:
        return recorded_problem(config.recorded)
    if named is None and config.problem_path is not None:
        raise UserError(
            f"the problem {config.problem!r} of {folder} is not a registered one",
            fix=f"Name its folder if you trust it, with --problem {config.problem_path} (problem=… in Python).",
        )
    return problem_of(config.problem, folder, named)
