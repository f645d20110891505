"""A quantum particle, or a condensate, on a ring with a cosine lattice."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves
from sciml.core.problem import Field, Invariant, Parameter
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import check_possible, periodic_grid

from . import equations, reference


@dataclass(frozen=True, kw_only=True)
class Schroedinger(Evolves):
    """i ∂ψ/∂t = −½ ∂²ψ/∂x² + V₀ cos 2x ψ + g |ψ|² ψ on a ring of length 2π, ψ as real and imaginary part.

    Two wave packets run around the ring, spread, interfere where they meet and are scattered by the lattice. The norm
    is conserved exactly and so, nearly, is the energy. Good values: 64 or 128 points, dt 0.05, 10 to 20 frames.
    """

    def grid(self, size: Sequence[int]) -> Grid:
        """The ring ``[0, 2π)`` on any number of points from 64 on, which hold the interference."""
        return periodic_grid(size, (equations.EXTENT,), smallest=reference.SMALLEST)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Two wave packets of mean density one, ``2 x``; the same function on any grid."""
        return reference.initial_state(grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Split steps of order four with exact norm; rows are independent."""
        check_possible(self.parameters, params)
        return reference.simulate(params, initial, times, grid)


PROBLEM = Schroedinger(
    name="schroedinger",
    title="Schrödinger equation with a lattice",
    equation=equations.EQUATION,
    fields=(
        Field("real", "Re ψ", "1", "real part of the wave function"),
        Field("imaginary", "Im ψ", "1", "imaginary part of the wave function"),
    ),
    parameters=(
        Parameter("depth", "V₀", "1", "depth of the lattice", 0.0, 4.0, least=0.0),
        Parameter("interaction", "g", "1", "strength of the interaction", 0.0, 1.0),
    ),
    boundary={"x": "periodic"},
    invariants=(
        Invariant("norm", "mean density", equations.norm, 1e-5),
        Invariant("energy", "mean energy", equations.energy, 1e-4),
    ),
    citation="E. Schrödinger, Ann. Phys. 384 (1926) 361-376; split-step solution: R. H. Hardin and F. D. Tappert, SIAM "
    "Rev. 15 (1973) 423; order four: H. Yoshida, Phys. Lett. A 150 (1990) 262-268, "
    "doi:10.1016/0375-9601(90)90092-3",
)
