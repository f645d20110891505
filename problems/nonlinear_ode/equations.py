"""Where the functions live, and the equation."""

from functools import lru_cache

from sciml.core.domain import Condition, Coordinate, Domain
from sciml.core.statement import Statement

EQUATION = "s′(x) = -s(x)² + u(x),  s(0) = 0"
LINE = Domain((Coordinate("x", 0.0, 1.0),))
LENGTH = 0.2
"""Correlation length of the functions that are trained on."""
BOUND = 3.0
"""A solution beyond this is about to blow up: from s = -3 on it does within 1/3 of the interval unless u turns it."""
STEP = 2e-3
"""Largest step of the reference."""


@lru_cache
def statement() -> Statement:
    """The equation for any u."""
    import sympy as sp

    x = sp.Symbol("x")
    s = sp.Function("s")(x)
    return Statement(
        domain=LINE,
        fields=("s",),
        equations=(s.diff(x) + s**2 - sp.Symbol("u"),),
        conditions=(Condition("s", "x", "lower"),),
        inputs={"u": (x,)},
    )
