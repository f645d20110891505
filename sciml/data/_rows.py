"""Rows of parameters and targets: drawn from a formula in memory, or imported and read from one file."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasFormula, MapsParameters
from sciml.core.errors import ConfigError, DataError, UnsupportedError, UserError
from sciml.core.paths import atomic_write, home, locked
from sciml.core.problem import Problem
from sciml.core.recorded import RecordedRows
from sciml.core.registry import card_path, folder_of
from sciml.core.rng import generator
from sciml.data._card import SamplesCard
from sciml.data._check import Check, checked, reproduced
from sciml.data._code import code_digest
from sciml.data._heaps import hdf5_file
from sciml.data._layout import SPLITS
from sciml.data._netcdf import netcdf_bytes
from sciml.data._samples import field_statistics, samples_digest
from sciml.data._statistics import Statistics, assemble, moments_of

ROWS_FILE = "rows.nc"
"""The file of imported rows in the folder of their problem."""
_SPLIT = "sample_split"
"""Its variable that says which split a row is in."""


class Rows(NamedTuple):
    """Some samples, float64.

    Fields:
        parameters: in declaration order, physical units.
        targets: the fields in their order, physical units.
    """

    parameters: Float[Tensor, "sample parameter"]
    targets: Float[Tensor, "sample target"]


class RowsCard(SamplesCard):
    """The table ``[presets.NAME.regression]``: how many rows each split has."""

    key = "regression"

    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """Sizes and statistics."""
        subject = having_rows(problem)
        statistics = row_statistics(row_splits(subject, self)["train"])
        stored = {"stored": str(folder_of(subject) / ROWS_FILE)} if isinstance(subject, RecordedRows) else {}
        return {
            **stored,
            "seed": self.seed,
            "samples": self.samples.model_dump(),
            "fields": field_statistics(problem, statistics),
        }

    def checks(self, problem: Problem) -> list[Check]:
        """Splits disjoint, parameters in their ranges, targets finite, the same again."""
        return checked("rows", lambda: self._checks(having_rows(problem)))

    def _checks(self, problem: MapsParameters) -> list[Check]:
        splits, again = row_splits(problem, self), row_splits(problem, self)
        same = all(torch.equal(a, b) for name in splits for a, b in zip(splits[name], again[name], strict=True))
        tables = [set(map(tuple, torch.cat(rows, dim=1).tolist())) for rows in splits.values()]
        shared = sum(len(one & two) for i, one in enumerate(tables) for two in tables[:i])
        outside = 0
        for rows in splits.values():
            for entry, values in zip(problem.parameters, rows.parameters.unbind(1), strict=True):
                outside += int(((values < entry.low) | (values > entry.high)).sum())
        return [
            Check("splits", not shared, f"{shared} rows are in two splits"),
            Check("ranges", not outside, f"{outside} values of parameters are outside of their ranges"),
            reproduced("reproduced", same),
        ]


def having_rows(problem: Problem) -> MapsParameters:
    """The problem as one with rows. Raises UnsupportedError for another."""
    if not isinstance(problem, HasFormula | RecordedRows):
        raise UnsupportedError(
            f"problem {problem.name!r} has no rows of parameters and targets",
            expected="a table without time, or a problem with the capability HasFormula",
        )
    return problem


def row_splits(problem: Problem, card: RowsCard) -> dict[str, Rows]:
    """The rows of every split, always the same ones.

    Raises: UnsupportedError for a problem without rows; UserError for a formula that gives something else than finite
        targets; DataError for a file that is missing or damaged.
    """
    subject = having_rows(problem)
    if isinstance(subject, HasFormula):
        return _kept(subject, card) if subject.costly else {name: _drawn(subject, card, name) for name in SPLITS}
    path = folder_of(subject) / ROWS_FILE
    rows = _read(path, subject)
    for name in SPLITS:
        if len(rows[name].targets) != getattr(card.samples, name):
            raise ConfigError(f"{card_path(subject)} says another number of rows than {path} holds",
                              got=f"{getattr(card.samples, name)} in {name}", expected=len(rows[name].targets),
                              fix="Import the table again.")  # fmt: skip
    return rows


def _kept(problem: HasFormula, card: RowsCard) -> dict[str, Rows]:
    """The rows of a costly formula, from the cache if they are there; else computed, and put there whole."""
    digest = hashlib.sha256((samples_digest(problem, card) + code_digest(problem)).encode()).hexdigest()
    folder = home() / "datasets" / problem.name / f"rows-{digest[:12]}"
    with locked(folder / ".lock", f"computing the rows of {problem.name}"):
        if not (folder / ROWS_FILE).is_file():
            save_rows(folder, problem, {name: _drawn(problem, card, name) for name in SPLITS})
        return _read(folder / ROWS_FILE, problem)


def row_statistics(rows: Rows) -> Statistics:
    """Mean and standard deviation of every target and parameter."""
    groups = [[moments_of(column) for column in values.unbind(1)] for values in (rows.targets, rows.parameters)]
    return assemble(*groups)


def save_rows(folder: Path, problem: RecordedRows | HasFormula, splits: Mapping[str, Rows]) -> None:
    """Write the file of imported rows, or of those that took long to compute."""
    numbers = {
        **_labelled(problem.parameters, torch.cat([splits[name].parameters for name in SPLITS])),
        **_labelled(problem.fields, torch.cat([splits[name].targets for name in SPLITS])),
    }
    codes = np.repeat(np.arange(len(SPLITS), dtype=np.int8), [len(splits[name].targets) for name in SPLITS])
    meaning = {"flag_values": np.arange(len(SPLITS), dtype=np.int8), "flag_meanings": " ".join(SPLITS)}
    dataset = xarray.Dataset({**numbers, _SPLIT: ("sample", codes, {"long_name": "split", **meaning})})
    dataset.attrs["sha256"] = _hash({name: dataset[name].to_numpy() for name in numbers}, codes)
    with atomic_write(folder / ROWS_FILE) as temporary:
        temporary.write_bytes(netcdf_bytes(dataset))


def _labelled(entries: tuple[Any, ...], values: Tensor) -> dict[str, Any]:  # Any: fields or parameters; xarray's
    return {
        entry.name: ("sample", column.numpy(), {"units": entry.units, "long_name": entry.long_name})
        for entry, column in zip(entries, values.unbind(1), strict=True)
    }


def _drawn(problem: HasFormula, card: RowsCard, name: str) -> Rows:
    randomness, count = generator(card.seed, problem.name, "rows", name), getattr(card.samples, name)
    units = torch.rand(count, len(problem.parameters), generator=randomness, dtype=torch.float64)
    columns = [entry.at(units[:, i]).clamp(entry.low, entry.high) for i, entry in enumerate(problem.parameters)]
    parameters = torch.stack(columns, dim=1)
    targets = problem.evaluate({entry.name: columns[i] for i, entry in enumerate(problem.parameters)}).double()
    if targets.shape != (count, len(problem.fields)) or not targets.isfinite().all():
        raise UserError(
            f"the formula of problem {problem.name!r} does not give what it should",
            got=f"shape {tuple(targets.shape)}" + ("" if targets.isfinite().all() else ", values that are not finite"),
            expected=f"{count} finite rows with one column per field ({len(problem.fields)})",
        )
    return Rows(parameters, targets)


def _read(path: Path, problem: RecordedRows | MapsParameters) -> dict[str, Rows]:
    names = [entry.name for entry in (*problem.parameters, *problem.fields)]
    try:
        with hdf5_file(path) as file:
            numbers = {name: np.asarray(file[name][()], dtype=np.float64) for name in names}  # pyright: ignore
            codes = np.asarray(file[_SPLIT][()], dtype=np.int8)  # pyright: ignore
            recorded = str(file.attrs.get("sha256"))
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise DataError(f"{path} does not hold the rows of {problem.name!r}", got=" ".join(str(error).split()),
                        fix="Remove the folder and import the table again.") from None  # fmt: skip
    if _hash(numbers, codes) != recorded:
        raise DataError(f"{path} does not hold the numbers it was written with",
                        fix="Remove the folder and import the table again.")  # fmt: skip
    table = torch.from_numpy(np.stack([numbers[name] for name in names], axis=1))
    count = len(problem.parameters)
    masks = {name: torch.from_numpy(codes == code) for code, name in enumerate(SPLITS)}
    return {name: Rows(table[mask, :count], table[mask, count:]) for name, mask in masks.items()}


def _hash(numbers: Mapping[str, np.ndarray], codes: np.ndarray) -> str:
    digest = hashlib.sha256(codes.tobytes())
    for name, values in sorted(numbers.items()):
        digest.update(name.encode() + np.ascontiguousarray(values, dtype=np.float64).tobytes())
    return digest.hexdigest()
