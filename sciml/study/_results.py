"""Writing down what the contestants of a run did: the record and the predictions."""

import math
from pathlib import Path

import torch
import xarray
from torch.utils.flop_counter import FlopCounterMode

from sciml.core import paths
from sciml.data import netcdf_bytes
from sciml.study._fit import Fitted
from sciml.study._folder import PREDICTIONS, RunConfig
from sciml.study._provenance import commit, hardware, versions
from sciml.study._record import DatasetEntry, PredictEntry, Record, SolverEntry, TrainEntry, finite
from sciml.train import Examination, Task, count_parameters

Results = list[tuple[Fitted, Examination]]
"""Every contestant with its examination, the run's own solver first."""


def make_record(
    config: RunConfig,
    task: Task,
    results: Results,
    left_out: dict[str, str],
    device: torch.device,
) -> Record:
    """The record of a run; baselines that could not be built are named in `left_out` with the reason."""
    entries = {fitted.solver.key: _entry(fitted, examination, task) for fitted, examination in results}
    own = entries.pop(config.solver)
    return Record(
        **dict(own),
        problem=config.problem,
        solver=config.solver,
        task=task.key,
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
        counter.mod_tracker.__exit__()  # its hooks on modules refuse a prediction that takes gradients itself
        fitted.solver.predict(fitted.module.cpu(), task.sample())
    return counter.get_total_flops()


def write_predictions(folder: Path, task: Task, results: Results) -> None:
    """``predictions.h5``: group ``truth``, and one group under ``solvers`` per contestant."""
    groups = {"/truth": task.truth()} | {f"/solvers/{f.solver.key}": e.arrays for f, e in results}
    content = netcdf_bytes(xarray.DataTree.from_dict(groups))
    with paths.atomic_write(folder / PREDICTIONS) as temporary:
        temporary.write_bytes(content)
