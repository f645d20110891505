"""Advection and diffusion of a periodic state: an operator with exact images.

A state moves by one period in one unit of time and is smoothed on its way.

What to expect: linear in v, and after a short time one wave and the mean are left: what is hard lies near t = 0.
"""

from sciml.core.capabilities import DeclaredOperator, HasOperatorResidual, InputFunction
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


class AdvectionDiffusion(DeclaredOperator, HasOperatorResidual):
    """With the equation that binds its solutions."""

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = AdvectionDiffusion(
    name="advection_diffusion",
    title="Advection and diffusion",
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
    "arXiv:1910.03193, supplementary section on advection-diffusion",
)
