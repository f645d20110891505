"""The rod of `short_rod`, a million units away in space and time."""

from dataclasses import dataclass
from functools import lru_cache

from sciml.core.capabilities import HasResidual
from sciml.core.domain import Coordinate, Domain, dirichlet, initial
from sciml.core.errors import UnknownNameError
from sciml.core.problem import Field
from sciml.core.statement import Statement, Unknown

OFFSETS = {"near": 0.0, "far": 1e6}


@lru_cache
def statement(case: str) -> Statement:
    """The equation with x and t counted from the offset of the case."""
    import sympy as sp

    if case not in OFFSETS:
        raise UnknownNameError("case", case, OFFSETS)
    offset = OFFSETS[case]
    x, t, diffusivity = sp.symbols("x t D")
    u = sp.Function("u")(x, t)
    exact = sp.exp(-(sp.pi**2) * (t - offset) / 10) * sp.sin(sp.pi * (x - offset))
    return Statement(
        domain=Domain((Coordinate("x", offset, offset + 1.0), Coordinate("t", offset, offset + 1.0)), time="t"),
        fields=("u",),
        equations=(u.diff(t) - diffusivity * u.diff(x, 2),),
        conditions=(*dirichlet("u", "x"), *initial("u", exact.subs(t, offset))),
        solution={"u": exact},
        unknowns=(Unknown("D", 0.2, 0.1),),
        observed=("u",),
    )


@dataclass(frozen=True, kw_only=True)
class FarRod(HasResidual):
    """u_t = D u_xx, near the origin and far from it."""

    cases: tuple[str, ...] = ("near", "far")

    def statement(self, case):
        return statement(case)

    def reference(self, points, case):
        return self.statement(case).exact(points)


PROBLEM = FarRod(
    name="far_rod",
    title="A rod, near and far",
    equation="u_t = D u_xx",
    fields=(Field("u", "u", "K", "temperature"),),
    boundary={"x": "wall"},
    presets=("tiny",),
    metrics=("error/relative_l2",),
    solver="pinn",
    citation="none",
)
