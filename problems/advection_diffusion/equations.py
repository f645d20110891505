"""Where the functions live, and the equation."""

from functools import lru_cache

from sciml.core.domain import Coordinate, Domain, initial
from sciml.core.statement import Statement

EQUATION = "∂s/∂t + ∂s/∂x - D ∂²s/∂x² = 0,  periodic in x,  s(x, 0) = v(sin² πx),  D = 0.1"
X = Coordinate("x", 0.0, 1.0, periodic=True)
LINE = Domain((Coordinate("z", 0.0, 1.0, long_name="argument of v"),))
PLANE = Domain((Coordinate("t", 0.0, 1.0, long_name="time"), X), time="t")
DIFFUSIVITY = 0.1
LENGTH = 0.2
"""Correlation length of v."""


@lru_cache
def statement() -> Statement:
    """The equation for any initial shape v."""
    import sympy as sp

    t, x, diffusivity = sp.symbols("t x D")
    s = sp.Function("s")(t, x)
    return Statement(
        domain=PLANE,
        fields=("s",),
        equations=(s.diff(t) + s.diff(x) - diffusivity * s.diff(x, 2),),
        conditions=initial("s", sp.Symbol("v")),
        parameters={"D": DIFFUSIVITY},
        inputs={"v": (sp.sin(sp.pi * x) ** 2,)},
    )
