"""Advection in four settings: one function as initial state, behind an inflow, or as the velocity.

What to expect: the first two fields are linear in v and move its shape unchanged; the last two have v in the
velocity, which bends the characteristics by at most a few tenths. The second has a front where the inflow begins,
which waves fit badly.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="advection_operator",
    title="Advection in four settings",
    equation=equations.EQUATION,
    inputs=(InputFunction("v", "v", "1", "function", equations.LINE),),
    domain=equations.PLANE,
    drawn_from=reference.SPACES,
    labels=reference.fields,
    fields=(
        Field("periodic", "s₁", "1", "periodic state, unit velocity"),
        Field("inflow", "s₂", "1", "state behind an empty inflow, unit velocity"),
        Field("varying", "s₃", "1", "state behind a wave, velocity 1 + v/10"),
        Field("symmetric", "s₄", "1", "periodic state, symmetric velocity"),
    ),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, supplementary section on advection, cases I to IV",
)
