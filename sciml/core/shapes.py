"""Shapes that are not boxes: where a field is positive that vanishes on their boundary.

A shape is written as one function ω of the coordinates, positive inside, zero on the boundary and of slope 1 there. Of
two shapes,

    a ∧ b = a + b - √(a² + b²),    a ∨ b = a + b + √(a² + b²),

are positive where both, or one of them, are; they keep the slope 1 on every edge and are smooth but for the corners.
The same ω tells inside from outside, gives the normal, and is what a network is multiplied by to vanish on the edges.

    plate = rectangle((-1, -1), (1, 1)) - disc((0, 0), 0.3, edge="hole")

Reference: V. L. Rvachev, T. I. Sheiko, R-functions in boundary value problems in mechanics, Appl. Mech. Rev. 48 (1995)
151-188, doi:10.1115/1.3005099; N. Sukumar, A. Srivastava, Exact imposition of boundary conditions with distance
functions in physics-informed deep neural networks, Comput. Methods Appl. Mech. Eng. 389 (2022) 114333,
doi:10.1016/j.cma.2021.114333.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import UnknownNameError, UserError
from sciml.core.expressions import Evaluator, Expression, columns
from sciml.core.levels import area, both, crossing, either, exact, half_plane, polygon_level, symbol

Draw = Callable[[int, int], Tensor]
"""``(count, dim) -> points of the unit cube``."""


def uniform(generator: torch.Generator) -> Draw:
    """Independent points, float64."""
    return lambda count, dim: torch.rand(count, dim, generator=generator, dtype=torch.float64)


_ON, _PROBE = (
    1e-9,
    1e-6,
)  # relative to the size of the box: what counts as on the boundary, and how far around is looked
_BAND = 0.05  # half the width of the band around an edge from which points are moved onto it, relative to the box
_ROUNDS, _NEWTON = 40, 30  # of drawing points until an edge has enough; steps towards it


@dataclass(frozen=True)
class Edge:
    """A part of a boundary.

    Arguments:
        name: what conditions call it.
        level: a function that vanishes on it, positive inside the shape, of slope 1 there.
    """

    name: str
    level: Expression


@dataclass(frozen=True)
class Shape:
    """A bounded region of the plane, of space, or of a line.

    ``a & b`` is what both have, ``a | b`` what one of them has, ``a - b`` what a has and b has not.

    Arguments:
        axes: letters of the coordinates it is in.
        level: positive inside, zero on the boundary, of slope 1 there.
        edges: the parts of the boundary.
        corners: of a polygon, in order; none for other shapes, and for what Boolean operations make of polygons.
    """

    axes: tuple[str, ...]
    level: Expression
    edges: tuple[Edge, ...]
    corners: tuple[tuple[float, float], ...] = ()

    def __and__(self, other: "Shape") -> "Shape":
        return self._with(other, both(self.level, other.level), other.edges)

    def __or__(self, other: "Shape") -> "Shape":
        return self._with(other, either(self.level, other.level), other.edges)

    def __sub__(self, other: "Shape") -> "Shape":
        turned = tuple(Edge(edge.name, -edge.level) for edge in other.edges)
        return self._with(other, both(self.level, -other.level), turned)

    def _with(self, other: "Shape", level: Expression, edges: tuple[Edge, ...]) -> "Shape":
        if self.axes != other.axes:
            raise UserError("shapes are in different coordinates", got=f"{self.axes} and {other.axes}")
        names = [edge.name for edge in (*self.edges, *edges)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"two edges are called {twice!r}", fix=f"Name one of them: edge='another {twice}'.")
        return Shape(self.axes, level, (*self.edges, *edges))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the edges."""
        return tuple(edge.name for edge in self.edges)

    def edge(self, name: str) -> Edge:
        """One edge by name; an unknown one lists the valid ones."""
        if name not in self.names:
            raise UnknownNameError("edge of the shape", name, self.names)
        return self.edges[self.names.index(name)]

    @cached_property
    def _level(self) -> Evaluator:
        return Evaluator([self.level])

    def depth(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"]:
        """ω, positive inside; columns of points in the order of `axes`."""
        return self._level(columns(points, self.axes), points[:, 0])[:, 0]

    def edge_depth(self, name: str, points: Float[Tensor, "point dim"]) -> Float[Tensor, " point"]:
        """The function of one edge."""
        return Evaluator([self.edge(name).level])(columns(points, self.axes), points[:, 0])[:, 0]

    def contains(
        self, points: Float[Tensor, "point dim"], size: float, *, slack: float = 0.0
    ) -> Bool[Tensor, " point"]:
        """Which points lie inside or on the boundary, up to rounding or `slack`, both relative to the length `size`.

        A line that Boolean operations leave over, which no inside is next to, does not count.
        """
        depth = self.depth(points)
        near_by = max(_ON, slack) * size
        inside = depth > near_by
        near = depth.abs() <= near_by
        if near.any():
            inside[near] = (self._around(points[near], max(_PROBE * size, 3 * near_by)) > 0).any(0)
        return inside

    def bounds(self, points: Float[Tensor, "point dim"], size: float) -> Bool[Tensor, " point"]:
        """Which points lie on the boundary: the inside is on one side of them, the outside on another."""
        near = self.depth(points).abs() <= _ON * size
        if near.any():
            around = self._around(points[near], _PROBE * size)
            near[near.clone()] = (around > 0).any(0) & (around < 0).any(0)
        return near

    def _around(self, points: Tensor, step: float) -> Tensor:
        """ω a step beside every point, one row per direction."""
        steps = [s for s in itertools.product((-1.0, 0.0, 1.0), repeat=len(self.axes)) if any(s)]
        return torch.stack([self.depth(points + step * points.new_tensor(s)) for s in steps])

    def on(
        self, name: str, count: int, draw: Draw, lower: Float[Tensor, " dim"], extent: Float[Tensor, " dim"]
    ) -> Float[Tensor, "point dim"]:
        """`count` points of an edge, evenly scattered, by moving points of a band around it onto it.

        Arguments:
            name: of the edge.
            count: how many.
            draw: source of points of the unit cube.
            lower, extent: the box around the shape.

        Raises: UserError for an edge that is no part of the boundary.
        """
        size, edge, kept = float(extent.max()), self.edge(name), []
        for _ in range(_ROUNDS):
            unit = draw(max(4 * count, 256), len(self.axes))
            points = lower + extent * ((1 + 2 * _BAND) * unit - _BAND)
            points = self._moved(edge, points, _BAND * size)
            kept.append(points[self.bounds(points, size)])
            if sum(map(len, kept)) >= count:
                return torch.cat(kept)[:count]
        if not sum(map(len, kept)):
            raise UserError(f"no part of the shape's boundary is the edge {name!r}",
                            expected="an edge that Boolean operations have not cut away")  # fmt: skip
        return torch.cat(kept)

    def normal(self, name: str) -> list[Expression]:
        """The components of the outer normal of an edge, as expressions that hold on it."""
        import sympy

        level = self.edge(name).level
        slope = [level.diff(sympy.Symbol(axis)) for axis in self.axes]
        length = sympy.sqrt(sum(part**2 for part in slope))
        return [-part / length for part in slope]

    def cuts(self, name: str, lower: Float[Tensor, " dim"], extent: Float[Tensor, " dim"]) -> bool:
        """Whether the function of an edge also vanishes inside, where no boundary is."""
        generator = torch.Generator().manual_seed(0)
        unit = torch.rand(2000, len(self.axes), generator=generator, dtype=torch.float64)
        points = self._moved(self.edge(name), lower + extent * unit, math.inf)
        return bool((self.depth(points) > 1e-3 * float(extent.max())).any())

    def _moved(self, edge: Edge, points: Tensor, band: float) -> Tensor:
        """Points within a band around an edge, moved onto it along the slope; without corners, where that is not 1."""
        evaluate = Evaluator([edge.level])

        def sloped(points: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                moving = points.detach().requires_grad_()
                level = evaluate(columns(moving, self.axes), moving[:, 0])[:, 0]
                (slope,) = torch.autograd.grad(level.sum(), moving)
            return level.detach(), slope

        points = points[sloped(points)[0].abs() <= band]
        for _ in range(_NEWTON):
            level, slope = sloped(points)
            points = points - (level / slope.square().sum(1))[:, None] * slope
        level, slope = sloped(points)
        return points[(level.abs() < 1e-12 * (1 + points.abs().amax(1))) & ((slope.norm(dim=1) - 1).abs() < 1e-6)]


def ball(centre: Sequence[float], radius: float, *, edge: str = "ball", axes: Sequence[str] = ("x", "y", "z")) -> Shape:
    """A ball of as many dimensions as its centre has coordinates: ω = (R² - |x - c|²)/2R."""
    letters = _letters(axes, len(centre))
    if not 0 < radius < math.inf:
        raise UserError("the radius is not a positive number", got=radius)
    square = sum((symbol(a) - exact(c)) ** 2 for a, c in zip(letters, centre, strict=True))
    return _primitive(letters, (exact(radius) ** 2 - square) / (2 * exact(radius)), edge)


def disc(centre: Sequence[float], radius: float, *, edge: str = "disc", axes: Sequence[str] = ("x", "y")) -> Shape:
    """A disc in the plane."""
    return ball(centre, radius, edge=edge, axes=axes)


def rectangle(
    lower: Sequence[float], upper: Sequence[float], *, edge: str = "rectangle", axes: Sequence[str] = ("x", "y", "z")
) -> Shape:
    """A rectangle, or in space a cuboid, between two corners: slabs ω = (x - a)(b - x)/(b - a) of every axis."""
    letters = _letters(axes, len(lower))
    if len(upper) != len(lower) or any(low >= high for low, high in zip(lower, upper, strict=False)):
        raise UserError("a rectangle needs lower < upper in every coordinate", got=f"{tuple(lower)}, {tuple(upper)}")
    slabs = [
        (symbol(a) - exact(low)) * (exact(high) - symbol(a)) / exact(high - low)
        for a, low, high in zip(letters, lower, upper, strict=True)
    ]
    return _primitive(letters, reduce(both, slabs), edge)


def polygon(
    corners: Sequence[Sequence[float]], *, edge: str | Sequence[str] = "polygon", axes: Sequence[str] = ("x", "y")
) -> Shape:
    """A polygon by its corners in order, convex or not: its convex hull without the pockets between hull and sides.

    Arguments:
        corners: at least three, in either direction, without the first one again.
        edge: one name for all sides, or a name for each, the first from corner 1 to corner 2.
        axes: letters of the coordinates.

    Raises: UserError for sides that cross, and for a polygon without an area.
    """
    letters, points = _letters(axes, 2), [(float(x), float(y)) for x, y in corners]
    if crossed := crossing(points):
        raise UserError("sides of the polygon cross", got=f"the sides after corners {crossed[0]} and {crossed[1]}",
                        fix="Give the corners in order around it.")  # fmt: skip
    if len(points) < 3 or abs(area(points)) < 1e-12 * max(abs(c) for p in points for c in p) ** 2:
        raise UserError("a polygon needs three corners that are not on a line", got=points)
    names = [edge] if isinstance(edge, str) else list(edge)
    if len(names) not in (1, len(points)) or len(set(names)) < len(names):
        raise UserError("sides of the polygon need distinct names", got=names, expected=f"{len(points)} names, or one")
    level = polygon_level(points if area(points) > 0 else points[::-1], letters)
    if isinstance(edge, str):
        return Shape(letters, level, (Edge(edge, level),), tuple(points))
    turn = 1 if area(points) > 0 else -1
    sides = zip(points, [*points[1:], points[0]], names, strict=True)
    edges = tuple(Edge(name, turn * half_plane(a, b, letters)) for a, b, name in sides)
    return Shape(letters, level, edges, tuple(points))


def implicit(
    level: Expression, *, size: float = 1.0, edge: str = "boundary", axes: Sequence[str] = ("x", "y")
) -> Shape:
    """Where an expression of the coordinates is positive: any shape that has a formula, such as 1 - x**2/4 - y**2.

    It is divided by its slope, so that it need not be a distance: ω = f/√(f²/L² + |∇f|²). Its slope must not vanish on
    the boundary.

    Arguments:
        level: f.
        size: the length L of the shape, deep inside of which ω stops growing.
        edge: name of its boundary.
        axes: letters of the coordinates.

    Raises: UserError for symbols that are no coordinates.
    """
    import sympy

    level = sympy.sympify(level)
    letters = tuple(axes)
    if foreign := sorted({s.name for s in level.free_symbols} - set(letters)):
        raise UserError("the formula of a shape names what is no coordinate", got=", ".join(foreign), expected=letters)
    level = level.subs({s: symbol(s.name) for s in level.free_symbols})
    slope = sum(level.diff(symbol(a)) ** 2 for a in letters)
    return _primitive(letters, level / sympy.sqrt((level / exact(size)) ** 2 + slope), edge)


def _primitive(axes: tuple[str, ...], level: Expression, edge: str) -> Shape:
    return Shape(axes, level, (Edge(edge, level),))


def _letters(axes: Sequence[str], dim: int) -> tuple[str, ...]:
    if not 1 <= dim <= len(axes):
        raise UserError("a point has another number of coordinates than there are axes", got=dim, expected=len(axes))
    return tuple(axes[:dim])
