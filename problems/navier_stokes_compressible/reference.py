"""Random states of a gas, half of them in windows with sharp edges, and the finite-volume solver of their evolution."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import (
    CompressibleFlow,
    band_limited_field,
    block_means,
    evolve_compressible,
    finer_grid,
    in_chunks,
    refine_cells,
)

from .equations import GAMMA

BAND = 4
"""Largest mode number of the initial fields per axis."""
EDGE = 0.01
"""Width of the edges of a window; on coarser cells they are jumps, as near shocks as the grid can hold."""
LEAST = 64
"""The solver never uses fewer cells per axis, nor less than twice those that are stored."""
LONGEST = 0.05
"""Time after which a step is chosen anew."""
CHUNK_CELLS = 2 * 64**2
"""Cells of the rows solved at a time on a CPU: more are no faster per row, and wait for the row with most steps."""


def initial_state(params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
    """Random (ρ, u, v, p) about ρ = 1, p = 1/γ and rest, so that sound has speed one; ``4 y x``.

    Velocities have rms speed `mach`; logarithms of density and pressure have rms amplitudes from 0.01 to 0.2. In half
    of the draws a window with edges of width 0.01 keeps the gas beyond it uniform and at rest.
    """
    density, u, v, pressure = (band_limited_field(grid, lambda k: 1 / k, BAND, generator) for _ in range(4))
    draws = torch.rand(7, generator=generator, dtype=torch.float64)
    amplitudes = 0.01 + 0.19 * draws[:2]
    window = _window(grid, draws[2:6]) if draws[6] < 0.5 else torch.ones(grid.size, dtype=torch.float64)
    density, pressure = (
        torch.exp(window * amplitude * field / field.square().mean().sqrt())
        for amplitude, field in zip(amplitudes, (density, pressure), strict=True)
    )
    scale = params["mach"].to(u) / (u * u + v * v).mean().sqrt()
    return torch.stack([density, window * scale * u, window * scale * v, pressure / GAMMA])


def _window(grid: Grid, draws: Tensor) -> Tensor:
    """One inside of a box, zero outside: left and lower edges from 0.1 to 0.45, right and upper ones to 0.9."""
    sides = []
    for axis, (low, high) in zip(grid.axes, draws.reshape(2, 2), strict=True):
        points = axis.points()
        rise = torch.tanh((points - (0.1 + 0.35 * low)) / EDGE)
        fall = torch.tanh((points - (0.55 + 0.35 * high)) / EDGE)
        sides.append((rise - fall) / 2)
    return sides[0][:, None] * sides[1]


def simulate(params: Params, initial: Tensor, times: Tensor, grid: Grid, *, factor: int) -> Trajectory:
    """States on `grid` at `times`, computed on cells `factor` times smaller.

    Means over blocks of the conserved quantities are stored, as (ρ, u, v, p) of equal mass, momentum and energy. A row
    is DIVERGED when a density or pressure is not positive, or a value not finite.
    """
    internal = finer_grid(grid, factor=factor)

    def solve(rows: slice) -> Trajectory:
        viscosity = params["viscosity"][rows].to(initial)
        flow = CompressibleFlow(internal, gamma=GAMMA, viscosity=viscosity, bulk_viscosity=viscosity)
        return evolve_compressible(
            refine_primitive(initial[rows], grid, factor, flow),
            times.tolist(),
            flow,
            observe=lambda state: flow.to_primitive(block_means(state, factor)),
            longest=LONGEST,
        )

    chunk = len(initial) if initial.is_cuda else max(1, CHUNK_CELLS // math.prod(internal.size))
    return in_chunks(solve, len(initial), chunk)


def refine_primitive(primitive: Tensor, grid: Grid, factor: int, flow: CompressibleFlow) -> Tensor:
    """Conserved quantities along straight lines through cells; constant in rows where a pressure would be negative."""
    coarse = flow.to_conserved(primitive)
    fine = flow.to_primitive(refine_cells(coarse, grid, factor))
    is_good = (fine[:, (0, -1)] > 0).flatten(1).all(1)
    blocks = primitive.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    return torch.where(is_good[:, None, None, None], fine, blocks)
