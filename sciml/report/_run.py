"""Reading a run folder into a `RunView`, the one thing the page of a run is made from.

``record.json`` is needed. Optional are ``config.json``; ``log.jsonl``, one JSON object per line with ``step`` and any
of ``loss`` and ``validation``; and ``predictions.h5``, NetCDF-4 with a group ``/truth`` and a group ``/solvers/<key>``
for the solver and each baseline, by its key in the record. What the groups hold depends on the task; the modules that
show a task say what they read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import xarray

from sciml.core import registry
from sciml.core.errors import DataError, UserError
from sciml.core.problem import Problem
from sciml.study import Record, SolverEntry

LOG, PREDICTIONS = "log.jsonl", "predictions.h5"


@dataclass(frozen=True)
class Predictions:
    """The groups of ``predictions.h5``.

    Arguments:
        truth: what the predictions are compared with.
        solvers: what each competitor predicted, by key.
    """

    truth: xarray.Dataset
    solvers: Mapping[str, xarray.Dataset]


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
        competitors: the solver and its baselines.
        predictions: None when the run stored none.
    """

    folder: Path
    record: Record
    config: Mapping[str, Any]
    log: tuple[Mapping[str, Any], ...]
    problem: Problem | None
    competitors: tuple[Competitor, ...]
    predictions: Predictions | None

    @property
    def solver(self) -> Competitor:
        """The solver the run is about."""
        return self.competitors[0]

    @property
    def baselines(self) -> tuple[Competitor, ...]:
        """Who it is compared with."""
        return self.competitors[1:]

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
    predictions = _read_predictions(folder / PREDICTIONS) if (folder / PREDICTIONS).is_file() else None
    competitors = [Competitor(record.solver, record), *(Competitor(k, e) for k, e in record.baselines.items())]
    return RunView(folder, record, config, log, problem, tuple(competitors), predictions)


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


def _read_predictions(path: Path) -> Predictions:
    with layout_errors(path):
        with h5py.File(path, "r") as file:
            keys = list(file.get("solvers", ()))
        return Predictions(_load(path, "truth"), {key: _load(path, f"solvers/{key}") for key in keys})


@contextmanager
def layout_errors(path: Path) -> Iterator[None]:
    """Turn what reading a damaged or foreign file of predictions raises into a DataError that names it."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{path} does not hold predictions in the layout of a run",
            got=f"{type(error).__name__}: {error}",
            fix="Remove it to get a page without pictures, or run again to make it anew.",
        ) from error


def _load(path: Path, group: str) -> xarray.Dataset:
    with xarray.open_dataset(path, group=group, engine="h5netcdf", decode_times=False) as data:
        return data.load()
