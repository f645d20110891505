"""Taylor-Green vortices in a periodic box that break up into small ones and decay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves
from sciml.core.problem import Field, Invariant, Parameter
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import check_possible, check_solenoidal, periodic_grid

from . import equations, reference

COARSEST = 8
"""Points per axis of the coarsest grid that a reference for comparison computes on."""


@dataclass(frozen=True, kw_only=True)
class TaylorGreen(Evolves):
    """Incompressible flow in the periodic box ``[0, 2π)³`` from disturbed Taylor-Green vortices.

        ∂u/∂t + (u·∇) u = −∇p + ν ∇²u,   ∇·u = 0

    Layers of opposite rotation stretch each other into thin tubes (three-dimensional: vorticity grows before it
    decays). Good values: 16³ to 64³ points, dt 0.25, 8 to 20 frames.

    Arguments:
        refined: whether the reference computes on more points than are stored.
    """

    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """The cube ``[0, 2π)³`` on any three numbers of points from 8 on."""
        return periodic_grid(size, (equations.EXTENT,) * 3, smallest=reference.SMALLEST if self.refined else COARSEST)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Displaced Taylor-Green vortices and random ones, ``3 z y x``; the same function on any grid."""
        return reference.initial_state(params, grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Pseudo-spectral with integrating factors, on 3/2 of the points and at least 32³; rows are independent.

        Raises: UserError for an initial velocity with divergence.
        """
        check_possible(self.parameters, params)
        check_solenoidal(initial, grid)
        return reference.simulate(params, initial, times, grid, refined=self.refined)

    def coarsest(self) -> Evolves | None:
        """On the stored points, which may then be fewer than initial states are drawn on."""
        return replace(self, refined=False) if self.refined else None


PROBLEM = TaylorGreen(
    name="navier_stokes_taylor_green_3d",
    title="Navier-Stokes, Taylor-Green vortices in three dimensions",
    equation=equations.EQUATION,
    fields=(
        Field("u", "u", "1", "velocity along x"),
        Field("v", "v", "1", "velocity along y"),
        Field("w", "w", "1", "velocity along z"),
    ),
    parameters=(
        Parameter("viscosity", "ν", "1", "kinematic viscosity", 0.03, 0.1, scale="log", least=5e-3),
        Parameter("disturbance", "a", "1", "rms speed of the random vortices", 0.05, 0.2, least=0.0),
    ),
    boundary={"z": "periodic", "y": "periodic", "x": "periodic"},
    invariants=(
        Invariant("divergence", "one plus rms divergence over initial rms vorticity", equations.divergence, 1e-4),
        Invariant("momentum", "one plus mean over initial rms velocity", equations.momentum, 1e-5),
    ),
    citation="G. I. Taylor and A. E. Green, Proc. R. Soc. Lond. A 158 (1937) 499-521, doi:10.1098/rspa.1937.0036; "
    "M. E. Brachet et al., J. Fluid Mech. 130 (1983) 411-452, doi:10.1017/S0022112083001159",
)
