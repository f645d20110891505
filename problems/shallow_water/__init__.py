"""Rotating shallow water on a doubly periodic f-plane: eddies in balance, gravity waves around them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves
from sciml.core.errors import UserError
from sciml.core.problem import Field, Invariant, Parameter, Published
from sciml.core.types import Axis, Grid, Params, Trajectory

from . import equations, reference

SMALLEST = 32
DRY = 0.3
"""Depth of troughs, in units up to which no layer of the vortices drawn runs dry."""
WELL = "R. Ohana et al., The Well, NeurIPS 2024 (12 hours on one H100, history 4)"
SINENET = "X. Zhang et al., SineNet, ICLR 2024, arXiv:2403.19507 (35 million parameters; quoted second-hand)"


@dataclass(frozen=True, kw_only=True)
class ShallowWater(Evolves):
    """Rotating shallow water, non-dimensional with g = 1 and eddy length ℓ = 1.

        ∂h/∂t + ∇·(h u) = 0
        ∂u/∂t + (ζ + f) k × u = −∇(g h + |u|²/2) − ν ∇⁴u

    Random vortices near gradient-wind balance stir and merge for several turnover times while weak gravity waves
    cross the box. Good values: 32² or 64² points, dt about 3.5, 10 to 16 frames.

    Arguments:
        refined: whether the reference computes on finer points than are stored.
    """

    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """The square ``[0, 4π)²`` on ``(n, n)`` points, n even and at least 32."""
        if len(size) != 2 or size[0] != size[1] or size[0] % 2 or size[0] < SMALLEST:
            raise UserError(
                "the shallow-water grid must be square, even and fine enough for the initial vortices",
                got=tuple(size),
                expected=f"(n, n) with n even and at least {SMALLEST}",
                fix="Set grid = [64, 64] in the preset of the card.",
            )
        return _square(size[0])

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Balanced random vortices with free gravity waves, (h, u, v) as ``3 y x``, the same function on any grid."""
        return reference.initial_state(params, grid, generator)

    def draw_beyond(self, generator: torch.Generator) -> Params:
        """As for every problem, but no layer that may run dry: troughs in balance are Fr² (1 + 1/Ro) of it deep."""
        while True:
            params = super().draw_beyond(generator)
            if float(params["froude"] ** 2 * (1 + 1 / params["rossby"])) < DRY:
                return params

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Pseudo-spectral RK4 on at least 64² points, stored on `grid`; rows are independent."""
        internal = _square(max(reference.INTERNAL_SIZE, grid.size[0]) if self.refined else grid.size[0])
        return reference.simulate(params, initial, times, grid, internal=internal)

    def coarsest(self) -> Evolves | None:
        """On the stored points."""
        return replace(self, refined=False) if self.refined else None


def _square(points: int) -> Grid:
    return Grid((Axis("y", points, 0.0, equations.EXTENT), Axis("x", points, 0.0, equations.EXTENT)))


PROBLEM = ShallowWater(
    name="shallow_water",
    title="Rotating shallow water (SWE-periodic)",
    equation=equations.EQUATION,
    fields=(
        Field("h", "h", "1", "layer thickness"),
        Field("u", "u", "1", "velocity along x"),
        Field("v", "v", "1", "velocity along y"),
    ),
    parameters=(
        Parameter("rossby", "Ro", "1", "Rossby number U/(f ℓ)", 0.3, 0.7),
        Parameter("froude", "Fr", "1", "Froude number U/sqrt(g H)", 0.15, 0.25),
        Parameter("depth", "H", "1", "mean layer thickness", 0.9, 1.1),
    ),
    boundary={"y": "periodic", "x": "periodic"},
    invariants=(
        Invariant("mass", "mean layer thickness", equations.mass, 1e-6),
        Invariant("energy", "kinetic plus available potential energy", equations.energy, 0.1),
        Invariant("potential_enstrophy", "mean potential enstrophy", equations.potential_enstrophy, 0.3),
    ),
    published=(
        *(
            Published(method, "planetswe of The Well, on the sphere", metric, value, WELL)
            for metric, values in (
                ("one-step VRMSE, test", ("0.173", "0.085", "0.362", "0.372")),
                ("rollout VRMSE, steps 6 to 12", ("0.81", "0.29", "1.18", "0.42")),
            )
            for method, value in zip(("FNO", "TFNO", "U-Net", "CNextU-Net"), values, strict=True)
        ),
        *(
            Published(method, "ShallowWater2D of PDEArena, on the sphere", metric, value, SINENET)
            for method, values in (
                ("SineNet-8, circular padding", ("1.02 %", "1.78 %")),
                ("SineNet-8, zero padding", ("1.50 %", "4.19 %")),
            )
            for metric, value in zip(("one-step scaled L2", "rollout scaled L2"), values, strict=True)
        ),
    ),
    citation="G. K. Vallis, Atmospheric and Oceanic Fluid Dynamics, 2nd ed., Cambridge (2017), chapter 3. "
    "doi:10.1017/9781107588417",
)
