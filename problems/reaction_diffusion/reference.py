"""Random patches, and the solver of their growth and spreading."""

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import evolve_semilinear, finer_grid, periodic_bump

from .equations import FisherKPP

PATCHES = 3
POWER = 8
"""Of the bumps; their width at half maximum is a fifth of the ring."""
BAND = PATCHES * POWER
"""Largest mode number of the initial state."""
FACTOR = 1.5
LEAST = 128
"""Computed on 1.5 times the stored points and at least 128, which the steepest fronts need."""


def initial_state(grid: Grid, generator: torch.Generator) -> Tensor:
    """``1 − Π (1 − a_i b_i)`` of bumps at random places with heights a_i in [0.1, 0.9]."""
    empty = torch.ones(grid.size, dtype=torch.float64, device=generator.device)
    for _ in range(PATCHES):
        place, height = torch.rand(2, generator=generator, dtype=torch.float64, device=generator.device)
        bump = periodic_bump(grid, (grid.axes[0].lower + grid.axes[0].extent * place)[None], POWER)
        empty = empty * (1 - (0.1 + 0.8 * height) * bump)
    return (1 - empty)[None]


def simulate(
    params: Params, initial: Tensor, times: Tensor, grid: Grid, *, refined: bool = True, step_factor: float = 1.0
) -> Trajectory:
    """Densities at `times`, stored on `grid`."""
    internal = finer_grid(grid, factor=FACTOR, least=LEAST) if refined else grid
    return evolve_semilinear(FisherKPP(), params, initial, times, grid, internal=internal, step_factor=step_factor)
