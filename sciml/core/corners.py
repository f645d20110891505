"""Re-entrant corners of polygons, where solutions of second order have infinite slopes.

In a corner with an angle ω > π inside, solutions that vanish on both sides behave as

    u ~ c s,   s = r^α cos αψ,   α = π/ω,

with the distance r from the corner and the angle ψ from the bisector. No smooth network times a distance can do so.
Here s takes the place of the distance from both sides, and s and r^α sin αψ are further inputs of the network, of which
all further terms of the series are smooth functions.

Reference: P. Grisvard, Elliptic Problems in Nonsmooth Domains, Pitman, 1985, chapter 4 (the series).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from operator import mul

import torch

from sciml.core.expressions import Expression
from sciml.core.levels import area, crossing, exact, polygon_level, symbol
from sciml.core.shapes import Shape

_STRAIGHT = 1e-6  # of an angle: hardly more than π is no corner
_BLUNT = 1e-9  # of the size: radius inside of which a corner is rounded, so that all is finite in it
_RAYS = 400  # points on the prolongation of a side


def corner_functions(shape: Shape | None) -> list[Expression]:
    """s and r^α sin αψ of every re-entrant corner, of order one; none where the shape is no polygon."""
    corners = _directed(shape)
    pairs = [_pair(shape, corners, i) for i in _re_entrant(corners)] if shape is not None else []
    return [function for pair in pairs for function in pair]


def corner_level(shape: Shape) -> Expression | None:
    """A function that vanishes on all sides of a polygon, at its re-entrant corners as solutions do.

    The product of the functions s and of ω of the polygon without these corners. None where there are none, and where
    that would vanish in the inside or doubly on a side: neighbouring corners, sides whose prolongations come back.
    """
    corners = _directed(shape)
    inward = _re_entrant(corners)
    rest = [corner for i, corner in enumerate(corners) if i not in inward]
    neighbours = any((i + 1) % len(corners) in inward for i in inward)
    if not inward or neighbours or len(rest) < 3 or area(rest) <= 0 or crossing(rest):
        return None
    if any(_comes_back(shape, corners, i) for i in inward):
        return None
    size = _size(corners)
    zeros = [_pair(shape, corners, i)[0] for i in inward]
    return reduce(mul, zeros, polygon_level(rest, (shape.axes[0], shape.axes[1])) / exact(size / 4))


def _directed(shape: Shape | None) -> list[tuple[float, float]]:
    """Corners in the mathematical direction."""
    corners = list(shape.corners) if shape is not None else []
    return corners if not corners or area(corners) > 0 else corners[::-1]


def _sides(corners: Sequence[tuple[float, float]], index: int) -> tuple[complex, complex, complex]:
    """A corner, and the steps from it to the one before and the one after."""
    before, here, after = (complex(*corners[(index + k) % len(corners)]) for k in (-1, 0, 1))
    return here, before - here, after - here


def _angle(corners: Sequence[tuple[float, float]], index: int) -> float:
    """The angle inside at a corner: from the side after it, in the mathematical direction, to the one before."""
    _, back, forth = _sides(corners, index)
    turn = back / forth
    return math.atan2(turn.imag, turn.real) % (2 * math.pi)


def _re_entrant(corners: Sequence[tuple[float, float]]) -> list[int]:
    return [i for i in range(len(corners)) if _angle(corners, i) > math.pi * (1 + _STRAIGHT)]


def _size(corners: Sequence[tuple[float, float]]) -> float:
    return max(max(part) - min(part) for part in zip(*corners, strict=True))


def _pair(shape: Shape, corners: Sequence[tuple[float, float]], index: int) -> tuple[Expression, Expression]:
    """s and r^α sin αψ of a corner; ψ = 2 atan(b/(a + r)) with a along the bisector has no cut inside."""
    import sympy

    here, _, forth = _sides(corners, index)
    inside, size = _angle(corners, index), exact(_size(corners))
    along = forth / abs(forth) * complex(math.cos(inside / 2), math.sin(inside / 2))
    x = (symbol(shape.axes[0]) - exact(here.real)) / size
    y = (symbol(shape.axes[1]) - exact(here.imag)) / size
    a, b = exact(along.real) * x + exact(along.imag) * y, exact(along.real) * y - exact(along.imag) * x
    r = sympy.sqrt(a**2 + b**2 + exact(_BLUNT**2))
    power = sympy.Float(math.pi / inside, 17)
    turn = power * 2 * sympy.atan(b / (a + r))
    return 2 * r**power * sympy.cos(turn), 2 * r**power * sympy.sin(turn)


def _comes_back(shape: Shape, corners: Sequence[tuple[float, float]], index: int) -> bool:
    """Whether one of the sides at a corner, prolonged beyond its other end, meets the inside again."""
    here, *sides = _sides(corners, index)
    size = _size(corners)
    shares = torch.linspace(0, 1, _RAYS, dtype=torch.float64)[1:]
    for side in sides:
        ray = [here + side * (1 + float(share) * 2 * size / abs(side)) for share in shares]
        places = torch.tensor([[point.real, point.imag] for point in ray], dtype=torch.float64)
        if bool((shape.depth(places) > 1e-6 * size).any()):
            return True
    return False
