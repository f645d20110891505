"""Diffusion whose coefficient is to be found: a number, or a function of the place."""

from functools import lru_cache

from sciml.core.domain import Condition, Coordinate, Domain, dirichlet, initial
from sciml.core.errors import UnknownNameError
from sciml.core.statement import Statement, Unknown, forced

EQUATION = """\
number:   u_t = C u_xx + f on [-1, 1], t from 0 to 1,  u = e⁻ᵗ sin πx;  C = 1 is to be found
function: (k(x) u_x)_x + f = 0 on [-1, 1],  u = sin πx + ½ x;  k = 1 + ½ sin 2x is to be found
f is known, u is observed at points; in the second case k is known at both ends"""
CASES = ("number", "function")
TRUE_C, START_C = 1.0, 2.0


@lru_cache
def statement(case: str) -> Statement:
    """The equation, its source, its exact solution and what is unknown."""
    import sympy as sp

    if case not in CASES:
        raise UnknownNameError("case", case, CASES)
    x, t, coefficient = sp.symbols("x t C")
    if case == "number":
        u, exact = sp.Function("u")(x, t), sp.exp(-t) * sp.sin(sp.pi * x)
        equation = u.diff(t) - coefficient * u.diff(x, 2)
        source = exact.diff(t) - sp.nsimplify(TRUE_C) * exact.diff(x, 2)  # a fixed function: it does not follow C
        return Statement(
            domain=Domain((Coordinate("x", -1.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"),
            fields=("u",),
            equations=(equation - source,),
            conditions=(*dirichlet("u", "x"), *initial("u", exact.subs(t, 0))),
            solution={"u": exact},
            unknowns=(Unknown("C", START_C, TRUE_C),),
            observed=("u",),
        )
    u, k = sp.Function("u")(x), sp.Function("k")(x)
    exact = {"u": sp.sin(sp.pi * x) + x / 2, "k": 1 + sp.sin(2 * x) / 2}
    return Statement(
        domain=Domain((Coordinate("x", -1.0, 1.0),)),
        fields=("u", "k"),
        equations=(forced((k * u.diff(x)).diff(x), exact),),
        conditions=tuple(
            Condition(name, "x", side, value.subs(x, end))
            for name, value in exact.items()
            for side, end in (("lower", -1), ("upper", 1))
        ),
        solution=exact,
        observed=("u",),
    )
