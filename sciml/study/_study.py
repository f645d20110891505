"""Running a study: the same question asked of several variants, over seeds, written down as it goes.

The folder gets ``study.json`` (the file as read) and ``results.jsonl`` (one line per finished run). A study that is
stopped goes on where it was: finished lines are kept, unfinished runs resume.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sciml.core import paths, registry
from sciml.core.config import override
from sciml.core.errors import ConfigError, NumericsError, UnsupportedError
from sciml.core.problem import Problem
from sciml.core.processes import collect_rarely
from sciml.core.progress import Progress, SilentProgress
from sciml.metrics import check_metric
from sciml.study._clock import granted_steps
from sciml.study._folder import OtherSettingsError
from sciml.study._ignored import read_settings, refuse_ignored
from sciml.study._left import LEFT, costs_left
from sciml.study._problem import problem_of
from sciml.study._provenance import commit
from sciml.study._request import RunRequest
from sciml.study._run import Run, run
from sciml.study._study_file import Study, Variant, read_study
from sciml.study._study_lines import (
    BROKEN,
    STUDY,
    Line,
    append_result,
    broken_line,
    check_data,
    check_same,
    mended,
    read_results,
    read_stored,
    result_line,
    write_results,
)
from sciml.study._tool import apply_tool
from sciml.tools import find_tool
from sciml.train import find_solver


def run_study(
    path: Path,
    *,
    out: Path,
    runs: Path | None = None,
    preset: str | None = None,
    problem: str | Path | None = None,
    workers: int = 1,
    executor: Executor | None = None,
    draft: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Run what is missing of a study and write its results.

    Arguments:
        path: the study file.
        out: the study's folder.
        runs: where the run folders go; by default ``runs`` inside `out`.
        preset: another preset than the file's (the same study at another size; ``[presets.NAME]`` says what changes).
        problem: the folder of the file's problem, needed if that is not registered: a path in a file is not imported.
        workers: runs at a time, one thread each; ignored with an `executor`.
        executor: any ``concurrent.futures`` executor, for a cluster.
        draft: whether to run it in a checkout with local changes, which nobody can trace.
        progress: where to report.

    A variant that breaks down is written down as such, and run again when its settings have changed.

    Returns: `out`, with ``study.json`` and ``results.jsonl``.

    Raises:
        ConfigError: the file is wrong, or the folder holds results of other settings or of another commit; the checkout
            has local changes and it is no draft.
        DataError: the data are not those of the results that are there.
        StorageError: another process runs this study, or a file cannot be written.
    """
    progress = progress or SilentProgress()
    study = read_study(path)
    if preset is not None:
        study = study.at(preset)
    subjects = {
        name: problem_of(name, path, problem if name == study.problem else None)
        for name in dict.fromkeys([study.problem, *study.problems])
    }
    _check_metrics(study, subjects)
    for variant in study.variants:
        _check_variant(study, variant, subjects[study.problem_of(variant)])
    current = commit()
    if current is not None and current.endswith("+") and not draft:
        raise ConfigError(
            "a study is run on a commit, so that its figures can be traced",
            got=f"a checkout with local changes on {current[:12]}",
            fix="Commit them, or add --draft to try the study out.",
        )
    out = paths.make_folder(out)
    with paths.locked(out / ".lock", "running this study", timeout=1.0):
        _run_missing(study, subjects, out, runs or out / "runs", workers, executor, progress, current)
    return out


def _run_missing(
    study: Study,
    subjects: Mapping[str, Problem],
    out: Path,
    runs: Path,
    workers: int,
    executor: Executor | None,
    progress: Progress,
    current: str | None,
) -> None:
    lines = read_results(out)
    retried = mended(study, lines)
    lines = [line for line in lines if line not in retried]
    check_same(out, study, [line for line in lines if line.get("status") != BROKEN], current)
    if retried:
        write_results(out, lines)
    before = read_stored(out)
    paths.write_text(out / STUDY, study.model_dump_json(indent=2) + "\n")
    steps = granted_steps(study, subjects, out, progress, before)
    places = {name: registry.folder_of(subject) for name, subject in subjects.items()}
    done = {_identity(line) for line in lines}
    afresh = {_identity(line) for line in retried}
    jobs = [
        {
            "study": study,
            "variant": v,
            "budget": budget,
            "seed": seed,
            "steps": steps[budget][study.trained(v).name],
            "runs": runs,
            "place": places[study.problem_of(v)],
            "resume": (v.name, budget, seed) not in afresh,
        }
        for seed in study.seeds
        for budget in study.budgets
        for v in study.variants
        if (v.name, budget, seed) not in done
    ]
    with progress.task("runs", len(jobs) + len(done), len(done)) as advance:
        for line in _execute(jobs, workers, executor):
            check_data(study, line, lines)
            append_result(out, line)
            lines.append(line)
            if line["status"] == BROKEN:
                progress.log(f"variant {line['variant']!r}, seed {line['seed']}, broke down: {line['reason']}")
            advance(1, f"{line['variant']} seed {line['seed']} ({line['budget']})")


def _identity(line: Line) -> tuple[str, str, int]:
    return line["variant"], line["budget"], line["seed"]


def _check_variant(study: Study, variant: Variant, problem: Problem) -> None:
    """Refuse settings and tools that cannot work before any run. Raises UserError with the reason."""
    trained = study.trained(variant)
    solver = find_solver(trained.solver)
    recipe = override(solver.recipe(study.preset), [*study.settings, *trained.settings, *_seeded(study, 0)])
    refuse_ignored(solver, recipe, trained.settings, problem)
    if study.budgets == ("time",) and variant.name != study.clock:
        steps = [entry for entry in variant.settings if entry.startswith("train.steps=")]
        if steps:
            raise ConfigError(
                "at equal training time, the steps of a variant are those that fit the time of the clock",
                got=f"{steps[0]} of variant {variant.name!r}",
                fix="Leave the setting out, or add the budget 'steps'.",
            )
    solver.check_preset(problem, study.preset, recipe.model, recipe.task)
    for use in variant.tools:
        tool = find_tool(use.tool)
        override(tool.config(), list(use.settings))
        if not (support := tool.supports(solver)).ok:
            raise UnsupportedError(
                f"variant {variant.name!r}: tool {use.tool!r} does not apply to solver {solver.key!r}: {support.reason}"
            )


def _check_metrics(study: Study, subjects: Mapping[str, Problem]) -> None:
    """Refuse a metric that nobody will measure, and a claim that could not be judged, before any work is done."""
    declared = {
        v.name: (*find_solver(study.trained(v).solver).task.metrics, *study.tool_metrics(v), *LEFT)
        for v in study.variants
    }
    problems = {v.name: subjects[study.problem_of(v)] for v in study.variants}
    if "metrics" in study.model_fields_set:
        every = [metric for metrics in declared.values() for metric in metrics]
        for key, problem in product(study.metrics, (subjects[name] for name in study.problems)):
            check_metric(every, key, problem, fix="It is one of `metrics` of the study.")
    for claim in study.claims:
        for name, key in ((claim.better, claim.metric), (claim.worse, claim.against or claim.metric)):
            metric = check_metric(declared[name], key, problems[name], fix=f"It is the metric of a claim on {name!r}.")
            if claim.judged(metric).better == "none":
                raise ConfigError(
                    f"a claim cannot be judged by {claim.metric!r}: neither more nor less of it is better",
                    got=claim.text,
                    fix="Name a metric of the solvers, not of the test, or the `target` that it should have.",
                )
            highest = metric.better == "higher"
            if (highest and claim.margin <= -1) or (not highest and claim.margin >= 1):
                raise ConfigError(
                    f"a claim on {claim.metric!r} names a share that no metric can change by",
                    got=f"margin={claim.margin:g} in {claim.text!r}",
                    expected="more than -1" if highest else "less than 1: 0.5 is half of it, `factor = 10` a tenth",
                )
            if claim.target is not None and metric.better not in ("none", "target"):
                raise ConfigError(
                    f"the metric {claim.metric!r} has a better side, {metric.better}, and no target",
                    got=f"target={claim.target:g} in {claim.text!r}",
                )


def _seeded(study: Study, seed: int) -> list[str]:
    return [f"{key}={seed}" for key in study.seeded]


def _execute(jobs: list[dict[str, Any]], workers: int, executor: Executor | None) -> Iterable[Line]:
    """The lines of all jobs; runs that tools are applied to come before those made of them."""
    depths = [len(job["study"].line_of(job["variant"])) for job in jobs]
    for depth in sorted(set(depths)):
        alike = [job for job, its_depth in zip(jobs, depths, strict=True) if its_depth == depth]
        yield from _execute_at_once(alike, workers, executor)


def _execute_at_once(jobs: list[dict[str, Any]], workers: int, executor: Executor | None) -> Iterable[Line]:
    if executor is None and workers == 1:
        yield from (_job(**job) for job in jobs)
        return
    if not jobs:
        return
    pool = executor or ProcessPoolExecutor(workers, get_context("spawn"), collect_rarely)
    futures: list[Future[Line]] = [pool.submit(_job, **job) for job in jobs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
        if executor is None:
            pool.shutdown(cancel_futures=True)


def _job(
    *, study: Study, variant: Variant, budget: str, seed: int, steps: int | None, runs: Path, place: Path, resume: bool
) -> Line:
    """One run of a study, of the problem in the folder `place`; it computes in one thread.

    A run that breaks down has a line that says so, and the others go on.
    """
    named = {entry.name: entry for entry in study.variants}
    try:
        first = finished = _trained(study, study.trained(variant), budget, seed, steps, runs, place, resume)
        for maker in study.line_of(variant):
            for use in maker.tools:
                others = [_trained(study, named[name], budget, seed, None, runs, place) for name in use.others]
                finished = apply_tool(
                    use.tool,
                    finished.folder,
                    settings=use.settings,
                    others=[other.folder for other in others],
                    resume=True,
                    problem=place,
                    out=runs / maker.name / budget / finished.folder.parent.name,
                )
    except NumericsError as error:
        return broken_line(study, variant, budget, seed, error)
    line: Line = {**result_line(variant, budget, finished, study.claimed), "seed": seed}
    if not study.asked.isdisjoint(metric.key for metric in LEFT):
        line["metrics"] = {**line["metrics"], **costs_left(first.folder, finished.folder, place)}
    return line


def _trained(
    study: Study,
    trained: Variant,
    budget: str,
    seed: int,
    steps: int | None,
    runs: Path,
    place: Path,
    resume: bool = True,
) -> Run:
    """The trained run of a variant; one that is finished is given as it is.

    A folder of other settings or data, of which there is no result, is left by an attempt that was refused.
    """
    solver = find_solver(trained.solver)
    shared = read_settings(solver, [*study.settings, *_seeded(study, seed)])
    settings = [*shared, *trained.settings, "baselines=[]"]
    if steps is not None:
        settings.append(f"train.steps={steps}")
    sized = solver.knob is not None and trained.matched
    request = RunRequest(
        problem=place,
        solver=trained.solver,
        preset=study.preset,
        seed=seed + trained.shift,
        settings=tuple(settings),
        parameters=study.parameters if sized else None,
        out=runs / trained.name / budget,
        resume=resume,
    )
    try:
        finished = run(request)
    except OtherSettingsError:
        finished = run(request.model_copy(update={"resume": False}))
    assert finished is not None
    return finished
