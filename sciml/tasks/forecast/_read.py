"""Context frames, parameters and forcings of a forecast from a user's file."""

import warnings
from pathlib import Path

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import DataError, InputWarning
from sciml.core.problem import Problem
from sciml.core.recorded import ACTIVE, FORCING_TIME
from sciml.core.types import Grid
from sciml.tasks._inputs import check_finite, numbers, open_inputs, parameter_columns, shape_words
from sciml.tasks.forecast._data import ForecastContext, Window
from sciml.tasks.forecast._masks import masked
from sciml.tasks.forecast._steps import last_time, with_time_step

_SLACK = 1e-3
"""Share of a step in space by which coordinates of a file may differ from those of the run."""


def read_window(path: Path, problem: Problem, context: ForecastContext, steps: int | None) -> Window:
    """Context frames from a user's NetCDF file.

    Arguments:
        path: a file with one variable per field on ``sample time *space`` (``sample`` may be missing for a single case)
            and one per parameter on ``sample`` (or a scalar). The last ``context.history`` frames are used. A
            coordinate ``time``, which it may have, must have a distance in time that the run was trained on; where the
            time step is a parameter, it gives that parameter unless the file has it. Forcings lie on ``sample`` (or
            not) and ``forcing_time``: the last frame, then one number per step. Fields of a masked run are NaN at cells
            that are not active, or the variable ``active`` says which these are.
        problem, context: what the fields are called, and what the frames must be like.
        steps: frames of forecast wanted; None for as many as there are forcings, or as the run's own rollouts have.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    grid, history = context.grid, context.history
    also: dict[str, str | None] = {axis.name: axis.units for axis in grid.axes}
    also |= {"time": context.time_units, ACTIVE: None}
    also |= {entry.name: entry.units for entry in problem.forcings}
    if problem.forcings:
        also[FORCING_TIME] = context.time_units
    wanted = [entry.name for entry in (*problem.fields, *problem.parameters, *problem.forcings)]
    if problem.time_step is not None:
        wanted.remove(problem.time_step)
        units = {entry.name: entry.units for entry in problem.parameters}
        also |= {"time": None, problem.time_step: units[problem.time_step]}
    source = _along_axes(path, open_inputs(path, problem, "the context frames", wanted, also=also), grid)
    dims = ("sample", "time", *grid.dims)
    states = torch.stack([_field(path, source[field.name], dims, grid, history) for field in problem.fields], dim=2)
    if context.active is not None or ACTIVE in source:
        states = masked(path, source, states, context)
    inside = states if context.active is None else states[..., context.active]
    for field, values in zip(problem.fields, inside.unbind(2), strict=True):
        check_finite(path, field.name, values)
    if problem.time_step is None:
        time, stride = last_time(path, source, context)
    else:
        (source, time), stride = with_time_step(path, source, problem), 1
    parameters = parameter_columns(path, source, problem, len(states))
    strides = torch.full((len(states),), float(stride))
    if not problem.forcings:
        return Window(states, parameters, strides, steps or context.steps, time)
    forcing = _forcing(path, source, problem, len(states), steps)
    if problem.time_step is None:
        _check_moments(path, source, time, stride * context.dt)
    return Window(states, parameters, strides, steps or forcing.shape[1] - 1, time, forcing)


def _along_axes(path: Path, source: xarray.Dataset, grid: Grid) -> xarray.Dataset:
    """The file with its points in the order of the grid. Coordinates that it has must be those of the run."""
    for axis in grid.axes:
        if axis.name not in source.coords or source.sizes.get(axis.name) != axis.size:
            continue  # a wrong number of points is reported with the field that has it
        values, points = source[axis.name].values, axis.points().numpy()
        sound = values.dtype.kind in "fiu" and bool(np.isfinite(values).all())
        order = np.argsort(values, kind="stable")
        if not sound or not np.allclose(values[order].astype(np.float64), points, rtol=0, atol=_SLACK * axis.spacing):
            raise DataError(
                f"the coordinate {axis.name!r} of {path} is not that of the run",
                got=f"{axis.size} points from {values[0]} to {values[-1]}",
                expected=f"{axis.size} points from {points[0]:g} to {points[-1]:g}, {axis.spacing:g} apart",
                fix="Interpolate to these points, or leave out the coordinate if it only numbers them.",
            )
        if (np.diff(order) != 1).any():
            words = f"the points of {axis.name!r} in {path} are put in increasing order, and the fields with them"
            warnings.warn(words, InputWarning, stacklevel=3)
        source = source.isel({axis.name: order})
    return source


def _field(
    path: Path, array: xarray.DataArray, dims: tuple[str, ...], grid: Grid, history: int
) -> Float[Tensor, "sample history *space"]:
    sizes = tuple(array.sizes.get(name, 0) for name in grid.dims)
    if set(array.dims) != set(dims) or sizes != grid.size or array.sizes["time"] < history:
        wanted = [f"{name} {size}" for name, size in zip(grid.dims, grid.size, strict=True)]
        raise DataError(
            f"field {array.name!r} in {path} has the wrong shape",
            got=shape_words(array),
            expected=", ".join(["sample (any number)", f"time {history} or more", *wanted]),
            fix="Fields on other points of the same domain are interpolated by request: --resample (resample=True)."
            if set(array.dims) == set(dims) and sizes != grid.size
            else "",
        )
    return numbers(path, array.transpose(*dims))[:, -history:]


def _forcing(
    path: Path, source: xarray.Dataset, problem: Problem, samples: int, steps: int | None
) -> Float[Tensor, "sample moment forcing"]:
    """The forcings from the last frame on, over all steps that are asked for."""
    columns = []
    for entry in problem.forcings:
        array, wanted = source[entry.name], 2 if steps is None else steps + 1
        if set(array.dims) not in ({FORCING_TIME}, {"sample", FORCING_TIME}) or array.sizes[FORCING_TIME] < wanted:
            raise DataError(
                f"the forcing {entry.name!r} in {path} is not known over the whole forecast",
                got=shape_words(array),
                expected=f"{FORCING_TIME} {wanted} or more: the last frame, then one number for each step",
                fix="Give it on the dimension forcing_time, or ask for fewer steps.",
            )
        values = numbers(path, array)
        check_finite(path, entry.name, values)
        if "sample" in array.dims:
            values = values if array.dims[0] == "sample" else values.T
        columns.append(values.expand(samples, -1))
    return torch.stack(columns, dim=-1)


def _check_moments(path: Path, source: xarray.Dataset, time: float, step: float) -> None:
    """Raise DataError unless forcings are known at the last frame and after every step, if the file has times."""
    if FORCING_TIME not in source.variables or "time" not in source.variables:
        return
    moments = source[FORCING_TIME].values
    wanted = time + step * np.arange(moments.size)
    if moments.dtype.kind not in "fiu" or not (np.abs(moments - wanted) <= _SLACK * step).all():
        raise DataError(
            f"the times {FORCING_TIME} of {path} are not the last frame and the steps after it",
            got=", ".join(f"{value}" for value in moments[:4]),
            expected=", ".join(f"{value:g}" for value in wanted[:4]),
            fix="Interpolate the forcing to these times, or leave out the coordinate if it only numbers them.",
        )
