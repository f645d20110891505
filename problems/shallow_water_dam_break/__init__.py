"""A round dam that breaks: shallow water with a shock that runs outwards and a wave that collapses inwards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sciml.core.capabilities import Evolves
from sciml.core.errors import UserError
from sciml.core.problem import Field, Invariant, Parameter
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import check_grid, check_initial, check_possible

from . import equations, reference

SMALLEST = 16
COARSEST = 8
"""Cells per axis of the coarsest grid that a reference for comparison computes on."""


@dataclass(frozen=True, kw_only=True)
class DamBreak(Evolves):
    """Shallow water in the square [-2.5, 2.5]² with open ends and g = 1, at rest until a round dam vanishes at t = 0.

    Good values: 32² to 128² cells, frames 0.01 to 0.1 apart, up to t = 1, when the front nears the ends.

    Arguments:
        refined: whether the reference computes on finer cells than are stored.
    """

    refined: bool = True

    def grid(self, size: Sequence[int]) -> Grid:
        """The square on ``(n, n)`` cells, at least 16."""
        if len(size) != 2 or size[0] != size[1] or size[0] < (SMALLEST if self.refined else COARSEST):
            raise UserError(
                "the grid of the dam break must be square and fine enough for the dam",
                got=tuple(size),
                expected=f"(n, n) with n at least {SMALLEST}",
                fix="Set grid = [32, 32] in the preset of the card.",
            )
        return reference.square(size[0])

    def initial(self, params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
        """Water at rest, deep inside of the circle, (h, u, v) as ``3 y x``; the parameters say all of it."""
        return reference.initial_state(params, grid)

    def simulate(self, params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
        """Finite volumes on at least twice the cells and 64²; rows are independent.

        Raises: UserError for a negative depth in `initial`.
        """
        check_possible(self.parameters, params)
        check_grid(grid, self.grid(grid.size))
        check_initial(initial, len(self.fields), grid.size, "depth, velocity along x and y")
        factor = max(2, -(-reference.LEAST // grid.size[0])) if self.refined else 1
        return reference.simulate(initial, times, grid, factor=factor)

    def coarsest(self) -> Evolves | None:
        """On the stored cells, which may then be fewer than initial states are drawn on."""
        return replace(self, refined=False) if self.refined else None


PROBLEM = DamBreak(
    name="shallow_water_dam_break",
    title="Radial dam break (shallow water)",
    equation=equations.EQUATION,
    fields=(
        Field("h", "h", "1", "water depth", least=0.0),
        Field("u", "u", "1", "velocity along x"),
        Field("v", "v", "1", "velocity along y"),
    ),
    parameters=(
        Parameter("inner_depth", "h₁", "1", "initial depth inside of the dam", 1.5, 2.5, least=0.0),
        Parameter("outer_depth", "h₀", "1", "initial depth outside of the dam", 0.5, 1.0, least=0.0),
        Parameter("radius", "r₀", "1", "radius of the dam", 0.3, 0.7, least=0.0),
    ),
    boundary={"y": "open", "x": "open"},
    invariants=(
        Invariant("mass", "mean depth", equations.mass, 1e-6),
        Invariant("momentum", "one plus mean momentum over mean depth", equations.momentum, 1e-6),
    ),
    citation="M. Takamoto et al., PDEBench: An Extensive Benchmark for Scientific Machine Learning, NeurIPS 2022, "
    "arXiv:2210.07182 (radial dam break, with depths 2 over 1)",
)
