"""The Kuramoto-Sivashinsky equation on a ring, the smallest model of chaos in space and time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves
from sciml.core.problem import Field, Invariant, Parameter
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import check_possible, periodic_grid

from . import equations, reference

COARSEST = 8
"""Points per axis of the coarsest grid that a reference for comparison computes on."""


@dataclass(frozen=True, kw_only=True)
class KuramotoSivashinsky(Evolves):
    """∂u/∂t = −u ∂u/∂x − ∂²u/∂x² − ν ∂⁴u/∂x⁴ on a ring of length 16π.

    Waves of length about 9 √ν grow, steepen, and merge and split without end; errors double in about eight units of
    time. Good values: 64 or 128 points, dt 0.5, 10 to 40 frames.

    Arguments:
        refined: whether the reference computes on more points than are stored.
    """

    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """The ring ``[0, 16π)`` on any number of points from 48 on."""
        return periodic_grid(size, (equations.EXTENT,), smallest=reference.SMALLEST if self.refined else COARSEST)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Random waves of the length and strength of developed ones, ``1 x``; the same function on any grid."""
        return reference.initial_state(grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Pseudo-spectral ETDRK4 on 3/2 of the points and at least 128; rows are independent."""
        check_possible(self.parameters, params)
        return reference.simulate(params, initial, times, grid, refined=self.refined)

    def coarsest(self) -> Evolves | None:
        """On the stored points, which may then be fewer than initial states are drawn on."""
        return replace(self, refined=False) if self.refined else None


PROBLEM = KuramotoSivashinsky(
    name="kuramoto_sivashinsky_1d",
    title="Kuramoto-Sivashinsky equation",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "slope of the front"),),
    parameters=(Parameter("viscosity", "ν", "1", "fourth-order viscosity", 0.8, 1.25, scale="log", least=0.2),),
    boundary={"x": "periodic"},
    invariants=(Invariant("mean", "one plus mean over initial rms", equations.mean, 1e-5),),
    citation="Y. Kuramoto, T. Tsuzuki, Prog. Theor. Phys. 55 (1976) 356-369; G. I. Sivashinsky, Acta Astronautica 4 "
    "(1977) 1177-1206; solver: A.-K. Kassam, L. N. Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214-1233, "
    "doi:10.1137/S1064827502410633",
)
