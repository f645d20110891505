"""A Riccati equation driven by a function."""

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
class NonlinearODE(AppliesOperator, HasOperatorResidual):
    """s′ = -s² + u from rest, u a Gaussian field of length 0.2.

    What to expect: close to the antiderivative where u is small, damped where it is positive; a very negative u makes
    s blow up within the interval, and such functions are left out.
    """

    inputs: tuple[InputFunction, ...] = (InputFunction("u", "u", "1", "forcing", equations.LINE),)
    domain: Domain = equations.LINE
    spaces: tuple[str, ...] = tuple(reference.SPACES)

    def draw_functions(self, space: str, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """Forcings of one space."""
        if space not in reference.SPACES:
            raise UnknownNameError("function space", space, reference.SPACES)
        return (reference.SPACES[space].draw(count, generator),)

    def apply(self, functions: tuple[Functions, ...], queries: Tensor) -> Images:
        """By Runge-Kutta steps of 0.002."""
        return reference.solutions(functions[0], queries)

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = NonlinearODE(
    name="nonlinear_ode",
    title="Riccati equation with a forcing",
    equation=equations.EQUATION,
    fields=(Field("s", "s", "1", "solution"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193",
)
