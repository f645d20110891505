"""Compressible flow of an ideal gas by finite volumes: shocks, contacts, viscosity; on one to three axes.

    ∂ρ/∂t + ∇·(ρ u) = 0
    ∂(ρ u)/∂t + ∇·(ρ u u) + ∇p = ∇·σ,      σ = η (∇u + ∇uᵀ) + (ζ − 2η/3) (∇·u) 1
    ∂E/∂t + ∇·((E + p) u) = ∇·(σ u),       E = p/(γ − 1) + ρ |u|²/2

A primitive state has channels (ρ, u, …, p), a conserved one (ρ, ρ u, …, E), velocities in the order x, y, z; all are
means per cell.
"""

import math
from collections.abc import Callable, Sequence
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Grid, Trajectory
from sciml.reference._finite_volume import GHOSTS, face_states, refuse_below_zero, van_leer, with_ghosts
from sciml.reference._grids import check_initial
from sciml.reference._stepping import check_step_factor, integrate, ssp_rk2
from sciml.reference._super_time_stepping import SplitDiffusion

State = Float[Tensor, "batch channel *space"]
PerRow = Float[Tensor, " batch"]

COURANT = 0.4
"""Share of a cell that the fastest waves of all axes cross together in a step."""
DIFFUSION = 2.5
"""A step takes at most 1/2.5 of ρ/(η₄ Σ 1/h²), η₄ = 4η/3 + ζ; the method is stable up to one half of it."""
LARGEST_FACTOR = 1.25
"""Of the time step: half a cell in a step, and the limit of the viscous stresses."""
STIFF = 2.0
"""Rate of viscosity over that of waves beyond which a row's viscosity is split off and super-time-stepped."""


@final
class CompressibleFlow:
    """The scheme: limited reconstruction of density, velocity and pressure, HLLC fluxes, central viscous stresses.

    Second order where the flow is smooth; mass, momentum and energy are conserved to rounding on periodic axes, and
    uniform flow and resting contacts stay as they are. Walls are slippery: nothing passes, and no stress along them.

    Arguments:
        grid: one to three axes, each periodic, with walls or open (zero gradient).
        gamma: ratio of specific heats γ, above 1.
        viscosity: shear viscosity η per row; None for an inviscid gas.
        bulk_viscosity: ζ per row; zero where None.

    Reference: Toro, Spruce and Speares (1994), doi:10.1007/BF01414629 (HLLC); Einfeldt et al. (1991),
    doi:10.1016/0021-9991(91)90211-3 (wave speeds); van Leer (1979), doi:10.1016/0021-9991(79)90145-1.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        gamma: float = 5 / 3,
        viscosity: PerRow | None = None,
        bulk_viscosity: PerRow | None = None,
    ) -> None:
        if len(grid.axes) not in (1, 2, 3):
            raise UserError(
                "a gas flows along one to three axes",
                got=[axis.name for axis in grid.axes],
                expected="x; y, x; z, y, x",
            )
        if not 1 < gamma < math.inf:
            raise UserError("the ratio of specific heats must exceed one", got=gamma, expected="for example 5/3 or 1.4")
        for name, values in (("viscosity", viscosity), ("bulk viscosity", bulk_viscosity)):
            if values is not None and not bool((values >= 0).all()):
                raise UserError(f"the {name} must not be negative", got=values.tolist(), expected="zero or more")
        self.grid, self.gamma = grid, gamma
        self.viscosity = viscosity
        self.bulk_viscosity = bulk_viscosity
        self.axes = [(-1 - number, 1 + number, axis) for number, axis in enumerate(reversed(grid.axes))]
        """Dimension, channel of its velocity, and axis: x first."""

    def to_conserved(self, primitive: State) -> State:
        """(ρ, u, …, p) as (ρ, ρ u, …, E)."""
        density, velocity, pressure = primitive[:, :1], primitive[:, 1:-1], primitive[:, -1:]
        energy = pressure / (self.gamma - 1) + density * velocity.square().sum(1, keepdim=True) / 2
        return torch.cat([density, density * velocity, energy], dim=1)

    def to_primitive(self, state: State) -> State:
        """(ρ, ρ u, …, E) as (ρ, u, …, p)."""
        density, momentum, energy = state[:, :1], state[:, 1:-1], state[:, -1:]
        velocity = momentum / density
        pressure = (self.gamma - 1) * (energy - (momentum * velocity).sum(1, keepdim=True) / 2)
        return torch.cat([density, velocity, pressure], dim=1)

    def tendency(self, state: State) -> State:
        """∂/∂t of density, momentum and energy."""
        primitive = self.to_primitive(state)
        rate = torch.zeros_like(state)
        for dim, normal, axis in self.axes:
            before, behind = face_states(primitive, dim, axis.boundary, limiter=van_leer, odd=normal)
            flux = self._hllc(before, behind, normal)
            if self.viscosity is not None:
                flux = flux - self._viscous_flux(primitive, dim, normal)
            rate -= flux.diff(dim=dim) / axis.spacing
        return rate

    def viscous_tendency(self, state: State) -> State:
        """What viscous stresses alone do to momentum and energy."""
        primitive, rate = self.to_primitive(state), torch.zeros_like(state)
        for dim, normal, axis in self.axes:
            rate += self._viscous_flux(primitive, dim, normal).diff(dim=dim) / axis.spacing
        return rate

    def _hllc(self, left: State, right: State, normal: int) -> State:
        """The flux of three waves between two states: that of the upwind side of the contact, corrected beyond it."""
        slowest, fastest = self._signal_speeds(left, right, normal)
        (rho_l, u_l, p_l), (rho_r, u_r, p_r) = ((w[:, 0], w[:, normal], w[:, -1]) for w in (left, right))
        m_l, m_r = rho_l * (slowest - u_l), rho_r * (fastest - u_r)  # mass through the outer waves
        contact = (p_r - p_l + m_l * u_l - m_r * u_r) / (m_l - m_r)
        is_left = contact > 0
        side = torch.where(is_left[:, None], left, right)
        mass = torch.where(is_left, m_l, m_r)
        outer = torch.where(is_left, slowest, fastest)
        reach = torch.where(is_left, slowest.clamp(max=0), fastest.clamp(min=0))  # zero where all waves go one way
        rho, u, p = side[:, 0], side[:, normal], side[:, -1]
        conserved = self.to_conserved(side)
        flux = u[:, None] * conserved
        flux[:, normal] += p
        flux[:, -1] += p * u
        rho_star = mass / (outer - contact)
        energy_star = conserved[:, -1] / rho + (contact - u) * (contact + p / mass)
        velocity = side[:, 1:-1].clone()
        velocity[:, normal - 1] = contact
        star = torch.cat([rho_star[:, None], rho_star[:, None] * velocity, (rho_star * energy_star)[:, None]], dim=1)
        return flux + reach[:, None] * (star - conserved)

    def _signal_speeds(self, left: State, right: State, normal: int) -> tuple[Tensor, Tensor]:
        """Bounds of the speeds of all waves between two states, from both and from their mean weighted by √ρ."""
        root_l, root_r = left[:, 0].sqrt(), right[:, 0].sqrt()
        weight = root_l / (root_l + root_r)
        c2_l, c2_r = (self.gamma * w[:, -1] / w[:, 0] for w in (left, right))
        jump = right[:, normal] - left[:, normal]
        u = right[:, normal] - weight * jump
        spread = (weight * c2_l + (1 - weight) * c2_r + (self.gamma - 1) / 2 * weight * (1 - weight) * jump**2).sqrt()
        slowest = torch.minimum(left[:, normal] - c2_l.sqrt(), u - spread)
        return slowest, torch.maximum(right[:, normal] + c2_r.sqrt(), u + spread)

    def _viscous_flux(self, primitive: State, dim: int, normal: int) -> State:
        """What stresses pass on through the faces of an axis: momentum and energy, central differences."""
        shape = (-1, *[1] * len(self.axes))
        eta = self._per_row(self.viscosity, primitive).reshape(shape)
        zeta = self._per_row(self.bulk_viscosity, primitive).reshape(shape)
        wide = self._one_ghost(primitive[:, 1:-1], dim)
        on_faces = _mean_of_pairs(wide, dim)
        slopes = {}
        for along, channel, axis in self.axes:
            if along == dim:
                slopes[channel] = wide.diff(dim=dim) / axis.spacing
            else:
                wider, count = self._one_ghost(wide, along), wide.shape[along]
                central = wider.narrow(along, 2, count) - wider.narrow(along, 0, count)
                slopes[channel] = _mean_of_pairs(central, dim) / (2 * axis.spacing)
        divergence = torch.stack([slopes[channel][:, channel - 1] for channel in slopes]).sum(0)
        stresses = [eta * (slopes[normal][:, c - 1] + slopes[c][:, normal - 1]) for c in range(1, len(self.axes) + 1)]
        stresses[normal - 1] = stresses[normal - 1] + (zeta - 2 / 3 * eta) * divergence
        stress = torch.stack(stresses, dim=1)
        work = (stress * on_faces).sum(1, keepdim=True)
        return torch.cat([torch.zeros_like(work), stress, work], dim=1)

    def _one_ghost(self, velocity: Float[Tensor, "batch axis *space"], dim: int) -> Float[Tensor, "batch axis *wider"]:
        axis, count = self.grid.axes[dim], velocity.shape[dim]
        return with_ghosts(velocity, dim, axis.boundary, odd=-1 - dim).narrow(dim, GHOSTS - 1, count + 2)

    def _per_row(self, values: PerRow | None, like: State) -> PerRow:
        return like.new_zeros(len(like)) if values is None else values.to(like)

    def largest_rate(self, state: State) -> PerRow:
        """Inverse of the longest step: what waves of all axes and viscosity need together, per unit of time."""
        return self.wave_rate(state) + DIFFUSION * self._spread(state)

    def wave_rate(self, state: State) -> PerRow:
        """What waves of all axes need, per unit of time."""
        primitive = self.to_primitive(state)
        density = primitive[:, 0].flatten(1)
        sound = (self.gamma * primitive[:, -1].flatten(1) / density).sqrt()
        rate = torch.stack([(primitive[:, c].flatten(1).abs() + sound) / a.spacing for _, c, a in self.axes]).sum(0)
        return rate.amax(1) / COURANT

    def viscous_rate(self, state: State) -> PerRow:
        """Inverse of the longest stable Euler step of the viscous stresses."""
        return 2 * self._spread(state)

    def _spread(self, state: State) -> PerRow:
        stiffness = 4 / 3 * self._per_row(self.viscosity, state) + self._per_row(self.bulk_viscosity, state)
        return stiffness * sum(axis.spacing**-2 for axis in self.grid.axes) / state[:, 0].flatten(1).amin(1)

    def split(self, rows: Bool[Tensor, " batch"], state: State) -> tuple["CompressibleFlow", "CompressibleFlow"]:
        """The flow without the viscosity of some rows, and the flow with the viscosity of these rows alone."""
        parts = []
        for kept in (~rows, rows):
            eta, zeta = (self._per_row(v, state) * kept for v in (self.viscosity, self.bulk_viscosity))
            used = eta if bool(kept.any()) else None  # without any, no stress is computed
            parts.append(CompressibleFlow(self.grid, gamma=self.gamma, viscosity=used, bulk_viscosity=zeta))
        return parts[0], parts[1]

    def is_admissible(self, state: State) -> Bool[Tensor, " batch"]:
        """Whether every value is finite, and every density and pressure positive."""
        primitive = self.to_primitive(state).flatten(2)
        return primitive.isfinite().all(2).all(1) & (primitive[:, (0, -1)] > 0).all(2).all(1)


def _mean_of_pairs(values: Float[Tensor, "batch axis *space"], dim: int) -> Float[Tensor, "batch axis *faces"]:
    """Means of each value and the next."""
    count = values.shape[dim] - 1
    return (values.narrow(dim, 0, count) + values.narrow(dim, 1, count)) / 2


def evolve_compressible(
    initial: State,
    times: Sequence[float],
    flow: CompressibleFlow,
    *,
    observe: Callable[[Tensor], Tensor] | None = None,
    longest: float = math.inf,
    step_factor: float = 1.0,
    compiled: bool = False,
) -> Trajectory:
    """Primitive states at `times` by steps of the strong-stability-preserving Runge-Kutta method of order 2.

    Where viscosity would shorten the steps of a row to a third or less, its stresses take Runge-Kutta-Legendre steps
    of their own before and after (`SplitDiffusion`), and waves alone bound the step.

    Arguments:
        initial: primitive, float64, with positive densities and pressures.
        times: increasing; the first is that of `initial`.
        flow: the scheme on its grid.
        observe: what is kept of a conserved state; the primitive one where None.
        longest: time after which the step is chosen anew, see `integrate`.
        step_factor: multiplies the time step; at most 1.25, where viscous stresses become unstable.
        compiled: whether the right-hand side is compiled by `torch.compile`, which takes a minute at first; results
            differ by rounding.

    Returns: a `Trajectory`; DIVERGED for rows whose density or pressure becomes negative or not finite.
    Raises: UserError for a density or pressure that is not positive, fields that do not fit the grid, or a step factor
        that cannot be.
    """
    check_step_factor(step_factor, LARGEST_FACTOR)
    check_initial(initial, 2 + len(flow.axes), flow.grid.size, "density, velocities and pressure")
    refuse_below_zero(initial[:, 0], "density", is_zero_fine=False)
    refuse_below_zero(initial[:, -1], "pressure", is_zero_fine=False)
    start = flow.to_conserved(initial)
    stiff = DIFFUSION * flow.viscous_rate(start) > 2 * STIFF * flow.wave_rate(start)
    explicit, method = flow, ssp_rk2
    if bool(stiff.any()):
        explicit, diffusing = flow.split(stiff, start)
        method = SplitDiffusion(diffusing.viscous_tendency, diffusing.viscous_rate, stiff)
    return integrate(
        torch.compile(explicit.tendency, dynamic=False) if compiled else explicit.tendency,
        start,
        times,
        largest_step=lambda state: step_factor / explicit.largest_rate(state),
        is_admissible=flow.is_admissible,
        observe=observe or flow.to_primitive,
        method=method,
        longest=longest,
        max_steps=100_000,
    )
