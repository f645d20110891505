"""Shallow water by finite volumes: well balanced over a bed, shocks and dry ground included, on one or two axes.

    ∂h/∂t + ∇·(h u) = 0
    ∂(h u)/∂t + ∇·(h u u) + g h ∇(h + b) = 0

A state has channels (h, h u) on one axis and (h, h u, h v) on two, means per cell.
"""

import math
from collections.abc import Callable, Sequence
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Grid, Trajectory
from sciml.reference._finite_volume import face_states, monotonised_central, refuse_below_zero
from sciml.reference._grids import check_initial
from sciml.reference._stepping import check_step_factor, in_chunks, integrate, ssp_rk2

State = Float[Tensor, "batch channel *space"]
PerFace = Float[Tensor, "batch *faces"]

DRY = 1e-8
"""Depth below which water is taken to stand still; its velocity would be a quotient of rounding errors."""
ROUNDING = 1e-12
"""How far below zero a depth may fall before its row counts as diverged."""
COURANT = 0.4
"""Share of a cell that the fastest waves of all axes cross together in a step; depths stay positive up to one half."""
CHUNK_CELLS = 2 * 64**2
"""Cells of the rows solved at a time on a CPU: with more, temporary arrays leave the cache and the free list."""
LARGEST_FACTOR = 1.25
"""Of the time step: half a cell in a step."""


@final
class ShallowWaterFlow:
    """The scheme: limited reconstruction of depth, level and velocity, hydrostatic on faces, HLLC fluxes.

    Second order where the flow is smooth; mass is conserved to rounding; water at rest stays at rest over any bed.

    Arguments:
        grid: one or two axes, each periodic, with walls or open (zero gradient).
        gravity: g.
        bed: height b of the ground per cell, ``*space``; None for flat ground.

    Reference: Audusse, Bouchut, Bristeau, Klein and Perthame (2004), doi:10.1137/S1064827503431090; the estimates of
    wave speeds are those of Toro, Shock-Capturing Methods for Free-Surface Flows (2001), section 10.5.
    """

    def __init__(self, grid: Grid, *, gravity: float = 1.0, bed: Float[Tensor, "*space"] | None = None) -> None:
        if len(grid.axes) not in (1, 2):
            raise UserError(
                "shallow water flows along one or two axes",
                got=[axis.name for axis in grid.axes],
                expected="x, or y, x",
            )
        if bed is not None and tuple(bed.shape) != grid.size:
            raise UserError("the bed must have one height per cell", got=tuple(bed.shape), expected=grid.size)
        self.grid, self.gravity, self.bed = grid, gravity, bed

    def tendency(self, state: State) -> State:
        """∂/∂t of depth and momentum."""
        depth = state[:, :1]
        heights = [depth] if self.bed is None else [depth, depth + self.bed.to(state)]
        cells = torch.cat([*heights, self.velocity(state)], dim=1)
        rate = torch.zeros_like(state)
        for number, axis in enumerate(reversed(self.grid.axes)):
            rate.sub_(self._divergence(cells, -1 - number, 1 + number, axis.boundary), alpha=1 / axis.spacing)
        return rate

    def _divergence(self, cells: State, dim: int, normal: int, boundary: str) -> State:
        """What leaves each cell along one axis, times its length, from depth, level (over a bed), velocity.

        The own pressure of a cell is taken from the fluxes on both of its faces; what remains of it and of the slope
        of the bed is the mean depth times the slope of the level, which is zero exactly in water at rest.
        """
        count, heights = cells.shape[dim], 1 if self.bed is None else 2
        odd = heights + normal - 1
        before, behind = face_states(cells, dim, boundary, limiter=monotonised_central, odd=odd)
        left, right = before[:, 0], behind[:, 0]
        if self.bed is not None:
            sill = torch.maximum(before[:, 1] - left, behind[:, 1] - right)
            left, right = ((side[:, 1] - sill).clamp(min=0) for side in (before, behind))
        u_left, u_right = before[:, odd], behind[:, odd]
        mass, push_left, push_right = _hll(left, u_left, right, u_right, self.gravity)
        upper, lower = before.narrow(dim, 1, count), behind.narrow(dim, 0, count)
        drop = upper[:, heights - 1] - lower[:, heights - 1]  # of the level
        weight = self.gravity / 2 * (upper[:, 0] + lower[:, 0]) * drop
        leaving = [mass.diff(dim=dim)]
        for channel in range(1, len(self.grid.axes) + 1):
            if channel == normal:
                leaving.append(push_left.narrow(dim, 1, count) - push_right.narrow(dim, 0, count) + weight)
            else:  # the contact wave carries the velocity along the face
                along = heights + channel - 1
                carried = torch.where(mass > 0, before[:, along], behind[:, along])
                leaving.append((mass * carried).diff(dim=dim))
        return torch.stack(leaving, dim=1)

    def velocity(self, state: State) -> State:
        """Momentum over depth, zero where it is dry."""
        depth = state[:, :1]
        return torch.where(depth > DRY, state[:, 1:] / depth.clamp(min=DRY), 0.0)

    def largest_rate(self, state: State) -> Float[Tensor, " batch"]:
        """The number of cells that the fastest waves of all axes cross together per unit of time."""
        depth = state[:, 0].flatten(1)
        celerity = (self.gravity * depth.clamp(min=0)).sqrt().amax(1)
        celerity = torch.where(depth.amin(1) < DRY, 2, 1) * celerity  # a front on dry ground
        fastest = self.velocity(state).abs().flatten(2).amax(2)
        spacing = fastest.new_tensor([axis.spacing for axis in reversed(self.grid.axes)])
        return ((fastest + celerity[:, None]) / spacing).sum(1)

    def is_admissible(self, state: State) -> Bool[Tensor, " batch"]:
        """Whether every value is finite and no depth negative, but for rounding."""
        return state.isfinite().flatten(1).all(1) & (state[:, 0] > -ROUNDING).flatten(1).all(1)


def _hll(
    h_left: PerFace, u_left: PerFace, h_right: PerFace, u_right: PerFace, gravity: float
) -> tuple[PerFace, PerFace, PerFace]:
    """Fluxes between two states: of mass, and of momentum less the hydrostatic pressure of either side.

    Exactly zero between equal states at rest, dry ones included.
    """
    c_left, c_right = (gravity * h_left).sqrt(), (gravity * h_right).sqrt()
    u_star, c_star = (u_left + u_right) / 2 + c_left - c_right, (c_left + c_right) / 2 + (u_left - u_right) / 4
    slowest = torch.minimum(u_left - c_left, u_star - c_star)
    fastest = torch.maximum(u_right + c_right, u_star + c_star)
    slowest = torch.where(h_left > 0, slowest, u_right - 2 * c_right)
    fastest = torch.where(h_right > 0, fastest, u_left + 2 * c_left)
    slowest, fastest = slowest.clamp(max=0), fastest.clamp(min=0)
    share = slowest / (fastest - slowest).clamp(min=torch.finfo(h_left.dtype).tiny)
    q_left, q_right = h_left * u_left, h_right * u_right
    drop = gravity / 2 * (h_left + h_right) * (h_left - h_right)  # of pressure
    mass = q_left + share * (q_left - q_right + fastest * (h_right - h_left))
    turn = q_left * u_left - q_right * u_right + drop + fastest * (q_right - q_left)
    push = q_left * u_left + share * turn
    return mass, push, push + drop


def evolve_shallow_water(
    initial: State,
    times: Sequence[float],
    flow: ShallowWaterFlow,
    *,
    observe: Callable[[Tensor], Tensor] = torch.Tensor.clone,
    longest: float = math.inf,
    step_factor: float = 1.0,
    compiled: bool = False,
) -> Trajectory:
    """States ``(h, h u, …)`` at `times` by steps of the strong-stability-preserving Runge-Kutta method of order 2.

    Arguments:
        initial: depth, which may be zero, and momentum, float64.
        times: increasing; the first is that of `initial`.
        flow: the scheme on its grid.
        observe: what is kept of a state.
        longest: time after which the step is chosen anew, see `integrate`; a dam that breaks speeds up at once.
        step_factor: multiplies the time step; at most 1.25, up to which depths stay positive.
        compiled: whether the right-hand side is compiled by `torch.compile`, which takes a minute at first; results
            differ by rounding.

    Returns: a `Trajectory`; DIVERGED for rows that become negative or not finite.
    Raises: UserError for a negative depth, fields that do not fit the grid, or a step factor that cannot be.
    """
    check_step_factor(step_factor, LARGEST_FACTOR)
    axes = len(flow.grid.axes)
    check_initial(initial, 1 + axes, flow.grid.size, "depth and momentum" + " along x and y" * (axes == 2))
    refuse_below_zero(initial[:, 0], "depth", is_zero_fine=True)
    tendency = torch.compile(flow.tendency, dynamic=False) if compiled else flow.tendency

    def solve(rows: slice) -> Trajectory:
        return integrate(
            tendency,
            initial[rows],
            times,
            largest_step=lambda state: step_factor * COURANT / flow.largest_rate(state).clamp(min=1e-9),
            is_admissible=flow.is_admissible,
            observe=observe,
            method=ssp_rk2,
            longest=longest,
        )

    chunk = len(initial) if initial.is_cuda else max(1, CHUNK_CELLS // math.prod(flow.grid.size))
    return in_chunks(solve, len(initial), chunk)
