"""Helmholtz' equation with a manufactured solution."""

from functools import lru_cache

from sciml.core.domain import Coordinate, Domain, dirichlet
from sciml.core.errors import UnknownNameError
from sciml.core.statement import Statement, forced

EQUATION = """\
u_xx + u_yy + k² u = f on [0, 1]²,  u = 0 all round
f such that u = sin kx · sin ky;  one: k = 2π,  two: k = 4π"""
WAVES = {"one": 1, "two": 2}
"""Wave lengths per side."""
CASES = tuple(WAVES)


@lru_cache
def statement(case: str) -> Statement:
    """The equation, its source and its exact solution."""
    import sympy as sp

    if case not in CASES:
        raise UnknownNameError("case", case, CASES)
    x, y = sp.symbols("x y")
    k = 2 * sp.pi * WAVES[case]
    u = sp.Function("u")(x, y)
    exact = sp.sin(k * x) * sp.sin(k * y)
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 1.0))),
        fields=("u",),
        equations=(forced(u.diff(x, 2) + u.diff(y, 2) + k**2 * u, {"u": exact}),),
        conditions=(*dirichlet("u", "x"), *dirichlet("u", "y")),
        solution={"u": exact},
    )
