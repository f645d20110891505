"""Advection and diffusion of a periodic state: an operator with exact images."""

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
class AdvectionDiffusion(AppliesOperator, HasOperatorResidual):
    """A state moves by one period in one unit of time and is smoothed on its way.

    What to expect: linear in v, and after a short time one wave and the mean are left: what is hard lies near t = 0.
    """

    inputs: tuple[InputFunction, ...] = (InputFunction("v", "v", "1", "initial shape", equations.LINE),)
    domain: Domain = equations.PLANE
    spaces: tuple[str, ...] = tuple(reference.SPACES)

    def draw_functions(self, space: str, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """Shapes of one space."""
        if space not in reference.SPACES:
            raise UnknownNameError("function space", space, reference.SPACES)
        return (reference.SPACES[space].draw(count, generator),)

    def apply(self, functions: tuple[Functions, ...], queries: Tensor) -> Images:
        """By Fourier series, exact to rounding."""
        return reference.fields(functions[0], queries)

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = AdvectionDiffusion(
    name="advection_diffusion",
    title="Advection and diffusion",
    equation=equations.EQUATION,
    fields=(Field("s", "s", "1", "advected quantity"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, supplementary section on advection-diffusion",
)
