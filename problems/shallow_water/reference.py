"""Classical solver of the shallow-water problem: balanced random vortices, pseudo-spectral in space, RK4 in time."""

import math

import torch
from torch import Tensor

from sciml.core.types import Grid, Params, Trajectory
from sciml.reference import Fourier, band_limited_field, in_chunks, integrate, resample

from .equations import EDDY_LENGTH, GRAVITY, VISCOSITY, coriolis, tendency, velocity_scale

BAND = 5
"""Largest mode number of the initial streamfunction; the balanced depth, quadratic in it, reaches twice that."""
WAVE_FRACTION = 0.05
"""rms speed of the free gravity waves over that of the vortices."""
INTERNAL_SIZE = 64
"""The solver never uses fewer points per axis: coarser grids store the truncated Fourier series of the same run."""
COURANT = 2.5
"""``ω_max dt`` of the fastest resolved gravity wave; RK4 is stable up to 2.82."""
CHUNK_POINTS = 8 * 64**2
"""Grid points of the rows solved at a time on a CPU; the work arrays of more leave its cache."""


def initial_state(
    params: Params, grid: Grid, generator: torch.Generator, *, wave_fraction: float = WAVE_FRACTION
) -> Tensor:
    """One draw of (h, u, v): vortices in nonlinear balance plus free inertia-gravity waves.

    The vortices are a Gaussian streamfunction ψ with kinetic energy peaked at ``|k| ℓ = 1`` and rms speed exactly
    ``U``; their depth solves the balance equation ``g ∇²h = f ∇²ψ + 2 (ψ_xx ψ_yy − ψ_xy²)`` with mean ``H``,
    which makes the initial ``∂(div u)/∂t`` zero. The waves are a random depth η and a random divergence δ without
    linear potential vorticity, ``ζ = f η/H``, in the ratio of Poincaré waves, ``|δ| = ω |η|/H`` with
    ``ω² = f² + g H k²``.

    Reference: Charney (1955), The use of the primitive equations of motion in numerical prediction, Tellus 7, 22-26.
    """
    depth, f, speed = params["depth"], coriolis(params), velocity_scale(params)
    fourier = Fourier(grid, generator.device)
    ik_y, ik_x = fourier.ik
    minus_inverse_laplacian = torch.where(fourier.k_squared > 0, 1 / fourier.k_squared, 0.0)

    def draw() -> Tensor:
        return fourier.forward(band_limited_field(grid, _spectrum, BAND, generator))

    def flow(psi: Tensor, chi: Tensor) -> Tensor:
        return fourier.inverse(torch.stack([ik_x * chi - ik_y * psi, ik_y * chi + ik_x * psi]))

    psi = draw()
    vortices = flow(psi, torch.zeros_like(psi))
    scale = speed / _rms(vortices)
    psi, vortices = scale * psi, scale * vortices

    psi_xx, psi_yy, psi_xy = fourier.inverse(torch.stack([ik_x**2 * psi, ik_y**2 * psi, ik_x * ik_y * psi]))
    curvature = fourier.forward(2 * (psi_xx * psi_yy - psi_xy**2))
    balanced = fourier.inverse(f * psi - minus_inverse_laplacian * curvature) / GRAVITY

    eta, other = draw(), draw()
    omega = (f**2 + GRAVITY * depth * fourier.k_squared).sqrt()
    waves = flow(-minus_inverse_laplacian * f / depth * eta, -minus_inverse_laplacian * omega / depth * other)
    scale = wave_fraction * speed / _rms(waves)
    h = depth + balanced + scale * fourier.inverse(eta)
    return torch.cat([h[None], vortices + scale * waves])


def simulate(
    params: Params,
    initial: Tensor,
    times: Tensor,
    grid: Grid,
    *,
    internal: Grid,
    courant: float = COURANT,
    viscosity: float = VISCOSITY,
) -> Trajectory:
    """States on `grid` at `times`, computed on `internal`; see `sciml.core.problem.Evolves.simulate`.

    A row is DIVERGED when a value is not finite or the layer thickness is not positive everywhere.
    """
    fourier = Fourier(internal, initial.device, truncate=True)

    def solve(rows: slice) -> Trajectory:
        f = coriolis({name: value[rows] for name, value in params.items()}).to(initial)
        return _solve(f, initial[rows], times, grid, fourier, courant, viscosity)

    chunk = len(initial) if initial.is_cuda else max(1, CHUNK_POINTS // math.prod(internal.size))
    return in_chunks(solve, len(initial), chunk)


def _solve(
    f: Tensor, initial: Tensor, times: Tensor, grid: Grid, fourier: Fourier, courant: float, viscosity: float
) -> Trajectory:
    start = fourier.forward(resample(initial, fourier.size)) * fourier.resolved

    def largest_step(state: Tensor) -> Tensor:
        h, u, v = fourier.inverse(state).unbind(1)
        signal = ((u * u + v * v).sqrt() + (GRAVITY * h.clamp(min=0)).sqrt()).amax(dim=(-2, -1))
        return courant / (signal * fourier.k_max + f.abs())

    def is_admissible(state: Tensor) -> Tensor:
        h = fourier.inverse(state[:, 0])
        return torch.isfinite(torch.view_as_real(state)).flatten(1).all(1) & (h > 0).flatten(1).all(1)

    return integrate(
        lambda state: tendency(state, f, fourier, viscosity),
        start,
        times.tolist(),
        largest_step=largest_step,
        is_admissible=is_admissible,
        observe=lambda state: resample(fourier.inverse(state), grid.size),
    )


def _spectrum(k: Tensor) -> Tensor:
    """Variance of ψ per mode: its kinetic energy ``k² |ψ|² ~ κ⁴ exp(−2 κ²)`` has its peak at κ = kℓ = 1."""
    kappa = k * EDDY_LENGTH
    return kappa**2 * torch.exp(-2 * kappa**2)


def _rms(flow: Tensor) -> Tensor:
    return flow.square().sum(0).mean().sqrt()
