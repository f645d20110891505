"""Disturbed Taylor-Green vortices, and the solver of their decay."""

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import Velocity, band_limited_field, evolve_semilinear, finer_grid, solenoidal

BAND = 3
"""Largest mode number of the random vortices."""
SMALLEST = 2 * BAND + 2
FACTOR = 1.5
LEAST = 32
"""Computed on 1.5 times the stored points per axis and at least 32."""


def initial_state(params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
    """``(sin x cos y cos z, −cos x sin y cos z, 0)`` shifted at random, and random vortices of rms speed a."""
    device = generator.device
    shifts = torch.rand(3, generator=generator, dtype=torch.float64, device=device)
    points = [a.points().to(device) + a.extent * s for a, s in zip(grid.axes, shifts, strict=True)]
    z, y, x = torch.meshgrid(*points, indexing="ij")
    vortices = torch.stack([x.sin() * y.cos() * z.cos(), -x.cos() * y.sin() * z.cos(), torch.zeros_like(x)])
    noise = torch.stack([band_limited_field(grid, lambda k: torch.exp(-k), BAND, generator) for _ in range(3)])
    noise = solenoidal(noise[None], grid)[0]
    rms = noise.square().sum(0).mean().sqrt()
    return vortices + params["disturbance"].to(vortices) / rms * noise


def simulate(
    params: Params, initial: Tensor, times: Tensor, grid: Grid, *, refined: bool = True, step_factor: float = 1.0
) -> Trajectory:
    """Velocities at `times`, stored on `grid`."""
    internal = finer_grid(grid, factor=FACTOR, least=LEAST) if refined else grid
    return evolve_semilinear(Velocity(), params, initial, times, grid, internal=internal, step_factor=step_factor)
