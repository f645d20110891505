"""Reading a run folder into a `RunView`, the one thing the page of a run is made from.

``record.json`` is needed. Optional are ``config.json``; ``log.jsonl``, one JSON object per line with ``step`` and any
of ``loss`` and ``validation``; and ``predictions.h5``, NetCDF-4 with a group ``/truth`` and a group ``/solvers/<key>``
for the solver and each baseline, by its key in the record. What the groups hold depends on the task; its view says what
it reads.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py

from sciml.core import registry
from sciml.core.config import parse, read_json
from sciml.core.errors import DataError, UserError
from sciml.core.files import parse_json, read_text
from sciml.core.problem import Problem
from sciml.core.recorded import Recording
from sciml.data import hdf5_file, load_groups
from sciml.discovery import TableData
from sciml.study import Record, SolverEntry
from sciml.train import Competitor, Predictions, RunView, layout_errors

LOG, PREDICTIONS = "log.jsonl", "predictions.h5"


def read_run(folder: Path, problem: Problem | None = None) -> RunView:
    """Read a run folder.

    Arguments:
        problem: the loaded problem; None looks the record's name up in the registry. A path written in the folder is
            never imported: a run folder may come from somebody else, and loading a problem executes it.

    Raises:
        DataError: a file is missing, truncated or not what it should be, with its name.
    """
    record = Record.read(folder)
    return RunView(
        task=record.task,
        problem_key=record.problem,
        problem=problem or _table_of(folder) or _registered(record.problem),
        competitors=(
            competitor(record.solver, record),
            *(competitor(key, entry) for key, entry in record.baselines.items()),
        ),
        log=read_lines(folder / LOG) if (folder / LOG).is_file() else (),
        predictions=_read_predictions(folder / PREDICTIONS) if (folder / PREDICTIONS).is_file() else None,
    )


def competitor(key: str, entry: SolverEntry) -> Competitor:
    """A solver of a record with the metrics of its conclusion; they are NaN where the record holds null."""
    concluded = entry.conclusion
    metrics = entry.metrics.get("test", {}) | ({} if concluded is None else concluded.metrics)
    return Competitor(
        key=key,
        title=entry.title,
        metrics={name: math.nan if v is None else v for name, v in metrics.items()},
        outcomes=entry.outcomes,
        parameters=entry.parameters,
        flops=entry.flops,
        train_steps=entry.train.steps,
        train_seconds=entry.train.seconds,
        best_step=entry.train.best_step,
        predict_seconds=entry.predict.seconds,
        conclusion=None if concluded is None else concluded.details,
    )


def read_object(path: Path) -> dict[str, Any]:  # Any: JSON
    """The object in a JSON file; anything else is a DataError naming the file."""
    try:
        values = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"no such file: {path}", fix="Give the folder of a finished run or study.") from None
    if not isinstance(values, dict):
        raise DataError(f"{path} does not hold a JSON object", got=type(values).__name__)
    return values


def read_lines(path: Path) -> tuple[dict[str, Any], ...]:  # Any: JSON
    """The objects of a JSON-lines file; a last line cut by a crash is left out, any other fault is a DataError."""
    lines = read_text(path).splitlines()
    entries = []
    for index, line in enumerate(lines):
        try:
            entry = parse_json(line, f"line {index + 1} of {path}")
        except DataError:
            if index == len(lines) - 1:
                break
            raise
        if not isinstance(entry, dict):
            raise DataError(f"line {index + 1} of {path} does not hold a JSON object", got=type(entry).__name__)
        entries.append(entry)
    return tuple(entries)


def _table_of(folder: Path) -> Problem | None:
    """The problem that a run made of a user's own data, which its config holds; None for any other run."""
    if not (folder / "config.json").is_file():
        return None
    config = read_object(folder / "config.json")
    if config.get("recorded"):
        return parse(Recording, config["recorded"], f"{folder / 'config.json'}, table recorded,").problem()
    return (
        parse(TableData, config["table"], f"{folder / 'config.json'}, table,").problem()
        if config.get("table")
        else None
    )


def _registered(name: str) -> Problem | None:
    try:
        return registry.problem(name) if name in registry.problem_folders() else None
    except UserError:
        return None  # a problem folder that broke since must not take the report of a finished run with it


def _read_predictions(path: Path) -> Predictions:
    with layout_errors(path):
        with hdf5_file(path) as file:
            group = file.get("solvers")
            keys = list(group) if isinstance(group, h5py.Group) else []
        stored = load_groups(path, ["truth", *(f"solvers/{key}" for key in keys)])
        return Predictions(path, stored["truth"], {key: stored[f"solvers/{key}"] for key in keys})
