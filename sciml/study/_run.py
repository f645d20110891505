"""One run: data, solver, baselines, examination, files."""

import shutil
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sciml.core import paths, registry
from sciml.core.config import override
from sciml.core.errors import ConfigError, UnsupportedError, UserError
from sciml.core.guests import as_guest
from sciml.core.memory import check_training_memory
from sciml.core.problem import Problem
from sciml.core.progress import Progress, SilentProgress
from sciml.core.recorded import Imported, has_code
from sciml.data import CONVENTIONS, netcdf_bytes
from sciml.discovery import TableData, TableProblem
from sciml.study._about import ABOUT, about
from sciml.study._begin import begin_from
from sciml.study._beside import trained_beside
from sciml.study._fit import fit, resized
from sciml.study._folder import CONFIG, EXAMPLE, WEIGHTS, RunConfig, check_same, choose_folder, sole_writer
from sciml.study._ignored import check_training, read_settings, refuse_ignored
from sciml.study._record import RECORD, Record
from sciml.study._request import RunRequest, open_problem
from sciml.study._results import make_record, write_predictions
from sciml.train import (
    AnyBench,
    AnyRecipe,
    AnySolver,
    build_module,
    count_parameters,
    find_solver,
    local_device,
    process_group,
    registered_solvers,
    save_weights,
    solver_for,
)

STEPS = "steps"
"""Folder of finished steps of what a task concludes, gone when the run is finished."""
_FLOAT = 4
"""Bytes of a parameter."""


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


def run(request: RunRequest, *, progress: Progress | None = None) -> Run | None:
    """Make the data, train the solver and its baselines, examine them, write the run folder.

    Returns: the finished run; None on the processes of a ``torchrun`` that do not lead.

    Raises: UserError for what the user can fix, such as a setting of ``train`` that the solver does not read;
        NumericsError and Interrupted as `Trainer.fit`.
    """
    progress = progress or SilentProgress()
    problem = open_problem(request.problem)
    solver = solver_for(request.solver or problem.solver, problem)
    support = solver.supports(problem)
    if not support.ok:
        fitting = [key for key, entry in registered_solvers().items() if entry.supports(problem).ok]
        raise UnsupportedError(
            f"solver {solver.key!r} does not apply to problem {problem.name!r}: {support.reason}",
            expected=f"one of: {', '.join(fitting)}" if fitting else None,
        )
    banded = () if request.conformal is None else solver.task.conformal(request.conformal)
    start = None if request.start is None else begin_from(request.start, solver, _unregistered(problem))
    recipe = override(solver.recipe(request.preset), [*banded, *request.settings])
    refuse_ignored(solver, recipe, request.settings, problem)
    paths.check_name(request.preset, "preset")
    _check_baselines(solver, recipe)
    paths.check_place(request.out / problem.name)
    if request.parameters is not None:
        check_training_memory(_FLOAT * request.parameters, f"a network of {request.parameters:,} parameters")
    device = local_device(_device(request.device))
    with as_guest(request.threads), process_group(device) as group:
        check_training(solver, recipe.train, group.size)
        solver.check_preset(problem, request.preset, recipe.model, recipe.task)
        bench = solver.task.prepare(problem, request.preset, recipe.task, progress=progress, workers=request.workers)
        if request.parameters is not None:
            recipe = resized(solver, recipe, bench, request.parameters)
        baselines, left_out = _baselines(solver, recipe, bench, request, group.size)
        folder = group.share_path(
            lambda: choose_folder(
                request.out / problem.name, f"{solver.key}-{request.preset}-s{request.seed}", request.resume
            )
        )
        config = RunConfig(
            problem=problem.name,
            problem_path=_unregistered(problem),
            solver=solver.key,
            preset=request.preset,
            seed=request.seed,
            recipe=recipe.model_dump(mode="json"),
            dataset=str(bench.dataset["hash"]),
            context=bench.context.model_dump(mode="json"),
            table=request.problem if isinstance(request.problem, TableData) else None,
            recorded=problem.recording if isinstance(problem, Imported) and not has_code(problem) else None,
            start=None if start is None else start.name,
        )
        if (folder / CONFIG).exists():
            check_same(folder, config)
        if (folder / RECORD).exists():
            return Run(folder, Record.read(folder)) if group.leads else None
        with sole_writer(folder) if group.leads else nullcontext():
            if group.leads:
                write_setup(folder, config, bench)
            for words in bench.cautions():
                progress.log(f"warning: {words}")
            for key, reason in left_out.items():
                progress.log(f"baseline {key} is left out: {reason}")
            entries = [(solver, recipe), *baselines]
            homes = [folder, *(folder / "baselines" / entry.key for entry, _ in baselines)]
            if group.leads:
                for home in homes:
                    paths.make_folder(home)
            group.wait()
            identity = config.model_dump(mode="json")
            alone = device.type != "cpu" or request.threads != 1 or group.size > 1
            trained = []
            with trained_beside(
                entries,
                problem,
                request.preset,
                folders=homes,
                seed=request.seed,
                identity=identity,
                workers=1 if alone else request.workers,
                progress=progress,
            ) as is_trained:
                for (entry, own_recipe), home in zip(entries, homes, strict=True):
                    fitted = fit(
                        entry,
                        own_recipe,
                        bench,
                        folder=home,
                        seed=request.seed,
                        identity=identity,
                        resume=is_trained(entry.key) or request.resume,
                        device=device,
                        progress=progress if group.leads else SilentProgress(),
                        start=start.module if start is not None and entry is solver else None,
                    )
                    trained.append(fitted)
            if not group.leads:
                return None
            progress.log("examine on the test split")
            results = [(fitted, bench.examine(fitted.solver, fitted.module)) for fitted in trained]
            steps, conclusions = folder / STEPS, {}
            for i, (fitted, examination) in enumerate(results):
                key = fitted.solver.key
                conclusion = bench.conclude(fitted.solver, fitted.module, steps / key, progress)
                if conclusion is not None:
                    conclusions[key] = conclusion
                    for line in conclusion.words:
                        progress.log(f"{fitted.solver.title}: {line}")
                    merged = examination.arrays.merge(conclusion.arrays)
                    results[i] = fitted, replace(examination, arrays=merged)
            record = make_record(config, bench, results, left_out, device, conclusions)
            write_predictions(folder, bench, results)
            save_weights(trained[0].module, folder / WEIGHTS)
            record.write(folder)
            shutil.rmtree(steps, ignore_errors=True)
    return Run(folder, record)


def write_setup(folder: Path, config: RunConfig, bench: AnyBench) -> None:
    """Write what a run is and the inputs of one sample, before anything is trained."""
    task = find_solver(config.solver).task
    example = task.write_inputs(bench.example, bench.problem, bench.context).assign_attrs(Conventions=CONVENTIONS)
    with paths.atomic_write(folder / EXAMPLE) as temporary:
        temporary.write_bytes(netcdf_bytes(example))
    words = about(bench.problem, find_solver(config.solver), config.preset, config.dataset, bench.context)
    paths.write_text(folder / ABOUT, words.model_dump_json(indent=2) + "\n")
    paths.write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")


def _check_baselines(solver: AnySolver, recipe: AnyRecipe) -> None:
    """Refuse baselines that do not exist, twice the same and the solver itself, before any work is done."""
    for key in recipe.baselines:
        find_solver(key)
    if solver.key in recipe.baselines or len(set(recipe.baselines)) < len(recipe.baselines):
        raise ConfigError(
            "baselines must be other solvers, each once",
            got=f"baselines {', '.join(recipe.baselines)} for solver {solver.key!r}",
        )


def _baselines(
    solver: AnySolver, recipe: AnyRecipe, bench: AnyBench, request: RunRequest, processes: int
) -> tuple[list[tuple[AnySolver, AnyRecipe]], dict[str, str]]:
    """The baselines matched to the solver's size, and those that cannot be built on this data with the reason.

    They get the same task and the same training settings as far as they read them, so that budgets stay equal, but
    keep the learning rate that suits them. Found out before anything is trained, so that no time is lost on a run that
    cannot end.
    """
    shared = [s for s in request.settings if s.startswith("train.") and not s.startswith("train.learning_rate")]
    with torch.device("meta"):
        size = count_parameters(build_module(solver, bench.problem, recipe.model, bench.context))
    baselines, left_out = [], {}
    for key in recipe.baselines:
        baseline = find_solver(key)
        settings = override(baseline.recipe(request.preset), read_settings(baseline, shared)).model_copy(
            update={"task": recipe.task}
        )
        try:
            if baseline.task is not solver.task:
                raise UnsupportedError(f"it is a solver of the task {baseline.task.key!r}, not {solver.task.key!r}")
            if not (support := baseline.supports(bench.problem)).ok:
                raise UnsupportedError(support.reason)
            settings = resized(baseline, settings, bench, size) if baseline.knob and size else settings
            with torch.device("meta"):
                build_module(baseline, bench.problem, settings.model, bench.context)
            check_training(baseline, settings.train, processes)
            baselines.append((baseline, settings))
        except UserError as error:
            left_out[key] = str(error)
    return baselines, left_out


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        if name != "cpu" and name.partition(":")[0] != "cuda":  # there is no cpu:3, which torch would take for cpu
            raise RuntimeError("this kind of device is not supported")
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used here: {(str(error).splitlines() or ['no reason given'])[0]}",
            expected="auto, cpu, cuda or cuda:N",
        ) from None


def _unregistered(problem: Problem) -> str | None:
    """The folder of a problem that a name alone would not find again; None for a table, which is in no folder."""
    if isinstance(problem, TableProblem):
        return None
    folder = registry.folder_of(problem)
    return None if registry.problem_folders().get(problem.name) == folder else str(folder)
