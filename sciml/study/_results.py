"""Writing down what the entries of a run did: the record and the predictions."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import xarray
from torch.utils.flop_counter import FlopCounterMode

from sciml.core import paths
from sciml.data import CONVENTIONS, load_netcdf, netcdf_bytes
from sciml.study._fit import Fitted
from sciml.study._folder import PREDICTIONS, RunConfig
from sciml.study._provenance import commit, hardware, versions
from sciml.study._record import ConclusionEntry, DatasetEntry, PredictEntry, Record, SolverEntry, TrainEntry, finite
from sciml.train import AnyBench, Conclusion, Examination, count_parameters

Results = list[tuple[Fitted, Examination]]
"""Every contestant with its examination, the run's own solver first."""


def make_record(
    config: RunConfig,
    bench: AnyBench,
    results: Results,
    left_out: dict[str, str],
    device: torch.device,
    conclusions: Mapping[str, Conclusion] | None = None,
) -> Record:
    """The record of a run; baselines that could not be built are named in `left_out` with the reason."""
    entries = {fitted.solver.key: _entry(fitted, examination, bench) for fitted, examination in results}
    for key, conclusion in (conclusions or {}).items():
        concluded = ConclusionEntry(
            metrics=finite(dict(conclusion.metrics)), words=conclusion.words, details=_plain(conclusion.details)
        )
        entries[key] = entries[key].model_copy(update={"conclusion": concluded})
    entry = entries.pop(config.solver)
    return Record(
        **dict(entry),
        problem=config.problem,
        solver=config.solver,
        task=results[0][0].solver.task.key,
        preset=config.preset,
        seed=config.seed,
        status="diverged" if set(entry.outcomes) - {"ok"} else "finished",
        dataset=DatasetEntry(**bench.dataset, cautions=list(bench.cautions())),
        baselines=entries,
        left_out=left_out,
        versions=versions(),
        hardware=hardware(device),
        git=commit(),
    )


def _plain(value: Any) -> Any:  # Any: JSON
    """Numbers that JSON cannot hold are None."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _entry(fitted: Fitted, examination: Examination, bench: AnyBench) -> SolverEntry:
    result = fitted.result
    return SolverEntry(
        title=fitted.solver.title,
        model=fitted.recipe.model.model_dump(mode="json"),
        parameters=count_parameters(fitted.module),
        flops=_flops(fitted, bench),
        train=TrainEntry(
            steps=result.steps if result else 0,
            seconds=fitted.seconds,
            nfe=result.calls if result else None,
            best_step=result.best_step if result else None,
            best_validation=result.best if result and math.isfinite(result.best) else None,
        ),
        predict=PredictEntry(seconds=examination.seconds),
        metrics={"test": finite(dict(examination.metrics))},
        outcomes=dict(examination.status),
    )


def _flops(fitted: Fitted, bench: AnyBench) -> int:
    with FlopCounterMode(display=False) as counter:
        counter.mod_tracker.__exit__()  # its hooks on modules refuse a prediction that takes gradients itself
        fitted.solver.predict(fitted.module.cpu(), bench.example)
    return counter.get_total_flops()


def write_predictions(folder: Path, bench: AnyBench, results: Results) -> None:
    """``predictions.h5``: group ``truth``, and one group under ``solvers`` per contestant."""
    groups = {"/truth": bench.truth()} | {f"/solvers/{f.solver.key}": _with_cases(e) for f, e in results}
    about = xarray.Dataset(attrs={"Conventions": CONVENTIONS})
    content = netcdf_bytes(xarray.DataTree.from_dict({"/": about} | groups))
    with paths.atomic_write(folder / PREDICTIONS) as temporary:
        temporary.write_bytes(content)


def _with_cases(examination: Examination) -> xarray.Dataset:
    """The arrays, and the metrics of every test case: ``cases``, dims ``metric case``."""
    if not examination.cases:
        return examination.arrays
    table = xarray.DataArray(list(examination.cases.values()), dims=("metric", "case"))
    return examination.arrays.assign(cases=table.assign_coords(metric=list(examination.cases)))


def read_cases(run: Path, solver: str) -> dict[str, list[float]]:
    """The metrics of every test case that a run stored of a solver, by key."""
    with load_netcdf(run / PREDICTIONS, f"/solvers/{solver}") as stored:
        if "cases" not in stored:
            return {}
        table = stored["cases"].to_numpy()
        return {str(key): row.tolist() for key, row in zip(stored["metric"].to_numpy(), table, strict=True)}
