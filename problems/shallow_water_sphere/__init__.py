"""Shallow water on a rotating planet: jets along circles of latitude that become unstable, and random flows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves
from sciml.core.errors import UserError
from sciml.core.problem import Field, Invariant, Parameter, Published
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import check_grid, check_initial, check_possible, sphere_grid

from . import equations, reference

SMALLEST = 48
COARSEST = 12
"""Latitudes of the coarsest grid that a reference for comparison computes on."""
WELL = "R. Ohana et al., The Well, NeurIPS 2024 (12 hours on one H100, history 4)"
SINENET = "X. Zhang et al., SineNet, ICLR 2024, arXiv:2403.19507 (35 million parameters; quoted second-hand)"


@dataclass(frozen=True, kw_only=True)
class ShallowWaterSphere(Evolves):
    """One layer of fluid on a planet of the Earth's size, in metres, metres per second and hours.

        ∂h/∂t + ∇·(h u) = 0
        ∂u/∂t + (ζ + f) k × u = −∇(g h + |u|²/2),  f = 2 Ω sin φ

    Jets meander and roll up, random vortices move and merge, Rossby waves run westward and gravity waves around the
    planet. Good values: 48 x 96 or 96 x 192 points, frames 3 to 12 hours apart, up to ten days.

    Arguments:
        refined: whether the reference computes with higher degrees than are stored.
    """

    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """Latitude and longitude on ``(n, 2n)`` points, n even and at least 48; longitude closes, latitude does not."""
        if (
            len(size) != 2
            or size[1] != 2 * size[0]
            or size[0] % 2
            or size[0] < (SMALLEST if self.refined else COARSEST)
        ):
            raise UserError(
                "the grid of the sphere must have twice as many longitudes as latitudes and hold the initial states",
                got=tuple(size),
                expected=f"(n, 2n), latitude before longitude, with n even and at least {SMALLEST}",
                fix="Set grid = [48, 96] in the preset of the card.",
            )
        return sphere_grid(size[0], size[1])

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Zonal jets with a bump or a random flow, in balance, (h, u, v) as ``3 latitude longitude``."""
        return reference.initial_state(params, grid, generator)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Spherical harmonics of 4/3 of the degrees that are stored, exponential steps; rows are independent.

        Raises: UserError for a depth in `initial` that is not positive.
        """
        check_possible(self.parameters, params)
        check_grid(grid, self.grid(grid.size))
        check_initial(initial, len(self.fields), grid.size, "depth, eastward and northward velocity")
        stored = equations.truncation_of(grid.size[0])
        truncation = -(-4 * stored // 3) if self.refined else stored
        return reference.simulate(params, initial, times, grid, truncation=truncation)

    def coarsest(self) -> Evolves | None:
        """With the degrees that are stored, on grids that may be coarser than initial states are drawn on."""
        return replace(self, refined=False) if self.refined else None


PROBLEM = ShallowWaterSphere(
    name="shallow_water_sphere",
    title="Shallow water on a rotating sphere",
    equation=equations.EQUATION,
    fields=(
        Field("h", "h", "m", "depth of the layer", least=0.0, open=("least",)),
        Field("u", "u", "m s-1", "eastward velocity"),
        Field("v", "v", "m s-1", "northward velocity"),
    ),
    parameters=(
        Parameter("depth", "H", "m", "mean depth", 5000.0, 10000.0, least=0.0),
        Parameter("speed", "U", "m s-1", "greatest speed of the initial flow", 20.0, 60.0, least=0.0),
        Parameter("rotation", "Ω", "1", "rate of rotation over that of the Earth", 0.5, 1.2),
    ),
    boundary={"latitude": "open", "longitude": "periodic"},
    invariants=(
        Invariant("mass", "mean depth", equations.mass, 1e-6),
        Invariant("energy", "kinetic plus available potential energy", equations.energy, 0.05),
        Invariant("angular_momentum", "mean angular momentum", equations.angular_momentum, 1e-5),
    ),
    metrics=("one_step/vrmse", "rollout/vrmse"),  # a norm of all fields is that of the depth
    published=(
        *(
            Published(method, "planetswe of The Well", metric, value, WELL)
            for metric, values in (
                ("one-step VRMSE, test", ("0.173", "0.085", "0.362", "0.372")),
                ("rollout VRMSE, steps 6 to 12", ("0.81", "0.29", "1.18", "0.42")),
            )
            for method, value in zip(("FNO", "TFNO", "U-Net", "CNextU-Net"), values, strict=True)
        ),
        *(
            Published(method, "ShallowWater2D of PDEArena", metric, value, SINENET)
            for method, values in (
                ("SineNet-8, circular padding", ("1.02 %", "1.78 %")),
                ("SineNet-8, zero padding", ("1.50 %", "4.19 %")),
            )
            for metric, value in zip(("one-step scaled L2", "rollout scaled L2"), values, strict=True)
        ),
    ),
    citation="J. Galewsky, R. K. Scott and L. M. Polvani, An initial-value problem for testing numerical models of the "
    "global shallow-water equations, Tellus A 56 (2004) 429-440, doi:10.3402/tellusa.v56i5.14436; J. K. Gupta and J. "
    "Brandstetter, Towards Multi-spatiotemporal-scale Generalized PDE Modeling, TMLR 2023, arXiv:2209.15616 (setting)",
)
