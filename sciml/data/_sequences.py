"""Imported sequences in one file of the folder of their problem."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import Sequences
from sciml.core.errors import DataError
from sciml.core.paths import atomic_write
from sciml.core.recorded import RecordedSequences
from sciml.core.registry import folder_of
from sciml.data._heaps import hdf5_file
from sciml.data._layout import SPLITS
from sciml.data._netcdf import netcdf_bytes

SEQUENCES_FILE = "sequences.nc"
"""The file of imported sequences in the folder of their problem."""
_SPLIT, _SIGNAL, _TARGET, _LABEL = "sample_split", "signal_", "target_", "label"


class StoredSequences(NamedTuple):
    """All of a file.

    Fields:
        times: rising from 0, float64.
        splits: signals and targets, float32 (labels int64).
    """

    times: Float[Tensor, " time"]
    splits: Mapping[str, Sequences]


def save_sequences(folder: Path, problem: RecordedSequences, stored: StoredSequences, time_units: str) -> None:
    """Write the file of imported sequences."""
    signals = torch.cat([stored.splits[name].signals for name in SPLITS])
    targets = torch.cat([stored.splits[name].targets for name in SPLITS])
    arrays: dict[str, Any] = {  # Any: xarray's
        _SIGNAL + field.name: (("sample", "time"), signals[:, :, i].numpy(), {"units": field.units})
        for i, field in enumerate(problem.signals)
    }
    if problem.target == "class":
        arrays[_LABEL] = ("sample", targets.numpy(), {"long_name": "class", "flag_meanings": " ".join(problem.classes)})
    else:
        dims = ("sample", "time") if problem.target == "signal" else ("sample",)
        arrays |= {
            _TARGET + field.name: (dims, targets[..., i].numpy(), {"units": field.units})
            for i, field in enumerate(problem.fields)
        }
    codes = np.repeat(np.arange(len(SPLITS), dtype=np.int8), [len(stored.splits[name].signals) for name in SPLITS])
    meaning = {"flag_values": np.arange(len(SPLITS), dtype=np.int8), "flag_meanings": " ".join(SPLITS)}
    coords = {"time": ("time", stored.times.numpy(), {"units": time_units})}
    dataset = xarray.Dataset({**arrays, _SPLIT: ("sample", codes, {"long_name": "split", **meaning})}, coords)
    dataset.attrs["sha256"] = _hash({str(name): dataset[name].to_numpy() for name in (*arrays, "time", _SPLIT)})
    with atomic_write(folder / SEQUENCES_FILE) as temporary:
        temporary.write_bytes(netcdf_bytes(dataset))


def read_sequences(problem: RecordedSequences) -> StoredSequences:
    """What `save_sequences` wrote. Raises DataError for a file that is missing or damaged."""
    path = folder_of(problem) / SEQUENCES_FILE
    signals = [_SIGNAL + field.name for field in problem.signals]
    targets = [_LABEL] if problem.target == "class" else [_TARGET + field.name for field in problem.fields]
    again = "Remove the folder and import the files again."
    try:
        with hdf5_file(path) as file:
            names = (*signals, *targets, "time", _SPLIT)
            arrays = {name: np.asarray(file[name][()]) for name in names}  # pyright: ignore
            recorded = str(file.attrs.get("sha256"))
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise DataError(f"{path} does not hold the sequences of {problem.name!r}", got=" ".join(str(error).split()),
                        fix=again) from None  # fmt: skip
    if _hash(arrays) != recorded:
        raise DataError(f"{path} does not hold the numbers it was written with", fix=again)
    values = torch.from_numpy(np.stack([arrays[name] for name in signals], axis=-1))
    if problem.target == "class":
        wanted = torch.from_numpy(arrays[_LABEL].astype(np.int64))
    else:
        wanted = torch.from_numpy(np.stack([arrays[name] for name in targets], axis=-1))
    masks = {name: torch.from_numpy(arrays[_SPLIT] == code) for code, name in enumerate(SPLITS)}
    splits = {name: Sequences(values[mask], wanted[mask]) for name, mask in masks.items()}
    return StoredSequences(torch.from_numpy(arrays["time"].astype(np.float64)), splits)


def _hash(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
