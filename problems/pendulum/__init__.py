"""A pendulum driven by a torque."""

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
class Pendulum(AppliesOperator, HasOperatorResidual):
    """The angle of a pendulum that a torque drives from rest, for one unit of time.

    What to expect: the angle integrates the torque twice, so it is smooth and a few components of the torque hold it;
    within one unit of time the sine is nearly linear.
    """

    inputs: tuple[InputFunction, ...] = (InputFunction("u", "u", "1", "torque", equations.LINE),)
    domain: Domain = equations.LINE
    spaces: tuple[str, ...] = tuple(reference.SPACES)

    def draw_functions(self, space: str, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """Torques of one space."""
        if space not in reference.SPACES:
            raise UnknownNameError("function space", space, reference.SPACES)
        return (reference.SPACES[space].draw(count, generator),)

    def apply(self, functions: tuple[Functions, ...], queries: Tensor) -> Images:
        """By Runge-Kutta steps of 0.005."""
        return reference.angles(functions[0], queries)

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = Pendulum(
    name="pendulum",
    title="Driven pendulum",
    equation=equations.EQUATION,
    fields=(Field("angle", "s₁", "1", "angle"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, section 4.2",
)
