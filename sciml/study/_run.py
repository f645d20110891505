"""One run: data, solver, baselines, examination, files."""

import contextlib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import xarray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sciml.core import paths, registry
from sciml.core.config import Config, differences, override, parse, read_json
from sciml.core.errors import ConfigError, DataError, UnsupportedError, UserError
from sciml.core.problem import Problem
from sciml.core.progress import Progress, SilentProgress
from sciml.study._fit import Fitted, fit, resized, spec_of
from sciml.study._provenance import commit, hardware, versions
from sciml.study._record import RECORD, DatasetEntry, PredictEntry, Record, SolverEntry, TrainEntry, finite
from sciml.train import Examination, Recipe, Solver, Task, count_parameters, load_weights, process_group, save_weights

CONFIG, PREDICTIONS, WEIGHTS = "config.json", "predictions.h5", "model.safetensors"


class RunConfig(Config):
    """``config.json``: what was asked, enough to ask it again."""

    problem: str
    problem_path: str | None
    """Folder of a problem that is not registered; None for a registered one."""
    solver: str
    preset: str
    seed: int
    recipe: dict[str, Any]
    dataset: str
    """Hash of the data."""


@dataclass(frozen=True)
class Run:
    """A finished run on disk.

    Arguments:
        folder: where its files are.
        record: what it did.
    """

    folder: Path
    record: Record

    @property
    def metrics(self) -> dict[str, float | None]:
        """The solver's metrics on the test split."""
        return self.record.metrics["test"]


class Loaded(NamedTuple):
    """A finished run brought back into memory."""

    config: RunConfig
    problem: Problem
    solver: Solver
    task: Task
    module: nn.Module


def run(
    problem: str | Path,
    *,
    solver: str = "sinenet",
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
    """Make the data, train the solver and its baselines, examine them, write the run folder.

    Arguments:
        problem: registered name or the path of a problem folder.
        solver, preset, seed: registry key, size, seed of everything random but the data (the card has its own).
        settings: ``key=value`` changes to the recipe (``train.steps=100``, ``model.waves=4``).
        parameters: re-size the solver to this parameter count; None keeps the recipe's size.
        out: folder under which ``<problem>/<solver>-<preset>-s<seed>`` is made.
        resume: go on with the newest run of this name: continue it if it is unfinished, return it if it is finished,
            start it if there is none; so a scheduler can repeat one command.
        device: ``auto`` (CUDA if there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        threads: torch threads of this process while it runs; one is reproducible bit for bit, and on a shared machine
            often the fastest for small networks.
        workers: processes that generate data.
        progress: where to report.

    Returns: the finished run; None on the processes of a ``torchrun`` that do not lead.

    Raises: UserError for what the user can mend, NumericsError and Interrupted as `Trainer.fit`.
    """
    progress = progress or SilentProgress()
    subject, method = registry.problem(problem), registry.solver(solver)
    support = method.supports(subject)
    if not support.ok:
        raise UnsupportedError(f"solver {solver!r} does not apply to problem {subject.name!r}: {support.reason}")
    recipe = override(method.recipe(preset), list(settings))
    paths.check_name(preset, "preset")
    _check_baselines(method, recipe)
    where = _device(device)
    with _threads(threads), process_group(where) as group:
        task = method.task.prepare(subject, preset, recipe.task, progress=progress, workers=workers)
        if parameters is not None:
            recipe = resized(method, recipe, task, parameters)
        rivals, left_out = _rivals(method, recipe, task, preset)
        folder = group.share_path(lambda: _folder(Path(out) / subject.name, f"{solver}-{preset}-s{seed}", resume))
        config = RunConfig(
            problem=subject.name,
            problem_path=_unregistered(subject),
            solver=solver,
            preset=preset,
            seed=seed,
            recipe=recipe.model_dump(mode="json"),
            dataset=str(task.dataset["hash"]),
        )
        if (folder / CONFIG).exists():
            _check_same(folder, config)
        if (folder / RECORD).exists():
            return Run(folder, Record.read(folder)) if group.leads else None
        if group.leads:
            paths.write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
        shared: dict[str, Any] = {
            "seed": seed,
            "identity": config.model_dump(mode="json"),
            "resume": resume,
            "device": where,
            "progress": progress if group.leads else SilentProgress(),
        }
        for key, reason in left_out.items():
            progress.log(f"baseline {key} is left out: {reason}")
        contestants = [fit(method, recipe, task, folder=folder, **shared)]
        for rival, own in rivals:
            home = folder / "baselines" / rival.key
            if group.leads:
                paths.make_folder(home)
            group.wait()
            contestants.append(fit(rival, own, task, folder=home, **shared))
        if not group.leads:
            return None
        progress.log("examine on the test split")
        results = [(entry, task.examine(entry.solver, entry.module)) for entry in contestants]
        record = _record(config, task, results, left_out, where)
    _write_predictions(folder, task, results)
    save_weights(contestants[0].module, folder / WEIGHTS)
    record.write(folder)
    return Run(folder, record)


def load_run(folder: str | Path, progress: Progress | None = None) -> Loaded:
    """Rebuild the solver of a finished run with its weights and its data.

    Raises: DataError for a folder that is not a run; CheckpointError for weights that do not fit.
    """
    folder = Path(folder)
    config = read_config(folder)
    problem = registry.problem(Path(config.problem_path) if config.problem_path else config.problem)
    solver = registry.solver(config.solver)
    recipe = parse(type(solver.recipe(config.preset)), config.recipe, str(folder / CONFIG))
    task = solver.task.prepare(problem, config.preset, recipe.task, progress=progress)
    if task.dataset["hash"] != config.dataset:
        raise DataError(
            f"the data of {folder} has changed since it ran",
            got=task.dataset["hash"],
            expected=config.dataset,
            fix="Run it again, or bring back the card and problem it was made with.",
        )
    module = solver.build(problem, spec_of(recipe, task))
    load_weights(module, folder / WEIGHTS)
    return Loaded(config, problem, solver, task, module.eval())


def read_config(folder: Path) -> RunConfig:
    """The ``config.json`` of a run folder; raises DataError if there is none."""
    path = folder / CONFIG
    try:
        return parse(RunConfig, read_json(path), str(path))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{folder} is not a run folder: it has no {CONFIG}", fix="`sciml run` makes one; give the path it printed."
        ) from None


def _check_baselines(solver: Solver, recipe: Recipe) -> None:
    """Refuse baselines that do not exist, twice the same and the solver itself, before any work is done."""
    for key in recipe.baselines:
        registry.solver(key)
    if solver.key in recipe.baselines or len(set(recipe.baselines)) < len(recipe.baselines):
        raise ConfigError(
            "a solver is compared with other solvers, each once",
            got=f"baselines {', '.join(recipe.baselines)} for solver {solver.key!r}",
        )


def _rivals(
    solver: Solver, recipe: Recipe, task: Task, preset: str
) -> tuple[list[tuple[Solver, Recipe]], dict[str, str]]:
    """The baselines matched to the solver's size, and those that cannot be built on this data with the reason.

    Found out before anything is trained, so that no time is lost on a run that cannot end.
    """
    with torch.device("meta"):
        size = count_parameters(solver.build(task.problem, spec_of(recipe, task)))
    rivals, left_out = [], {}
    for key in recipe.baselines:
        rival = registry.solver(key)
        own = rival.recipe(preset).model_copy(update={"task": recipe.task})
        try:
            if not (support := rival.supports(task.problem)).ok:
                raise UnsupportedError(support.reason)
            own = resized(rival, own, task, size) if rival.knob and size else own
            with torch.device("meta"):
                rival.build(task.problem, spec_of(own, task))
            rivals.append((rival, own))
        except UserError as error:
            left_out[key] = str(error)
    return rivals, left_out


def _record(
    config: RunConfig,
    task: Task,
    results: list[tuple[Fitted, Examination]],
    left_out: dict[str, str],
    device: torch.device,
) -> Record:
    entries = {fitted.solver.key: _entry(fitted, examination, task) for fitted, examination in results}
    own = entries.pop(config.solver)
    return Record(
        **dict(own),
        problem=config.problem,
        solver=config.solver,
        preset=config.preset,
        seed=config.seed,
        status="diverged" if set(own.outcomes) - {"ok"} else "finished",
        dataset=DatasetEntry(**task.dataset),
        baselines=entries,
        left_out=left_out,
        versions=versions(),
        hardware=hardware(device),
        git=commit(),
    )


def _entry(fitted: Fitted, examination: Examination, task: Task) -> SolverEntry:
    result = fitted.result
    return SolverEntry(
        title=fitted.solver.title,
        model=fitted.recipe.model.model_dump(mode="json"),
        parameters=count_parameters(fitted.module),
        flops=_flops(fitted, task),
        train=TrainEntry(
            steps=result.steps if result else 0,
            seconds=fitted.seconds,
            best_step=result.best_step if result else None,
            best_validation=result.best if result and math.isfinite(result.best) else None,
        ),
        predict=PredictEntry(seconds=examination.seconds),
        metrics={"test": finite(dict(examination.metrics))},
        outcomes=dict(examination.status),
    )


def _flops(fitted: Fitted, task: Task) -> int:
    with FlopCounterMode(display=False) as counter:
        fitted.solver.predict(fitted.module.cpu(), task.sample())
    return counter.get_total_flops()


def _write_predictions(folder: Path, task: Task, results: list[tuple[Fitted, Examination]]) -> None:
    """``predictions.h5``: group ``truth``, and one group under ``solvers`` per contestant."""
    groups = {"/truth": task.truth()} | {f"/solvers/{f.solver.key}": e.arrays for f, e in results}
    content = xarray.DataTree.from_dict(groups).to_netcdf(engine="h5netcdf")  # in memory: HDF5 dies of a full disk
    with paths.atomic_write(folder / PREDICTIONS) as temporary:
        temporary.write_bytes(content)


def _folder(parent: Path, stem: str, resume: bool) -> Path:
    """A new numbered run folder, or with `resume` the newest one."""
    paths.make_folder(parent)
    numbered = re.compile(re.escape(stem) + r"(?:-(\d+))?")
    taken = [int(m[1] or 1) for f in parent.iterdir() if f.is_dir() and (m := numbered.fullmatch(f.name))]
    newest = max(taken, default=0)
    if resume and newest:
        return _numbered(parent, stem, newest)
    for number in itertools.count(newest + 1):  # another process may take the next number first
        folder = _numbered(parent, stem, number)
        with contextlib.suppress(FileExistsError), paths.storage_errors(folder):
            folder.mkdir()
            return folder
    raise AssertionError


def _numbered(parent: Path, stem: str, number: int) -> Path:
    return parent / (stem if number == 1 else f"{stem}-{number}")


def _check_same(folder: Path, config: RunConfig) -> None:
    if different := differences(read_config(folder).model_dump(), config.model_dump()):
        raise ConfigError(
            f"{folder} was started with other settings",
            got=", ".join(f"{key.removeprefix('recipe.')}={now}" for key, (_, now) in different.items()),
            expected=", ".join(f"{key.removeprefix('recipe.')}={before}" for key, (before, _) in different.items()),
            fix="Leave out --resume to start a new run beside it.",
        )


def _unregistered(problem: Problem) -> str | None:
    """The folder of a problem that a name alone would not find again."""
    folder = registry.folder_of(problem)
    return None if registry.problem_folders().get(problem.name) == folder else str(folder)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        if name.partition(":")[0] not in ("cpu", "cuda"):
            raise RuntimeError("it is of no kind that is supported")
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used here: {(str(error).splitlines() or ['no reason given'])[0]}",
            expected="auto, cpu, cuda or cuda:N",
        ) from None
