"""The heat equation: sines that decay."""

from functools import lru_cache

from sciml.core.domain import Coordinate, Domain, dirichlet, initial
from sciml.core.errors import UnknownNameError
from sciml.core.statement import Statement

EQUATION = """\
u_t = α u_xx on [0, 1], t from 0 to 1,  u = 0 at both ends
sine:  α = 0.4,  u(x, 0) = sin πx
modes: α = 0.1,  u(x, 0) = sin πx + ½ sin 3πx"""
MODES: dict[str, tuple[float, dict[int, float]]] = {"sine": (0.4, {1: 1.0}), "modes": (0.1, {1: 1.0, 3: 0.5})}
"""α, and the amplitude of every mode at the start."""
CASES = tuple(MODES)


@lru_cache
def statement(case: str) -> Statement:
    """The equation and its exact solution u = Σ a_n exp(-α n² π² t) sin nπx."""
    import sympy as sp

    if case not in CASES:
        raise UnknownNameError("case", case, CASES)
    diffusivity, modes = MODES[case]
    x, t, alpha = sp.symbols("x t alpha")
    u = sp.Function("u")(x, t)
    exact = sum(
        sp.nsimplify(a) * sp.exp(-alpha * (n * sp.pi) ** 2 * t) * sp.sin(n * sp.pi * x) for n, a in modes.items()
    )
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(u.diff(t) - alpha * u.diff(x, 2),),
        conditions=(*dirichlet("u", "x"), *initial("u", exact.subs(t, 0))),
        parameters={"alpha": diffusivity},
        solution={"u": exact},
    )
