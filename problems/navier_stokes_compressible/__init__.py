"""Compressible flow of an ideal gas in a periodic box: sound, shocks and vortices at Mach numbers from 0.1 to 1."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves
from sciml.core.problem import Field, Invariant, Parameter, Published
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import check_grid, check_initial, check_possible, periodic_grid

from . import equations, reference

WELL = "R. Ohana et al., The Well, NeurIPS 2024 (12 hours on one H100, history 4)"
COARSEST = 8
"""Cells per axis of the coarsest grid that a reference for comparison computes on."""


@dataclass(frozen=True, kw_only=True)
class NavierStokesCompressible(Evolves):
    """A monatomic gas in the periodic unit square, with mean density and mean sound speed as units.

    Random fields steepen into shocks that cross each other; at small Mach numbers sound runs over slow vortices. Good
    values: 32² to 128² cells, frames 0.02 to 0.05 apart, times up to 1.

    Arguments:
        refined: whether the reference computes on finer cells than are stored.
    """

    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """The unit square on ``(n_y, n_x)`` cells, at least 16 per axis."""
        return periodic_grid(
            size, (equations.EXTENT, equations.EXTENT), smallest=4 * reference.BAND if self.refined else COARSEST
        )

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Random fields of rms Mach number `mach`, in half of the draws inside of a window; (ρ, u, v, p), ``4 y x``."""
        return reference.initial_state(params, grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Finite volumes on at least twice the cells and 64 per axis; rows are independent.

        Raises: UserError for a density or pressure in `initial` that is not positive.
        """
        check_possible(self.parameters, params)
        check_grid(grid, self.grid(grid.size))
        check_initial(initial, len(self.fields), grid.size, "density, velocity along x and y, pressure")
        factor = max(2, -(-reference.LEAST // min(grid.size))) if self.refined else 1
        return reference.simulate(params, initial, times, grid, factor=factor)

    def coarsest(self) -> Evolves | None:
        """On the stored cells, which may then be fewer than initial states are drawn on."""
        return replace(self, refined=False) if self.refined else None


PROBLEM = NavierStokesCompressible(
    name="navier_stokes_compressible",
    title="Compressible Navier–Stokes in a periodic box",
    equation=equations.EQUATION,
    fields=(
        Field("density", "ρ", "1", "density over mean density", least=0.0, open=("least",)),
        Field("u", "u", "1", "velocity along x over mean sound speed"),
        Field("v", "v", "1", "velocity along y over mean sound speed"),
        Field("pressure", "p", "1", "pressure over mean density and squared sound speed", least=0.0, open=("least",)),
    ),
    parameters=(
        Parameter("mach", "M", "1", "rms Mach number of the initial random flow", 0.1, 1.0, least=0.0),
        Parameter("viscosity", "η", "1", "shear and bulk viscosity, η = ζ", 1e-5, 0.1, "log", least=0.0),
    ),
    boundary={"y": "periodic", "x": "periodic"},
    invariants=(
        Invariant("mass", "mean density", equations.mass, 1e-6),
        Invariant("momentum", "one plus mean momentum, both components", equations.momentum, 1e-6),
        Invariant("energy", "mean energy", equations.energy, 1e-6),
    ),
    version=2,
    published=tuple(
        Published(
            method, "euler_multi_quadrants_periodicBC of The Well, without viscosity", "one-step VRMSE", value, WELL
        )
        for method, value in (("FNO", "0.408"), ("TFNO", "0.416"), ("U-Net", "0.183"), ("CNextU-Net", "0.153"))
    ),
    citation="M. Takamoto et al., PDEBench: An Extensive Benchmark for Scientific Machine Learning, NeurIPS 2022, "
    "arXiv:2210.07182 (setting of 2D compressible Navier-Stokes)",
)
