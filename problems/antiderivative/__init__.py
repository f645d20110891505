"""The antiderivative of a function: the operator that DeepONet was shown on first."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import AppliesOperator, HasOperatorResidual, Images, InputFunction
from sciml.core.domain import Domain
from sciml.core.errors import UnknownNameError
from sciml.core.functions import Functions
from sciml.core.problem import Field
from sciml.core.statement import Statement

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class Antiderivative(AppliesOperator, HasOperatorResidual):
    """s(x) = ∫₀ˣ u on [0, 1], u from a Gaussian field of length 0.2.

    What to expect: the operator is linear, and ten sensors hold what is to be known of u; with three the error is
    hundreds of times larger. Functions of other spaces (rough ones, high polynomials, u = x) are a test of how far a
    network goes beyond the space it was trained on.
    """

    inputs: tuple[InputFunction, ...] = (InputFunction("u", "u", "1", "function", equations.LINE),)
    domain: Domain = equations.LINE
    spaces: tuple[str, ...] = tuple(reference.SPACES)

    def draw_functions(self, space: str, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """Functions of one space."""
        if space not in reference.SPACES:
            raise UnknownNameError("function space", space, reference.SPACES)
        return (reference.SPACES[space].draw(count, generator),)

    def apply(self, functions: tuple[Functions, ...], queries: Tensor) -> Images:
        """Exact integrals, in closed form."""
        return reference.antiderivatives(functions[0], queries)

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = Antiderivative(
    name="antiderivative",
    title="Antiderivative",
    equation=equations.EQUATION,
    fields=(Field("s", "s", "1", "antiderivative"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, section 4.1.1",
)
