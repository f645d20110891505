"""What learning from sparsely observed series trains on and asks."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import pydantic
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml import data
from sciml.core import rng
from sciml.core.config import Config
from sciml.core.errors import ConfigError, DataError
from sciml.core.problem import Problem
from sciml.core.tensors import TensorField
from sciml.tasks._inputs import Times, numbers, open_inputs, parameter_columns, read_times, shape_words
from sciml.tasks._no_space import good_parameters, good_states, stored_times
from sciml.train import Context


class SeriesConfig(Config):
    """What a solver sees of a series, and what it must say."""

    observed: float = pydantic.Field(default=0.3, gt=0, le=1)
    """Share of the times up to the horizon that are observed, one at least; which ones is drawn per series."""
    horizon: float = pydantic.Field(default=0.75, gt=0, le=1)
    """Share of the time span within which observations lie; what comes later is extrapolation."""
    noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of the Gaussian error of every observed value, in standard deviations of the field."""


class SeriesContext(Context):
    """What a network of series must know of its data."""

    statistics: data.Statistics
    """Mean and standard deviation per field and parameter, from the training split."""
    times: TensorField
    """Stored times, float32."""
    dt: float
    """Physical time between them."""
    time_units: str = "1"
    """Units of times."""


class Observed(NamedTuple):
    """What a solver of the task `Series` predicts from, in physical units.

    Fields:
        times: when values are asked for, strictly increasing, counted from `origin`; observations are at some of them,
            and a series begins at the first.
        values: what was observed, ``batch time channel``, zero where nothing was.
        mask: whether a time of a series was observed (all its channels at once).
        parameters: physical parameters in declaration order.
        tolerance: relative tolerance of an integration; None for the solver's own.
        origin: of `times`, by the clock; not zero where single precision does not hold their distances by the clock.
    """

    times: Float[Tensor, " time"]
    values: Float[Tensor, "batch time channel"]
    mask: Bool[Tensor, "batch time"]
    parameters: Float[Tensor, "batch parameter"]
    tolerance: float | None = None
    origin: float = 0.0


@dataclass(frozen=True)
class SeriesBatch(data.Batch):
    """Observed series and what they really were, in physical units.

    Fields:
        times, values, mask, parameters: as in `Observed`.
        targets: the reference at every time, without noise, ``batch time channel``.
    """

    shared: ClassVar[frozenset[str]] = frozenset({"times"})

    times: Float[Tensor, " time"]
    values: Float[Tensor, "batch time channel"]
    mask: Bool[Tensor, "batch time"]
    targets: Float[Tensor, "batch time channel"]
    parameters: Float[Tensor, "batch parameter"]

    def inputs(self, tolerance: float | None = None) -> Observed:
        """What the solver sees of the batch."""
        return Observed(self.times, self.values, self.mask, self.parameters, tolerance)


class SeriesExamples:
    """The trajectories of a split; every draw of a training batch observes them at other times."""

    def __init__(self, dataset: data.Dataset, config: SeriesConfig, split: str) -> None:
        self.states, self.parameters = good_states(dataset, split), good_parameters(dataset, split)
        self.times, self.config = stored_times(dataset), config
        self.within = within_horizon(dataset.card.frames, config.horizon)
        self._scale = config.noise * dataset.statistics.field_std
        self._fixed = (dataset.card.seed, "observation", dataset.digest, split)

    def __len__(self) -> int:
        return len(self.states)

    def batch(self, indices: Tensor, generator: torch.Generator) -> SeriesBatch:
        """The series at `indices`, observed at times (and with noise) drawn from `generator`."""
        targets = self.states[indices]
        count, candidates = self._num_observed, int(self.within.sum())
        order = torch.rand(len(indices), candidates, generator=generator).argsort(1)
        mask = torch.zeros(targets.shape[:2], dtype=torch.bool)
        mask[:, :candidates] = order < count
        noise = torch.randn(targets.shape, generator=generator) * self._scale if self._scale.any() else 0.0
        values = torch.where(mask[:, :, None], targets + noise, 0.0)
        return SeriesBatch(self.times, values, mask, targets, self.parameters[indices])

    def fixed(self) -> SeriesBatch:
        """All series of the split, observed at times that are always the same, for validation and test."""
        return self.batch(torch.arange(len(self)), rng.generator(*self._fixed))

    @property
    def _num_observed(self) -> int:
        return max(1, round(self.config.observed * int(self.within.sum())))


def within_horizon(frames: int, horizon: float) -> Bool[Tensor, " time"]:
    """Which of the equidistant stored times lie within the share `horizon` of their span; the first ones."""
    last = round(horizon * (frames - 1), 9)  # 0.7 of 10 intervals is 7, in spite of rounding
    within = torch.arange(frames) <= last
    if not within.any():
        raise ConfigError("nothing can be observed", got=f"horizon {horizon} of {frames} frames")
    return within


def read_observed(path: Path, problem: Problem, context: SeriesContext, steps: int | None) -> Observed:
    """Observed series from a user's NetCDF file.

    Arguments:
        path: a file with one variable per field on ``sample time`` (``sample`` may be missing for a single series),
            NaN where nothing was observed, and one per parameter on ``sample`` (or a scalar). Its coordinate ``time``
            may be left out by a file that has the stored number of times.
        problem: what the fields and parameters are called.
        context: the times of the data the run was trained on.
        steps: further times to predict, as far apart as those, after the last one of the file; None for none.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    source = open_inputs(path, problem, "observed series", also={"time": context.time_units})
    columns = []
    for field in problem.fields:
        array = source[field.name]
        if set(array.dims) != {"sample", "time"}:
            expected = "sample (any number), time (two at least)"
            raise DataError(
                f"field {field.name!r} in {path} has the wrong shape", got=shape_words(array), expected=expected
            )
        columns.append(numbers(path, array.transpose("sample", "time")))
    values = torch.stack(columns, dim=2)
    observed, stored = read_times(path, source), context.times
    if observed is None and values.shape[1] != len(stored):
        raise DataError(f"{path} does not say when its values were observed", got=f"{values.shape[1]} values in time",
                        expected=f"a coordinate time, or {len(stored)} values at the stored times")  # fmt: skip
    times, origin = observed or Times(stored)
    parameters = parameter_columns(path, source, problem, len(values))
    mask = _seen(path, problem, values)
    if steps:
        times = torch.cat([times, times[-1] + context.dt * torch.arange(1, steps + 1)])
        values = torch.cat([values, values.new_full((len(values), steps, values.shape[2]), torch.nan)], dim=1)
        mask = torch.cat([mask, mask.new_zeros(len(mask), steps)], dim=1)
    return Observed(times, torch.where(mask[:, :, None], values, 0.0), mask, parameters, origin=origin)


def _seen(path: Path, problem: Problem, values: Float[Tensor, "sample time channel"]) -> Bool[Tensor, "sample time"]:
    """The times at which every field has a value; a file in which only some have one is refused."""
    missing = values.isnan()
    for field, column in zip(problem.fields, values.unbind(2), strict=True):
        if column.isinf().any():
            raise DataError(f"{field.name!r} in {path} holds infinite values", fix="NaN marks what was not observed.")
    partly = missing.any(2) & ~missing.all(2)
    if partly.any():
        sample, time = (int(i) for i in partly.nonzero()[0])
        names = [f.name for f, gone in zip(problem.fields, missing[sample, time].tolist(), strict=True) if gone]
        raise DataError(
            f"{path} holds a time at which only some of the fields were observed",
            got=f"no value of {', '.join(names)} at time number {time} of sample {sample}",
            expected="a value of every field, or NaN in all of them",
        )
    seen = ~missing.any(2)
    if not seen.any(1).all():
        empty = int((~seen.any(1)).nonzero()[0])
        raise DataError(f"{path} holds a series without any observation", got=f"sample {empty}",
                        expected="at least one time with a value of every field")  # fmt: skip
    return seen
