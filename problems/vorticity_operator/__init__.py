"""Two-dimensional flow as an operator: from the vorticity now to the vorticity later.

What to expect: eddies turn about each other once or twice and are drawn out into filaments; the mean is zero, so that
predicting it is an error of one. A linear operator knows the decay and not the motion.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="vorticity_operator",
    title="Vorticity in a periodic box as an operator",
    equation=equations.EQUATION,
    inputs=(InputFunction("w", "ω₀", "1", "initial vorticity", equations.SQUARE),),
    domain=equations.SQUARE,
    drawn_from=reference.SPACES,
    labels=reference.later,
    fields=(Field("later", "ω", "1", "vorticity at t = 2"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="fno_map",
    citation="Z. Li et al., Fourier neural operator for parametric partial differential equations, ICLR (2021), "
    "arXiv:2010.08895, section 5.3",
)
