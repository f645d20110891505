"""Two-dimensional Navier-Stokes flow in a periodic box as vorticity: decaying, or driven by a sinusoidal force."""

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
class NavierStokesVorticity(Evolves):
    """Incompressible flow in the periodic square, non-dimensional with the rms speed of the initial vortices as unit.

        ∂ω/∂t + u·∇ω = ν ∇²ω − α ω − 4 F cos 4y

    Without the force F vortices of one sign merge and filaments fade; with it (Kolmogorov flow) a shear flow of four
    wavelengths grows, becomes unstable and feeds new vortices. Good values: 32² to 128² points, dt 0.25, 10 to 20
    frames.

    Arguments:
        refined: whether the reference computes on more points than are stored.
    """

    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """The square ``[0, 2π)²`` on any two numbers of points from 16 on."""
        return periodic_grid(
            size, (equations.EXTENT, equations.EXTENT), smallest=2 * reference.BAND + 2 if self.refined else COARSEST
        )

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Random vortices and the shear that the force has set up so far, ``1 y x``; the same function on any grid."""
        return reference.initial_state(params, grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Pseudo-spectral with integrating factors, on 3/2 of the points and at least 64²; rows are independent."""
        check_possible(self.parameters, params)
        return reference.simulate(params, initial, times, grid, refined=self.refined)

    def coarsest(self) -> Evolves | None:
        """On the stored points, which may then be fewer than initial states are drawn on."""
        return replace(self, refined=False) if self.refined else None


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
    published=(
        *(
            Published(method, "shear_flow of The Well, velocity and a tracer", metric, value, WELL)
            for metric, values in (
                ("one-step VRMSE, test", ("1.19", "1.47", "3.45", "0.808")),
                ("rollout VRMSE, steps 6 to 12", ("> 10", "> 10", "> 10", "2.33")),
            )
            for method, value in zip(("FNO", "TFNO", "U-Net", "CNextU-Net"), values, strict=True)
        ),
    ),
    citation="Z. Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021, "
    "arXiv:2010.08895 (decaying and steadily forced vorticity); G. J. Chandler and R. R. Kerswell, Invariant recurrent "
    "solutions embedded in a turbulent two-dimensional Kolmogorov flow, J. Fluid Mech. 722 (2013) 554-595, "
    "doi:10.1017/jfm.2013.122",
)
