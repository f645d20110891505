"""Random beams, and the solver of their propagation."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import periodic_bump, split_step

from .equations import index

BEAMS = 2
POWER = 6
"""Of the envelopes; their width at half maximum is a fifth of the box."""
STEEPEST = 3
"""Largest mode number of a beam's tilt per axis."""
SMALLEST = 32
STEP = 0.5
"""Longest step in z; the splitting is then accurate to 5e-6 (see the README)."""


def initial_state(grid: Grid, generator: torch.Generator) -> Tensor:
    """A sum of beams of random height, place, tilt and phase with ⟨|A|²⟩ = 1.

    The mean over the points is the mean over the cross-section, as the grid resolves the intensity.
    """
    device = generator.device
    envelope = torch.zeros(grid.size, dtype=torch.complex128, device=device)
    for _ in range(BEAMS):
        height, phase, *place = torch.rand(4, generator=generator, dtype=torch.float64, device=device)
        tilt = torch.randint(-STEEPEST, STEEPEST + 1, (2,), generator=generator, device=device).tolist()
        centre = torch.stack([a.lower + a.extent * p for a, p in zip(grid.axes, place, strict=True)])
        y, x = (n * (a.points().to(device) - c) for n, a, c in zip(tilt, grid.axes, centre, strict=True))
        angle = y[:, None] + x + 2 * math.pi * phase
        envelope = envelope + (0.5 + 0.5 * height) * periodic_bump(grid, centre, POWER) * torch.exp(1j * angle)
    envelope = envelope / envelope.abs().square().mean().sqrt()
    return torch.stack([envelope.real, envelope.imag])


def simulate(params: Params, initial: Tensor, times: Tensor, grid: Grid, *, step_factor: float = 1.0) -> Trajectory:
    """Envelopes at distances `times` on `grid`."""
    k = params["wavenumber"].to(initial)
    return split_step(
        torch.complex(initial[:, 0], initial[:, 1]),
        times,
        grid,
        dispersion=1 / (2 * k),
        potential=-k[:, None, None] * index(params, grid).to(initial),
        step=step_factor * STEP,
    )
