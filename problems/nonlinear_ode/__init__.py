"""A Riccati equation driven by a function.

s′ = -s² + u from rest, u a Gaussian field of length 0.2.

What to expect: close to the antiderivative where u is small, damped where it is positive; a very negative u makes
s blow up within the interval, and functions that come near to that are left out.
"""

from sciml.core.capabilities import DeclaredOperator, HasOperatorResidual, InputFunction
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


class NonlinearODE(DeclaredOperator, HasOperatorResidual):
    """With the equation that binds its solutions."""

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = NonlinearODE(
    name="nonlinear_ode",
    title="Riccati equation with a forcing",
    equation=equations.EQUATION,
    inputs=(InputFunction("u", "u", "1", "forcing", equations.LINE),),
    domain=equations.LINE,
    drawn_from=reference.SPACES,
    labels=reference.solutions,
    fields=(Field("s", "s", "1", "solution"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193",
)
