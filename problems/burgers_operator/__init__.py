"""Burgers' equation as an operator: from the velocity now to the velocity later."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import AppliesOperator, Images, InputFunction
from sciml.core.domain import Domain
from sciml.core.errors import UnknownNameError
from sciml.core.functions import Functions
from sciml.core.problem import Field

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class BurgersOperator(AppliesOperator):
    """A periodic velocity one unit of time later.

    What to expect: smooth states steepen into fronts some 0.05 wide, and waves catch up with one another; a linear
    operator cannot, and is wrong by far more than networks of fields.
    """

    inputs: tuple[InputFunction, ...] = (InputFunction("u", "u₀", "1", "initial velocity", equations.CIRCLE),)
    domain: Domain = equations.CIRCLE
    spaces: tuple[str, ...] = tuple(reference.SPACES)

    def draw_functions(self, space: str, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """Velocities of one space."""
        if space not in reference.SPACES:
            raise UnknownNameError("function space", space, reference.SPACES)
        return (reference.SPACES[space].draw(count, generator),)

    def apply(self, functions: tuple[Functions, ...], queries: Tensor) -> Images:
        """By a pseudospectral method on 256 points."""
        return reference.later(functions[0], queries)


PROBLEM = BurgersOperator(
    name="burgers_operator",
    title="Burgers' equation as an operator",
    equation=equations.EQUATION,
    fields=(Field("later", "u", "1", "velocity at t = 1"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="fno_map",
    citation="Z. Li et al., Fourier neural operator for parametric partial differential equations, ICLR (2021), "
    "arXiv:2010.08895, section 5.1",
)
