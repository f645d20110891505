"""The antiderivative of a function: the operator that DeepONet was shown on first.

s(x) = ∫₀ˣ u on [0, 1], u from a Gaussian field of length 0.2.

What to expect: the operator is linear, and ten sensors hold what is to be known of u; with three the error is
hundreds of times larger. Functions of other spaces (rough ones, high polynomials, u = x) are a test of how far a
network goes beyond the space it was trained on.
"""

from sciml.core.capabilities import DeclaredOperator, HasOperatorResidual, InputFunction
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


class Antiderivative(DeclaredOperator, HasOperatorResidual):
    """With the equation that binds its solutions."""

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = Antiderivative(
    name="antiderivative",
    title="Antiderivative",
    equation=equations.EQUATION,
    inputs=(InputFunction("u", "u", "1", "function", equations.LINE),),
    domain=equations.LINE,
    drawn_from=reference.SPACES,
    labels=reference.antiderivatives,
    fields=(Field("s", "s", "1", "antiderivative"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, section 4.1.1",
)
