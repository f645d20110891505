"""What forecasting trains on and asks: its settings, its examples, its inputs."""

from dataclasses import replace
from typing import NamedTuple

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core import rng
from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.core.tensors import TensorField
from sciml.core.types import Grid
from sciml.train import Context


class ForecastConfig(Config):
    """What a forecasting solver is trained for."""

    history: int = pydantic.Field(default=2, ge=1)
    """Frames it sees."""
    strides: tuple[int, ...] = pydantic.Field(default=(1,), min_length=1)
    """Stored frames per step; several values train one network for several time steps."""
    noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of Gaussian noise on the inputs, in standard deviations of the field; drawn anew for every
    batch, against growth of errors in rollouts."""
    data_noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of Gaussian noise on the frames of the training split, as an instrument leaves it, in standard
    deviations of the field: a frame is the same in every window and batch. Validation and test stay clean."""
    draw: int = pydantic.Field(default=0, ge=0)
    """Which draw of `data_noise`."""

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
    """Mean and standard deviation per field, parameter and forcing, from the training split."""
    history: int
    """Frames it sees."""
    dt: float
    """Physical time between stored frames; 1 where a parameter of the problem is that time."""
    steps: int
    """Frames of a stored trajectory after the context, the usual length of a rollout."""
    time_units: str = "1"
    """Units of `dt`."""
    strides: tuple[int, ...] = (1,)
    """Stored frames per step that are trained on."""
    active: TensorField | None = None
    """Which cells are part of the domain, ``*space``; None for all of them. Fields are NaN at the others."""

    def channels_in(self, problem: Problem) -> int:
        """Channels of a network that takes the mask, if there is one, beside the frames of the history."""
        return self.history * len(problem.fields) + (self.active is not None)

    def num_scalars(self, problem: Problem) -> int:
        """Numbers that condition a network beside the stride: parameters, and forcings at both ends of a step."""
        return len(problem.parameters) + 2 * len(problem.forcings)


def check_length(settings: ForecastConfig, frames: int) -> None:
    """Refuse trajectories that are shorter than one example. Raises: ConfigError."""
    longest = settings.history * max(settings.strides) + 1
    if longest > frames:
        raise ConfigError(
            "the trajectories are too short for this history and stride",
            got=f"history {settings.history}, strides {settings.strides}, {frames} frames",
            expected=f"at least {longest} frames",
            fix="Lower task.history or task.strides, or raise `frames` in the dataset card.",
        )


class Window(NamedTuple):
    """What `StepperSolver.predict` needs: context, parameters, stride, and how many steps to go.

    `time` is the physical time of the last context frame; `forcing` is known at that frame and after every step, and
    None where the problem has none.
    """

    states: Float[Tensor, "batch history channel *space"]
    parameters: Float[Tensor, "batch parameter"]
    stride: Float[Tensor, " batch"]
    steps: int = 1
    time: float = 0.0
    forcing: Float[Tensor, "batch moment forcing"] | None = None


class ForecastExamples:
    """The training windows, with noise on their inputs or in their frames if the task asks for it."""

    def __init__(self, dataset: data.Dataset, config: ForecastConfig) -> None:
        self.windows = data.Windows(dataset.split("train"), config.history, 1, config.strides)
        spread = dataset.statistics.field_std
        self._fresh, self._fixed, self._draw = config.noise * spread, config.data_noise * spread, config.draw

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, indices: Tensor, generator: torch.Generator) -> data.WindowBatch:
        """The windows at `indices`."""
        batch = self.windows.batch(indices)
        if self._fixed.any():
            batch = self._measured(batch, indices)
        if not self._fresh.any():
            return batch
        noise = torch.randn(batch.inputs.shape, generator=generator)
        return replace(batch, inputs=batch.inputs + noise * _per_channel(self._fresh, noise))

    def _measured(self, batch: data.WindowBatch, indices: Tensor) -> data.WindowBatch:
        frames = torch.cat((batch.inputs, batch.targets), 1)
        noise = torch.empty_like(frames)
        for row, (sample, start, stride) in enumerate(
            zip(*map(Tensor.tolist, self.windows.locate(indices)), strict=True)
        ):
            for i in range(frames.shape[1]):
                generator = rng.generator(self._draw, "data noise", sample, start + i * stride)
                noise[row, i] = torch.randn(frames.shape[2:], generator=generator)
        frames = frames + noise * _per_channel(self._fixed, noise)
        history = batch.inputs.shape[1]
        return replace(batch, inputs=frames[:, :history], targets=frames[:, history:])


def _per_channel(scale: Float[Tensor, " channel"], frames: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (frames.ndim - 3))
