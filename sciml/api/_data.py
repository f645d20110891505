"""``dataset``: data of one's own as a problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.progress import Progress, interactive_progress
from sciml.core.recorded import Imported
from sciml.data import AnyPlan, Arrays, ImportChoices, import_arrays, import_files

OwnData = str | Path | Sequence[str | Path] | tuple[np.ndarray | torch.Tensor, ...] | Arrays
"""Trajectories on a grid of one's own: files, or arrays in memory."""


def dataset(
    data: OwnData,
    *,
    out: str | Path | None = None,
    announce: Callable[[AnyPlan], None] | None = None,
    progress: Progress | None = None,
    **choices: Any,  # Any: the fields of ImportChoices, which checks them
) -> Imported:
    """Import trajectories on a grid of one's own; the result is taken by every verb like a problem.

    Arguments:
        data: one or several files or folders (PDEBench, The Well, PDEArena, NetCDF, Zarr, NumPy, MATLAB, PyTorch), an
            xarray dataset, a data frame with columns for sample, time and space, an array or tensor, or several by
            name, with coordinates as one-dimensional arrays ``t``, ``x``, ... Pairs of functions are arrays by name too
            (``branch``, ``trunk``, ``y``), or a tuple of them: functions, queries, values.
        out: where the folder is made; None for the cache folder, where it is known by its name.
        announce: called with what was recognised (``plan.words()``) before anything is written.
        progress: where to report, among others what was recognised; None for bars in a notebook or at a prompt.
        choices: overrides, see `sciml.data.ImportChoices`: ``name``, ``dims``, ``fields``, ``units``, ``rename``,
            ``dt``, ``boundary``, ``split``, ...

    Returns: the imported problem; its ``folder`` holds card and shards.

    Raises: UserError for data that cannot be read, or that could be understood in several ways.
    """
    parsed = parse(ImportChoices, choices, "this call")
    reporting = progress or interactive_progress()

    def tell(plan: AnyPlan) -> None:
        for line in plan.words():
            reporting.log(line)
        if announce is not None:
            announce(plan)

    place = None if out is None else Path(out)
    if isinstance(data, str | Path):
        imported = import_files([Path(data)], parsed, out=place, announce=tell, progress=reporting)
    elif isinstance(data, tuple) and (named := _named_pairs(data)):
        imported = import_arrays(named, parsed, out=place, announce=tell, progress=reporting)
    elif isinstance(data, Sequence):
        paths = [Path(path) for path in data if isinstance(path, str | Path)]
        if len(paths) < len(data):
            raise UserError("a sequence of data is one of files, or functions, queries and values as a tuple of arrays",
                            got=", ".join(type(part).__name__ for part in data))  # fmt: skip
        imported = import_files(paths, parsed, out=place, announce=tell, progress=reporting)
    else:
        imported = import_arrays(data, parsed, out=place, announce=tell, progress=reporting)
    if imported is None:
        raise AssertionError("only a dry import returns nothing")
    return imported


def _named_pairs(data: Sequence[object]) -> dict[str, np.ndarray | torch.Tensor]:
    """Functions, queries and values by name; nothing for what is not at least three arrays."""
    arrays = [part for part in data if isinstance(part, np.ndarray | torch.Tensor)]
    if len(arrays) < max(3, len(data)):
        return {}
    *functions, queries, values = arrays
    return {f"branch{i}": part for i, part in enumerate(functions)} | {"trunk": queries, "y": values}
