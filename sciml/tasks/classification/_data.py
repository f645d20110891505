"""What classification trains on and asks."""

import dataclasses
import fnmatch
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from sciml import data
from sciml.core.config import Config
from sciml.core.errors import ConfigError, DataError, UnknownNameError
from sciml.core.problem import Problem
from sciml.tasks._inputs import check_finite, numbers, open_inputs, shape_words
from sciml.tasks._labels import Labelled as Variables
from sciml.train import Context

P = TypeVar("P", bound=Problem)


class ClassificationConfig(Config):
    """How a classifier is trained and examined; the card says how many samples each split has."""

    inputs: tuple[str, ...] = ()
    """Fields that are read, by name or pattern (``neurons_*``), in the order of the problem; none for all."""
    draw: int = pydantic.Field(default=0, ge=0)
    """Which way of sharing the samples out among the splits; 0 for that of the card."""
    noise: float = pydantic.Field(default=0.0, ge=0)
    """Standard deviation of Gaussian noise on the training samples, in standard deviations of the field; drawn anew
    every time."""
    shift: int = pydantic.Field(default=0, ge=0)
    """Training pictures are moved by up to so many points along each axis, drawn anew every time; zeros come in."""
    tolerances: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
    """At which the examination repeats the prediction of a solver that integrates, falling; none for no such sweep."""

    @pydantic.field_validator("tolerances")
    @classmethod
    def _falling(cls, tolerances: tuple[float, ...]) -> tuple[float, ...]:
        pairs = itertools.pairwise(tolerances)
        if any(b >= a for a, b in pairs) or (tolerances and tolerances[-1] < 1e-10):
            raise ValueError("tolerances must fall, none below 1e-10")
        return tolerances


class ClassificationContext(Context):
    """What a classifier must know of its data."""

    shape: tuple[int, ...]
    """Of one sample."""
    statistics: data.Statistics
    """Mean and standard deviation per field, from the training split; there are no parameters."""
    inputs: tuple[str, ...] = ()
    """Names of the fields that are read; none for all."""


def as_read(problem: P, inputs: Sequence[str]) -> P:
    """The problem with those fields alone that are read.

    Arguments:
        problem: which has more.
        inputs: names of fields, or patterns for several; none for all.

    Raises: UnknownNameError for one that fits no field.
    """
    if not inputs:
        return problem
    names = [field.name for field in problem.fields]
    for pattern in inputs:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise UnknownNameError("field", pattern, names, fix="Patterns such as `a_*` stand for several fields.")
    read = tuple(field for field in problem.fields if any(fnmatch.fnmatchcase(field.name, p) for p in inputs))
    return dataclasses.replace(problem, fields=read)


def read_split(problem: Problem, reading: Problem, split: data.LabelledSplit) -> data.LabelledSplit:
    """The split with the fields of `reading` alone, which has some of those of `problem`."""
    if reading is problem:
        return split
    read = {field.name for field in reading.fields}
    rows = [place for place, field in enumerate(problem.fields) if field.name in read]
    if split.features.shape[1] != len(problem.fields):  # a single field, whose values are the sample
        return split
    return data.LabelledSplit(split.features[:, rows], split.labels)


class Pictures(NamedTuple):
    """What a classifier predicts from.

    Fields:
        inputs: samples in physical units, ``batch *shape``.
        tolerance: relative tolerance of an integration; None for the solver's own.
    """

    inputs: Float[Tensor, "batch *shape"]
    tolerance: float | None = None


@dataclass(frozen=True)
class Labelled(data.Batch):
    """Samples with their classes.

    Fields:
        inputs: in physical units, ``batch *shape``.
        labels: index of the class.
    """

    inputs: Float[Tensor, "batch *shape"]
    labels: Int[Tensor, " batch"]


class LabelledExamples:
    """The training samples, moved and disturbed if the task asks for it."""

    def __init__(
        self, problem: Problem, split: data.LabelledSplit, statistics: data.Statistics, config: ClassificationConfig
    ) -> None:
        self.split, self.config = split, config
        features = split.features
        if config.shift and (features.ndim < 3 or config.shift >= min(features.shape[-2:])):
            raise ConfigError(
                "the shift is too large for these samples",
                got=f"task.shift={config.shift}, samples of shape {tuple(features.shape[1:])}",
                expected="pictures that are larger than the shift",
            )
        per_field, _ = sample_dims(tuple(features.shape[1:]), problem)
        std = statistics.field_std
        self._scale = config.noise * (std.view(-1, *[1] * (features.ndim - 2)) if per_field else std)

    def __len__(self) -> int:
        return len(self.split.labels)

    def batch(self, indices: Tensor, generator: torch.Generator) -> Labelled:
        """The samples at `indices`."""
        batch = Labelled(self.split.features[indices], self.split.labels[indices])
        if self.config.shift:
            batch = replace(batch, inputs=_moved(batch.inputs, self.config.shift, generator))
        if self.config.noise:
            noise = torch.randn(batch.inputs.shape, generator=generator)
            batch = replace(batch, inputs=batch.inputs + self._scale * noise)
        return batch


def _moved(pictures: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Pictures moved by whole points along their last two axes, each by its own draw, zeros from outside."""
    height, width = pictures.shape[-2:]
    flat = pad(pictures.reshape(len(pictures), -1, height, width), (most,) * 4)
    first = torch.randint(2 * most + 1, (2, len(pictures)), generator=generator)
    y, x = (first[i][:, None] + torch.arange(size) for i, size in enumerate((height, width)))
    sample = torch.arange(len(pictures))[:, None, None, None]
    channel = torch.arange(flat.shape[1])[None, :, None, None]
    return flat[sample, channel, y[:, None, :, None], x[:, None, None, :]].reshape(pictures.shape)


def sample_dims(shape: tuple[int, ...], problem: Problem) -> tuple[bool, tuple[str, ...]]:
    """Whether the first axis of a sample counts the fields, and names of the other axes: feature, or y and x."""
    per_field = data.as_channels(problem, torch.empty(0, *shape)).ndim == 1 + len(shape)
    rest = len(shape) - per_field
    names = {0: (), 1: ("feature",), 2: ("y", "x"), 3: ("z", "y", "x")}.get(rest)
    return per_field, names if names is not None else tuple(f"axis_{i}" for i in range(rest))


def labelled_pictures(problem: Problem, features: Float[Tensor, "sample *shape"]) -> Variables:
    """One variable per field, its axes those of `sample_dims`."""
    per_field, names = sample_dims(tuple(features.shape[1:]), problem)
    arrays: Variables = {}
    for i, field in enumerate(problem.fields):
        values = features[:, i] if per_field else features
        words = {"units": field.units, "long_name": field.long_name}
        arrays[field.name] = (("sample", *names), values.cpu().numpy(), words)
    return arrays


def read_pictures(path: Path, problem: Problem, shape: tuple[int, ...]) -> Pictures:
    """Samples from a user's NetCDF file.

    Arguments:
        path: a file with one variable per field, its axes those of `sample_dims` (``sample`` may be missing for a
            single one).
        problem: what the fields are called.
        shape: of one sample.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    source = open_inputs(path, problem, "samples", [field.name for field in problem.fields])
    per_field, names = sample_dims(shape, problem)
    sizes = shape[per_field:]
    arrays = []
    for field in problem.fields:
        array = source[field.name]
        fits = set(array.dims) == {"sample", *names}
        if not fits or tuple(array.sizes[name] for name in names) != sizes:
            wanted = "".join(f", {name} {size}" for name, size in zip(names, sizes, strict=True))
            raise DataError(
                f"field {field.name!r} in {path} has the wrong shape",
                got=shape_words(array),
                expected=f"sample (any number){wanted}",
            )
        arrays.append(numbers(path, array.transpose("sample", *names)))
        check_finite(path, field.name, arrays[-1])
    return Pictures(torch.stack(arrays, dim=1) if per_field else arrays[0])
