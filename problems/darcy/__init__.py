"""Darcy flow: from the permeability of a plane to the pressure.

Pressure in a square of two materials, drained at its edges.

What to expect: the pressure is smooth with kinks where the permeability jumps; its size varies by a factor of four,
so that a mean is far off. Networks of fields see the jumps and win over those of a few modes.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="darcy",
    title="Darcy flow",
    equation=equations.EQUATION,
    inputs=(InputFunction("a", "a", "1", "permeability", equations.SQUARE),),
    domain=equations.SQUARE,
    drawn_from=reference.SPACES,
    labels=reference.pressures,
    fields=(Field("u", "u", "1", "pressure"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="fno_map",
    citation="Z. Li et al., Fourier neural operator for parametric partial differential equations, ICLR (2021), "
    "arXiv:2010.08895, section 5.2",
)
