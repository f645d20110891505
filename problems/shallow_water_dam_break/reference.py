"""The round dam, and the finite-volume solver of what follows when it breaks."""

import torch
from torch import Tensor

from sciml.core.types import Axis, Grid, Params, Trajectory
from sciml.reference import ShallowWaterFlow, block_means, evolve_shallow_water, refine_cells

from .equations import GRAVITY, HALF, to_conserved

SAMPLES = 16
"""Points per cell and axis by which the share of a cell inside the dam is found."""
LEAST = 64
"""The solver never uses fewer cells per axis, nor less than twice those that are stored."""
LONGEST = 0.05
"""Time after which a step is chosen anew."""


def square(points: int) -> Grid:
    """The square with `points` cells per axis and open ends."""
    return Grid(tuple(Axis(name, points, -HALF, HALF, "open") for name in ("y", "x")))


def initial_state(params: Params, grid: Grid) -> Tensor:
    """Water at rest, deep inside of a circle and shallow outside: means per cell of (h, u, v), ``3 y x``."""
    fine = grid.axes[0].spacing / SAMPLES
    places = -HALF + fine * (torch.arange(grid.size[0] * SAMPLES, dtype=torch.float64) + 0.5)
    is_inside = (places[:, None] ** 2 + places**2 <= params["radius"].to(places) ** 2).double()
    share = block_means(is_inside[None, None], SAMPLES)[0, 0]
    depth = params["outer_depth"] + (params["inner_depth"] - params["outer_depth"]) * share
    return torch.stack([depth, torch.zeros_like(depth), torch.zeros_like(depth)])


def simulate(initial: Tensor, times: Tensor, grid: Grid, *, factor: int) -> Trajectory:
    """States on `grid` at `times`, computed on cells `factor` times smaller and stored as means over blocks.

    A velocity is the mean momentum over the mean depth. A row is DIVERGED when a value is not finite.
    """
    internal = square(factor * grid.size[0])
    flow = ShallowWaterFlow(internal, gravity=GRAVITY)

    def observe(state: Tensor) -> Tensor:
        means = block_means(state, factor)
        return torch.cat([means[:, :1], flow.velocity(means)], dim=1)

    start = refine_cells(to_conserved(initial), grid, factor)
    return evolve_shallow_water(start, times.tolist(), flow, observe=observe, longest=LONGEST)
