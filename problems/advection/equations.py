"""Where the functions live, and the equation."""

from functools import lru_cache

from sciml.core.domain import Coordinate, Domain, initial
from sciml.core.statement import Statement

EQUATION = "∂s/∂t + ∂s/∂x = 0,  periodic in x,  s(x, 0) = v(sin² πx)"
X = Coordinate("x", 0.0, 1.0, periodic=True)
LINE = Domain((Coordinate("z", 0.0, 1.0, long_name="argument of v"),))
PLANE = Domain((Coordinate("t", 0.0, 1.0, long_name="time"), X), time="t")
LENGTH = 0.2
"""Correlation length of v."""


@lru_cache
def statement() -> Statement:
    """The equation for any initial shape v."""
    import sympy as sp

    t, x = sp.symbols("t x")
    s = sp.Function("s")(t, x)
    return Statement(
        domain=PLANE,
        fields=("s",),
        equations=(s.diff(t) + s.diff(x),),
        conditions=initial("s", sp.Symbol("v")),
        inputs={"v": (sp.sin(sp.pi * x) ** 2,)},
    )
