"""Caputo's fractional derivative in one dimension, of every order at once.

What to expect: linear, and harder the higher the order: D^α u goes from u - u(0) to u′, and what is asked for is
rougher than what is given. All orders of one function share its sensors.
"""

from sciml.core.capabilities import DeclaredOperator, InputFunction
from sciml.core.problem import Field

from . import equations, reference

PROBLEM = DeclaredOperator(
    name="fractional_caputo",
    title="Caputo's fractional derivative",
    equation=equations.EQUATION,
    inputs=(InputFunction("u", "u", "1", "function", equations.LINE),),
    domain=equations.PLANE,
    drawn_from=reference.SPACES,
    labels=reference.derivatives,
    fields=(Field("s", "s", "1", "fractional derivative"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, supplementary section on fractional operators",
)
