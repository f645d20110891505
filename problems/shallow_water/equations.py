"""The rotating shallow-water equations, written once for people (sympy) and once for the solver (Fourier)."""

import math
from typing import Any

import torch
from torch import Tensor

from sciml.core.types import Grid, Params
from sciml.reference import Fourier

EQUATION = """\
∂h/∂t = −∂(h u)/∂x − ∂(h v)/∂y
∂u/∂t = (ζ + f) v − ∂B/∂x − ν ∇⁴u
∂v/∂t = −(ζ + f) u − ∂B/∂y − ν ∇⁴v
ζ = ∂v/∂x − ∂u/∂y,  B = g h + (u² + v²)/2"""

GRAVITY = 1.0
"""g: unit of acceleration."""
EDDY_LENGTH = 1.0
"""ℓ: unit of length, the inverse of the wavenumber where the initial flow has most energy."""
EXTENT = 4 * math.pi
"""Side of the doubly periodic square, 4π ℓ: two wavelengths of the most energetic mode."""
VISCOSITY = 5e-5
"""ν, biharmonic, in units of g^(1/2) ℓ^(7/2): it acts on the scales of the grid and hardly on the eddies."""


def velocity_scale(params: Params) -> Tensor:
    """``U = Fr sqrt(g H)``, the rms flow speed of the initial vortices."""
    return params["froude"] * (GRAVITY * params["depth"]).sqrt()


def coriolis(params: Params) -> Tensor:
    """``f = U / (Ro ℓ)``."""
    return velocity_scale(params) / (params["rossby"] * EDDY_LENGTH)


def tendency(state: Tensor, f: Tensor, fourier: Fourier, viscosity: float = VISCOSITY) -> Tensor:
    """Right-hand sides for Fourier coefficients of (h, u, v), ``batch 3 *mode``; products are dealiased (2/3 rule).

    Arguments:
        state: coefficients that vanish outside ``fourier.resolved``.
        f: Coriolis parameter per row, shape ``batch``.
        fourier: the grid the products are taken on.
        viscosity: ν.

    Returns:
        ``∂/∂t`` of the coefficients; the mean of h has none, so mass is conserved exactly.
    """
    ik_y, ik_x = fourier.ik
    h_hat, u_hat, v_hat = state.unbind(1)
    vorticity_hat = ik_x * v_hat - ik_y * u_hat
    vorticity_hat[:, 0, 0] = f  # the mean of ζ + f
    fields = fourier.inverse(torch.stack([h_hat, vorticity_hat, u_hat, v_hat], dim=1))
    h, carried, velocity = fields[:, 0], fields[:, :2], fields[:, 2:]
    fluxes = fourier.forward(carried[:, :, None] * velocity[:, None])  # (h, ζ + f) times (u, v)
    (hu, hv), (qu, qv) = (row.unbind(1) for row in fluxes.unbind(1))
    b = fourier.forward(GRAVITY * h + velocity.square().sum(1) / 2)
    damping = viscosity * fourier.k_squared**2
    h_t = -(ik_x * hu + ik_y * hv)
    u_t = qv - ik_x * b - damping * u_hat
    v_t = -qu - ik_y * b - damping * v_hat
    return torch.stack([h_t, u_t, v_t], dim=1) * fourier.resolved


def symbolic() -> dict[str, Any]:
    """The same right-hand sides in sympy: functions ``h, u, v`` of ``x, y`` and symbols ``f, g, nu``."""
    import sympy as sp

    x, y, f, g, nu = sp.symbols("x y f g nu", real=True)
    h, u, v = (sp.Function(name)(x, y) for name in "huv")
    zeta = v.diff(x) - u.diff(y)
    bernoulli = g * h + (u**2 + v**2) / 2

    def laplacian(s: Any) -> Any:
        return s.diff(x, 2) + s.diff(y, 2)

    return {
        "h": -(h * u).diff(x) - (h * v).diff(y),
        "u": (zeta + f) * v - bernoulli.diff(x) - nu * laplacian(laplacian(u)),
        "v": -(zeta + f) * u - bernoulli.diff(y) - nu * laplacian(laplacian(v)),
    }


def mass(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``⟨h⟩``, the domain mean of the layer thickness; conserved exactly."""
    return states[:, :, 0].mean(dim=(-2, -1))


def energy(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``⟨h (u² + v²)/2 + g (h − ⟨h⟩)²/2⟩``: kinetic plus available potential energy; conserved but for viscosity."""
    h, u, v = states.unbind(2)
    anomaly = h - h.mean(dim=(-2, -1), keepdim=True)
    return (h * (u * u + v * v) + GRAVITY * anomaly**2).mean(dim=(-2, -1)) / 2


def potential_enstrophy(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``⟨(ζ + f)² / (2 h)⟩``; the flow carries potential vorticity (ζ + f)/h, so this decays by viscosity only."""
    fourier = Fourier(grid, states.device)
    h, u, v = states.unbind(2)
    zeta = fourier.derivative(v, axis=1) - fourier.derivative(u, axis=0)
    f = coriolis(params).to(states)[:, None, None, None]
    return ((zeta + f) ** 2 / h).mean(dim=(-2, -1)) / 2
