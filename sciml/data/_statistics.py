"""Mean and standard deviation of the training split, per field and per parameter."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from pydantic_core import CoreSchema
from torch import Tensor

from sciml.core.errors import DataError
from sciml.core.paths import write_text
from sciml.core.status import Status
from sciml.core.tensors import tensor_dataclass_schema
from sciml.data._layout import Layout
from sciml.data._store import load_shard


@dataclass(frozen=True)
class Statistics:
    """What standardises fields and parameters; a constant one has standard deviation 1.

    Fields:
        field_mean, field_std: over samples, times and active points, in the units of each field, ``channel``.
        parameter_mean, parameter_std: over samples, in the units of each parameter, ``parameter``.
        forcing_mean, forcing_std: over samples and times, in the units of each forcing, ``forcing``.
    """

    field_mean: Float[Tensor, " channel"]
    field_std: Float[Tensor, " channel"]
    parameter_mean: Float[Tensor, " parameter"]
    parameter_std: Float[Tensor, " parameter"]
    forcing_mean: Float[Tensor, " forcing"] = field(default_factory=lambda: torch.zeros(0))
    forcing_std: Float[Tensor, " forcing"] = field(default_factory=lambda: torch.zeros(0))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        return tensor_dataclass_schema(cls)


class Moments:
    """Running count, mean and sum of squared deviations of one variable, merged block by block in float64."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        values = values.astype(np.float64, copy=False).ravel()
        count, mean = values.size, float(values.mean())
        squares, shift, total = float(np.square(values - mean).sum()), mean - self.mean, self.count + count
        self.mean += shift * count / total
        self.squares += squares + shift * shift * self.count * count / total
        self.count = total

    @property
    def std(self) -> float:
        """Population standard deviation; 1 where the variation is no more than rounding."""
        std = math.sqrt(self.squares / self.count)
        return std if std > 1e-12 * abs(self.mean) else 1.0


def compute_statistics(layout: Layout) -> Statistics:
    """Statistics of the successful trajectories of the training split, shard by shard in order.

    Raises DataError if there is none, or if a shard is missing or damaged.
    """
    fields, parameters, forcings = ([Moments() for _ in names] for names in _named(layout).values())
    active = layout.active
    for piece in layout.pieces("train"):
        shard = load_shard(layout, piece)
        good = shard.status == Status.OK
        if not good.any():
            continue
        for channel, moments in enumerate(fields):
            values = shard.states[good, :, channel]
            moments.add((values if active is None else values[..., active]).numpy())
        for column, moments in enumerate(parameters):
            moments.add(shard.parameters[good, column].numpy())
        if shard.forcings is not None:
            for column, moments in enumerate(forcings):
                moments.add(shard.forcings[good, :, column].numpy())
    if not fields[0].count:
        raise DataError(
            f"no trajectory of the training split of {layout.problem.name} {layout.preset} succeeded",
            got=f"{layout.size('train')} failed ones",
            expected="at least one",
            fix="The parameter ranges or the time step may be too bold for the reference solver.",
        )
    return assemble(*([(m.mean, m.std) for m in group] for group in (fields, parameters, forcings)))


def save_statistics(layout: Layout, statistics: Statistics) -> None:
    """Write ``statistics.json`` atomically."""
    tables = {
        kind: {name: {"mean": float(mean), "std": float(std)} for name, mean, std in zip(*columns, strict=True)}
        for kind, columns in {
            "fields": (layout.field_names, statistics.field_mean, statistics.field_std),
            "parameters": (layout.parameter_names, statistics.parameter_mean, statistics.parameter_std),
            "forcings": (layout.forcing_names, statistics.forcing_mean, statistics.forcing_std),
        }.items()
        if kind != "forcings" or layout.forcing_names
    }
    content = {"digest": layout.digest, "split": "train", **tables}
    write_text(_path(layout), json.dumps({**content, "sha256": _hash(content)}, indent=2) + "\n")


def load_statistics(layout: Layout) -> Statistics | None:
    """What ``statistics.json`` holds, or None when it is missing, damaged, changed by hand or of another dataset."""
    try:
        content = json.loads(_path(layout).read_text(encoding="utf-8"))
        if content.pop("sha256") != _hash(content):
            return None
        groups = [
            [(float(content[kind][name]["mean"]), float(content[kind][name]["std"])) for name in names]
            for kind, names in _named(layout).items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    limits = torch.finfo(torch.float32)
    sound = all(abs(mean) <= limits.max and limits.tiny <= std <= limits.max for group in groups for mean, std in group)
    return assemble(*groups) if sound and content.get("digest") == layout.digest else None


def _hash(content: dict[str, object]) -> str:
    """SHA-256 of the numbers as they are written."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def moments_of(values: Tensor) -> tuple[float, float]:
    """Mean and population standard deviation of all values; the deviation of a constant is 1."""
    moments = Moments()
    moments.add(values.numpy())
    return moments.mean, moments.std


def assemble(
    fields: list[tuple[float, float]],
    parameters: list[tuple[float, float]],
    forcings: Sequence[tuple[float, float]] = (),
) -> Statistics:
    """Statistics from (mean, standard deviation) of every field, parameter and forcing."""
    columns = [torch.tensor([row[i] for row in group]) for group in (fields, parameters, forcings) for i in (0, 1)]
    return Statistics(*columns)


def _named(layout: Layout) -> dict[str, tuple[str, ...]]:
    """Names of what is standardised, by kind."""
    return {"fields": layout.field_names, "parameters": layout.parameter_names, "forcings": layout.forcing_names}


def _path(layout: Layout) -> Path:
    return layout.folder / "statistics.json"
