"""Where the source and the field live, and the equation."""

from functools import lru_cache

from sciml.core.domain import Coordinate, Domain, dirichlet, initial
from sciml.core.statement import Statement

EQUATION = "∂s/∂t = D ∂²s/∂x² + k s² + u(x),  s(x, 0) = s(0, t) = s(1, t) = 0,  D = k = 0.01"
X, T = Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0, long_name="time")
LINE, PLANE = Domain((X,)), Domain((T, X), time="t")
DIFFUSIVITY, RATE = 0.01, 0.01
LENGTH = 0.2
"""Correlation length of the sources that are trained on."""


@lru_cache
def statement() -> Statement:
    """The equation for any source u."""
    import sympy as sp

    t, x, diffusivity, k, u = sp.symbols("t x D k u")
    s = sp.Function("s")(t, x)
    return Statement(
        domain=PLANE,
        fields=("s",),
        equations=(s.diff(t) - diffusivity * s.diff(x, 2) - k * s**2 - u,),
        conditions=(*dirichlet("s", "x"), *initial("s", 0)),
        parameters={"D": DIFFUSIVITY, "k": RATE},
        inputs={"u": (x,)},
    )
