"""Permeabilities, and finite volumes for the pressure."""

import torch
from torch import Tensor

from sciml.core.functions import Functions, MappedSpace
from sciml.reference import CosineSpace, interpolate, steady_diffusion

from .equations import EXPONENT, HIGH, INVERSE_LENGTH, LOW, SQUARE

REFINEMENT = 2
"""Cells of the reference per cell of the lattice of queries and axis."""
FINEST = 65
"""Most nodes per axis of a lattice that is not one of the queries'."""

FIELD = CosineSpace(SQUARE, size=24, inverse_length=INVERSE_LENGTH, exponent=EXPONENT, mean=False)
"""Without its mean, as in the published data: every draw has both materials."""
SPACES = {
    "two_materials": MappedSpace(FIELD, lambda g: torch.where(g > 0, HIGH, LOW)),
    "log_normal": MappedSpace(FIELD, lambda g: torch.exp(8.0 * g)),
}
"""What is made of the Gaussian field: the jumps of the paper, and a smooth permeability of about the same contrast."""


def pressures(permeability: Functions, queries: Tensor) -> Tensor:
    """Pressure at queries, ``function query``."""
    nodes = min(FINEST, max(len(column.unique()) for column in queries.unbind(1)))
    size = REFINEMENT * (max(9, nodes) - 1) + 1
    lattice = SQUARE.lattice((size, size))
    a = permeability(lattice).view(-1, size, size)
    u = steady_diffusion(a, torch.ones_like(a), (1 / (size - 1), 1 / (size - 1)))
    return interpolate(u, queries)
