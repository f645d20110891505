"""Where the functions live, and the operator in words and symbols."""

from functools import lru_cache

from sciml.core.domain import Condition, Coordinate, Domain
from sciml.core.statement import Statement

EQUATION = "s′(x) = u(x),  s(0) = 0"
LINE = Domain((Coordinate("x", 0.0, 1.0),))
LENGTH = 0.2
"""Correlation length of the functions that are trained on."""


@lru_cache
def statement() -> Statement:
    """The equation for any u."""
    import sympy as sp

    x = sp.Symbol("x")
    s = sp.Function("s")(x)
    return Statement(
        domain=LINE,
        fields=("s",),
        equations=(s.diff(x) - sp.Symbol("u"),),
        conditions=(Condition("s", "x", "lower"),),
        inputs={"u": (x,)},
    )
