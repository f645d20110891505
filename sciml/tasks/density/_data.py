"""What density estimation trains on and asks."""

from dataclasses import dataclass
from typing import NamedTuple

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.tasks._labels import Labelled
from sciml.train import Context

MARGIN = 0.25
"""Room around the points on each side of the plane's box, in units of their extent."""


class DensityConfig(Config):
    """Which density is learned; the card says how many points each split has."""

    shape: str = "moons"
    """Name of one of the problem's densities."""
    grid: int = pydantic.Field(default=150, ge=10)
    """Points per axis of the grid on which a density in the plane is integrated and shown."""


class DensityContext(Context):
    """What an estimator of densities must know of its data."""

    statistics: data.Statistics
    """Mean and standard deviation per coordinate, from the training split; there are no parameters."""


class Points(NamedTuple):
    """Where a density is asked for.

    Fields:
        points: in physical units.
        tolerance: relative tolerance of an integration; None for the solver's own.
    """

    points: Float[Tensor, "batch dim"]
    tolerance: float | None = None


@dataclass(frozen=True)
class PointBatch(data.Batch):
    """Independent draws, in physical units, from the density to be learned."""

    points: Float[Tensor, "batch dim"]


class PointExamples:
    """The training points."""

    def __init__(self, points: Float[Tensor, "sample dim"]) -> None:
        self.points = points

    def __len__(self) -> int:
        return len(self.points)

    def batch(self, indices: Tensor, generator: torch.Generator) -> PointBatch:
        """The points at `indices`."""
        return PointBatch(self.points[indices])


class Plane(NamedTuple):
    """A grid over a box in the plane.

    Fields:
        points: midpoints of its cells, the first coordinate fastest, float32.
        area: of a cell.
        dims: names of its axes, slow one first.
        coords: the coordinates along them, with units.
    """

    points: Float[Tensor, "point 2"]
    area: float
    dims: tuple[str, str]
    coords: Labelled

    def folded(self, values: Float[Tensor, " point"]) -> Float[Tensor, "y x"]:
        """Values at the points as an array over the axes."""
        return values.view(*(len(self.coords[name][1]) for name in self.dims))


def plane_around(points: Float[Tensor, "sample 2"], problem: Problem, size: int) -> Plane:
    """A grid of `size` by `size` cells over all points, with room to spare on each side."""
    every = points.double()
    room = MARGIN * (every.amax(0) - every.amin(0))
    low, high = every.amin(0) - room, every.amax(0) + room
    spacing = (high - low) / size
    axes = low[:, None] + spacing[:, None] * (torch.arange(size, dtype=torch.float64) + 0.5)
    y, x = torch.meshgrid(axes[1], axes[0], indexing="ij")
    names = [f"grid_{field.name}" for field in problem.fields]
    coords = {
        name: (name, axis.numpy(), {"units": field.units, "long_name": field.long_name})
        for name, axis, field in zip(names, axes, problem.fields, strict=True)
    }
    midpoints = torch.stack([x.flatten(), y.flatten()], dim=1).float()
    return Plane(midpoints, float(spacing.prod()), (names[1], names[0]), coords)
