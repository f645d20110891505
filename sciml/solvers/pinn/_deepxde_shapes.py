"""Shapes between DeepXDE and this program, in both directions."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sciml.core.domain import Domain
from sciml.core.errors import UnsupportedError
from sciml.core.expressions import Evaluator, columns
from sciml.core.shapes import Shape, ball, implicit, polygon, rectangle
from sciml.core.statement import Statement

_KNOWN = (
    "Disk, Sphere, Ellipse, Rectangle, Cuboid, Triangle, Polygon, and CSGUnion, CSGDifference, CSGIntersection of them"
)
_NEAR = 1e-6  # of the size of the domain: how far from an edge a single-precision point on it may be


def imported_shape(space: Any, names: Sequence[str]) -> Shape:  # Any: of DeepXDE, looked at by name
    """The shape of a DeepXDE geometry. UnsupportedError for one that is not known."""
    return _imported(space, tuple(names), iter(range(1, 10**6)))


def _imported(space: Any, axes: tuple[str, ...], numbers: Any) -> Shape:
    kind = type(space).__name__
    if kind.startswith("CSG"):
        first, second = (_imported(part, axes, numbers) for part in (space.geom1, space.geom2))
        if kind == "CSGUnion":
            return first | second
        return first - second if kind == "CSGDifference" else first & second
    edge = f"{kind.lower()} {next(numbers)}"
    if kind in ("Disk", "Sphere"):
        return ball(_floats(space.center), float(space.radius), edge=edge, axes=axes)
    if kind in ("Rectangle", "Cuboid"):
        return rectangle(_floats(space.xmin), _floats(space.xmax), edge=edge, axes=axes)
    if kind == "Triangle":
        return polygon([_floats(x) for x in (space.x1, space.x2, space.x3)], edge=edge, axes=axes)
    if kind == "Polygon":
        return polygon([_floats(x) for x in space.vertices], edge=edge, axes=axes)
    if kind == "Ellipse":
        return _ellipse(space, edge, axes)
    raise UnsupportedError(f"a DeepXDE geometry of kind {kind} has no shape here", expected=_KNOWN,
                           fix="Write it as sciml.core.shapes.implicit(…), or solve it by DeepXDE itself.")  # fmt: skip


def bounds_of(space: Any) -> tuple[np.ndarray, np.ndarray]:  # Any: of DeepXDE, looked at by name
    """The lower and upper corner of a box around a geometry; DeepXDE's own is wrong for ellipses."""
    kind = type(space).__name__
    if kind.startswith("CSG"):
        (low, high), (lower, upper) = bounds_of(space.geom1), bounds_of(space.geom2)
        if kind == "CSGUnion":
            return np.minimum(low, lower), np.maximum(high, upper)
        return (low, high) if kind == "CSGDifference" else (np.maximum(low, lower), np.minimum(high, upper))
    if kind == "Ellipse":
        centre = np.array(_floats(space.center))
        return centre - float(space.semimajor), centre + float(space.semimajor)
    return np.array(_floats(space.bbox[0])), np.array(_floats(space.bbox[1]))


def _ellipse(space: Any, edge: str, axes: tuple[str, ...]) -> Shape:
    import sympy

    (x, y), (cx, cy) = sympy.symbols(axes), _floats(space.center)
    major, minor, angle = float(space.semimajor), float(space.semiminor), float(space.angle)
    along = (x - cx) * np.cos(angle) - (y - cy) * np.sin(angle)  # DeepXDE turns clockwise
    across = (y - cy) * np.cos(angle) + (x - cx) * np.sin(angle)
    return implicit(1 - (along / major) ** 2 - (across / minor) ** 2, size=major, edge=edge, axes=axes)


def _floats(values: Any) -> list[float]:
    return [float(value) for value in np.asarray(values).ravel()]


def exported_shape(dde: Any, domain: Domain) -> Any:  # Any: DeepXDE has no types
    """The shape of a domain as a geometry of DeepXDE."""
    shape = domain.shape
    assert shape is not None
    within = [domain.index(name) for name in shape.axes]
    lower, extent = domain.lower[within], domain.extent[within]

    def draw(count: int, dim: int) -> Tensor:
        return torch.from_numpy(np.random.default_rng(np.random.randint(2**31)).random((count, dim)))

    class Exported(dde.geometry.geometry.Geometry):
        """Inside, boundary, normals and points by the functions of the shape."""

        def __init__(self) -> None:
            corners = (lower.numpy(), (lower + extent).numpy())
            super().__init__(len(within), corners, float(extent.norm()))

        def inside(self, x: np.ndarray) -> np.ndarray:
            return (shape.depth(_tensor(x)) > -_NEAR * domain.size).numpy()

        def on_boundary(self, x: np.ndarray) -> np.ndarray:
            return (shape.depth(_tensor(x)).abs() < _NEAR * domain.size).numpy()

        def boundary_normal(self, x: np.ndarray) -> np.ndarray:
            points = _tensor(x)
            each = [Evaluator(shape.normal(name))(columns(points, shape.axes), points[:, 0]) for name in shape.names]
            near = [Evaluator([e.level])(columns(points, shape.axes), points[:, 0])[:, 0].abs() for e in shape.edges]
            return torch.stack(each)[torch.stack(near).argmin(0), torch.arange(len(points))].numpy()

        def random_points(self, n: int, random: str = "pseudo") -> np.ndarray:
            kept = torch.zeros(0, len(within), dtype=torch.float64)
            while len(kept) < n:
                points = lower + extent * draw(4 * n, len(within))
                kept = torch.cat([kept, points[shape.contains(points, domain.size)]])
            return kept[:n].numpy().astype(dde.config.real(np))

        def uniform_points(self, n: int, boundary: bool = True) -> np.ndarray:
            return self.random_points(n)

        def random_boundary_points(self, n: int, random: str = "pseudo") -> np.ndarray:
            on = partial(shape.on, draw=draw, lower=lower, extent=extent)
            parts = [on(name, -(-n // len(shape.names))) for name in shape.names]
            return torch.cat(parts)[:n].numpy().astype(dde.config.real(np))

        def uniform_boundary_points(self, n: int) -> np.ndarray:
            return self.random_boundary_points(n)

    return Exported()


def on_edges(statement: Statement, index: int) -> Callable[[np.ndarray, bool], bool]:
    """Whether a point lies on an edge of a condition."""
    shape, names = statement.domain.shape, statement.names
    assert shape is not None
    levels = Evaluator([shape.edge(name).level for name in statement.edges_of(index)])

    def on(x: np.ndarray, on_boundary: bool) -> bool:
        points = _tensor(x[None])
        near = levels(columns(points, names), points[:, 0]).abs() < _NEAR * statement.domain.size
        return bool(on_boundary) and bool(near.any())

    return on


def _tensor(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(x, dtype=np.float64))
