"""The problems that solvers are tried on: small ones of this package first, then every registered one."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from sciml.core import registry
from sciml.core.errors import UserError
from sciml.core.problem import Problem
from sciml.train import AnyBench, AnyRecipe, AnySolver

PROBLEMS = Path(__file__).parent / "problems"
"""Folders of problems whose data is made in milliseconds."""


def small_problem(name: str) -> Problem:
    """One of those problems, by the name of its folder."""
    return registry.find_problem(PROBLEMS / name)


def problem_for(solver: AnySolver) -> Problem:
    """The first problem on which the tiny recipe of a solver can be built. Raises LookupError if there is none."""
    return bench_for(solver.key, solver).problem


@lru_cache
def bench_for(key: str, solver: AnySolver) -> AnyBench:
    """The data of `problem_for`; solvers that ask for the same share it."""
    recipe, refusals = solver.recipe("tiny"), []
    for bench in benches_for(solver, recipe):
        try:  # a small problem may lack what a recipe needs: a grid that can be halved often enough, modes it resolves
            module = solver.build(bench.problem, recipe.model, bench.context)
            if solver.rule is not None:
                solver.predict(module, bench.example)
        except UserError as error:
            refusals.append(f"{bench.problem.name}: {error}")
            continue
        return bench
    raise LookupError(f"the tiny recipe of {key} fits no problem: " + ("; ".join(refusals) or "none is supported"))


def benches_for(solver: AnySolver, recipe: AnyRecipe) -> Iterator[AnyBench]:
    """The tiny data of every problem that a solver supports and a recipe's settings fit, cheap ones first."""
    for problem in _candidates():
        if isinstance(problem, solver.task.capability) and solver.supports(problem).ok:
            key = (solver.task.key, problem.name, recipe.task.model_dump_json())
            try:  # a density or a case that the settings name may be another problem's
                if key not in _BENCHES:
                    _BENCHES[key] = solver.task.prepare(problem, "tiny", recipe.task)
            except UserError:
                continue
            yield _BENCHES[key]


def _candidates() -> Iterator[Problem]:
    for folder in sorted(PROBLEMS.iterdir()):
        if (folder / "dataset.toml").is_file():
            yield registry.find_problem(folder)
    for name in sorted(registry.problem_folders()):
        yield registry.problem(name)


_BENCHES: dict[tuple[str, str, str], AnyBench] = {}
