"""The Legendre transform of a function: an operator whose images are sequences.

What to expect: linear, and ten or so coefficients of a smooth f hold nearly all of it, so that the later ones are
small and hard to get right relative to their own size. The query is a whole number.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="legendre_transform",
    title="Legendre transform",
    equation=equations.EQUATION,
    inputs=(InputFunction("f", "f", "1", "function", equations.LINE),),
    domain=equations.NUMBERS,
    drawn_from=reference.SPACES,
    labels=reference.coefficients,
    fields=(Field("J", "Jₙ", "1", "Legendre coefficient"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, supplementary section on the Legendre transform",
)
