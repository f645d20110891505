"""Envelopes of light beams along a graded-index guide, in the paraxial approximation."""

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
class ParaxialBeam(Evolves):
    """2 i k ∂A/∂z + ∇²A + 2 k² δn A = 0 in a periodic cross-section; z is the variable of evolution.

    Two beams diffract, bend towards the larger index in the middle, cross and interfere. The power is conserved
    exactly. Good values: 32² to 128² points, frames 0.5 apart in z, 10 to 20 of them.
    """

    def grid(self, size: Sequence[int]) -> Grid:
        """The square ``[0, 2π)²`` on any two numbers of points that hold the beams."""
        return periodic_grid(size, (equations.EXTENT, equations.EXTENT), smallest=reference.SMALLEST)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Two tilted beams of mean intensity one, ``2 y x``; the same function on any grid."""
        return reference.initial_state(grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Split steps of order four with exact power; `times` are distances z; rows are independent."""
        check_possible(self.parameters, params)
        return reference.simulate(params, initial, times, grid)


PROBLEM = ParaxialBeam(
    name="paraxial_beam",
    title="Paraxial beams in a graded index",
    equation=equations.EQUATION,
    fields=(
        Field("real", "Re A", "1", "real part of the envelope"),
        Field("imaginary", "Im A", "1", "imaginary part of the envelope"),
    ),
    parameters=(
        Parameter("wavenumber", "k", "1", "wavenumber in the medium", 8.0, 16.0, least=1.0),
        Parameter("contrast", "Δ", "1", "amplitude of the index", 0.0, 0.04),
    ),
    boundary={"y": "periodic", "x": "periodic"},
    invariants=(Invariant("power", "mean intensity", equations.power, 1e-5),),
    citation="J. W. Goodman, Introduction to Fourier Optics, 4th ed., Macmillan (2017), chapter 4; beam propagation "
    "method: M. D. Feit and J. A. Fleck, Appl. Opt. 17 (1978) 3990-3998, doi:10.1364/AO.17.003990",
)
