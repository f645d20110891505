"""A pendulum driven by a torque.

The angle of a pendulum that a torque drives from rest, for one unit of time.

What to expect: the angle integrates the torque twice, so it is smooth and a few components of the torque hold it;
within one unit of time the sine is nearly linear.
"""

from sciml.core.capabilities import DeclaredOperator, HasOperatorResidual, InputFunction
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


class Pendulum(DeclaredOperator, HasOperatorResidual):
    """With the equation that binds its solutions."""

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = Pendulum(
    name="pendulum",
    title="Driven pendulum",
    equation=equations.EQUATION,
    inputs=(InputFunction("u", "u", "1", "torque", equations.LINE),),
    domain=equations.LINE,
    drawn_from=reference.SPACES,
    labels=reference.angles,
    fields=(Field("angle", "s₁", "1", "angle"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, section 4.2",
)
