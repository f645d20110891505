"""Running a study: the same question asked of several variants, over seeds, written down as it goes.

The folder gets ``study.json`` (the file as read) and ``results.jsonl`` (one line per finished run). A study that is
stopped goes on where it was: finished lines are kept, unfinished runs resume.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from sciml.core import paths, registry, rng
from sciml.core.config import differences, override, parse, read_json
from sciml.core.errors import ConfigError, UnsupportedError
from sciml.core.problem import Problem
from sciml.core.processes import collect_rarely
from sciml.core.progress import Progress, SilentProgress
from sciml.metrics import check_metric
from sciml.study._fit import resized
from sciml.study._folder import LOG
from sciml.study._ignored import read_settings, refuse_ignored
from sciml.study._problem import problem_of
from sciml.study._record import Metrics, Record
from sciml.study._request import RunRequest
from sciml.study._run import Run, run
from sciml.study._study_file import Study, Variant, read_study
from sciml.study._tool import apply_tool
from sciml.tools import find_tool
from sciml.train import Phases, ShuffleSampler, default_rule, find_solver

RESULTS, STUDY = "results.jsonl", "study.json"


def run_study(
    path: Path,
    *,
    out: Path,
    runs: Path | None = None,
    preset: str | None = None,
    problem: str | Path | None = None,
    workers: int = 1,
    executor: Executor | None = None,
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
        progress: where to report.

    Returns: `out`, with ``study.json`` and ``results.jsonl``.
    """
    progress = progress or SilentProgress()
    study = read_study(path)
    if preset is not None:
        study = study.at(preset)
    subject = problem_of(study.problem, path, problem)
    _check_metrics(study, subject)
    for variant in study.variants:
        _check_variant(study, variant)
    out, runs = paths.make_folder(out), runs or out / "runs"
    done = {(line["variant"], line["budget"], line["seed"]) for line in read_results(out)}
    _check_same(out, study, {name for name, _, _ in done})
    paths.write_text(out / STUDY, study.model_dump_json(indent=2) + "\n")
    steps, place = _steps(study, subject, out, progress), registry.folder_of(subject)
    jobs = [
        {
            "study": study,
            "variant": v,
            "budget": budget,
            "seed": seed,
            "steps": steps[budget][study.trained(v).name],
            "runs": runs,
            "place": place,
        }
        for seed in study.seeds
        for budget in study.budgets
        for v in study.variants
        if (v.name, budget, seed) not in done
    ]
    with progress.task("runs", len(jobs) + len(done), len(done)) as advance:
        for line in _execute(jobs, workers, executor):
            with paths.storage_errors(out / RESULTS), (out / RESULTS).open("a", encoding="utf-8") as results:
                results.write(json.dumps(line) + "\n")
            advance(1, f"{line['variant']} seed {line['seed']} ({line['budget']})")
    return out


def read_results(folder: Path) -> list[dict[str, Any]]:  # Any: JSON
    """The finished runs of a study, one dictionary each; a line cut short by a kill is dropped."""
    path = folder / RESULTS
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    entries = [entry for line in text.splitlines() if (entry := _entry(line))]
    mended = "".join(json.dumps(entry) + "\n" for entry in entries)
    if mended != text:
        paths.write_text(path, mended)
    return entries


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and {"variant", "budget", "seed"} <= entry.keys() else None


def _check_variant(study: Study, variant: Variant) -> None:
    """Refuse settings and tools that cannot work before any run. Raises UserError with the reason."""
    solver = find_solver(study.trained(variant).solver)
    recipe = override(solver.recipe(study.preset), [*study.settings, *variant.settings, *_seeded(study, 0)])
    refuse_ignored(solver, recipe, variant.settings)
    for use in variant.tools:
        tool = find_tool(use.tool)
        override(tool.config(), list(use.settings))
        if not (support := tool.supports(solver)).ok:
            raise UnsupportedError(
                f"variant {variant.name!r}: tool {use.tool!r} does not apply to solver {solver.key!r}: {support.reason}"
            )


def _check_metrics(study: Study, problem: Problem) -> None:
    """Refuse a metric that nobody will measure, and a claim that could not be judged, before any work is done."""
    declared = {
        v.name: (*find_solver(study.trained(v).solver).task.metrics, *study.tool_metrics(v)) for v in study.variants
    }
    if "metrics" in study.model_fields_set:
        every = [metric for metrics in declared.values() for metric in metrics]
        for key in study.metrics:
            check_metric(every, key, problem, fix="It is one of `metrics` of the study.")
    for claim in study.claims:
        for name in (claim.better, claim.worse):
            metric = check_metric(
                declared[name], claim.metric, problem, fix=f"It is the metric of a claim on {name!r}."
            )
            if claim.judged(metric).better == "none":
                raise ConfigError(
                    f"a claim cannot be judged by {claim.metric!r}: neither more nor less of it is better",
                    got=claim.text,
                    fix="Name a metric of the solvers, not of the test, or the `target` that it should have.",
                )
            if claim.target is not None and metric.better not in ("none", "target"):
                raise ConfigError(
                    f"the metric {claim.metric!r} has a better side, {metric.better}, and no target",
                    got=f"target={claim.target:g} in {claim.text!r}",
                )


def _check_same(out: Path, study: Study, finished: set[str]) -> None:
    """Refuse to mix results: what was run cannot change, but variants, seeds, budgets and claims may be added."""
    if not finished:
        return
    before = parse(Study, read_json(out / STUDY), str(out / STUDY))
    timed = before.clock is not None
    if different := differences(_conditions(before, finished, timed), _conditions(study, finished, timed)):
        raise ConfigError(
            f"{out} holds results of this study with other settings",
            got=", ".join(f"{key}={now}" for key, (_, now) in different.items()),
            expected=", ".join(f"{key}={old}" for key, (old, _) in different.items()),
            fix="Choose another --out, or move the folder away; nothing was changed.",
        )


def _conditions(study: Study, names: set[str], timed: bool) -> dict[str, Any]:
    variants = {
        v.name: v.model_dump(exclude={"name", "label", "line", "at"}) for v in study.variants if v.name in names
    }
    shared = {"problem", "preset", "parameters", "settings", "seeded"} | ({"clock"} if timed else set())
    return {**study.model_dump(include=shared), **variants}


def _seeded(study: Study, seed: int) -> list[str]:
    return [f"{key}={seed}" for key in study.seeded]


def _execute(jobs: list[dict[str, Any]], workers: int, executor: Executor | None) -> Iterable[dict[str, Any]]:
    """The lines of all jobs; runs that tools are applied to come before those made of them."""
    for makes in (False, True):
        yield from _execute_at_once([job for job in jobs if bool(job["variant"].of) is makes], workers, executor)


def _execute_at_once(jobs: list[dict[str, Any]], workers: int, executor: Executor | None) -> Iterable[dict[str, Any]]:
    if executor is None and workers == 1:
        yield from (_job(**job) for job in jobs)
        return
    if not jobs:
        return
    pool = executor or ProcessPoolExecutor(workers, get_context("spawn"), collect_rarely)
    futures: list[Future[dict[str, Any]]] = [pool.submit(_job, **job) for job in jobs]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
        if executor is None:
            pool.shutdown(cancel_futures=True)


def _job(
    *, study: Study, variant: Variant, budget: str, seed: int, steps: int | None, runs: Path, place: Path
) -> dict[str, Any]:
    """One run of a study, of the problem in the folder `place`; it computes in one thread."""
    trained = study.trained(variant)
    solver = find_solver(trained.solver)
    shared = read_settings(solver, [*study.settings, *_seeded(study, seed)])
    settings = [*shared, *trained.settings, "baselines=[]"]
    if steps is not None:
        settings.append(f"train.steps={steps}")
    sized = solver.knob is not None and trained.matched
    finished = run(
        RunRequest(
            problem=place,
            solver=trained.solver,
            preset=study.preset,
            seed=seed,
            settings=tuple(settings),
            parameters=study.parameters if sized else None,
            out=runs / trained.name / budget,
            resume=True,
        )
    )
    assert finished is not None
    for use in variant.tools:
        finished = apply_tool(
            use.tool,
            finished.folder,
            settings=use.settings,
            resume=True,
            problem=place,
            out=runs / variant.name / budget / finished.folder.parent.name,
        )
    return _line(variant, budget, finished)


def _course(folder: Path) -> list[list[float]]:
    """Seconds of training and the error that was watched, where a task watches one; see `Task.watch`."""
    path = folder / LOG
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [[line["seconds"], float(f"{line['error']:.4g}")] for line in lines if "error" in line]


def _line(variant: Variant, budget: str, finished: Run) -> dict[str, Any]:
    record = finished.record
    course = _course(finished.folder)
    return {
        "variant": variant.name,
        "budget": budget,
        "seed": record.seed,
        "solver": record.solver,
        "preset": record.preset,
        "status": record.status,
        "parameters": record.parameters,
        "flops": record.flops,
        "steps": record.train.steps,
        "validation": record.train.best_validation,
        "train_seconds": sum(row.train_seconds for row in record.lineage) or record.train.seconds,
        "predict_seconds": record.predict.seconds,
        "metrics": record.metrics["test"]
        | (record.conclusion.metrics if record.conclusion else {})
        | _declared_findings(record),
        **({"course": course} if course else {}),
        **({"cost": record.lineage[-1].cost.model_dump(mode="json")} if record.lineage else {}),
        "model": record.model,
        "dataset": record.dataset.hash,
        "versions": record.versions,
        "hardware": record.hardware,
        "git": record.git,
    }


def _declared_findings(record: Record) -> Metrics:
    """What tools found in this run, as far as they say what it means."""
    found: Metrics = {}
    for key, entry in record.findings.items():
        for metric in find_tool(key).metrics:
            name = metric.key.removeprefix(f"{key}/")
            if name in entry.metrics:
                found[metric.key] = entry.metrics[name]
    return found


def _steps(study: Study, problem: Problem, out: Path, progress: Progress) -> dict[str, dict[str, int | None]]:
    """Training steps per budget and variant; measured step times are kept in ``clock.json`` so a study can resume."""
    trained = [variant for variant in study.variants if not variant.of]
    plan: dict[str, dict[str, int | None]] = {"steps": {v.name: None for v in trained}}
    if "time" not in study.budgets:
        return plan
    path = out / "clock.json"
    seconds = read_json(path) if path.exists() else {}
    if new := [v for v in trained if v.name not in seconds]:
        seconds |= {v.name: _step_seconds(study, problem, v, progress) for v in new}
        paths.write_text(path, json.dumps(seconds, indent=2) + "\n")
    trains = {
        v.name: override(
            find_solver(v.solver).recipe(study.preset),
            [*read_settings(find_solver(v.solver), study.settings), *v.settings],
        ).train
        for v in trained
    }
    granted = trains[study.clock or ""]
    total = (granted.steps + granted.polish) * seconds[study.clock]
    plan["time"] = {
        name: max(1, round(total / each) - trains[name].polish) if each else None for name, each in seconds.items()
    }
    return plan


def _step_seconds(study: Study, problem: Problem, variant: Variant, progress: Progress, repeats: int = 7) -> float:
    """Mean wall time of the training steps of a variant's own rule, one thread; 0 for one that takes none.

    Where the rule changes on the way, the median step of every phase counts by the steps that the recipe gives it.
    """
    solver = find_solver(variant.solver)
    recipe = override(solver.recipe(study.preset), [*read_settings(solver, study.settings), *variant.settings])
    if solver.rule is None:
        return 0.0
    bench = solver.task.prepare(problem, study.preset, recipe.task, progress=progress)
    if solver.knob and variant.matched and study.parameters:
        recipe = resized(solver, recipe, bench, study.parameters)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rng.seed_everything(0)
        module = solver.build(problem, recipe.model, bench.context)
        if not any(p.requires_grad for p in module.parameters()):
            return 0.0
        solver.initialise(module, bench.examples)
        config = recipe.train
        rule = solver.step_rule(module, bench.examples, config) or default_rule(
            module, solver.loss, bench.examples, config, seed=0
        )
        phases = rule.phases if isinstance(rule, Phases) else ((rule, config.steps),)
        drawn = ShuffleSampler(0).indices(0, len(bench.examples), config.batch_size)
        batch = bench.examples.batch(drawn, rng.generator(0))
        spent = [
            (count, _median_seconds(lambda along, one=phase: one.step(batch, along), repeats))
            for phase, count in phases
            if count
        ]
        return sum(count * each for count, each in spent) / max(1, sum(count for count, _ in spent))
    finally:
        torch.set_num_threads(threads)


def _median_seconds(step: Callable[[float], object], repeats: int) -> float:
    """Of one step, after one to warm up."""
    taken = []
    for k in range(repeats + 1):
        started = time.perf_counter()
        step(k / (repeats + 1))
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])
