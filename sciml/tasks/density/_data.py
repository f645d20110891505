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
from sciml.core.tensors import TensorField
from sciml.tasks._labels import Labelled
from sciml.train import Context

_FAR = 1e3
"""Distance from zero, in standard deviations of the points, from which on an origin is taken from them."""
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
    """Mean and standard deviation per coordinate, counted from the origin, from the training split; there are no
    parameters."""
    count: int = 0
    """Training points."""
    origin: TensorField | None = None
    """What is taken from every point in double precision before anything else; None for nothing."""


class Points(NamedTuple):
    """Where a density is asked for.

    Fields:
        points: in physical units, counted from the origin of the context.
        tolerance: relative tolerance of an integration; None for the solver's own.
    """

    points: Float[Tensor, "batch dim"]
    tolerance: float | None = None


@dataclass(frozen=True)
class PointBatch(data.Batch):
    """Independent draws, in physical units counted from the origin, from the density to be learned."""

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


def origin_of(points: Float[Tensor, "sample dim"]) -> Float[Tensor, " dim"] | None:
    """The middle of points that lie so far from zero that single precision blurs their distances; else None."""
    exact = points.double()
    middle = exact.mean(0)
    far = middle.abs() > _FAR * exact.std(0, correction=0)
    return middle * far if far.any() else None


def counted(points: Float[Tensor, "sample dim"], origin: Float[Tensor, " dim"] | None) -> Float[Tensor, "sample dim"]:
    """Points counted from an origin, float32."""
    return (points if origin is None else points.double() - origin).float()


def placed(points: Float[Tensor, "sample dim"], origin: Float[Tensor, " dim"] | None) -> Float[Tensor, "sample dim"]:
    """The inverse of `counted`, in double precision where there is an origin."""
    return points if origin is None else points.double() + origin.to(points.device)


class Plane(NamedTuple):
    """A grid over a box in the plane.

    Fields:
        points: midpoints of its cells, the first coordinate fastest, float32, counted from the origin.
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


def plane_around(
    points: Float[Tensor, "sample 2"], problem: Problem, size: int, origin: Float[Tensor, " 2"] | None = None
) -> Plane:
    """A grid of `size` by `size` cells over all points, counted from `origin`, with room to spare on each side."""
    every = points.double()
    room = MARGIN * (every.amax(0) - every.amin(0))
    low, high = every.amin(0) - room, every.amax(0) + room
    spacing = (high - low) / size
    axes = low[:, None] + spacing[:, None] * (torch.arange(size, dtype=torch.float64) + 0.5)
    y, x = torch.meshgrid(axes[1], axes[0], indexing="ij")
    names = [f"grid_{field.name}" for field in problem.fields]
    ends = placed(axes.T, origin).T
    coords = {
        name: (name, axis.numpy(), {"units": field.units, "long_name": field.long_name})
        for name, axis, field in zip(names, ends, problem.fields, strict=True)
    }
    midpoints = torch.stack([x.flatten(), y.flatten()], dim=1).float()
    return Plane(midpoints, float(spacing.prod()), (names[1], names[0]), coords)
