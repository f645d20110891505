"""Steady flow in a square whose lid moves, as one equation for the stream function."""

from functools import lru_cache

from sciml.core.domain import Condition, Coordinate, Domain, dirichlet
from sciml.core.errors import UnknownNameError
from sciml.core.statement import Statement

EQUATION = """\
ψ_y Δψ_x - ψ_x Δψ_y = Δ²ψ / Re on [0, 1]²,  u = ψ_y, v = -ψ_x
ψ = 0 all round, no slip at walls, u = lid(x) at y = 1,  Re = 100
smooth: lid = 16 x² (1 - x)²;  plain: lid = 1, which contradicts the walls in two corners"""
CASES = ("smooth", "plain")
REYNOLDS = 100.0


@lru_cache
def statement(case: str) -> Statement:
    """The equation and its conditions."""
    import sympy as sp

    if case not in CASES:
        raise UnknownNameError("case", case, CASES)
    x, y, reynolds = sp.symbols("x y Re")
    psi = sp.Function("psi")(x, y)

    def laplacian(f: sp.Expr) -> sp.Expr:
        return f.diff(x, 2) + f.diff(y, 2)

    convection = psi.diff(y) * laplacian(psi.diff(x)) - psi.diff(x) * laplacian(psi.diff(y))
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 1.0))),
        fields=("psi",),
        equations=(convection - laplacian(laplacian(psi)).doit() / reynolds,),
        conditions=(
            *dirichlet("psi", "x"),
            *dirichlet("psi", "y"),
            Condition("psi", "x", "lower", 0, 1),
            Condition("psi", "x", "upper", 0, 1),
            Condition("psi", "y", "lower", 0, 1),
            Condition("psi", "y", "upper", 16 * x**2 * (1 - x) ** 2 if case == "smooth" else 1, 1),
        ),
        parameters={"Re": REYNOLDS},
        singular_corners=case == "plain",
    )
