"""Burgers' equation: a sine that steepens into a front."""

import math
from functools import lru_cache

from sciml.core.domain import Coordinate, Domain, dirichlet, initial
from sciml.core.errors import UnknownNameError
from sciml.core.statement import Statement

EQUATION = """\
u_t + u u_x = ν u_xx on [-1, 1], t from 0 to 1
u(x, 0) = -sin πx,  u(±1, t) = 0
smooth: ν = 0.1/π,  sharp: ν = 0.01/π"""
VISCOSITY = {"smooth": 0.1 / math.pi, "sharp": 0.01 / math.pi}
CASES = tuple(VISCOSITY)


@lru_cache
def statement(case: str) -> Statement:
    """The equation and its conditions; the solution is an integral, see `reference`."""
    import sympy as sp

    if case not in CASES:
        raise UnknownNameError("case", case, CASES)
    x, t, nu = sp.symbols("x t nu")
    u = sp.Function("u")(x, t)
    return Statement(
        domain=Domain((Coordinate("x", -1.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(u.diff(t) + u * u.diff(x) - nu * u.diff(x, 2),),
        conditions=(*dirichlet("u", "x"), *initial("u", -sp.sin(sp.pi * x))),
        parameters={"nu": VISCOSITY[case]},
    )
