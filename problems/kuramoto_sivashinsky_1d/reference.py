"""Random waves, and the solver of their evolution."""

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import band_limited_field, evolve_semilinear, finer_grid

from .equations import KuramotoSivashinskyEquation

BAND = 16
"""Largest mode number of the initial state, wavenumber 2."""
SMALLEST = 48
RMS = 1.3
"""Of the initial state, about that of developed chaos at ν = 1."""
FACTOR = 1.5
LEAST = 128
"""Computed on 1.5 times the stored points and at least 128."""


def initial_state(grid: Grid, generator: torch.Generator) -> Tensor:
    """A Gaussian field with most variance at the wavenumber that grows fastest, 1/√2, and rms exactly `RMS`."""
    waves = band_limited_field(grid, lambda k: k**4 * torch.exp(-4 * k**2), BAND, generator)
    return (RMS * waves / waves.square().mean().sqrt())[None]


def simulate(
    params: Params, initial: Tensor, times: Tensor, grid: Grid, *, refined: bool = True, step_factor: float = 1.0
) -> Trajectory:
    """u at `times`, stored on `grid`."""
    internal = finer_grid(grid, factor=FACTOR, least=LEAST) if refined else grid
    equation = KuramotoSivashinskyEquation()
    return evolve_semilinear(equation, params, initial, times, grid, internal=internal, step_factor=step_factor)
