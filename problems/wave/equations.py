"""The wave equation: standing waves of a string."""

from functools import lru_cache

from sciml.core.domain import Coordinate, Domain, dirichlet, initial
from sciml.core.errors import UnknownNameError
from sciml.core.statement import Statement

EQUATION = """\
u_tt = c² u_xx on [0, 1], t from 0 to 1,  u = 0 at both ends
one: c = 1,  u(x, 0) = sin πx;  two: c = 2,  u(x, 0) = sin πx + ½ sin 4πx
u_t(x, 0) = 0"""
MODES: dict[str, tuple[float, dict[int, float]]] = {"one": (1.0, {1: 1.0}), "two": (2.0, {1: 1.0, 4: 0.5})}
"""c, and the amplitude of every mode."""
CASES = tuple(MODES)


@lru_cache
def statement(case: str) -> Statement:
    """The equation and its exact solution u = Σ a_n cos(n π c t) sin nπx."""
    import sympy as sp

    if case not in CASES:
        raise UnknownNameError("case", case, CASES)
    speed, modes = MODES[case]
    x, t, c = sp.symbols("x t c")
    u = sp.Function("u")(x, t)
    exact = sum(sp.nsimplify(a) * sp.cos(n * sp.pi * c * t) * sp.sin(n * sp.pi * x) for n, a in modes.items())
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(u.diff(t, 2) - c**2 * u.diff(x, 2),),
        conditions=(*dirichlet("u", "x"), *initial("u", exact.subs(t, 0), 0)),
        parameters={"c": speed},
        solution={"u": exact},
    )
