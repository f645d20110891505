"""Functions of the coordinates that are positive inside: of half planes, of polygons, of two shapes together."""

import itertools
import math
from collections.abc import Sequence
from functools import reduce

from sciml.core.expressions import Expression

Corner = tuple[float, float]


def symbol(name: str) -> Expression:
    """A coordinate."""
    import sympy

    return sympy.Symbol(name)


def exact(value: float) -> Expression:
    """A number that sympy does not round; whole ones as such."""
    import sympy

    return sympy.Integer(int(value)) if float(value).is_integer() else sympy.Float(value, 17)


def both(a: Expression, b: Expression) -> Expression:
    """a ∧ b = a + b - √(a² + b²), positive where both are."""
    import sympy

    return a + b - sympy.sqrt(a**2 + b**2)


def either(a: Expression, b: Expression) -> Expression:
    """a ∨ b = a + b + √(a² + b²), positive where one of them is."""
    import sympy

    return a + b + sympy.sqrt(a**2 + b**2)


def area(points: Sequence[Corner]) -> float:
    """The area of a polygon with its sign: positive for corners in the mathematical direction."""
    return 0.5 * sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, [*points[1:], points[0]], strict=True))


def half_plane(a: Corner, b: Corner, axes: tuple[str, ...]) -> Expression:
    """The distance from the line from a to b, positive on its left."""
    along = (b[0] - a[0], b[1] - a[1])
    length = math.hypot(*along)
    x, y = map(symbol, axes)
    return (exact(along[0]) * (y - exact(a[1])) - exact(along[1]) * (x - exact(a[0]))) / exact(length)


def polygon_level(points: Sequence[Corner], axes: tuple[str, ...]) -> Expression:
    """ω of corners in the mathematical direction."""
    size = len(points)
    hull = [i for i in range(size) if _is_extreme(points, i)]
    sides = list(zip(hull, [*hull[1:], hull[0]], strict=True))
    level = reduce(both, [half_plane(points[i], points[j], axes) for i, j in sides])
    for i, j in sides:
        pocket = [points[k % size] for k in range(i, j + 1 if j > i else j + size + 1)]
        if len(pocket) > 2 and area(pocket) < 0:
            level = both(level, -polygon_level(pocket[::-1], axes))
    return level


def _is_extreme(points: Sequence[Corner], index: int) -> bool:
    """Whether a corner is one of the convex hull: it cannot be written by others (Carathéodory), seen by its angles."""
    x, y = points[index]
    angles = sorted(math.atan2(q[1] - y, q[0] - x) for q in points if q != points[index])
    gaps = [b - a for a, b in zip(angles, [*angles[1:], angles[0] + 2 * math.pi], strict=True)]
    return max(gaps) > math.pi + 1e-9


def crossing(points: Sequence[Corner]) -> tuple[int, int] | None:
    """Numbers, from 1, of the first corners of two sides that cross or touch."""
    sides = list(zip(points, [*points[1:], points[0]], strict=True))
    for i, j in itertools.combinations(range(len(sides)), 2):
        if j - i in (1, len(sides) - 1):
            continue
        if _meet(*sides[i], *sides[j]):
            return i + 1, j + 1
    return None


def _meet(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether two sides have a point in common: boxes that overlap, and ends of each on both sides of the other."""
    apart = any(max(a[k], b[k]) < min(c[k], d[k]) or max(c[k], d[k]) < min(a[k], b[k]) for k in (0, 1))
    return not apart and _side(a, b, c) * _side(a, b, d) <= 0 and _side(c, d, a) * _side(c, d, b) <= 0


def _side(a: Corner, b: Corner, c: Corner) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
