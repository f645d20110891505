"""What forecasting trains on and asks: its settings, its examples, its inputs."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

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
    """What `StepperSolver.predict` needs: context, parameters, stride, and how many steps to go."""

    states: Float[Tensor, "batch history channel *space"]
    parameters: Float[Tensor, "batch parameter"]
    stride: Float[Tensor, " batch"]
    steps: int = 1


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


def read_window(path: Path, problem: Problem, grid: Grid, history: int, steps: int) -> Window:
    """Context frames from a user's NetCDF file.

    Arguments:
        path: a file with one variable per field on ``sample time *space`` (``sample`` may be missing for a single case)
            and one per parameter on ``sample`` (or a scalar). The last `history` frames are used.
        problem, grid: what the fields are called and how large they must be.
        history, steps: frames of context needed and of forecast wanted.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    try:
        with xarray.open_dataset(path, engine="h5netcdf", decode_times=False) as opened:
            source = opened.load()
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not a readable NetCDF-4 file", got=str(error).splitlines()[0]) from None
    if "sample" not in source.dims:
        source = source.expand_dims("sample")
    dims = ("sample", "time", *grid.dims)
    missing = [entry.name for entry in (*problem.fields, *problem.parameters) if entry.name not in source]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}", got=f"variables {', '.join(map(str, source.data_vars))}")
    fields = []
    for field in problem.fields:
        array = source[field.name]
        sizes = tuple(array.sizes.get(name, 0) for name in grid.dims)
        if set(array.dims) != set(dims) or sizes != grid.size or array.sizes["time"] < history:
            raise DataError(
                f"field {field.name!r} in {path} has the wrong shape",
                got=dict(array.sizes),
                expected=f"{', '.join(dims)} with at least {history} times and {grid.size} points along {grid.dims}",
            )
        fields.append(torch.from_numpy(array.transpose(*dims).values.astype("float32"))[:, -history:])
    states = torch.stack(fields, dim=2)
    if not states.isfinite().all():
        raise DataError(f"{path} holds values that are not finite", fix="Fill or drop the bad samples first.")
    columns = [
        torch.from_numpy(source[p.name].values.astype("float32")).expand(len(states)) for p in problem.parameters
    ]
    parameters = torch.stack(columns, dim=1) if columns else torch.zeros(len(states), 0)
    return Window(states, parameters, torch.ones(len(states)), steps)
