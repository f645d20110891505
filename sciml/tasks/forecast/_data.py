"""What forecasting trains on and asks: its settings, its examples, its inputs."""

import math
from dataclasses import replace
from typing import NamedTuple

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml import data
from sciml.core import rng
from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.core.problem import Problem
from sciml.core.tensors import TensorField
from sciml.core.types import Grid
from sciml.nn import Modes, Odd, PaddingChoice, odd_channels, padding_modes
from sciml.tasks._conformal import least_held_out
from sciml.train import Context


class ForecastConfig(Config):
    """What a forecasting solver is trained for."""

    history: int = pydantic.Field(default=2, ge=1, le=10_000)
    """Frames it sees."""
    strides: tuple[int, ...] = pydantic.Field(default=(1,), min_length=1)
    """Stored frames per step; several values train one network for several time steps. The smallest is examined."""
    data: str | None = None
    """Preset of the dataset card whose trajectories are used; unset for that of the run. A table without a recipe of
    its own, such as a study's, is asked for so."""
    trajectories: int | None = pydantic.Field(default=None, ge=1)
    """Training trajectories that are used, the first ones of the split; unset for all. Statistics stay those of all."""
    noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of Gaussian noise on the inputs, in standard deviations of the field; drawn anew for every
    batch, against growth of errors in rollouts."""
    data_noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of Gaussian noise on the frames of the training split, as an instrument leaves it, in standard
    deviations of the field: a frame is the same in every window and batch. Validation and test stay clean."""
    draw: int = pydantic.Field(default=0, ge=0)
    """Which draw of `data_noise`."""
    pushforward: int = pydantic.Field(default=0, ge=0, le=10_000)
    """Largest number of steps that training takes on the network's own answers, without a gradient, before the one that
    is scored; every batch draws it anew, from 0 to this."""
    unroll: int = pydantic.Field(default=1, ge=1, le=10_000)
    """Steps that are scored in training, each from the answer of the one before, with the gradient through them all."""
    held_out: float = pydantic.Field(default=0.0, ge=0, le=0.5)
    """Share of the training trajectories that are kept away from training and calibrate bands around rollouts; 0 for no
    bands."""
    coverage: float = pydantic.Field(default=0.9, gt=0, lt=1)
    """Share of the values that a band is to hold, in the mean over trajectories."""
    increments: bool | None = None
    """Whether networks predict the change in a step instead of the next frame, in units of the change of each field;
    unset: where some field changes by less than a tenth of its standard deviation."""
    speed: bool = True
    """Whether the speed-up over the reference is measured, which takes the reference's own time several times."""

    @property
    def horizon(self) -> int:
        """Frames of a training window after the history."""
        return self.pushforward + self.unroll

    @property
    def stride(self) -> int:
        """Stored frames per step of validation and examination."""
        return min(self.strides)

    def frames(self, stored: int) -> int:
        """Frames of a trajectory, a stride apart."""
        return (stored - 1) // self.stride + 1

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
    """Frames of a trajectory after the context, the smallest stride apart: the usual length of a rollout."""
    time_units: str = "1"
    """Units of `dt`."""
    strides: tuple[int, ...] = (1,)
    """Stored frames per step that are trained on."""
    coverage: float | None = None
    """Share of the values that the bands around rollouts hold; None without bands."""
    parity: tuple[tuple[str, ...] | None, ...] | None = None
    """By field, the axes at whose walls it is odd, None where that is not known; None for a run of before there were
    parities, whose networks see zeros beyond walls and open ends."""
    change: TensorField | None = None
    """Root mean square of the change of each field in a step, ``channel``, for networks that predict changes; None for
    networks of whole frames."""
    active: TensorField | None = None
    """Which cells are part of the domain, ``*space``; None for all of them. Fields are NaN at the others."""
    constant: tuple[str, ...] = ()
    """Fields that have one value in all of the training data: they are predicted to keep it and count in no loss."""

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
    longest = (settings.history + settings.horizon - 1) * max(settings.strides) + 1
    if longest > frames:
        ahead = f", {settings.horizon} steps of training" if settings.horizon > 1 else ""
        raise ConfigError(
            "the trajectories are too short for this history and stride" + (" and so many steps" if ahead else ""),
            got=f"history {settings.history}, strides {settings.strides}{ahead}, {frames} frames",
            expected=f"at least {longest} frames",
            fix=(
                "Lower task.history"
                + (", task.strides, task.pushforward or task.unroll" if ahead else " or task.strides")
            )
            + ", or raise `frames` in the dataset card.",
        )


def num_held_out(settings: ForecastConfig, trajectories: int) -> int:
    """How many training trajectories calibrate bands.

    Raises: ConfigError for too few to promise the coverage, or for none that are left to train on.
    """
    if not settings.held_out:
        return 0
    count, needed = math.ceil(settings.held_out * trajectories), least_held_out(settings.coverage)
    if count < needed or count >= trajectories:
        raise ConfigError(
            f"too few training trajectories are held out to calibrate bands that hold {settings.coverage:.0%}",
            got=f"{count} of {trajectories} (task.held_out={settings.held_out:g})",
            expected=f"at least {needed}, and some to train on",
            fix="Raise task.held_out, lower task.coverage, or take a preset with more trajectories.",
        )
    return count


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


SLOW = 0.1
"""Change in a step, in standard deviations of a field, below which networks predict changes: what is new in a frame
would be lost in the error of repeating the old one."""


def used_rows(split: data.Split, settings: ForecastConfig) -> Int[Tensor, " row"]:
    """The training trajectories that succeeded, as many as the settings ask for. Raises: ConfigError for fewer."""
    wanted = len(split.good) if settings.trajectories is None else settings.trajectories
    if wanted > len(split.good):
        raise ConfigError(
            f"the dataset has only {len(split.good)} training trajectories",
            got=f"task.trajectories={wanted}",
            expected=f"at most {len(split.good)}",
        )
    return split.good[:wanted]


def change_of(dataset: data.Dataset, settings: ForecastConfig) -> Float[Tensor, " channel"] | None:
    """Root mean square of the change of each field in a step of training; None where frames are learned whole.

    A field that never changes counts with its standard deviation.
    """
    if settings.increments is False:
        return None
    split, spread, stride = dataset.split("train"), dataset.statistics.field_std, settings.stride
    total, count = torch.zeros(len(spread), dtype=torch.float64), 0
    for rows in used_rows(split, settings).split(dataset.card.shard_size):
        steps = torch.full_like(rows, stride)
        frames = split.read(rows, torch.zeros_like(rows), steps, settings.frames(dataset.card.frames)).double()
        inside = frames if dataset.active is None else frames[..., dataset.active]
        squares = inside.diff(dim=1).square().transpose(1, 2).flatten(2)
        total += squares.sum((0, 2))
        count += squares.shape[0] * squares.shape[2]
    change = (total / max(count, 1)).sqrt().to(spread)
    moves = change > 1e-6 * spread
    if settings.increments is None and not bool((moves & (change < SLOW * spread)).any()):
        return None
    return torch.where(moves, change, spread)


class ForecastExamples:
    """The training windows, with noise on inputs or frames and steps without gradient if the task asks for them."""

    def __init__(self, dataset: data.Dataset, config: ForecastConfig) -> None:
        split = dataset.split("train")
        rows = used_rows(split, config)
        count = num_held_out(config, len(rows))
        self.held_out = rows[len(rows) - count :]
        self.windows = data.Windows(
            split, config.history, config.horizon, config.strides, rows=rows[: len(rows) - count]
        )
        spread = dataset.statistics.field_std
        self._fresh, self._fixed, self._config = config.noise * spread, config.data_noise * spread, config

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, indices: Tensor, generator: torch.Generator) -> data.WindowBatch:
        """The windows at `indices`."""
        batch = self.windows.batch(indices)
        if self._fixed.any():
            batch = self._measured(batch, indices)
        if self._fresh.any():
            noise = torch.randn(batch.inputs.shape, generator=generator)
            batch = replace(batch, inputs=batch.inputs + noise * _per_channel(self._fresh, noise))
        if not self._config.pushforward:
            return batch
        free = int(torch.randint(self._config.pushforward + 1, (), generator=generator))
        ahead = free + self._config.unroll
        forcing = None if batch.forcing is None else batch.forcing[:, : ahead + 1]
        return replace(batch, targets=batch.targets[:, :ahead], forcing=forcing, free=free)

    def _measured(self, batch: data.WindowBatch, indices: Tensor) -> data.WindowBatch:
        frames = torch.cat((batch.inputs, batch.targets), 1)
        noise = torch.empty_like(frames)
        for row, (sample, start, stride) in enumerate(
            zip(*map(Tensor.tolist, self.windows.locate(indices)), strict=True)
        ):
            for i in range(frames.shape[1]):
                generator = rng.generator(self._config.draw, "data noise", sample, start + i * stride)
                noise[row, i] = torch.randn(frames.shape[2:], generator=generator)
        frames = frames + noise * _per_channel(self._fixed, noise)
        history = batch.inputs.shape[1]
        return replace(batch, inputs=frames[:, :history], targets=frames[:, history:])


def _per_channel(scale: Float[Tensor, " channel"], frames: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (frames.ndim - 3))
