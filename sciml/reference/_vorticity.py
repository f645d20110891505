"""Incompressible flow in a periodic plane as one equation for its vorticity."""

from typing import ClassVar

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Grid, Params, Trajectory
from sciml.reference._exponential import IFRK4, ExponentialMethod
from sciml.reference._semilinear import Semilinear, evolve_semilinear, over_space
from sciml.reference._spectral import Fourier, resample

COURANT = 1.0
"""Time step times the fastest rate of advection of a resolved mode; IF-RK4 is stable up to 2.82."""


class Vorticity(Semilinear):
    """``ω_t + u·∇ω = ν ∇²ω − α ω + f`` with ``u = (∂ψ/∂y, −∂ψ/∂x)``, ``∇²ψ = −ω``; parameters by row:

    ``viscosity`` ν, ``drag`` α, and ``forcing`` f, the curl of a force, as a field ``batch y x`` on any grid.
    """

    method: ClassVar[ExponentialMethod] = IFRK4
    longest_interval: ClassVar[float] = 0.5

    def linear(self, fourier: Fourier, params: Params) -> Tensor:
        """``−ν k² − α``."""
        return -over_space(params["viscosity"], fourier) * fourier.k_squared - over_space(params["drag"], fourier)

    def nonlinear(self, u_hat: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """``−curl ∇·(u u) = (∂²/∂y² − ∂²/∂x²)(u v) + ∂²/∂x∂y (u² − v²)``: two transforms each way.

        Reference: C. Basdevant, Technical improvements for direct numerical simulation of homogeneous
        three-dimensional turbulence, J. Comput. Phys. 50 (1983) 209-214.
        """
        ik_y, ik_x = fourier.ik
        u, v = fourier.inverse(velocity_modes(u_hat, fourier)).unbind(1)
        across, along = fourier.forward(torch.stack([u * v, u * u - v * v], 1)).unbind(1)
        return ((ik_y**2 - ik_x**2) * across + ik_x * ik_y * along)[:, None]

    def source(self, fourier: Fourier, params: Params) -> Tensor | None:
        """The modes of f."""
        forcing = params.get("forcing")
        return None if forcing is None else fourier.forward(resample(forcing[:, None], fourier.size))

    def largest_step(self, u: Tensor, fourier: Fourier, params: Params) -> Tensor:
        """A Courant number on the fastest resolved mode, and the time in which the forcing sets up a flow."""
        speed = fourier.inverse(velocity_modes(fourier.forward(u), fourier)).square().sum(1).sqrt()
        rate = fourier.k_max * speed.flatten(1).amax(1)
        if "forcing" in params:
            rate = rate + params["forcing"].flatten(1).abs().amax(1).sqrt()
        return COURANT / rate


def velocity_modes(
    vorticity_hat: Complex[Tensor, "batch one *mode"], fourier: Fourier
) -> Complex[Tensor, "batch two *mode"]:
    """Coefficients of the velocity (u, v) of a vorticity; its mean is zero."""
    ik_y, ik_x = fourier.ik
    k_squared = fourier.k_squared.clone()
    k_squared.view(-1)[0] = 1.0
    psi = vorticity_hat / k_squared
    return torch.cat([ik_y * psi, -ik_x * psi], 1) * (fourier.k_squared > 0)


def velocity_of(vorticity: Float[Tensor, "*batch y x"], grid: Grid) -> Float[Tensor, "*batch two y x"]:
    """The velocity (u, v) along x and y whose curl is `vorticity`, with mean zero."""
    fourier = Fourier(grid, vorticity.device)
    flat = vorticity.reshape(-1, 1, *grid.size)
    velocity = fourier.inverse(velocity_modes(fourier.forward(flat), fourier))
    return velocity.reshape(*vorticity.shape[:-2], 2, *grid.size)


def evolve_vorticity(
    initial: Float[Tensor, "batch y x"],
    times: Float[Tensor, " time"],
    grid: Grid,
    *,
    viscosity: float | Float[Tensor, " batch"],
    drag: float | Float[Tensor, " batch"] = 0.0,
    forcing: Float[Tensor, "y x"] | Float[Tensor, "batch y x"] | None = None,
    internal: Grid | None = None,
    method: ExponentialMethod | None = None,
    step_factor: float = 1.0,
) -> Trajectory:
    """Vorticity at later times of incompressible flow in a doubly periodic box, float64.

        ω_t + u·∇ω = ν ∇²ω − α ω + f,   ∇·u = 0,   ω = ∂v/∂x − ∂u/∂y

    Pseudo-spectral with the 2/3 rule and an integrating factor with RK4; the time step is asked again at least every
    half unit of time. Rows do not influence each other.

    Arguments:
        initial: vorticity at ``times[0]`` on `grid`, with mean zero.
        times: increasing; ``torch.tensor([0.0, T])`` for one later time.
        grid: doubly periodic, y before x.
        viscosity: ν > 0 or 0, one number or one per row.
        drag: α, of the same kind.
        forcing: f, the curl of a steady force, on `grid`; none if left out.
        internal: a finer grid on the same box to compute on; `grid` if left out.
        method: `IFRK4` or `ETDRK4`; the former if left out.
        step_factor: multiplies the time step.

    Returns: states ``batch time 1 y x``; DIVERGED and NaN for a row that broke down.

    Raises: UserError for a grid or shapes that do not fit, negative viscosity or drag, vorticity with a mean.
    """
    batch = len(initial)
    _check(initial, grid, forcing)
    params = {"viscosity": _per_row("viscosity", viscosity, initial), "drag": _per_row("drag", drag, initial)}
    if forcing is not None:
        params["forcing"] = forcing.to(initial).double().expand(batch, *grid.size)
    return evolve_semilinear(
        Vorticity(), params, initial.double()[:, None], times, grid,
        internal=internal, method=method, step_factor=step_factor,
    )  # fmt: skip


def _per_row(name: str, value: float | Tensor, initial: Tensor) -> Tensor:
    values = torch.as_tensor(value, dtype=torch.float64, device=initial.device)
    if values.ndim > 1 or values.numel() not in (1, len(initial)) or not bool((values >= 0).all()):
        raise UserError(
            f"this {name} is none",
            got=f"{value} for {len(initial)} initial states",
            expected="a number from 0 on, or one per initial state",
        )
    return values.expand(len(initial))


def _check(initial: Tensor, grid: Grid, forcing: Tensor | None) -> None:
    if len(grid.axes) != 2 or not all(grid.periodic):
        raise UserError(
            "the vorticity equation is solved in a doubly periodic plane",
            got={axis.name: axis.boundary for axis in grid.axes},
            expected="two periodic axes, y and x",
        )
    if initial.ndim != 3 or tuple(initial.shape[1:]) != grid.size:
        raise UserError(
            "the initial vorticity does not lie on the grid",
            got=tuple(initial.shape),
            expected=f"(batch, {grid.size[0]}, {grid.size[1]})",
        )
    for name, field in (("initial vorticity", initial), ("curl of the forcing", forcing)):
        if field is None:
            continue
        if tuple(field.shape) not in {grid.size, (len(initial), *grid.size)}:
            raise UserError(f"the {name} does not lie on the grid", got=tuple(field.shape), expected=grid.size)
        mean, size = field.mean((-2, -1)).abs(), field.square().mean((-2, -1)).sqrt()
        if bool((mean > 1e-6 * size + 1e-300).any()):
            raise UserError(
                f"the {name} has a mean, which no periodic flow has",
                got=f"mean {float(mean.max()):.3g}",
                fix="Subtract the mean over the box.",
            )
