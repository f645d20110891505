"""Advection and diffusion in the plane with a hidden growth."""

from functools import lru_cache

from sciml.core.capabilities import HiddenSpec, ObservationPlan
from sciml.core.domain import Coordinate, Domain, Expression, initial
from sciml.core.marks import hidden
from sciml.core.statement import Statement

EQUATION = """\
∂c/∂t = D (∂²c/∂x² + ∂²c/∂y²) − v ∂c/∂x − w ∂c/∂y + hidden (hidden: r c − s c²)
periodic in x and y"""

PARAMETERS = {"D": 0.01, "v": 0.5, "w": 0.3, "r": 2.0, "s": 2.5}
"""D in m²/s; wind (v, w) in m/s, along x and y; growth r in 1/s and crowding s in m³/(kg s)."""
STARTS = (((0.7, 0.3, 0.35), (0.3, 0.7, 0.7)), ((0.4, 0.5, 0.2), (0.6, 0.2, 0.8)))
"""Plumes (height in kg/m³, x, y) at the start; the first pair is observed by default."""
HELD_OUT = ((0.4, 0.6, 0.6), (0.8, 0.1, 0.3))
SHARPNESS = 2.0
END = 1.0
HIDDEN = HiddenSpec(
    plan=ObservationPlan(trajectories=1, points=300, noise=0.02),
    trajectories=len(STARTS),
    inputs=("c", "c_x", "c_y"),
    library=("c", "c**2", "c**3", "c_x", "c_y"),
)
Plumes = tuple[tuple[float, float, float], ...]


@lru_cache
def statement(plumes: Plumes) -> Statement:
    """The equation with the growth marked, from plumes."""
    import sympy as sp

    y, x, t = sp.symbols("y x t")
    D, v, w, r, s = sp.symbols("D v w r s")
    c = sp.Function("c")(y, x, t)
    spreading = D * (c.diff(x, 2) + c.diff(y, 2))
    return Statement(
        domain=Domain(
            (
                Coordinate("y", 0.0, 1.0, periodic=True, units="m"),
                Coordinate("x", 0.0, 1.0, periodic=True, units="m"),
                Coordinate("t", 0.0, END, units="s"),
            ),
            time="t",
        ),
        fields=("c",),
        equations=(sp.Eq(c.diff(t), spreading - v * c.diff(x) - w * c.diff(y) + hidden(r * c - s * c**2)),),
        conditions=initial("c", initial_plumes(plumes)),
        parameters=PARAMETERS,
    )


def initial_plumes(plumes: Plumes) -> Expression:
    """``Σ h exp(κ (cos 2π(x − x₀) + cos 2π(y − y₀) − 2))``, smooth and periodic on the unit square."""
    import sympy as sp

    x, y = sp.symbols("x y")
    near = [sp.cos(2 * sp.pi * (x - x0)) + sp.cos(2 * sp.pi * (y - y0)) - 2 for _, x0, y0 in plumes]
    return sp.Add(*(h * sp.exp(SHARPNESS * part) for (h, _, _), part in zip(plumes, near, strict=True)))
