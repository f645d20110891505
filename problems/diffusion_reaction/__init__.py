"""Reaction and diffusion under a source: from the source to the field in space and time.

A field that grows from zero under a source u(x), with weak diffusion and reaction.

What to expect: s is near t u(x) but for layers of width √(D t) at the ends, where it must vanish; those layers are
what networks and polynomials have trouble with.
"""

from sciml.core.capabilities import DeclaredOperator, HasOperatorResidual, InputFunction
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


class DiffusionReaction(DeclaredOperator, HasOperatorResidual):
    """With the equation that binds its solutions."""

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = DiffusionReaction(
    name="diffusion_reaction",
    title="Diffusion and reaction under a source",
    equation=equations.EQUATION,
    inputs=(InputFunction("u", "u", "1", "source", equations.LINE),),
    domain=equations.PLANE,
    drawn_from=reference.SPACES,
    labels=reference.fields,
    fields=(Field("s", "s", "1", "concentration"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, section 4.3",
)
