"""The clock of a study: how many steps of every variant fit the training time of one of them."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import pydantic
import torch

from sciml.core import paths, rng
from sciml.core.config import Config, override, parse, read_json
from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.study._fit import resized
from sciml.study._ignored import read_settings
from sciml.study._study_file import Study, Variant
from sciml.study._study_lines import conditions_of
from sciml.train import Phases, ShuffleSampler, build_module, default_rule, find_solver


def granted_steps(
    study: Study, subjects: Mapping[str, Problem], out: Path, progress: Progress, before: Study | None = None
) -> dict[str, dict[str, int | None]]:
    """Training steps per budget and variant; measured step times are kept in ``clock.json`` so a study can resume.

    Arguments:
        study: what is run.
        subjects: its problems by name.
        out: folder of the clock.
        progress: where to report.
        before: the study that the clock was measured for; variants with other settings there are measured anew.

    Raises: ConfigError if the clock takes no steps.
    """
    trained = [variant for variant in study.variants if not variant.of]
    plan: dict[str, dict[str, int | None]] = {"steps": {v.name: None for v in trained}}
    if "time" not in study.budgets:
        return plan
    path = out / "clock.json"
    measured = _read_clock(path) if path.exists() and before is not None else {}
    earlier = {v.name: conditions_of(before, v) for v in before.variants} if before is not None else {}
    seconds = {
        v.name: measured[v.name]
        for v in trained
        if v.name in measured and earlier.get(v.name) == conditions_of(study, v)
    }
    if new := [v for v in trained if v.name not in seconds]:
        seconds |= {v.name: _step_seconds(study, subjects[study.problem_of(v)], v, progress) for v in new}
        paths.write_text(path, json.dumps(seconds, indent=2) + "\n")
    clock = study.clock or ""
    if not seconds[clock]:
        raise ConfigError(
            f"the budget 'time' grants the training time of variant {clock!r}, which takes no training steps",
            got=f"clock={clock!r}",
            expected="a variant that is trained in steps",
            fix="Name another variant as `clock`, or leave out the budget 'time'.",
        )
    trains = {
        v.name: override(
            find_solver(v.solver).recipe(study.preset),
            [*read_settings(find_solver(v.solver), study.settings), *v.settings],
        ).train
        for v in trained
    }
    granted = trains[clock]
    total = (granted.steps + granted.polish) * seconds[clock]
    plan["time"] = {
        name: max(1, round(total / each) - trains[name].polish) if each else None for name, each in seconds.items()
    }
    return plan


class StepSeconds(Config):
    """What a clock has measured: seconds per step, by variant; 0 for one that takes no steps."""

    seconds: dict[str, Annotated[float, pydantic.Field(ge=0, le=1e6)]]


def _read_clock(path: Path) -> dict[str, float]:
    """Raises: ConfigError for a file that holds something else."""
    return parse(StepSeconds, {"seconds": read_json(path)}, str(path)).seconds


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
        module = build_module(solver, problem, recipe.model, bench.context)
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
