"""Where the torque acts, and the equation."""

from functools import lru_cache

from sciml.core.domain import Coordinate, Domain, initial
from sciml.core.statement import Statement

EQUATION = "s₁″(t) = -k sin s₁(t) + u(t),  s₁(0) = s₁′(0) = 0,  k = 1"
LINE = Domain((Coordinate("t", 0.0, 1.0, long_name="time"),), time="t")
LENGTH = 0.2
"""Correlation length of the torques that are trained on."""
STIFFNESS = 1.0
"""k."""
STEP = 5e-3
"""Largest step of the reference."""


@lru_cache
def statement() -> Statement:
    """The equation for any torque u."""
    import sympy as sp

    t, k, u = sp.symbols("t k u")
    angle = sp.Function("angle")(t)
    return Statement(
        domain=LINE,
        fields=("angle",),
        equations=(angle.diff(t, 2) + k * sp.sin(angle) - u,),
        conditions=initial("angle", 0, 0),
        parameters={"k": STIFFNESS},
        inputs={"u": (t,)},
    )
