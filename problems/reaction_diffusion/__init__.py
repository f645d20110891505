"""Fisher-KPP reaction and diffusion on a ring: populations grow to saturation and invade what is empty."""

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
class ReactionDiffusion(Evolves):
    """∂u/∂t = D ∂²u/∂x² + r u (1 − u) on a ring of length 2π.

    Patches grow to one and spread as fronts of speed 2 √(r D) and width about √(D/r) until they meet and all is
    saturated. Good values: 64 to 256 points, dt 0.2, 10 to 20 frames.

    Arguments:
        refined: whether the reference computes on more points than are stored.
    """

    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """The ring ``[0, 2π)`` on any number of points that holds the initial patches."""
        return periodic_grid(size, (equations.EXTENT,), smallest=2 * reference.BAND + 2 if self.refined else COARSEST)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Three patches of random place and density, ``1 x`` in [0, 1]; the same function on any grid."""
        return reference.initial_state(grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Pseudo-spectral ETDRK4 on 3/2 of the points and at least 128; rows are independent."""
        check_possible(self.parameters, params)
        return reference.simulate(params, initial, times, grid, refined=self.refined)

    def coarsest(self) -> Evolves | None:
        """On the stored points, which may then be fewer than initial states are drawn on."""
        return replace(self, refined=False) if self.refined else None


PROBLEM = ReactionDiffusion(
    name="reaction_diffusion",
    title="Fisher-KPP reaction and diffusion",
    equation=equations.EQUATION,
    fields=(Field("u", "u", "1", "population density over its saturation"),),
    parameters=(
        Parameter("diffusion", "D", "1", "diffusion coefficient", 0.02, 0.1, scale="log", least=1e-3),
        Parameter("rate", "r", "1", "growth rate", 0.5, 2.0, least=0.0),
    ),
    boundary={"x": "periodic"},
    invariants=(Invariant("bounds", "one plus largest excess beyond [0, 1]", equations.bounds, 1e-5),),
    citation="R. A. Fisher, The wave of advance of advantageous genes, Annals of Eugenics 7 (1937) 355-369, "
    "doi:10.1111/j.1469-1809.1937.tb02153.x; A. Kolmogorov, I. Petrovsky, N. Piskunov, Bull. Univ. Moscow 1 (1937) "
    "1-25",
)
