"""Zonal jets and random states in balance, and the spherical-harmonic solver of their evolution."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import SphereFlow, SphericalHarmonics, evolve_sphere, in_chunks

from .equations import HOUR, rotation, uniform

BAND = 31
"""Largest degree of initial states; they are made on the grid of this truncation and are one function on every grid."""
JETS = 3
WIDEST = 8
"""Largest degree of the streamfunction of random states."""
BUMP = 0.015
"""Height over mean depth of the bump that disturbs zonal jets."""
DAMPING_TIME = 2.0
"""Hours in which the highest degree falls to 1/e."""
CHUNK_POINTS = 8 * 64 * 128
"""Grid points of the rows solved at a time on a CPU."""


@lru_cache(maxsize=4)
def _gauss(truncation: int, device: torch.device) -> SphericalHarmonics:
    latitudes = -(-(3 * truncation + 1) // 4) * 2  # even
    return SphericalHarmonics(truncation, latitudes, 2 * latitudes, device=device)


def initial_state(params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
    """One draw of (h, u, v), ``3 latitude longitude``: zonal jets with a bump in one half, random flow in the other.

    The velocity has no divergence and the greatest speed `speed`; the depth is in nonlinear balance with it.
    """
    on = _gauss(BAND, generator.device)
    draws = torch.rand(4 * JETS + 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, WIDEST + 1, WIDEST + 1, generator=generator, dtype=torch.float64)
    is_zonal = bool(draws[-1] < 0.5)
    curl = _zonal_curl(on, draws[: 4 * JETS].view(4, JETS)) if is_zonal else _random_curl(on, noise)
    velocity = on.inverse_vector(curl, 0 * curl)
    velocity = float(params["speed"]) / velocity.square().sum(0).sqrt().max() * velocity
    flow = SphereFlow(on, depth=params["depth"].double()[None], rotation=rotation(params).double()[None])
    depth = flow.balanced_depth(velocity[None])[0]
    if is_zonal:
        bump = _bump(on, draws[-4:-1])
        depth = depth + BUMP * params["depth"] * (bump - on.mean(bump))
    state = flow.to_modes(torch.cat([depth[None], velocity])[None])
    return flow.to_fields(state, uniform(grid, generator.device))[0]


def _zonal_curl(on: SphericalHarmonics, draws: Tensor) -> Tensor:
    """Vorticity of jets along circles of latitude, east- or westward, 8 to 16 degrees wide, within 65 degrees."""
    centre, width = math.radians(65) * (2 * draws[0] - 1), torch.deg2rad(8 + 8 * draws[1])
    strength = (0.4 + 0.6 * draws[2]) * torch.where(draws[3] < 0.25, -1, 1)
    shape = torch.exp(-(((on.latitude[:, None] - centre) / width) ** 2)) @ strength * torch.cos(on.latitude)
    jets = shape[:, None].expand(on.size)
    return on.forward_vector(torch.stack([jets, torch.zeros_like(jets)]))[0]


def _random_curl(on: SphericalHarmonics, noise: Tensor) -> Tensor:
    """Gaussian vorticity of degrees up to 8, of equal kinetic energy in every degree from 2 to 5 and falling beyond."""
    degree = torch.arange(WIDEST + 1, dtype=torch.float64)[:, None]
    order = degree.T
    energy = torch.where(degree < 2, 0.2, torch.exp(-((degree - 5).clamp(min=0) ** 2) / 4))
    amplitude = (energy * degree * (degree + 1) / (2 * degree + 1)).sqrt() * (order <= degree)
    modes = torch.zeros(on.truncation + 1, on.truncation + 1, dtype=torch.complex128)
    modes[: WIDEST + 1, : WIDEST + 1] = amplitude * torch.complex(noise[0], noise[1] * (order > 0))
    return modes


def _bump(on: SphericalHarmonics, draws: Tensor) -> Tensor:
    """A hill of height one, 20 degrees across, at latitudes from 20 to 60 on either side of the equator."""
    longitude = 2 * math.pi * draws[0]
    latitude = torch.deg2rad(20 + 40 * draws[1]) * torch.where(draws[2] < 0.5, -1, 1)
    phi, lam = on.latitude[:, None], on.longitude
    cosine = torch.sin(phi) * torch.sin(latitude) + torch.cos(phi) * torch.cos(latitude) * torch.cos(lam - longitude)
    return torch.exp((cosine - 1) / math.radians(10) ** 2)


def simulate(params: Params, initial: Tensor, times: Tensor, grid: Grid, *, truncation: int) -> Trajectory:
    """States on `grid` at `times` [h], computed with degrees up to `truncation`.

    What `grid` does not hold is left out where states are stored. A row is DIVERGED when a value is not finite or the
    depth not positive everywhere.
    """
    device = initial.device
    on, stored = _gauss(truncation, device), uniform(grid, device)

    def solve(rows: slice) -> Trajectory:
        own = {name: value[rows].to(initial) for name, value in params.items()}
        depth = stored.mean(initial[rows, 0])
        flow = SphereFlow(on, depth=depth, rotation=rotation(own), damping_time=HOUR * DAMPING_TIME)
        start = flow.to_modes(initial[rows], stored)
        return evolve_sphere(start, (HOUR * times).tolist(), flow, observe=lambda state: flow.to_fields(state, stored))

    chunk = len(initial) if initial.is_cuda else max(1, CHUNK_POINTS // math.prod(on.size))
    return in_chunks(solve, len(initial), chunk)
