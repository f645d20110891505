"""Reaction and diffusion under a source: from the source to the field in space and time."""

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
class DiffusionReaction(AppliesOperator, HasOperatorResidual):
    """A field that grows from zero under a source u(x), with weak diffusion and reaction.

    What to expect: s is near t u(x) but for layers of width √(D t) at the ends, where it must vanish; those layers are
    what networks and polynomials have trouble with.
    """

    inputs: tuple[InputFunction, ...] = (InputFunction("u", "u", "1", "source", equations.LINE),)
    domain: Domain = equations.PLANE
    spaces: tuple[str, ...] = tuple(reference.SPACES)

    def draw_functions(self, space: str, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """Sources of one space."""
        if space not in reference.SPACES:
            raise UnknownNameError("function space", space, reference.SPACES)
        return (reference.SPACES[space].draw(count, generator),)

    def apply(self, functions: tuple[Functions, ...], queries: Tensor) -> Images:
        """By central differences on 200 cells."""
        return reference.fields(functions[0], queries)

    def operator_statement(self) -> Statement:
        """The equation for any input."""
        return equations.statement()


PROBLEM = DiffusionReaction(
    name="diffusion_reaction",
    title="Diffusion and reaction under a source",
    equation=equations.EQUATION,
    fields=(Field("s", "s", "1", "concentration"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="deeponet",
    citation="L. Lu, P. Jin, G. Pang, Z. Zhang, G. E. Karniadakis, Nature Machine Intelligence 3 (2021) 218, "
    "arXiv:1910.03193, section 4.3",
)
