"""Random vortices, and the solver of their evolution."""

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import band_limited_field, evolve_vorticity, finer_grid, velocity_of

from .equations import forcing

PEAK = 2.0
"""Wavenumber k₀ of the initial flow; the kinetic energy at all modes of one |k| is largest at 0.87 k₀."""
BAND = 7
"""Largest mode number of the initial vorticity."""
ONSET = 1.0
"""Time for which the force has acted on the initial shear; its place must show in the first frame, because nothing
else in the data says where its crests are."""
FACTOR = 1.5
LEAST = 64
"""Computed on 1.5 times the stored points and at least 64²: every stored mode is computed, and the filaments of the
smallest viscosity are resolved."""


def initial_state(params: Params, grid: Grid, generator: torch.Generator) -> Tensor:
    """A Gaussian streamfunction with rms speed one, and the shear ``F t sin 4y`` of the force after `ONSET`."""
    vortices = band_limited_field(grid, _spectrum, BAND, generator)
    vortices = vortices / velocity_of(vortices, grid).square().sum(0).mean().sqrt()
    return (vortices + ONSET * forcing(params["forcing"].to(vortices), grid))[None]


def simulate(
    params: Params, initial: Tensor, times: Tensor, grid: Grid, *, refined: bool = True, step_factor: float = 1.0
) -> Trajectory:
    """Vorticity at `times`, stored on `grid`; see `sciml.reference.evolve_vorticity`."""
    return evolve_vorticity(
        initial[:, 0],
        times,
        grid,
        viscosity=params["viscosity"],
        drag=params["drag"],
        forcing=forcing(params["forcing"].to(initial), grid),
        internal=finer_grid(grid, factor=FACTOR, least=LEAST) if refined else grid,
        step_factor=step_factor,
    )


def _spectrum(k: Tensor) -> Tensor:
    """Variance of ω per mode, ``k⁴ exp(−2 (k/k₀)²)``."""
    return k**4 * torch.exp(-2 * (k / PEAK) ** 2)
