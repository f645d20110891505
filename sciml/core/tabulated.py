"""Coefficients that are known from a table, as expressions for statements."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from sciml.core.errors import UserError
from sciml.core.expressions import Expression


def tabulated(axis: Expression, places: Sequence[float], values: Sequence[float]) -> Expression:
    """A function of one axis from a table, linear between its places: ``tabulated(x, [0, 0.5, 1], [1.0, 1.2, 3.0])``.

    Outside of the table it goes on as it ends, constant. It stands in equations, sources and conditions like any other
    expression; its derivative jumps at the places, so that a smooth network comes close to a solution with kinks only.

    Arguments:
        axis: the symbol, or any expression in it.
        places: increasing, at least two.
        values: there, as many.

    Raises: UserError for tables that are no function.
    """
    import sympy

    knots, heights = [float(place) for place in places], [float(value) for value in values]
    if len(knots) != len(heights) or len(knots) < 2:
        raise UserError("a table needs one value per place", got=f"{len(knots)} places and {len(heights)} values",
                        expected="as many, at least two")  # fmt: skip
    if not all(map(math.isfinite, (*knots, *heights))):
        raise UserError("a table holds a number that is not finite", fix="Leave such entries out.")
    for before, after in itertools.pairwise(knots):
        if not after > before:
            raise UserError("the places of a table must increase", got=f"{before:g} followed by {after:g}",
                            fix="Sort them, and keep one value where there are two.")  # fmt: skip
    symbol = sympy.sympify(axis)
    pieces: list[tuple[Expression, Expression]] = [(sympy.Float(heights[0]), symbol < knots[0])]
    for (left, low), (right, high) in itertools.pairwise(zip(knots, heights, strict=True)):
        slope = (high - low) / (right - left)
        pieces.append((low + slope * (symbol - left), symbol < right))
    return sympy.Piecewise(*pieces, (sympy.Float(heights[-1]), True))
