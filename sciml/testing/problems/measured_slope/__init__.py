"""A slope at an end that nobody knows, from four measurements in a file; there is no reference solution."""

from dataclasses import dataclass
from functools import lru_cache

from sciml.core.capabilities import HasResidual
from sciml.core.domain import Condition, Coordinate, Domain
from sciml.core.errors import UnknownNameError
from sciml.core.problem import Field
from sciml.core.statement import Statement, Unknown


@lru_cache
def statement(case):
    import sympy as sp

    if case != "slope":
        raise UnknownNameError("case", case, ("slope",))
    x, slope = sp.symbols("x C")
    u = sp.Function("u")(x)
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0, units="m"),)),
        fields=("u",),
        equations=(u.diff(x, 2) - u,),
        conditions=(Condition("u", "x", "upper", 0), Condition("u", "x", "lower", slope, 1)),
        unknowns=(Unknown("C", 1.0),),
        observed=("u",),
    )


@dataclass(frozen=True, kw_only=True)
class MeasuredSlope(HasResidual):
    """u'' = u, u(1) = 0, u'(0) = C."""

    cases: tuple[str, ...] = ("slope",)

    def statement(self, case):
        return statement(case)


PROBLEM = MeasuredSlope(
    name="measured_slope",
    title="Measured slope",
    equation="u'' = u, u(1) = 0, u'(0) = C",
    fields=(Field("u", "u", "K", "temperature"),),
    boundary={"x": "wall"},
    presets=("tiny",),
    metrics=("found/C", "residual/rms"),
    solver="pinn",
    citation="none",
)
