"""Boxes with named axes, shapes in them, and conditions on faces and edges: where a differential equation is posed.

An axis has one letter, so that ``xxt`` names a derivative: twice along x, once along t.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.derivatives import HIGHEST
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.expressions import Expression
from sciml.core.shapes import Draw, Shape

Side = Literal["lower", "upper"]


@dataclass(frozen=True)
class Coordinate:
    """One axis of a box: ``Coordinate("x", -1.0, 1.0)``.

    Arguments:
        name: one letter.
        lower, upper: its ends.
        periodic: whether the solution goes on at the lower end where it leaves at the upper one, with all derivatives.
        units, long_name: for pictures and files.
        whole: whether it takes whole numbers only, such as the number of a coefficient.
    """

    name: str
    lower: float
    upper: float
    periodic: bool = False
    units: str = "1"
    long_name: str = ""
    whole: bool = False

    def __post_init__(self) -> None:
        if len(self.name) != 1 or not self.name.isalpha():
            raise UserError("the name of an axis is not one letter", got=repr(self.name), expected="x, y, z, t, ...")
        if not (math.isfinite(self.lower) and self.lower < self.upper < math.inf):
            raise UserError(
                f"axis {self.name!r} is empty", got=f"[{self.lower}, {self.upper}]", expected="finite lower < upper"
            )

    @property
    def extent(self) -> float:
        """Its length."""
        return self.upper - self.lower

    def end(self, side: Side) -> float:
        """The coordinate of a face."""
        return self.lower if side == "lower" else self.upper


@dataclass(frozen=True)
class Domain:
    """A box of space, or of space and time, or a shape in such a box.

    Arguments:
        axes: in the order of the columns of points.
        time: name of the axis that is time; empty for a steady problem.
        shape: the part of the box that belongs to the domain, at all values of the axes that it is not in; None for
            all of it.

    Raises: UserError for a shape in axes that do not exist, or that are periodic or time, and for one that reaches out
        of the box.
    """

    axes: tuple[Coordinate, ...]
    time: str = ""
    shape: Shape | None = None

    def __post_init__(self) -> None:
        if not self.axes or len(set(self.names)) != len(self.names):
            raise UserError("a domain needs at least one axis, and distinct names", got=self.names)
        if self.time and self.axis(self.time).periodic:
            axis = self.axis(self.time)
            ends = f"{axis.lower:g}, {axis.upper:g}"
            raise UserError(
                f"the axis of time, {self.time!r}, is periodic, and time has a start",
                expected="an initial condition, or a periodic axis that is not named as time",
                fix=f"For a solution that returns after one period leave out time={self.time!r} and keep "
                f"Coordinate({self.time!r}, {ends}, periodic=True), without conditions on it.",
            )

        if self.shape is not None:
            self._check_shape(self.shape)

    def _check_shape(self, shape: Shape) -> None:
        for name in shape.axes:
            if self.axis(name).periodic or name == self.time:
                raise UserError(f"the shape is in the axis {name!r}, which is periodic or time",
                                expected="axes of space with two ends")  # fmt: skip
        for name in shape.axes:
            for side in get_args(Side):
                face = self.face(_scattered(2000, len(self.axes)), name, side)[:, self._within]
                if (shape.depth(face) > 1e-6 * self.size).any():
                    raise UserError(f"the shape reaches out of the box at the {side} end of {name}",
                                    fix=f"Move that end of Coordinate({name!r}, …), or cut the shape.")  # fmt: skip

    @cached_property
    def _within(self) -> list[int]:
        """The columns of the shape's coordinates."""
        return [self.index(name) for name in self.shape.axes] if self.shape is not None else []

    def __str__(self) -> str:
        box = ", ".join(f"{axis.name} in [{axis.lower:g}, {axis.upper:g}]" for axis in self.axes)
        return box if self.shape is None else f"the shape with the edges {', '.join(self.shape.names)} in {box}"

    @property
    def size(self) -> float:
        """The largest extent of the shape's axes; of all axes where there is no shape."""
        return max(axis.extent for axis in self.axes if axis.name in (self.shape.axes if self.shape else self.names))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def lower(self) -> Float[Tensor, " dim"]:
        """The lower corner, float64."""
        return torch.tensor([axis.lower for axis in self.axes], dtype=torch.float64)

    @property
    def extent(self) -> Float[Tensor, " dim"]:
        """The length of every axis, float64."""
        return torch.tensor([axis.extent for axis in self.axes], dtype=torch.float64)

    def index(self, name: str) -> int:
        """The column of an axis; an unknown name lists the valid ones."""
        if name not in self.names:
            raise UnknownNameError("axis", name, self.names)
        return self.names.index(name)

    def axis(self, name: str) -> Coordinate:
        """One axis by name."""
        return self.axes[self.index(name)]

    def place(self, unit: Float[Tensor, "point dim"]) -> Float[Tensor, "point dim"]:
        """Points of the unit cube carried over to the box."""
        return self.lower.to(unit) + unit * self.extent.to(unit)

    def face(self, unit: Float[Tensor, "point dim"], name: str, side: Side) -> Float[Tensor, "point dim"]:
        """Points of the unit cube carried over to a face."""
        points = self.place(unit)
        points[:, self.index(name)] = self.axis(name).end(side)
        return points

    def contains(self, points: Float[Tensor, "point dim"], *, slack: float = 1e-12) -> Bool[Tensor, " point"]:
        """Which points lie in the closed domain, up to rounding: `slack` times its extents."""
        unit = (points - self.lower.to(points)) / self.extent.to(points)
        inside = ((unit >= -slack) & (unit <= 1 + slack)).all(1)
        for column, axis in zip(points.unbind(1), self.axes, strict=True):
            if axis.whole:
                inside &= (column - column.round()).abs() < 1e-9
        if self.shape is not None:
            inside &= self.shape.contains(points[:, self._within], self.size, slack=slack)
        return inside

    def fill(self, count: int, draw: Draw) -> Float[Tensor, "point dim"]:
        """At most `count` points of the domain: those of a box that `draw` makes, without what is not in the shape.

        Raises: UserError for a shape that fills so little of its box that not half of them are found.
        """
        dim = len(self.axes)
        if self.shape is None:
            return self.place(draw(count, dim))
        points = self.place(draw(math.ceil(1.15 * count / self._share) + 32, dim))
        points = points[self.contains(points)]
        if 2 * len(points) < count:
            raise UserError("the shape fills too little of its box", got=f"{len(points)} points in it of {count}",
                            fix="Move the ends of the coordinates close to the shape.")  # fmt: skip
        few = min(count, len(points))
        return points[torch.linspace(0, len(points) - 1, few, dtype=torch.float64).round().long()]

    @cached_property
    def _share(self) -> float:
        """Of the box that the shape fills."""
        return max(float(self.contains(self.place(_scattered(4096, len(self.axes)))).double().mean()), 1e-3)

    def edge(self, name: str, count: int, draw: Draw) -> Float[Tensor, "point dim"]:
        """At most `count` points of an edge of the shape, at scattered values of the other axes."""
        assert self.shape is not None
        lower, extent = self.lower[self._within], self.extent[self._within]
        on_edge = self.shape.on(name, count, draw, lower, extent)
        points = self.place(draw(len(on_edge), len(self.axes)))
        points[:, self._within] = on_edge
        return points

    def lattice(self, size: Sequence[int]) -> Float[Tensor, "point dim"]:
        """Points of a regular grid with its ends (a periodic axis without its upper one), the last axis fastest.

        Raises: UserError if an axis of whole numbers would have points between them.
        """
        lines = [
            torch.linspace(axis.lower, axis.upper, count + axis.periodic, dtype=torch.float64)[:count]
            for axis, count in zip(self.axes, size, strict=True)
        ]
        for axis, line in zip(self.axes, lines, strict=True):
            if axis.whole and bool((line - line.round()).abs().max() > 1e-9):
                every = int(axis.extent) + 1
                raise UserError(f"axis {axis.name!r} takes whole numbers only", got=f"{len(line)} points",
                                expected=f"a number of points that meets them, such as {every}")  # fmt: skip
        return torch.stack([axis.flatten() for axis in torch.meshgrid(*lines, indexing="ij")], dim=1)


@dataclass(frozen=True)
class Condition:
    """∂^order u / ∂axis^order = value on one face.

    Order 0 is Dirichlet's condition in space and the initial state in time; order 1 Neumann's (the derivative along
    the axis, not along the outer normal) and the initial velocity. With the unknown functions in the value it is
    Robin's, such as convection u_x = -h u: ``Condition("u", "x", "upper", -h * u, 1)``.

    Arguments:
        field: which unknown.
        axis, side: the face.
        value: a number, or a sympy expression in the other axes, the parameters, the unknown numbers, and the unknown
            functions with their derivatives.
        order: of the derivative.

    Raises: UserError for another side or order than there are.
    """

    field: str
    axis: str
    side: Side
    value: Expression = 0
    order: int = 0

    def __post_init__(self) -> None:
        if self.side not in get_args(Side):
            raise UnknownNameError(f"side of the condition on {self.field}", str(self.side), get_args(Side))
        if self.order not in range(HIGHEST + 1):
            raise UserError(f"the condition on {self.field} at the {self.side} end of {self.axis} has a bad order",
                            got=self.order, expected=f"0 (the field itself) to {HIGHEST}")  # fmt: skip

    def __str__(self) -> str:
        return f"{self.field}{'_' + self.axis * self.order if self.order else ''} at the {self.side} end of {self.axis}"

    @property
    def derivative(self) -> str:
        """Name of the derivative that is prescribed, empty for the field itself."""
        return self.axis * self.order


@dataclass(frozen=True)
class EdgeCondition:
    """u = value, or ∂u/∂n = value with the outer normal n, on the boundary of a shape.

    With the unknown functions in the value it is Robin's: convection is ``EdgeCondition("u", -h * u, 1)``.

    Arguments:
        field: which unknown.
        value: a number, or a sympy expression in the axes, the parameters, the unknown numbers, and the unknown
            functions with their derivatives.
        order: 0 for the value, 1 for the derivative along the normal.
        edge: name of a part of the boundary; empty for all parts that no other condition on the field names.

    Raises: UserError for another order.
    """

    field: str
    value: Expression = 0
    order: int = 0
    edge: str = ""

    def __post_init__(self) -> None:
        if self.order not in (0, 1):
            raise UserError(f"the condition on {self} has a bad order", got=self.order,
                            expected="0 (the field itself) or 1 (its derivative along the outer normal)")  # fmt: skip

    def __str__(self) -> str:
        where = f"the edge {self.edge}" if self.edge else "the boundary"
        return f"{'the normal derivative of ' * self.order}{self.field} on {where}"


@dataclass(frozen=True)
class PointCondition:
    """u, or a derivative of it, = value at a point inside, or wherever the named axes have the given values.

    ``PointCondition("p", {"x": 0.0, "y": 0.0})`` pins a pressure; ``PointCondition("u", {"x": 0.3}, 1)`` holds on the
    line x = 0.3. It is a term of the loss: only conditions on faces and edges are built in.

    Arguments:
        field: which unknown.
        at: coordinates by axis; the other axes take all their values.
        value: a number, or a sympy expression in the axes, the parameters, the unknown numbers, and the unknown
            functions with their derivatives.
        derivative: axes that the field is differentiated by, ``"x"`` or ``"xx"``; empty for the field itself.

    Raises: UserError for a condition nowhere, and for derivatives of higher order than there are.
    """

    field: str
    at: Mapping[str, float]
    value: Expression = 0
    derivative: str = ""

    def __post_init__(self) -> None:
        if not self.at or not all(math.isfinite(value) for value in self.at.values()):
            raise UserError(f"the condition on {self.field} inside names no place", got=repr(dict(self.at)),
                            expected='coordinates, such as {"x": 0.5}')  # fmt: skip
        if self.order > HIGHEST:
            raise UserError(f"the condition on {self} has a bad order", got=self.order, expected=f"0 to {HIGHEST}")

    def __str__(self) -> str:
        where = ", ".join(f"{axis} = {value:g}" for axis, value in self.at.items())
        return f"{self.field}{'_' + self.derivative if self.derivative else ''} at {where}"

    @property
    def order(self) -> int:
        """Of the derivative."""
        return len(self.derivative)


@dataclass(frozen=True)
class IntegralCondition:
    """∫ u dV = value over the domain, or over some of its axes at all values of the others.

    ``IntegralCondition("p")`` makes the mean of a pressure zero; ``IntegralCondition("u", 1, over="x")`` conserves a
    mass at all times. It is a term of the loss, by a quadrature that converges (see `sciml.core.quadrature`).

    Arguments:
        field: which unknown.
        value: of the integral: a number, or a sympy expression in the axes that it is not over, the parameters and the
            unknown numbers.
        over: the axes; empty for all but time.
        integrand: what is integrated, an expression of the unknown functions; None for the field itself.
    """

    field: str
    value: Expression = 0
    over: str | tuple[str, ...] = ()
    integrand: Expression | None = None

    def __str__(self) -> str:
        return f"the integral of {self.field if self.integrand is None else self.integrand}" + (
            f" over {', '.join(self.over)}" if self.over else ""
        )

    @property
    def order(self) -> int:
        """It prescribes no derivative."""
        return 0

    @property
    def derivative(self) -> str:
        """None."""
        return ""


AnyCondition = Condition | EdgeCondition | PointCondition | IntegralCondition


def dirichlet(field: str, axis: str, value: Expression = 0) -> tuple[Condition, Condition]:
    """``field = value`` on both faces of an axis."""
    return Condition(field, axis, "lower", value), Condition(field, axis, "upper", value)


def neumann(field: str, axis: str, value: Expression = 0) -> tuple[Condition, Condition]:
    """``∂field/∂axis = value`` on both faces of an axis."""
    return Condition(field, axis, "lower", value, 1), Condition(field, axis, "upper", value, 1)


def initial(field: str, *values: Expression, time: str = "t") -> tuple[Condition, ...]:
    """The field at the first time, then its derivatives in time of order 1, 2, ..."""
    return tuple(Condition(field, time, "lower", value, order) for order, value in enumerate(values))


def _scattered(count: int, dim: int) -> Float[Tensor, "point dim"]:
    """The same random points of the unit cube for everybody."""
    return torch.rand(count, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
