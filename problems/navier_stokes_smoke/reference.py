"""Solvers of the smoke: second order and conservative, or the splitting that published data were made with."""

import math

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.core.types import Axis, Grid, Params, Trajectory
from sciml.reference import (
    SemiLagrangianSmoke,
    StaggeredBox,
    Tendency,
    block_means,
    check_times,
    in_chunks,
    integrate,
    refine_cells,
    ssp_rk3,
)

from .equations import EXTENT, split, tendency

BAND = 5
"""Cosines per axis of the field whose square is the initial smoke."""
INTERNAL_SIZE = 64
"""The solver never uses fewer cells per axis, nor less than twice those that are stored."""
COURANT = 0.4
DIFFUSION = 0.2
"""Steps are below 0.4 crossings of a cell and 0.2 h²/ν."""
LONGEST = 0.25
"""Time after which a step is chosen anew: flows start from rest."""
PUBLISHED_STEP = 1.5
"""Time step of the published data."""
CHUNK_CELLS = 8 * 64**2
"""Cells of the rows solved at a time on a CPU."""


def box_of(points: int) -> Grid:
    """The square with `points` cells per axis."""
    return Grid(tuple(Axis(name, points, 0.0, EXTENT, "wall") for name in ("y", "x")))


def initial_smoke(grid: Grid, generator: torch.Generator) -> Tensor:
    """The square of a random field of zero slope at the walls, with mean 1/2; the same function on every grid."""
    numbers = torch.arange(BAND, dtype=torch.float64)
    weights = torch.randn(BAND, BAND, generator=generator, dtype=torch.float64)
    weights = weights * torch.exp(-(numbers[:, None] ** 2 + numbers**2) / 12)
    weights[0, 0] = 0.0
    y, x = (torch.cos(math.pi * axis.points()[:, None] / axis.extent * numbers) for axis in grid.axes)
    field = y @ weights @ x.T
    spread = (weights.square() * (1 + (numbers == 0))[:, None] * (1 + (numbers == 0)) / 4).sum()  # ⟨field²⟩
    return field.square() / (2 * spread)


def simulate(params: Params, initial: Tensor, times: Tensor, grid: Grid, *, internal: int) -> Trajectory:
    """Conservative scheme on `internal` cells per axis, a multiple of those of `grid`, stored as means of blocks.

    A row is DIVERGED when a value is not finite.
    """
    box, factor = StaggeredBox(box_of(internal), device=initial.device), internal // grid.size[0]

    def solve(rows: slice) -> Trajectory:
        return _solve(
            {name: value[rows].to(initial) for name, value in params.items()}, initial[rows], times, grid, box, factor
        )

    return in_chunks(solve, len(initial), max(1, CHUNK_CELLS // internal**2))


def _solve(params: Params, initial: Tensor, times: Tensor, grid: Grid, box: StaggeredBox, factor: int) -> Trajectory:
    fine = refine_cells(initial, grid, factor)  # smoke stays positive
    start = torch.cat([fine[:, :1], box.on_faces(fine[:, 1:])], dim=1)
    narrowest = min(box.spacing)

    def largest_step(state: Tensor) -> Tensor:
        smoke, flow = split(state)
        gain = params["buoyancy"].abs() * smoke.abs().flatten(1).amax(1) * LONGEST / box.spacing[0]
        return torch.minimum(COURANT / (box.largest_rate(flow) + gain), DIFFUSION * narrowest**2 / params["viscosity"])

    def step(slope: Tendency, state: Tensor, dt: Tensor) -> Tensor:
        late = ssp_rk3(slope, state, dt)
        return torch.cat([late[:, :1], box.project(late[:, 1:])], dim=1)  # or rounding gathers in the divergence

    def observe(state: Tensor) -> Tensor:
        smoke, flow = split(state)
        return block_means(torch.cat([smoke[:, None], box.at_centres(flow)], dim=1), factor)

    return integrate(
        lambda state: tendency(state, params, box),
        start,
        times.tolist(),
        largest_step=largest_step,
        is_admissible=lambda state: state.isfinite().flatten(1).all(1),
        observe=observe,
        method=step,
        longest=LONGEST,
    )


def simulate_like_published(params: Params, initial: Tensor, times: Tensor, grid: Grid) -> Trajectory:
    """The semi-Lagrangian splitting on `grid` itself, with equal steps of at most 1.5 between the times."""
    check_times(times.tolist())
    values = {name: value.to(initial) for name, value in params.items()}
    box = StaggeredBox(grid, device=initial.device)
    step = min(PUBLISHED_STEP, float(times.diff().max()) if len(times) > 1 else 0.0)
    number = float(values["viscosity"].max()) * step * sum(1 / h**2 for h in box.spacing)
    if number > 0.5:
        raise UserError(
            "the explicit viscosity of the published scheme is unstable on this grid",
            got=f"ν dt (1/h² + 1/h²) = {number:.3g} with steps of {step:g}",
            expected="at most 0.5",
            fix='Take coarser cells, frames closer to each other, a smaller viscosity, or scheme="conservative".',
        )
    smoke, flow = initial[:, 0], box.on_faces(initial[:, 1:])
    kept, steps = [initial], 0
    for gap in times.diff().tolist():
        count = max(1, math.ceil(gap / PUBLISHED_STEP * (1 - 1e-12)))
        scheme = SemiLagrangianSmoke(grid, gap / count, initial.device)
        for _ in range(count):
            smoke, flow = scheme.step(smoke, flow, values["buoyancy"], values["viscosity"])
        steps += count
        kept.append(torch.cat([smoke[:, None], box.at_centres(flow)], dim=1))
    states = torch.stack(kept, dim=1)
    is_good = states.isfinite().flatten(1).all(1)
    status = torch.where(is_good, int(Status.OK), int(Status.DIVERGED)).to(torch.int8)
    return Trajectory(states, status, {"steps": torch.full((len(initial),), steps)})
