"""Burgers' equation as an operator: from the velocity now to the velocity later.

A periodic velocity one unit of time later.

What to expect: smooth states steepen into fronts some 0.05 wide, and waves catch up with one another; a linear
operator cannot, and is wrong by far more than networks of fields.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="burgers_operator",
    title="Burgers' equation as an operator",
    equation=equations.EQUATION,
    inputs=(InputFunction("u", "u₀", "1", "initial velocity", equations.CIRCLE),),
    domain=equations.CIRCLE,
    drawn_from=reference.SPACES,
    labels=reference.later,
    fields=(Field("later", "u", "1", "velocity at t = 1"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="fno_map",
    citation="Z. Li et al., Fourier neural operator for parametric partial differential equations, ICLR (2021), "
    "arXiv:2010.08895, section 5.1",
)
