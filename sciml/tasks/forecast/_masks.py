"""The mask of a file of inputs against that of the run."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import DataError, InputWarning
from sciml.core.recorded import ACTIVE
from sciml.core.types import Grid
from sciml.data import MASK_WORDS
from sciml.tasks._inputs import shape_words
from sciml.tasks.forecast._data import ForecastContext


def masked(
    path: Path, source: xarray.Dataset, states: Float[Tensor, "sample time channel *space"], context: ForecastContext
) -> Float[Tensor, "sample time channel *space"]:
    """The frames with NaN at the cells that the run leaves out.

    The file's mask is its variable ``active``, else the cells that are NaN in every frame of every field. A file that
    has neither is taken with a warning: nothing reads the values at these cells.

    Raises: DataError for another mask than the run's.
    """
    ours = context.active
    if ACTIVE in source:
        theirs = _stated(path, source[ACTIVE], context.grid)
        if ours is None and bool(theirs.all()):
            return states
        _compare(path, theirs, torch.ones_like(theirs) if ours is None else ours, context.grid, ours is None)
    if ours is None:
        return states
    if ACTIVE not in source:
        holes = states.isnan().flatten(0, 2).all(0)
        if holes.any():
            _compare(path, ~holes, ours, context.grid, False)
        else:
            words = f"{path} has values at the {int((~ours).sum())} cells that the mask of the run leaves out: not read"
            warnings.warn(words, InputWarning, stacklevel=3)
    return torch.where(ours, states, torch.nan)


def mask_variable(
    active: Bool[Tensor, "*space"], grid: Grid
) -> tuple[tuple[str, ...], np.ndarray, dict[str, Any]]:  # Any: as in xarray
    """The variable ``active`` of a file."""
    return grid.dims, active.cpu().numpy().astype(np.int8), dict(MASK_WORDS)


def _stated(path: Path, array: xarray.DataArray, grid: Grid) -> Bool[Tensor, "*space"]:
    if "sample" in array.dims and array.sizes["sample"] == 1:
        array = array.isel(sample=0)
    if set(array.dims) != set(grid.dims) or tuple(array.sizes[name] for name in grid.dims) != grid.size:
        raise DataError(
            f"the mask {ACTIVE!r} in {path} has another shape than the grid of the run",
            got=shape_words(array),
            expected=", ".join(f"{name} {size}" for name, size in zip(grid.dims, grid.size, strict=True)),
        )
    values = array.transpose(*grid.dims).values
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise DataError(f"the mask {ACTIVE!r} in {path} is not made of 0 and 1", got=f"{np.unique(values)[:4]}")
    return torch.from_numpy(values.astype(bool))


def _compare(
    path: Path, theirs: Bool[Tensor, "*space"], ours: Bool[Tensor, "*space"], grid: Grid, unmasked: bool
) -> None:
    """Raise DataError naming the first cell at which two masks differ."""
    different = torch.nonzero(theirs != ours)
    if not len(different):
        return
    index = different[0].tolist()
    points = [f"{axis.name} {float(axis.points()[i]):g}" for axis, i in zip(grid.axes, index, strict=True)]
    side = "inactive" if ours[tuple(index)] else "active"
    first = f"the first, at {', '.join(points)}, is {side}"
    raise DataError(
        f"the mask of {path} is not that of the run" + (", which has none" if unmasked else ""),
        got=f"{int((~theirs).sum())} cells left out; {len(different)} differ: {first}",
        expected=f"{int((~ours).sum())} of {ours.numel()} cells left out",
        fix="A network knows the geometry it was trained on and no other: train one on data with this mask.",
    )
