"""Advection of a periodic state: an operator with exact images.

A state moves by one period in one unit of time, unchanged.

What to expect: linear in v, but no few functions of (x, t) span the moving shapes well, so networks of a fixed
basis need many terms.
"""

from sciml.core.capabilities import DeclaredOperator, HasOperatorResidual, InputFunction
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


class Advection(DeclaredOperator, HasOperatorResidual):
    """With the equation that binds its solutions."""

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = Advection(
    name="advection",
    title="Advection",
    equation=equations.EQUATION,
    inputs=(InputFunction("v", "v", "1", "initial shape", equations.LINE),),
    domain=equations.PLANE,
    drawn_from=reference.SPACES,
    labels=reference.fields,
    fields=(Field("s", "s", "1", "advected quantity"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, supplementary section on advection, case I",
)
