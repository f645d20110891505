"""Two-dimensional Navier-Stokes flow in a periodic box as vorticity: decaying, or driven by a sinusoidal force."""

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
class NavierStokesVorticity(Evolves):
    """Incompressible flow in the periodic square, non-dimensional with the rms speed of the initial vortices as unit.

        ∂ω/∂t + u·∇ω = ν ∇²ω − α ω − 4 F cos 4y

    Without the force F vortices of one sign merge and filaments fade; with it (Kolmogorov flow) a shear flow of four
    wavelengths grows, becomes unstable and feeds new vortices. Good values: 32² to 128² points, dt 0.25, 10 to 20
    frames.
    """

    def grid(self, size: Sequence[int]) -> Grid:
        """The square ``[0, 2π)²`` on any two numbers of points from 16 on."""
        return periodic_grid(size, (equations.EXTENT, equations.EXTENT), smallest=2 * reference.BAND + 2)

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Random vortices and the shear that the force has set up so far, ``1 y x``; the same function on any grid."""
        return reference.initial_state(params, grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Pseudo-spectral with integrating factors, on 3/2 of the points and at least 64²; rows are independent."""
        check_possible(self.parameters, params)
        return reference.simulate(params, initial, times, grid)


PROBLEM = NavierStokesVorticity(
    name="navier_stokes_vorticity",
    title="Navier-Stokes, vorticity in a periodic box",
    equation=equations.EQUATION,
    fields=(Field("vorticity", "ω", "1", "vorticity"),),
    parameters=(
        Parameter("viscosity", "ν", "1", "kinematic viscosity", 0.005, 0.05, scale="log", least=1e-4),
        Parameter("forcing", "F", "1", "amplitude of the force along x", 0.0, 0.5, least=0.0),
        Parameter("drag", "α", "1", "linear drag", 0.0, 0.1, least=0.0),
    ),
    boundary={"y": "periodic", "x": "periodic"},
    invariants=(Invariant("circulation", "one plus mean over initial rms vorticity", equations.circulation, 1e-5),),
    citation="Z. Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021, "
    "arXiv:2010.08895 (decaying and steadily forced vorticity); G. J. Chandler and R. R. Kerswell, Invariant recurrent "
    "solutions embedded in a turbulent two-dimensional Kolmogorov flow, J. Fluid Mech. 722 (2013) 554-595, "
    "doi:10.1017/jfm.2013.122",
)
