"""Random blots of the autocatalyst, and the solver of what becomes of them."""

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import evolve_semilinear, finer_grid, periodic_bump

from .equations import Reaction

POWER = 3
"""Of the blots; their width at half maximum is three tenths of the box."""
BAND = POWER
JITTER = 0.1
"""Largest shift of a blot along each axis from its place on a lattice of 2 x 2, in boxes, so that blots overlap
little."""
DEPLETION, DENSITY = 0.5, 0.25
"""How much less u and how much v there is in the middle of the strongest blot (Pearson)."""
FACTOR = 1.5
LEAST = 64
"""Computed on 1.5 times the stored points and at least 64², which the edges of spots need."""


def initial_state(grid: Grid, generator: torch.Generator) -> Tensor:
    """u = 1 − m/2 and v = m/4 with two to four blots of heights in [0.8, 1]."""
    device, extent = generator.device, torch.tensor([axis.extent for axis in grid.axes], dtype=torch.float64)
    count = 2 + int(torch.randint(3, (), generator=generator, device=device))
    present = torch.randperm(4, generator=generator, device=device)[:count].tolist()
    amount = torch.zeros(grid.size, dtype=torch.float64, device=device)
    for number in range(4):
        height, *shift = torch.rand(3, generator=generator, dtype=torch.float64, device=device)
        corner = torch.tensor([0.25 + 0.5 * (number // 2), 0.25 + 0.5 * (number % 2)], dtype=torch.float64)
        place = corner.to(device) + JITTER * (2 * torch.stack(shift) - 1)
        if number in present:
            amount = amount + (0.8 + 0.2 * height) * periodic_bump(grid, place * extent.to(device), POWER)
    return torch.stack([1 - DEPLETION * amount, DENSITY * amount])


def simulate(
    params: Params, initial: Tensor, times: Tensor, grid: Grid, *, refined: bool = True, step_factor: float = 1.0
) -> Trajectory:
    """Concentrations at `times`, stored on `grid`."""
    internal = finer_grid(grid, factor=FACTOR, least=LEAST) if refined else grid
    return evolve_semilinear(Reaction(), params, initial, times, grid, internal=internal, step_factor=step_factor)
