"""What forecasting trains on and asks: its settings, its examples, its inputs."""

from dataclasses import replace
from typing import NamedTuple

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.core.tensors import TensorField
from sciml.core.types import Grid
from sciml.nn import Modes, Odd, PaddingChoice, odd_channels, padding_modes
from sciml.train import Context


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
    parity: tuple[tuple[str, ...] | None, ...] | None = None
    """By field, the axes at whose walls it is odd, None where that is not known; None for a run of before there were
    parities, whose networks see zeros beyond walls and open ends."""
    active: TensorField | None = None
    """Which cells are part of the domain, ``*space``; None for all of them. Fields are NaN at the others."""

    def channels_in(self, problem: Problem) -> int:
        """Channels of a network that takes the mask, if there is one, beside the frames of the history."""
        return self.history * len(problem.fields) + (self.active is not None)

    def padding(self, choice: PaddingChoice) -> tuple[Modes, Odd]:
        """How a network sees beyond the grid, and which of its channels are odd in the mirrors of walls.

        Raises: UserError for a mirror along an axis without walls or of fields without a parity.
        """
        modes = padding_modes(choice, self.grid, self.parity)
        return modes, odd_channels(modes, self.grid, self.parity, self.history)

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
