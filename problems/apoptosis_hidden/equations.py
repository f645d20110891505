"""Caspase switched on and off: the network that is known, and the inhibition that is hidden."""

from functools import lru_cache

from sciml.core.capabilities import HiddenSpec, ObservationPlan
from sciml.core.domain import Coordinate, Domain, initial
from sciml.core.marks import hidden
from sciml.core.statement import Statement

EQUATION = """\
dx/dt = k₀ − k₂ y x/(J₂ + x) − k_d x
dy/dt = k₁ z (J₁ + y) − k₋₁ y/(J₋₁ + y) + hidden (hidden: − k₋₃ x y/(J₋₃ + y))
dz/dt = − k₁ z (J₁ + y) + k₋₁ y/(J₋₁ + y) + hidden (hidden: k₋₃ x y/(J₋₃ + y))"""

SUPPLY = {"k_0": 0.1, "k_d": 0.05}
"""Of the inhibitor: supply and decay."""
ON = {"k_1": 0.6, "J_1": 0.1}
"""Caspase switches itself on."""
OFF = {"k_m1": 0.2, "J_m1": 0.1}
"""Caspase goes off by itself: k₋₁ and J₋₁."""
CUT = {"k_2": 0.4, "J_2": 0.1}
"""Caspase cuts its inhibitor."""
BIND = {"k_m3": 7.05, "J_m3": 2.0}
"""The inhibitor switches caspase off: k₋₃ and J₋₃."""
STARTS = ((0.248, 0.0973, 0.0027), (0.02, 0.3, 0.3), (1.5, 0.05, 0.4), (0.1, 1.0, 0.5))
"""(x, y, z) at the start of what is observed; the first is the published one, the last does not come back to life."""
HELD_OUT = (0.5, 0.5, 0.2)
END = 400.0
PACE = 0.2
"""Observed times are equidistant in log(1 + t/PACE)."""
HIDDEN = HiddenSpec(
    plan=ObservationPlan(trajectories=4, points=25, noise=0.005),
    trajectories=len(STARTS),
    inputs=("x", "y"),
    library=("x", "y", "x*y", "x*y**2", "x**2*y"),
    pace=PACE,
)


@lru_cache
def statement(start: tuple[float, float, float]) -> Statement:
    """The equation with the inhibition marked, from one initial condition.

    Concentrations are positive; magnitudes below the fractions only keep a network's first guesses away from poles.
    """
    import sympy as sp

    parameters = {**SUPPLY, **ON, **OFF, **CUT, **BIND}
    p = {name: sp.Symbol(name) for name in parameters}
    t = sp.Symbol("t")
    x, y, z = (sp.Function(name)(t) for name in "xyz")
    gained = p["k_1"] * z * (p["J_1"] + y) - p["k_m1"] * y / (p["J_m1"] + sp.Abs(y))
    cut = p["k_2"] * y * x / (p["J_2"] + sp.Abs(x))
    bound = p["k_m3"] * x * y / (p["J_m3"] + y)
    return Statement(
        domain=Domain((Coordinate("t", 0.0, END),), time="t"),
        fields=("x", "y", "z"),
        equations=(
            sp.Eq(x.diff(t), p["k_0"] - cut - p["k_d"] * x),
            sp.Eq(y.diff(t), gained + hidden(-bound)),
            sp.Eq(z.diff(t), -gained + hidden(bound)),
        ),
        conditions=tuple(c for name, value in zip("xyz", start, strict=True) for c in initial(name, value)),
        parameters=parameters,
    )
