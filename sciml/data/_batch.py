"""Batches: what a step of training sees, and the windows of trajectories."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

S = TypeVar("S", bound="Batch")  # not Self, which the type checks of the tests cannot read

B = TypeVar("B", bound="Batch")  # Self is refused by the checker of shapes that the tests run under


@dataclass(frozen=True)
class Batch:
    """Samples of one step of training; a leaf names its fields.

    A field is a tensor whose first axis numbers the samples, or is in `shared`: then it belongs to the batch as a whole
    (the times of all samples, a seed, tensors by name) and stays whole in every part.
    """

    shared: ClassVar[frozenset[str]] = frozenset()

    def to(self: B, device: torch.device | str) -> B:
        """The same batch on another device."""
        return replace(self, **{name: _moved(value, device) for name, value in self._values().items()})

    def rows(self: B, rows: slice) -> B:
        """A part of the samples (the share of one process or one accumulation step)."""
        return replace(self, **self._part(rows))

    def __len__(self) -> int:
        return next(len(value) for name, value in self._values().items() if name not in self.shared)

    def _part(self, rows: slice) -> dict[str, object]:
        """The fields that differ in a part, by name; a leaf adds to it where a shared field must change too."""
        return {name: value[rows] for name, value in self._values().items() if name not in self.shared}

    def _values(self) -> dict[str, Any]:  # Any: tensors, None and what leaves share
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def _moved(value: object, device: torch.device | str) -> object:
    if isinstance(value, Mapping):
        return {key: _moved(entry, device) for key, entry in value.items()}
    return value.to(device) if isinstance(value, Tensor) else value


@dataclass(frozen=True)
class WindowBatch(Batch):
    """Windows of trajectories in physical units, channel first.

    Fields:
        inputs: the context the solver sees, ``batch history channel *space``.
        targets: what follows, ``batch horizon channel *space``.
        parameters: physical parameters in declaration order, ``batch parameter`` (zero columns if there are none).
        stride: stored frames between consecutive states of the window, ``batch``.
        forcing: at the last context frame and at every target, ``batch moment forcing``; None where there is none.
        free: leading targets that the solver steps over on its own answers, without a gradient and without a score.
    """

    shared: ClassVar[frozenset[str]] = frozenset({"free"})

    inputs: Float[Tensor, "batch history channel *space"]
    targets: Float[Tensor, "batch horizon channel *space"]
    parameters: Float[Tensor, "batch parameter"]
    stride: Float[Tensor, " batch"]
    forcing: Float[Tensor, "batch moment forcing"] | None = None
    free: int = 0
