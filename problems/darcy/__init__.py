"""Darcy flow: from the permeability of a plane to the pressure."""

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
class Darcy(AppliesOperator):
    """Pressure in a square of two materials, drained at its edges.

    What to expect: the pressure is smooth with kinks where the permeability jumps; its size varies by a factor of four,
    so that a mean is far off. Networks of fields see the jumps and win over those of a few modes.
    """

    inputs: tuple[InputFunction, ...] = (InputFunction("a", "a", "1", "permeability", equations.SQUARE),)
    domain: Domain = equations.SQUARE
    spaces: tuple[str, ...] = tuple(reference.SPACES)

    def draw_functions(self, space: str, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """Permeabilities of one kind."""
        if space not in reference.SPACES:
            raise UnknownNameError("function space", space, reference.SPACES)
        return (reference.permeabilities(space, count, generator),)

    def apply(self, functions: tuple[Functions, ...], queries: Tensor) -> Images:
        """Finite volumes on a lattice that refines that of the queries."""
        return reference.pressures(functions[0], queries)


PROBLEM = Darcy(
    name="darcy",
    title="Darcy flow",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "pressure"),),
    boundary={},
    metrics=("relative_l2", "mse"),
    solver="fno_map",
    citation="Z. Li et al., Fourier neural operator for parametric partial differential equations, ICLR (2021), "
    "arXiv:2010.08895, section 5.2",
)
