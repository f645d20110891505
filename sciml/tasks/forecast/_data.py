"""What forecasting trains on and asks: its settings, its examples, its inputs."""

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
from sciml.core.errors import DataError
from sciml.core.problem import Problem
from sciml.core.types import Grid
from sciml.tasks._inputs import check_finite, numbers, open_inputs, parameter_columns, shape_words


class ForecastConfig(Config):
    """What a forecasting solver is trained for."""

    history: int = pydantic.Field(2, ge=1)
    """Frames it sees."""
    strides: tuple[int, ...] = pydantic.Field((1,), min_length=1)
    """Stored frames per step; several values train one network for several time steps."""
    noise: float = pydantic.Field(0.0, ge=0)
    """Standard deviation of Gaussian noise on the inputs, in standard deviations of the field."""

    @pydantic.field_validator("strides")
    @classmethod
    def _positive(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        if min(strides) < 1:
            raise ValueError("every stride must be at least 1")
        return strides


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

    def batch(self, indices: Tensor, generator: torch.Generator) -> data.Batch:
        """The windows at `indices`."""
        batch = self.windows.batch(indices)
        if not self._scale.any():
            return batch
        noise = torch.randn(batch.inputs.shape, generator=generator)
        return replace(batch, inputs=batch.inputs + noise * self._scale.view(-1, *[1] * (noise.ndim - 3)))


def read_window(path: Path, problem: Problem, grid: Grid, history: int, steps: int, dt: float) -> Window:
    """Context frames from a user's NetCDF file.

    Arguments:
        path: a file with one variable per field on ``sample time *space`` (``sample`` may be missing for a single case)
            and one per parameter on ``sample`` (or a scalar). The last `history` frames are used.
        problem, grid: what the fields are called and how large they must be.
        history, steps: frames of context needed and of forecast wanted.
        dt: physical time between frames; a coordinate ``time``, which the file may have, must agree with it.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    source = open_inputs(path, problem, "the context frames")
    dims = ("sample", "time", *grid.dims)
    states = torch.stack([_field(path, source[field.name], dims, grid, history) for field in problem.fields], dim=2)
    for field, values in zip(problem.fields, states.unbind(2), strict=True):
        check_finite(path, field.name, values)
    parameters = parameter_columns(path, source, problem, len(states))
    return Window(states, parameters, torch.ones(len(states)), steps, _last_time(path, source, history, dt))


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
        )
    return numbers(path, array.transpose(*dims))[:, -history:]


def _last_time(path: Path, source: xarray.Dataset, history: int, dt: float) -> float:
    """Time of the last frame; 0 for a file without times."""
    if "time" not in source.coords:
        return 0.0
    times = source["time"].values[-history:]
    if times.dtype.kind not in "fiu" or not np.allclose(np.diff(times), dt, rtol=1e-3):
        raise DataError(
            f"the frames of {path} have another distance in time than the data the run was trained on",
            got=f"times {', '.join(map(str, times))}",
            expected=f"numbers {dt} apart",
            fix="Interpolate them, or leave out the coordinate `time` if it is only a number.",
        )
    return float(times[-1])
