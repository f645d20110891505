"""Compressible Navier-Stokes flow of an ideal gas, for people and for the checks of its data."""

import torch
from torch import Tensor

from sciml.core.types import Grid, Params

EQUATION = """\
∂ρ/∂t + ∇·(ρ u) = 0
∂(ρ u)/∂t + ∇·(ρ u u) + ∇p = η ∇²u + (ζ + η/3) ∇(∇·u)
∂E/∂t + ∇·((E + p) u) = ∇·(σ u),  E = p/(γ − 1) + ρ|u|²/2"""

GAMMA = 5 / 3
"""γ of a monatomic gas."""
EXTENT = 1.0
"""Side of the periodic square, the unit of length; units of density and speed are the mean density and sound speed."""


def conserved(states: Tensor) -> Tensor:
    """(ρ, u, v, p) as (ρ, ρ u, ρ v, E), channels on axis -3."""
    density, u, v, pressure = states.unbind(-3)
    energy = pressure / (GAMMA - 1) + density * (u * u + v * v) / 2
    return torch.stack([density, density * u, density * v, energy], dim=-3)


def _means(states: Tensor) -> tuple[Tensor, ...]:
    return conserved(states).mean(dim=(-2, -1)).unbind(-1)


def mass(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """⟨ρ⟩."""
    return _means(states)[0]


def momentum(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """1 + ⟨ρ u⟩ + ⟨ρ v⟩, relative to mean density times sound speed."""
    _, x, y, _ = _means(states)
    return 1 + x + y


def energy(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """⟨E⟩; viscosity turns motion into heat and keeps it."""
    return _means(states)[3]
