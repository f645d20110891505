"""Reading a run folder into a `RunView`, the one thing the page of a run is made from.

``record.json`` is needed. Optional are ``config.json``; ``log.jsonl``, one JSON object per line with ``step`` and any
of ``loss`` and ``validation``; and ``predictions.h5``, NetCDF-4 with these groups:

``/truth``
    One variable per field, dims ``sample time *space``: reference trajectories in physical units, context included;
    attributes ``units`` and ``long_name``. One variable per physical parameter, dims ``sample``. Coordinates ``time``
    (physical), one per spatial axis, and ``sample`` (index in the test split; 0, 1, 2, ... if left out).
    Attributes of the group: ``history``, the number of context frames.
``/solvers/<key>`` for the solver and each baseline, by its key in the record
    One variable per field, dims ``sample time *space``: the rollout from frame 0 of the same samples. Its ``time``
    holds the predicted frames only: those of ``/truth`` from frame ``history`` on.
    ``relative_l2``, dims ``sample time``, and ``vrmse``, dims ``sample time field``: the error of every step.

Spectra and conserved quantities are computed from the fields by the report, not stored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray

from sciml.core import registry
from sciml.core.errors import DataError, UserError
from sciml.core.problem import Evolves, Problem
from sciml.core.types import Grid
from sciml.study import Record, SolverEntry

LOG, PREDICTIONS = "log.jsonl", "predictions.h5"


@dataclass(frozen=True)
class FieldView:
    """A field as the page names it."""

    name: str
    symbol: str
    units: str
    long_name: str

    @property
    def label(self) -> str:
        """``layer thickness h [m]``; the bracket is left out for a field without units."""
        words = self.long_name if self.symbol in ("", self.long_name) else f"{self.long_name} {self.symbol}"
        return words if self.units in ("", "1") else f"{words} [{self.units}]"


@dataclass(frozen=True)
class Rollout:
    """What one competitor predicted.

    Arguments:
        states: predicted frames, ``sample time channel *space``.
        relative_l2: error per step, ``sample time``.
        vrmse: error per step and field, ``sample time channel``; None if not stored.
    """

    states: np.ndarray
    relative_l2: np.ndarray
    vrmse: np.ndarray | None

    @property
    def diverged(self) -> int:
        """Samples whose error is not finite at some step."""
        return int((~np.isfinite(self.relative_l2)).any(1).sum())

    @cached_property
    def scores(self) -> np.ndarray:
        """Rollout error per sample, the mean over steps; inf where it diverged."""
        with np.errstate(invalid="ignore", over="ignore"):
            mean = self.relative_l2.astype(np.float64).mean(1)
        return np.where(np.isfinite(mean), mean, np.inf)


@dataclass(frozen=True)
class Forecasts:
    """Reference trajectories of test samples, and every competitor's rollout of them.

    Arguments:
        fields: in channel order.
        truth: ``sample time channel *space``.
        times: physical time of the frames of `truth`.
        samples: index in the test split of each sample.
        parameters: physical parameters by name, one value per sample.
        history: context frames; predictions begin at this frame.
        rollouts: by key of the competitor.
    """

    fields: tuple[FieldView, ...]
    truth: np.ndarray
    times: np.ndarray
    samples: np.ndarray
    parameters: Mapping[str, np.ndarray]
    history: int
    rollouts: Mapping[str, Rollout]

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return self.truth.ndim - 3


@dataclass(frozen=True)
class Competitor:
    """The solver or a baseline, as the tables name and count it."""

    key: str
    entry: SolverEntry

    @property
    def title(self) -> str:
        """A human name."""
        return self.entry.title

    @property
    def metrics(self) -> dict[str, float]:
        """Test metrics; NaN where the value is not finite (the record holds null there)."""
        return {key: math.nan if value is None else value for key, value in self.entry.metrics.get("test", {}).items()}


@dataclass(frozen=True)
class RunView:
    """A run, read and checked; the solver is the first of `competitors`.

    Arguments:
        folder: where it lies.
        record: what it did.
        config: ``config.json`` as it is, empty if there is none.
        log: the lines of the training log.
        problem: the loaded problem, or None when it is not registered here.
        grid: the grid of the fields, when the problem can tell.
        forecasts: None when the run stored no trajectories.
    """

    folder: Path
    record: Record
    config: Mapping[str, Any]
    log: tuple[Mapping[str, Any], ...]
    problem: Problem | None
    grid: Grid | None
    competitors: tuple[Competitor, ...]
    forecasts: Forecasts | None

    @property
    def solver(self) -> Competitor:
        """The solver the run is about."""
        return self.competitors[0]

    @property
    def baselines(self) -> tuple[Competitor, ...]:
        """Who it is compared with."""
        return self.competitors[1:]

    @property
    def rolled_out(self) -> tuple[tuple[Competitor, Rollout], ...]:
        """The competitors that have a rollout, with it."""
        stored = self.forecasts.rollouts if self.forecasts else {}
        return tuple((entry, stored[entry.key]) for entry in self.competitors if entry.key in stored)

    @property
    def problem_title(self) -> str:
        """The problem's human name, or its key when the problem is not here."""
        return self.problem.title if self.problem else self.record.problem


def read_run(folder: Path, problem: Problem | None = None) -> RunView:
    """Read a run folder.

    Arguments:
        problem: the loaded problem; None looks the record's name up in the registry. A path written in the folder is
            never imported: a run folder may come from somebody else, and loading a problem executes it.

    Raises:
        DataError: a file is missing, truncated or not what it should be, with its name.
    """
    record = Record.read(folder)
    config = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    log = read_lines(folder / LOG) if (folder / LOG).is_file() else ()
    problem = problem or _registered(record.problem)
    forecasts = _read_predictions(folder / PREDICTIONS, problem) if (folder / PREDICTIONS).is_file() else None
    competitors = [Competitor(record.solver, record), *(Competitor(k, e) for k, e in record.baselines.items())]
    grid = problem.grid(forecasts.truth.shape[3:]) if forecasts and isinstance(problem, Evolves) else None
    return RunView(folder, record, config, log, problem, grid, tuple(competitors), forecasts)


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; anything else is a DataError naming the file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"no such file: {path}", fix="Give the folder of a finished run or study.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON", got=error) from None
    if not isinstance(values, dict):
        raise DataError(f"{path} does not hold a JSON object", got=type(values).__name__)
    return values


def read_lines(path: Path) -> tuple[dict[str, Any], ...]:
    """The objects of a JSON-lines file; a last line cut by a crash is left out, any other fault is a DataError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text", got=error) from None
    found = []
    for index, line in enumerate(lines):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            if index == len(lines) - 1:
                break
            raise DataError(f"line {index + 1} of {path} is not valid JSON", got=error) from None
        if not isinstance(entry, dict):
            raise DataError(f"line {index + 1} of {path} does not hold a JSON object", got=type(entry).__name__)
        found.append(entry)
    return tuple(found)


def _registered(name: str) -> Problem | None:
    try:
        return registry.problem(name) if name in registry.problem_folders() else None
    except UserError:
        return None  # a problem folder that broke since must not take the report of a finished run with it


def _read_predictions(path: Path, problem: Problem | None) -> Forecasts | None:
    try:
        with h5py.File(path, "r") as file:
            keys = list(file.get("solvers", ()))
        truth = _load(path, "truth")
        names = _field_names(truth, problem)
        if not names:
            return None
        return Forecasts(
            fields=tuple(_field_view(truth, name, problem) for name in names),
            truth=_stack(truth, names),
            times=truth["time"].to_numpy().astype(np.float64),
            samples=truth["sample"].to_numpy() if "sample" in truth.coords else np.arange(truth.sizes["sample"]),
            parameters={str(name): array.to_numpy() for name, array in truth.items() if array.dims == ("sample",)},
            history=int(truth.attrs.get("history", 1)),
            rollouts={key: _rollout(_load(path, f"solvers/{key}"), names, truth) for key in keys},
        )
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{path} does not hold predictions in the layout of a run",
            got=f"{type(error).__name__}: {error}",
            fix="Remove it to get a page without pictures, or run again to make it anew.",
        ) from error


def _load(path: Path, group: str) -> xarray.Dataset:
    with xarray.open_dataset(path, group=group, engine="h5netcdf", decode_times=False) as data:
        return data.load()


def _field_names(truth: xarray.Dataset, problem: Problem | None) -> list[str]:
    """Fields in channel order, or as they come when the problem is not there to say; empty if nothing moves in time."""
    moving = [str(name) for name, array in truth.items() if array.dims[:2] == ("sample", "time")]
    known = [field.name for field in problem.fields] if problem else []
    return known if moving and set(known) == set(moving) else moving


def _field_view(truth: xarray.Dataset, name: str, problem: Problem | None) -> FieldView:
    for field in problem.fields if problem else ():
        if field.name == name:
            return FieldView(field.name, field.symbol, field.units, field.long_name)
    attrs = truth[name].attrs
    return FieldView(name, name, str(attrs.get("units", "1")), str(attrs.get("long_name", name)))


def _rollout(data: xarray.Dataset, names: list[str], truth: xarray.Dataset) -> Rollout:
    states, error = _stack(data, names), data["relative_l2"].to_numpy()
    expected = (truth.sizes["sample"], truth.sizes["time"] - int(truth.attrs.get("history", 1)))
    if states.shape[:2] != expected or error.shape != expected:
        raise ValueError(f"a rollout of {states.shape[:2]} samples and steps where {expected} follow the context")
    return Rollout(states, error, data["vrmse"].to_numpy() if "vrmse" in data else None)


def _stack(data: xarray.Dataset, names: list[str]) -> np.ndarray:
    return np.stack([data[name].to_numpy() for name in names], axis=2)
