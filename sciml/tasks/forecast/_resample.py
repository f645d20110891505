"""Fields on other points of the run's domain, interpolated to the run's own by request."""

import numpy as np
import xarray

from sciml.core.errors import DataError
from sciml.core.types import Axis, Grid

_SLACK = 1e-3
"""Share of a step by which the distances of neighbouring points may differ."""


def resample(source: xarray.Dataset, grid: Grid, label: str) -> xarray.Dataset:
    """Variables with spatial axes at the points of `grid`, by linear interpolation axis by axis, in double precision.

    A periodic axis is interpolated across its ends. Others are continued by at most half a step at their ends, which is
    what cell centres of a coarser grid need.

    Arguments:
        source: with a coordinate for every axis of the grid.
        grid: where values are wanted.
        label: what messages call the source.

    Raises: DataError for coordinates that are missing, uneven, or of another domain.
    """
    for axis in grid.axes:
        if axis.name not in source.coords or source[axis.name].dims != (axis.name,):
            raise DataError(
                f"{label} has no coordinate {axis.name!r}, so it cannot be resampled",
                got=", ".join(map(str, source.coords)) or "no coordinates",
                expected=", ".join(grid.dims),
            )
        weights = _weights(source[axis.name].values, axis, label)
        changed = {
            name: _along(array, axis.name, weights)
            for name, array in source.data_vars.items()
            if axis.name in array.dims and array.dtype.kind in "fiu"
        }
        points = (axis.name, axis.points().numpy(), source[axis.name].attrs)
        source = source.drop_vars([axis.name, *changed]).assign(changed).assign_coords({axis.name: points})
    return source


def _along(array: xarray.DataArray, dim: str, weights: np.ndarray) -> xarray.DataArray:
    values = np.moveaxis(array.values.astype(np.float64), array.dims.index(dim), -1) @ weights.T
    return xarray.DataArray(np.moveaxis(values, -1, array.dims.index(dim)), dims=array.dims, attrs=array.attrs)


def _weights(points: np.ndarray, axis: Axis, label: str) -> np.ndarray:
    """The matrix that interpolates values at `points` to those of the axis."""
    values = points.astype(np.float64) if points.dtype.kind in "fiu" else np.full(1, np.nan)
    if len(values) < 2 or not np.isfinite(values).all():
        raise DataError(f"the coordinate {axis.name!r} of {label} cannot be used", got=f"{points[:4]}")
    order = np.argsort(values, kind="stable")
    values = values[order]
    step = (values[-1] - values[0]) / (len(values) - 1)
    wanted, reach = axis.points().numpy(), max(step, axis.spacing) / 2
    if step == 0 or np.abs(np.diff(values) - step).max() > _SLACK * step:
        raise DataError(f"the points of {axis.name!r} in {label} are not evenly spaced", fix="Interpolate them first.")
    if axis.periodic:
        inside = abs(len(values) * step - axis.extent) <= _SLACK * axis.extent
    else:
        ends = (values[0] - wanted[0], values[-1] - wanted[-1])
        inside = max(map(abs, ends)) <= reach * (1 + _SLACK)
    if not inside:
        raise DataError(
            f"the points of {axis.name!r} in {label} do not cover the domain of the run",
            got=f"{len(values)} points from {values[0]:g} to {values[-1]:g}",
            expected=f"[{axis.lower:g}, {axis.upper:g}]",
            fix="Only the resolution may differ: a part of the domain is another problem.",
        )
    place = (wanted - values[0]) / step
    left = np.floor(place).astype(np.int64)
    if not axis.periodic:
        left = np.clip(left, 0, len(values) - 2)
    weights = np.zeros((len(wanted), len(values)))
    rows = np.arange(len(wanted))
    for column, share in ((left, 1 - (place - left)), (left + 1, place - left)):
        np.add.at(weights, (rows, order[column % len(values)]), share)
    return weights
