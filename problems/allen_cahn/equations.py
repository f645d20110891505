"""The Allen-Cahn equation: reaction sharpens what diffusion smooths."""

from functools import lru_cache

from sciml.core.domain import Coordinate, Domain, dirichlet, initial
from sciml.core.errors import UnknownNameError
from sciml.core.statement import Statement

EQUATION = """\
u_t = D u_xx + 5 (u - u³) on [-1, 1], t from 0 to 1
u(x, 0) = x² cos πx,  u(±1, t) = -1
sharp: D = 1e-4,  smooth: D = 1e-2"""
DIFFUSIVITY = {"smooth": 1e-2, "sharp": 1e-4}
CASES = tuple(DIFFUSIVITY)


@lru_cache
def statement(case: str) -> Statement:
    """The equation and its conditions; see `reference` for the solution."""
    import sympy as sp

    if case not in CASES:
        raise UnknownNameError("case", case, CASES)
    x, t, diffusivity = sp.symbols("x t D")
    u = sp.Function("u")(x, t)
    return Statement(
        domain=Domain((Coordinate("x", -1.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(u.diff(t) - diffusivity * u.diff(x, 2) - 5 * (u - u**3),),
        conditions=(*dirichlet("u", "x", -1), *initial("u", x**2 * sp.cos(sp.pi * x))),
        parameters={"D": DIFFUSIVITY[case]},
    )
