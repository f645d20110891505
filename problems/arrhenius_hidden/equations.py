"""A stirred vessel in which a reaction heats what cooling takes away; the reaction is hidden."""

from functools import lru_cache

from sciml.core.capabilities import HiddenSpec, ObservationPlan
from sciml.core.domain import Coordinate, Domain, initial
from sciml.core.marks import hidden
from sciml.core.statement import Statement

EQUATION = """\
dc/dt = hidden (hidden: − A c exp(− E/T))
dT/dt = − h (T − T₀) + hidden (hidden: Q A c exp(− E/T))"""

PARAMETERS = {"A": 2.5, "E": 1.8, "Q": 0.6, "h": 0.3, "T_0": 0.5}
"""Non-dimensional."""
STARTS = ((1.0, 0.6), (1.2, 1.2), (0.5, 1.8), (0.8, 2.4))
"""(c, T) at the start of what is observed: temperatures over a factor of four; over less, other laws fit as well."""
HELD_OUT = (1.1, 1.5)
END = 4.0
HIDDEN = HiddenSpec(
    plan=ObservationPlan(trajectories=4, points=12, noise=0.002),
    trajectories=len(STARTS),
    library=("c", "T", "c*T", "c**2"),
    operators=("mul", "div", "exp"),
)


@lru_cache
def statement(start: tuple[float, float]) -> Statement:
    """The equation with the reaction marked, from one initial condition."""
    import sympy as sp

    t, factor, energy, heat, cooling, outside = sp.symbols("t A E Q h T_0")
    c, T = sp.Function("c")(t), sp.Function("T")(t)
    reaction = factor * c * sp.exp(-energy / T)
    return Statement(
        domain=Domain((Coordinate("t", 0.0, END),), time="t"),
        fields=("c", "T"),
        equations=(
            sp.Eq(c.diff(t), hidden(-reaction)),
            sp.Eq(T.diff(t), -cooling * (T - outside) + hidden(heat * reaction)),
        ),
        conditions=(*initial("c", start[0]), *initial("T", start[1])),
        parameters=PARAMETERS,
    )
