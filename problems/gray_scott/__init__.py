"""The Gray-Scott reaction in a periodic square: spots that divide, worms, and waves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves
from sciml.core.problem import Field, Invariant, Parameter, Published
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import check_possible, periodic_grid

from . import equations, reference

WELL = "R. Ohana et al., The Well, NeurIPS 2024 (12 hours on one H100, history 4)"
COARSEST = 8
"""Points per axis of the coarsest grid that a reference for comparison computes on."""


@dataclass(frozen=True, kw_only=True)
class GrayScott(Evolves):
    """A substrate u is fed, an autocatalyst v eats it and decays.

        ∂u/∂t = D_u ∇²u − u v² + F (1 − u),   ∂v/∂t = D_v ∇²v + u v² − (F + k) v

    Blots of v spread as rings, break, and become spots that divide or stripes that grow, depending on feed F and kill
    k. Good values: 32² to 128² points, dt 50, 10 to 20 frames.

    Arguments:
        refined: whether the reference computes on more points than are stored.
    """

    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """The periodic square on any two numbers of points that hold the initial blots."""
        return periodic_grid(
            size, (equations.EXTENT, equations.EXTENT), smallest=2 * reference.BAND + 2 if self.refined else COARSEST
        )

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Two to four blots of v in a sea of u, ``2 y x``; the same function on any grid."""
        return reference.initial_state(grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Pseudo-spectral ETDRK4 on 3/2 of the points and at least 64²; rows are independent."""
        check_possible(self.parameters, params)
        return reference.simulate(params, initial, times, grid, refined=self.refined)

    def coarsest(self) -> Evolves | None:
        """On the stored points, which may then be fewer than initial states are drawn on."""
        return replace(self, refined=False) if self.refined else None


PROBLEM = GrayScott(
    name="gray_scott",
    title="Gray-Scott reaction and diffusion",
    equation=equations.EQUATION,
    fields=(
        Field("u", "u", "1", "concentration of the substrate"),
        Field("v", "v", "1", "concentration of the autocatalyst"),
    ),
    parameters=(
        Parameter("feed", "F", "1", "feed rate", 0.03, 0.05, least=0.0),
        Parameter("kill", "k", "1", "rate of decay of the autocatalyst beside the feed", 0.056, 0.061, least=0.0),
    ),
    boundary={"y": "periodic", "x": "periodic"},
    published=tuple(
        Published(method, "gray_scott_reaction_diffusion of The Well", "one-step VRMSE, test", value, WELL)
        for method, value in (("FNO", "0.137"), ("TFNO", "0.363"), ("U-Net", "0.225"), ("CNextU-Net", "0.176"))
    ),
    invariants=(Invariant("bounds", "one plus largest excess of u and v beyond [0, 1]", equations.bounds, 5e-3),),
    citation="J. E. Pearson, Complex patterns in a simple system, Science 261 (1993) 189-192, "
    "doi:10.1126/science.261.5118.189",
)
