"""What forecasting trains on and asks: its settings, its examples, its inputs."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydantic
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core.config import Config
from sciml.core.errors import DataError, InputWarning
from sciml.core.problem import Problem
from sciml.core.types import Grid
from sciml.tasks._inputs import check_finite, numbers, open_inputs, parameter_columns, shape_words
from sciml.train import Context

_SLACK = 1e-3
"""Share of a step in time or space by which coordinates of a file may differ from those of the run."""


class ForecastConfig(Config):
    """What a forecasting solver is trained for."""

    history: int = pydantic.Field(default=2, ge=1)
    """Frames it sees."""
    strides: tuple[int, ...] = pydantic.Field(default=(1,), min_length=1)
    """Stored frames per step; several values train one network for several time steps."""
    noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of Gaussian noise on the inputs, in standard deviations of the field."""

    @pydantic.field_validator("strides")
    @classmethod
    def _positive(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        if min(strides) < 1:
            raise ValueError("every stride must be at least 1")
        return strides


class ForecastContext(Context):
    """What a forecasting network must know of its data."""

    grid: Grid
    """Where fields are stored."""
    statistics: data.Statistics
    """Mean and standard deviation per field and parameter, from the training split."""
    history: int
    """Frames it sees."""
    dt: float
    """Physical time between stored frames."""
    steps: int
    """Frames of a stored trajectory after the context, the usual length of a rollout."""
    time_units: str = "1"
    """Units of `dt`."""


class Window(NamedTuple):
    """What `StepperSolver.predict` needs: context, parameters, stride, and how many steps to go.

    `time` is the physical time of the last context frame.
    """

    states: Float[Tensor, "batch history channel *space"]
    parameters: Float[Tensor, "batch parameter"]
    stride: Float[Tensor, " batch"]
    steps: int = 1
    time: float = 0.0


class ForecastExamples:
    """The training windows, with noise on their inputs if the task asks for it."""

    def __init__(self, dataset: data.Dataset, config: ForecastConfig) -> None:
        self.windows = data.Windows(dataset.split("train"), config.history, 1, config.strides)
        self._scale = config.noise * dataset.statistics.field_std

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, indices: Tensor, generator: torch.Generator) -> data.WindowBatch:
        """The windows at `indices`."""
        batch = self.windows.batch(indices)
        if not self._scale.any():
            return batch
        noise = torch.randn(batch.inputs.shape, generator=generator)
        return replace(batch, inputs=batch.inputs + noise * self._scale.view(-1, *[1] * (noise.ndim - 3)))


def read_window(path: Path, problem: Problem, context: ForecastContext, steps: int) -> Window:
    """Context frames from a user's NetCDF file.

    Arguments:
        path: a file with one variable per field on ``sample time *space`` (``sample`` may be missing for a single case)
            and one per parameter on ``sample`` (or a scalar). The last ``context.history`` frames are used. A
            coordinate ``time``, which it may have, must have the distance in time of the data.
        problem, context: what the fields are called, and what the frames must be like.
        steps: frames of forecast wanted.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    grid, history = context.grid, context.history
    also = {axis.name: axis.units for axis in grid.axes} | {"time": context.time_units}
    source = _along_axes(path, open_inputs(path, problem, "the context frames", also=also), grid)
    dims = ("sample", "time", *grid.dims)
    states = torch.stack([_field(path, source[field.name], dims, grid, history) for field in problem.fields], dim=2)
    for field, values in zip(problem.fields, states.unbind(2), strict=True):
        check_finite(path, field.name, values)
    parameters = parameter_columns(path, source, problem, len(states))
    return Window(states, parameters, torch.ones(len(states)), steps, _last_time(path, source, history, context.dt))


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


def _last_time(path: Path, source: xarray.Dataset, history: int, dt: float) -> float:
    """Time of the last frame; 0 for a file without times."""
    if "time" not in source.variables:
        return 0.0
    times = source["time"].values[..., -history:]
    sound = times.ndim == 1 and times.dtype.kind in "fiu" and bool(np.isfinite(times).all())
    if not sound or (np.abs(np.diff(times.astype(np.float64)) - dt) > _SLACK * dt).any():
        raise DataError(
            f"the frames of {path} have another time step than the training data",
            got=f"times {', '.join(map(str, times))}",
            expected=f"numbers {dt} apart",
            fix="Interpolate them, or leave out the coordinate `time` if it is only a number.",
        )
    return float(times[-1])
