"""What a network of sequences trains on and asks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import pydantic
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core.capabilities import HasSequences, Sequences
from sciml.core.config import Config
from sciml.core.errors import DataError, UserError
from sciml.tasks._inputs import check_finite, numbers, open_inputs, shape_words
from sciml.tasks._labels import Labelled
from sciml.train import Context

_UNEVEN = 1e-4
"""Largest difference of two time steps that are called equal, in units of their mean."""


class SequencesConfig(Config):
    """How a solver of sequences is trained and examined; the card says how many and how long they are."""

    noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of Gaussian noise on the training signals, in standard deviations of each; drawn anew every
    time."""
    strides: tuple[int, ...] = (2,)
    """The test signals are examined again at every n-th time only: another sampling rate than that of the training."""

    losses: tuple[Annotated[float, pydantic.Field(gt=0, lt=1)], ...] = ()
    """The test signals are examined again with these shares of their times lost. Solvers of irregular times see the
    rest, others straight lines over the gaps."""

    @pydantic.field_validator("strides")
    @classmethod
    def _rising(cls, strides: tuple[int, ...]) -> tuple[int, ...]:
        if any(stride < 2 for stride in strides) or list(strides) != sorted(set(strides)):
            raise ValueError("strides must be rising whole numbers from 2 on")
        return strides


class SequencesContext(Context):
    """What a solver must know of its sequences."""

    length: int
    """Times of a sequence."""
    dt: float
    """Distance of the times of the training."""
    time_units: str
    """Of `dt`."""
    signals: data.Statistics
    """Mean and standard deviation per signal, from the training split."""
    targets: data.Statistics
    """Those of every target; 0 and 1 for every class."""


class Signals(NamedTuple):
    """What a solver of sequences predicts from.

    Fields:
        signals: in physical units, ``batch time signal``.
        times: when they were taken, float64, rising; the same for all.
    """

    signals: Float[Tensor, "batch time signal"]
    times: Float[Tensor, " time"]


@dataclass(frozen=True)
class SequenceBatch(data.Batch):
    """Signals and their targets, in physical units.

    Fields:
        signals, times: as in `Signals`.
        targets: as in `Sequences`.
    """

    shared: ClassVar[frozenset[str]] = frozenset({"times"})

    signals: Float[Tensor, "batch time signal"]
    times: Float[Tensor, " time"]
    targets: Tensor


class SequenceExamples:
    """The training sequences, with noise on the signals if the task asks for it."""

    def __init__(
        self, sequences: Sequences, times: Float[Tensor, " time"], std: Float[Tensor, " signal"], noise: float
    ) -> None:
        self.sequences, self.times, self._scale = sequences, times, noise * std

    def __len__(self) -> int:
        return len(self.sequences.signals)

    def batch(self, indices: Tensor, generator: torch.Generator) -> SequenceBatch:
        """The sequences at `indices`."""
        signals = self.sequences.signals[indices]
        if self._scale.any():
            signals = signals + self._scale * torch.randn(signals.shape, generator=generator)
        return SequenceBatch(signals, self.times, self.sequences.targets[indices])


def uniform_step(times: Float[Tensor, " time"]) -> float | None:
    """The distance of equidistant times; None where they are not."""
    steps = times.double().diff()
    mean = float(steps.mean())
    return mean if bool(((steps - mean).abs() <= _UNEVEN * mean).all()) else None


def step_of(inputs: Signals, dt: float) -> float:
    """The time step of some inputs in units of `dt`.

    Raises: UserError for times that are not equidistant, at which a network with a fixed step has no answer.
    """
    step = uniform_step(inputs.times)
    if step is None:
        steps = inputs.times.double().diff()
        raise UserError(
            "the times of these sequences are not equidistant, and this solver steps uniformly",
            got=f"steps from {float(steps.min()):g} to {float(steps.max()):g}",
            expected=f"equal steps, to {_UNEVEN:g} of their mean",
            fix="Interpolate the signals to equidistant times, or use a solver for irregular times.",
        )
    scale = step / dt
    nearest = round(scale)  # a step that differs by rounding is the same step
    return float(nearest) if nearest >= 1 and abs(scale - nearest) <= _UNEVEN * scale else scale


def labelled_signals(
    problem: HasSequences, signals: Float[Tensor, "sample time signal"], role: str | None = None
) -> Labelled:
    """One variable ``sample time`` per signal, with units and, if given, a role."""
    more = {} if role is None else {"role": role}
    return {
        field.name: (
            ("sample", "time"),
            signals[:, :, i].cpu().numpy(),
            {"units": field.units, "long_name": field.long_name, **more},
        )
        for i, field in enumerate(problem.signals)
    }


def read_signals(path: Path, problem: HasSequences, context: SequencesContext) -> Signals:
    """Signals from a user's NetCDF file.

    Arguments:
        path: a file with one variable per signal on ``sample time`` (``sample`` may be missing for a single one) and
            the coordinate ``time``; or a table with a column ``time``, one per signal and, for several sequences below
            each other, one called ``case``. Times may begin anywhere; any length and any step will do.
        problem: what the signals are called.
        context: the units of time.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    names = [field.name for field in problem.signals]
    units = {field.name: field.units for field in problem.signals}
    source = open_inputs(
        path, problem, "signals over time", [*names, "time"], also={**units, "time": context.time_units}
    )
    if source["time"].dims == ("sample",):
        source = _stacked(path, source, names)
    if source["time"].dims == ("time",):
        source = source.sortby("time")
    times = _times(path, source["time"].values)
    columns = []
    for name in names:
        array = source[name]
        if set(array.dims) != {"sample", "time"}:
            raise DataError(f"signal {name!r} in {path} has the wrong shape", got=shape_words(array),
                            expected="sample (any number), time (two at least)")  # fmt: skip
        columns.append(numbers(path, array.transpose("sample", "time")))
        check_finite(path, name, columns[-1])
    return Signals(torch.stack(columns, dim=2), times)


def _stacked(path: Path, source: xarray.Dataset, names: list[str]) -> xarray.Dataset:
    """Rows of a table as sequences: those of each label, which must have the same times."""
    count = source.sizes["sample"]
    labels = source["sample"].to_numpy() if "sample" in source.coords else np.zeros(count, dtype=int)
    rows = [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
    when = source["time"].to_numpy()
    rows = [part[np.argsort(when[part], kind="stable")] for part in rows]
    times = when[rows[0]]
    for part in rows:
        if len(part) != len(times) or not np.array_equal(when[part], times):
            raise DataError(
                f"case {labels[part[0]]} of {path} has other times than case {labels[rows[0][0]]}",
                got=f"{len(part)} from {when[part[0]]:g} to {when[part[-1]]:g}",
                expected=f"{len(times)} from {times[0]:g} to {times[-1]:g}",
                fix="Predict cases with other times from files of their own.",
            )
    kept = {name: (("sample", "time"), np.stack([source[name].to_numpy()[part] for part in rows])) for name in names}
    coords = {"sample": [labels[part[0]] for part in rows]} if "sample" in source.coords else {}
    return xarray.Dataset(kept, {**coords, "time": ("time", times)})


def _times(path: Path, values: np.ndarray) -> Float[Tensor, " time"]:
    """Rising times in double precision."""
    sound = values.ndim == 1 and len(values) >= 2 and values.dtype.kind in "fiu"
    if not sound or not np.isfinite(values).all() or not (np.diff(values.astype(np.float64)) > 0).all():
        raise DataError(
            f"the times of {path} cannot be used",
            got=", ".join(map(str, values.ravel()[:6])) or "none",
            expected="at least two different numbers on the dimension time, all finite",
        )
    return torch.from_numpy(values.astype(np.float64))
