"""Poisson's equation with sources that make chosen solutions exact."""

from functools import lru_cache

from sciml.core.domain import Condition, Coordinate, Domain, EdgeCondition, dirichlet
from sciml.core.errors import UnknownNameError
from sciml.core.shapes import disc, rectangle
from sciml.core.statement import Statement, forced

EQUATION = """\
line:   u'' = f on [-1, 1],         u = sin πx
waves:  u'' = f on [-1, 1],         u = sin πx + ¼ sin 6πx
square: u_xx + u_yy = f on [0, 1]², u = sin πx · sin 2πy + eˣ y
values of u given all round
plate:  u_xx + u_yy = f on [-1, 1]² without the disc r < 0.4, u = cos ½πx · eʸ
values of u given outside, its slope along the normal on the hole"""
CASES = ("line", "waves", "square", "plate")
_HOLE = 0.4


@lru_cache
def statement(case: str) -> Statement:
    """The equation, source and boundary values of one case."""
    import sympy as sp

    if case not in CASES:
        raise UnknownNameError("case", case, CASES)
    x, y = sp.symbols("x y")
    if case == "square":
        u = sp.Function("u")(x, y)
        exact = sp.sin(sp.pi * x) * sp.sin(2 * sp.pi * y) + sp.exp(x) * y
        return Statement(
            domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 1.0))),
            fields=("u",),
            equations=(forced(u.diff(x, 2) + u.diff(y, 2), {"u": exact}),),
            conditions=(
                Condition("u", "x", "lower", exact.subs(x, 0)),
                Condition("u", "x", "upper", exact.subs(x, 1)),
                Condition("u", "y", "lower", exact.subs(y, 0)),
                Condition("u", "y", "upper", exact.subs(y, 1)),
            ),
            solution={"u": exact},
        )
    if case == "plate":
        u = sp.Function("u")(x, y)
        exact = sp.cos(sp.pi * x / 2) * sp.exp(y)
        outwards = -(x * exact.diff(x) + y * exact.diff(y)) / _HOLE  # the normal points into the hole
        return Statement(
            domain=Domain(
                (Coordinate("x", -1.0, 1.0), Coordinate("y", -1.0, 1.0)),
                shape=rectangle((-1, -1), (1, 1), edge="outside") - disc((0, 0), _HOLE, edge="hole"),
            ),
            fields=("u",),
            equations=(forced(u.diff(x, 2) + u.diff(y, 2), {"u": exact}),),
            conditions=(
                EdgeCondition("u", exact, edge="outside"),
                EdgeCondition("u", outwards, order=1, edge="hole"),
            ),
            solution={"u": exact},
        )
    u = sp.Function("u")(x)
    exact = sp.sin(sp.pi * x) + (sp.sin(6 * sp.pi * x) / 4 if case == "waves" else 0)
    return Statement(
        domain=Domain((Coordinate("x", -1.0, 1.0),)),
        fields=("u",),
        equations=(forced(u.diff(x, 2), {"u": exact}),),
        conditions=dirichlet("u", "x"),
        solution={"u": exact},
    )
