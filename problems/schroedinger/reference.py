"""Random wave packets, and the solver of their motion."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import periodic_bump, split_step

from .equations import potential

PACKETS = 2
POWER = 10
"""Of the envelopes; their width at half maximum is a sixth of the ring."""
FASTEST = 4
"""Largest mode number of a packet's carrier, its group velocity."""
SMALLEST = 64
"""Points: the modes that a lattice of depth 4 and the interaction scatter into are below 1e-7 from 32 on."""
SHARE = 0.8
"""Of the time step at which the interaction resonates with the splitting, 2π / (D k_max²)."""


def initial_state(grid: Grid, generator: torch.Generator) -> Tensor:
    """A sum of packets ``a b(x − c) exp(i (n (x − c) + φ))`` of random height, place, velocity and phase.

    Scaled to ⟨|ψ|²⟩ = 1; the mean over the points is the mean over the ring, as the grid resolves the density.
    """
    (axis,), device = grid.axes, generator.device
    psi = torch.zeros(grid.size, dtype=torch.complex128, device=device)
    for _ in range(PACKETS):
        height, place, phase = torch.rand(3, generator=generator, dtype=torch.float64, device=device)
        carrier = int(torch.randint(-FASTEST, FASTEST + 1, (), generator=generator, device=device))
        centre = axis.lower + axis.extent * place
        angle = carrier * (axis.points().to(device) - centre) + 2 * math.pi * phase
        psi = psi + (0.5 + 0.5 * height) * periodic_bump(grid, centre[None], POWER) * torch.exp(1j * angle)
    psi = psi / psi.abs().square().mean().sqrt()
    return torch.stack([psi.real, psi.imag])


def simulate(params: Params, initial: Tensor, times: Tensor, grid: Grid, *, step_factor: float = 1.0) -> Trajectory:
    """ψ at `times` on `grid`."""
    k_max = math.pi / grid.axes[0].spacing
    return split_step(
        torch.complex(initial[:, 0], initial[:, 1]),
        times,
        grid,
        dispersion=torch.full_like(initial[:, 0, 0], 0.5),
        potential=potential(params, grid).to(initial),
        interaction=params["interaction"].to(initial),
        step=step_factor * SHARE * 2 * math.pi / (0.5 * k_max**2),
    )
