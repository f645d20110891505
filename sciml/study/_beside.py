"""Training baselines in other processes while the solver itself trains in this one.

Everything random in a fit follows from the run's seed and the solver's key, so where and when it happens changes no
bit. A process leaves what the trainer always leaves, a checkpoint and the best weights; the run then goes on from that
checkpoint, which is at the last step. A process that fails or is killed costs time only: the run trains what is missing
itself, and reports what is wrong in the usual way.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sciml.core import registry
from sciml.core.problem import Problem
from sciml.core.processes import interrupts_held, processes, usable_cores
from sciml.core.progress import Progress, SilentProgress
from sciml.discovery import TableData, TableProblem
from sciml.study._fit import fit
from sciml.study._request import open_problem
from sciml.train import AnyRecipe, AnySolver, find_solver

_LONG = 200  # steps; a process takes about five seconds to start, which fewer do not earn back

Waiting = Callable[[str], bool]
"""Wait for the process that trains the solver of that key; whether there is one."""


@contextmanager
def trained_beside(
    entries: Sequence[tuple[AnySolver, AnyRecipe]],
    problem: Problem,
    preset: str,
    *,
    folders: Sequence[Path],
    seed: int,
    identity: dict[str, Any],  # Any: JSON
    workers: int,
    progress: Progress,
) -> Iterator[Waiting]:
    """Train all entries but the first in processes of their own, if there are cores for them and they take long.

    Arguments:
        entries, folders: the solver and its baselines, and where the files of each go; the folders exist.
        problem, preset: whose data they are trained on; the data exist.
        seed, identity: as for `fit`.
        workers: processes in all, this one included; 0 for as many as there are cores.
        progress: where to report.
    """
    others = [
        (entry, recipe, folder)
        for (entry, recipe), folder in list(zip(entries, folders, strict=True))[1:]
        if _is_long(entry, recipe)
    ]
    spare = min((workers or usable_cores()) - 1, len(others))
    if spare < 1 or not _is_long(*entries[0]):
        yield lambda key: False
        return
    source = problem.source if isinstance(problem, TableProblem) else registry.folder_of(problem)
    with processes(spare) as pool:
        with interrupts_held():
            futures = {
                entry.key: pool.submit(
                    _train, source, preset, entry.key, recipe.model_dump_json(), str(folder), seed, identity
                )
                for entry, recipe, folder in others
            }
        progress.log(f"{', '.join(entry.title for entry, _, _ in others)}: trained at the same time")
        yield lambda key: key in futures and _ended(futures[key])


def _is_long(solver: AnySolver, recipe: AnyRecipe) -> bool:
    """Whether a solver is trained by many steps."""
    return solver.rule is not None and recipe.train.steps >= _LONG


def _ended(future: "Future[None]") -> bool:
    """True once it is over, however it went: what it finished is in its checkpoint."""
    wait([future])
    return True


def _train(
    source: Path | TableData, preset: str, key: str, recipe_json: str, folder: str, seed: int, identity: dict[str, Any]
) -> None:
    """What a process does: open the data and fit one solver on one thread."""
    torch.set_num_threads(1)
    solver, problem = find_solver(key), open_problem(source)
    recipe = type(solver.recipe(preset)).model_validate_json(recipe_json)
    fit(
        solver,
        recipe,
        solver.task.prepare(problem, preset, recipe.task),
        folder=Path(folder),
        seed=seed,
        identity=identity,
        resume=True,
        device=torch.device("cpu"),
        progress=SilentProgress(),
    )
