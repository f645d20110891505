"""One run: data, solver, baselines, examination, files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from sciml.core import paths, registry
from sciml.core.config import override
from sciml.core.errors import ConfigError, UnsupportedError, UserError
from sciml.core.problem import Problem
from sciml.core.progress import Progress, SilentProgress
from sciml.study._fit import fit, resized, spec_of
from sciml.study._folder import CONFIG, WEIGHTS, RunConfig, check_same, choose_folder, sole_writer
from sciml.study._record import RECORD, Record
from sciml.study._results import make_record, write_predictions
from sciml.train import Recipe, Solver, Task, count_parameters, process_group, save_weights


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


def run(
    problem: str | Path,
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
    """Make the data, train the solver and its baselines, examine them, write the run folder.

    Arguments:
        problem: registered name or the path of a problem folder.
        solver: registry key; None for the one the problem names.
        preset, seed: size, seed of everything random but the data (the card has its own).
        settings: ``key=value`` changes to the recipe (``train.steps=100``, ``model.waves=4``); those of ``train``, but
            for the learning rate, apply to the trained baselines too.
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
    subject = registry.problem(problem)
    method = registry.solver(solver or subject.solver)
    support = method.supports(subject)
    if not support.ok:
        fitting = [key for key, entry in registry.solvers().items() if entry.supports(subject).ok]
        raise UnsupportedError(
            f"solver {method.key!r} does not apply to problem {subject.name!r}: {support.reason}",
            expected=f"one of: {', '.join(fitting)}" if fitting else None,
        )
    recipe = override(method.recipe(preset), list(settings))
    paths.check_name(preset, "preset")
    _check_baselines(method, recipe)
    where = _device(device)
    with _threads(threads), process_group(where) as group:
        task = method.task.prepare(subject, preset, recipe.task, progress=progress, workers=workers)
        if parameters is not None:
            recipe = resized(method, recipe, task, parameters)
        rivals, left_out = _rivals(method, recipe, task, preset, settings)
        folder = group.share_path(
            lambda: choose_folder(Path(out) / subject.name, f"{method.key}-{preset}-s{seed}", resume)
        )
        config = RunConfig(
            problem=subject.name,
            problem_path=_unregistered(subject),
            solver=method.key,
            preset=preset,
            seed=seed,
            recipe=recipe.model_dump(mode="json"),
            dataset=str(task.dataset["hash"]),
        )
        if (folder / CONFIG).exists():
            check_same(folder, config)
        if (folder / RECORD).exists():
            return Run(folder, Record.read(folder)) if group.leads else None
        with sole_writer(folder) if group.leads else nullcontext():
            if group.leads:
                paths.write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
            for key, reason in left_out.items():
                progress.log(f"baseline {key} is left out: {reason}")
            contestants = []
            for entry, own in ((method, recipe), *rivals):
                home = folder if entry is method else folder / "baselines" / entry.key
                if group.leads:
                    paths.make_folder(home)
                group.wait()
                fitted = fit(
                    entry,
                    own,
                    task,
                    folder=home,
                    seed=seed,
                    identity=config.model_dump(mode="json"),
                    resume=resume,
                    device=where,
                    progress=progress if group.leads else SilentProgress(),
                )
                contestants.append(fitted)
            if not group.leads:
                return None
            progress.log("examine on the test split")
            results = [(fitted, task.examine(fitted.solver, fitted.module)) for fitted in contestants]
            record = make_record(config, task, results, left_out, where)
            write_predictions(folder, task, results)
            save_weights(contestants[0].module, folder / WEIGHTS)
            record.write(folder)
    return Run(folder, record)


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
    solver: Solver, recipe: Recipe, task: Task, preset: str, settings: Sequence[str]
) -> tuple[list[tuple[Solver, Recipe]], dict[str, str]]:
    """The baselines matched to the solver's size, and those that cannot be built on this data with the reason.

    They get the same task and the same training settings, so that budgets stay equal, but keep the learning rate that
    suits them. Found out before anything is trained, so that no time is lost on a run that cannot end.
    """
    shared = [s for s in settings if s.startswith("train.") and not s.startswith("train.learning_rate")]
    with torch.device("meta"):
        size = count_parameters(solver.build(task.problem, spec_of(recipe, task)))
    rivals, left_out = [], {}
    for key in recipe.baselines:
        rival = registry.solver(key)
        own = override(rival.recipe(preset), shared).model_copy(update={"task": recipe.task})
        try:
            if rival.task is not solver.task:
                raise UnsupportedError(f"it is a solver of the task {rival.task.key!r}, not {solver.task.key!r}")
            if not (support := rival.supports(task.problem)).ok:
                raise UnsupportedError(support.reason)
            own = resized(rival, own, task, size) if rival.knob and size else own
            with torch.device("meta"):
                rival.build(task.problem, spec_of(own, task))
            rivals.append((rival, own))
        except UserError as error:
            left_out[key] = str(error)
    return rivals, left_out


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


def _unregistered(problem: Problem) -> str | None:
    """The folder of a problem that a name alone would not find again."""
    folder = registry.folder_of(problem)
    return None if registry.problem_folders().get(problem.name) == folder else str(folder)
