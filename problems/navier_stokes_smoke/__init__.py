"""Smoke that rises in a closed box: incompressible flow driven by buoyancy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves
from sciml.core.errors import UserError
from sciml.core.problem import Field, Invariant, Parameter, Published
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import check_grid, check_initial, check_possible

from . import equations, reference

SMALLEST = 16
COARSEST = 8
"""Cells per axis of the coarsest grid that a reference for comparison computes on."""
WELL = "R. Ohana et al., The Well, NeurIPS 2024 (12 hours on one H100, history 4)"


@dataclass(frozen=True, kw_only=True)
class Smoke(Evolves):
    """Incompressible flow in the box [0, 32]² at rest on its walls, lifted by the smoke that it carries.

    Arguments:
        scheme: ``conservative`` (second order, mass exact), or ``pdearena`` for the semi-Lagrangian splitting with one
            step of at most 1.5 per projection that the public data sets were made with.
        refined: whether the conservative scheme computes on finer cells than are stored.
    """

    scheme: Literal["conservative", "pdearena"] = "conservative"
    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """The square on ``(n, n)`` cells, at least 16."""
        if len(size) != 2 or size[0] != size[1] or size[0] < (SMALLEST if self.refined else COARSEST):
            raise UserError(
                "the grid of the smoke must be square and fine enough for the initial smoke",
                got=tuple(size),
                expected=f"(n, n) with n at least {SMALLEST}",
                fix="Set grid = [32, 32] in the preset of the card.",
            )
        return reference.box_of(size[0])

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Random smoke of mean 1/2 in air at rest, (s, u, v) as ``3 y x``."""
        smoke = reference.initial_smoke(grid, generator)
        return torch.stack([smoke, torch.zeros_like(smoke), torch.zeros_like(smoke)])

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """States at `times`; rows are independent. Raises: UserError for a viscosity below zero."""
        check_grid(grid, self.grid(grid.size))
        check_initial(initial, len(self.fields), grid.size, "smoke, velocity along x and y")
        check_possible(self.parameters, params)
        if self.scheme == "pdearena":
            return reference.simulate_like_published(params, initial, times, grid)
        factor = max(2, -(-reference.INTERNAL_SIZE // grid.size[0])) if self.refined else 1
        return reference.simulate(params, initial, times, grid, internal=factor * grid.size[0])

    def coarsest(self) -> Evolves | None:
        """On the stored cells, which may then be fewer than initial states are drawn on."""
        return replace(self, refined=False) if self.refined and self.scheme == "conservative" else None


PROBLEM = Smoke(
    name="navier_stokes_smoke",
    title="Buoyant smoke in a closed box (incompressible Navier–Stokes)",
    equation=equations.EQUATION,
    fields=(
        Field("s", "s", "1", "smoke density", odd=()),
        Field("u", "u", "1", "velocity along x", odd=("x",)),
        Field("v", "v", "1", "velocity along y", odd=("y",)),
    ),
    parameters=(
        Parameter("viscosity", "ν", "1", "kinematic viscosity", 0.005, 0.02, "log", least=0.0),
        Parameter("buoyancy", "b", "1", "upward acceleration per unit of smoke", 0.2, 0.5),
    ),
    boundary={"y": "wall", "x": "wall"},
    invariants=(Invariant("mass", "mean smoke density", equations.mass, 1e-6),),
    published=(
        *(
            Published(method, "rayleigh_benard of The Well, convection by heat", metric, value, WELL)
            for metric, values in (
                ("one-step VRMSE, test", ("0.840", "0.657", "1.486", "0.670")),
                ("rollout VRMSE, steps 6 to 12", ("> 10", "> 10", "> 10", "> 10")),
            )
            for method, value in zip(("FNO", "TFNO", "U-Net", "CNextU-Net"), values, strict=True)
        ),
    ),
    citation="J. K. Gupta, J. Brandstetter, Towards multi-spatiotemporal-scale generalized PDE modeling, "
    "arXiv:2209.15616 (setting of NavierStokes2D)",
    version=2,
)
