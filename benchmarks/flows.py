"""Reference solvers of flows against PhiFlow, PyClaw, exponax and torch-harmonics: seconds per trajectory.

Ours solve a batch and the seconds are divided by it; a peer that has no batch solves one trajectory. Where schemes
differ, one side takes the coarsest setting whose error, against a finer solution, is no larger than the other's (both
are in the note); `differ` compares the answers of one trajectory. Compilation of the peer is not counted. A peer that
is not installed is left out.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import Row, paired, version
from benchmarks._flow_peers import (
    exponax_vorticity,
    is_installed,
    phiflow_smoke,
    pyclaw_dam_break,
    torch_harmonics_sphere,
)
from sciml.core.types import Axis, Grid
from sciml.reference import (
    SemiLagrangianSmoke,
    ShallowWaterFlow,
    SphereFlow,
    SphericalHarmonics,
    band_limited_field,
    block_means,
    evolve_shallow_water,
    evolve_sphere,
    evolve_vorticity,
    periodic_grid,
)

DOUBLE = torch.float64
FINE_DAM = Path(__file__).parents[1] / "tests" / "reference" / "fixtures" / "pyclaw_dam_break.npz"
"""Blocks of PyClaw's 512² cells."""


def race(quick: bool) -> Iterable[Row]:
    """Rows of all four flows; the smallest case of each if quick."""
    yield from _smoke((32,) if quick else (32, 64))
    yield from _dam((32,))
    yield from _vorticity((32,) if quick else (64,))
    yield from _sphere((21,) if quick else (31,))


def _row(
    case: str,
    batch: int,
    ours: Callable[[], Tensor],
    peer: str,
    package: str,
    theirs: Callable[[], Tensor] | None,
    *,
    of_batch: int = 1,
    note: str = "",
    repeats: int = 3,
) -> Row:
    """`of_batch` trajectories of the peer at a time."""
    answer = ours()[0]
    if theirs is None:
        seconds = paired(ours, ours, repeats=repeats)[0]
        return Row(case=case, ours_s=seconds / batch, peer=peer, peer_version=None, peer_s=None, note=note)
    other = theirs()
    mine, other_s = paired(ours, theirs, repeats=repeats)
    return Row(
        case=case,
        ours_s=mine / batch,
        peer=peer,
        peer_version=version(package),
        peer_s=other_s / of_batch,
        equal=_gap(answer, other[0] if of_batch > 1 else other),
        note=note,
    )


def _gap(ours: Tensor, theirs: Tensor) -> float:
    """Relative L2 distance."""
    return float((ours - theirs).norm() / theirs.norm())


def _smoke(sizes: Iterable[int]) -> Iterator[Row]:
    """A few steps of PDEArena's splitting, which both sides do alike: answers are equal to rounding."""
    batch, steps, dt, viscosity, buoyancy = 16, 4, 1.5, 0.01, 0.5
    for points in sizes:
        grid = Grid(tuple(Axis(name, points, 0.0, 32.0, "wall") for name in ("y", "x")))
        x = (torch.arange(points, dtype=DOUBLE) + 0.5) / points
        phases = torch.arange(batch, dtype=DOUBLE)[:, None, None]
        start = (torch.cos(5 * x + phases) * torch.cos(7 * x[:, None] - phases)).abs()
        scheme = SemiLagrangianSmoke(grid, dt)
        rows = (torch.full((batch,), buoyancy, dtype=DOUBLE), torch.full((batch,), viscosity, dtype=DOUBLE))

        def ours(
            start: Tensor = start, scheme: SemiLagrangianSmoke = scheme, rows: tuple[Tensor, Tensor] = rows
        ) -> Tensor:
            smoke, flow = start, torch.zeros(batch, 2, *start.shape[1:], dtype=DOUBLE)
            for _ in range(steps):
                smoke, flow = scheme.step(smoke, flow, *rows)
            return smoke

        theirs = None
        if is_installed("phi"):
            theirs = phiflow_smoke(start[0], steps, dt=dt, viscosity=viscosity, buoyancy=buoyancy)
        yield _row(
            f"smoke {points} x {points}, {steps} steps, batch {batch}", batch, ours, "PhiFlow", "phiflow", theirs,
            note="the same scheme, one trajectory of the peer at a time",
        )  # fmt: skip


def _dam(sizes: Iterable[int]) -> Iterator[Row]:
    """PyClaw on n² cells, ours on the fewest whose error is no larger: mean |h − h_fine| over mean |h_fine − 1|."""
    batch = 8
    fine = torch.from_numpy(np.load(FINE_DAM)["depth"][1]).double()
    for points in sizes:
        theirs = pyclaw_dam_break(_round_dam(points), 1.0) if is_installed("clawpack.pyclaw") else None
        peer_error = math.inf if theirs is None else _dam_error(theirs(), fine)
        for cells in (points, points * 3 // 2, 2 * points):
            error = _dam_error(_dam_depth(cells, 1)()[0], fine)
            if error <= peer_error:
                break

        def blocks(answer: Tensor) -> Tensor:
            return block_means(answer[None, None], answer.shape[-1] // 16)[0, 0]

        ours = _dam_depth(cells, batch)
        yield _row(
            f"dam break to t = 1, ours {cells}², batch {batch}", batch,
            lambda ours=ours: torch.stack([blocks(h) for h in ours()]), f"PyClaw {points}²", "clawpack",
            None if theirs is None else lambda theirs=theirs: blocks(theirs()),
            note=f"error {error:.3f}, peer {peer_error:.3f}",
        )  # fmt: skip


def _round_dam(cells: int) -> Tensor:
    places = -2.5 + 5 / (16 * cells) * (torch.arange(16 * cells, dtype=DOUBLE) + 0.5)
    inside = (places[:, None] ** 2 + places**2 <= 0.25).double()
    return 1 + block_means(inside[None, None], 16)[0, 0]


def _dam_depth(cells: int, batch: int) -> Callable[[], Tensor]:
    grid = Grid(tuple(Axis(name, cells, -2.5, 2.5, "open") for name in ("y", "x")))
    depth = _round_dam(cells)
    start = torch.stack([depth, 0 * depth, 0 * depth]).expand(batch, -1, -1, -1)
    flow = ShallowWaterFlow(grid)
    return lambda: evolve_shallow_water(start, [0.0, 1.0], flow, longest=0.05).states[:, -1, 0]


def _dam_error(depth: Tensor, fine: Tensor) -> float:
    coarse, truth = (block_means(h[None, None], h.shape[-1] // 16) for h in (depth, fine))
    return float((coarse - truth).abs().mean() / (truth - 1).abs().mean())


def _vorticity(sizes: Iterable[int]) -> Iterator[Row]:
    """Decaying vortices to t = 2: our own step, and the peer's longest of a ladder with no larger error in time."""
    batch, end, viscosity = 16, 2.0, 0.02
    for points in sizes:
        grid = periodic_grid((points, points), (2 * math.pi, 2 * math.pi), smallest=16)
        start = torch.stack(
            [band_limited_field(grid, lambda k: 1 / k, 5, torch.Generator().manual_seed(seed)) for seed in range(batch)]
        )
        start = start / start.flatten(1).std(1)[:, None, None]

        def solve(rows: Tensor, factor: float, grid: Grid = grid) -> Tensor:
            times = torch.tensor([0.0, end], dtype=DOUBLE)
            return evolve_vorticity(rows, times, grid, viscosity=viscosity, step_factor=factor).states[:, -1, 0]

        error = _gap(solve(start, 1.0), solve(start, 0.2))
        theirs, note = None, f"error in time {error:.1e}"
        if is_installed("exponax"):
            exact = exponax_vorticity(start, end, viscosity=viscosity, dt=0.005)()
            for dt in (0.2, 0.1, 0.05, 0.04, 0.025, 0.02, 0.0125, 0.01):
                theirs = exponax_vorticity(start, end, viscosity=viscosity, dt=dt)
                if (peer_error := _gap(theirs(), exact)) <= error:
                    break
            note += f", peer {peer_error:.1e} with dt = {dt}"
        yield _row(
            f"vorticity {points} x {points} to t = {end:g}, batch {batch}", batch,
            lambda start=start: solve(start, 1.0),
            "exponax", "exponax", theirs, of_batch=batch, note=note,
        )  # fmt: skip


def _sphere(truncations: Iterable[int]) -> Iterator[Row]:
    """A tilted wave of depth and flow for a day: our own step, and the peer's longest stable one of a ladder."""
    batch, end = 8, 86400.0
    for top in truncations:
        latitudes = -(-(3 * top + 1) // 4) * 2
        on = SphericalHarmonics(top, latitudes, 2 * latitudes)
        flow = SphereFlow(on, depth=torch.full((batch,), 1e4, dtype=DOUBLE))
        one = SphereFlow(on, depth=torch.full((1,), 1e4, dtype=DOUBLE))
        phi, lam = on.latitude[:, None], on.longitude
        stream = -3e8 * torch.sin(phi) + 4e7 * torch.sin(phi) * torch.cos(phi) ** 4 * torch.cos(4 * lam)
        curl = -on.minus_laplacian / one.radius * on.forward(stream) / one.radius
        velocity = on.inverse_vector(one.radius * curl, 0 * curl)
        fields = torch.cat([one.balanced_depth(velocity[None])[:, None], velocity[None]], dim=1)
        modes = one.to_modes(fields)

        def solve(flow: SphereFlow, modes: Tensor, factor: float) -> Tensor:
            return evolve_sphere(modes, [0.0, end], flow, step_factor=factor).states[:, -1]

        exact = solve(one, modes, 0.25)[0]
        error = _gap(solve(one, modes, 1.0)[0, 1:], exact[1:])
        theirs, note = None, f"error in time of the velocity {error:.1e}"
        if is_installed("torch_harmonics"):
            for dt in (600.0, 400.0, 300.0, 200.0, 150.0, 100.0):
                theirs = torch_harmonics_sphere(fields[0], end, truncation=top, dt=dt)
                answer = theirs()
                if bool(answer.isfinite().all()) and (peer_error := _gap(answer[1:], exact[1:])) < 1e-2:
                    note += f", peer {peer_error:.1e} with its longest stable step of {dt:g} s"
                    break
        yield _row(
            f"sphere T{top}, one day, batch {batch}", batch,
            lambda flow=flow, modes=modes: solve(flow, modes.expand(batch, -1, -1, -1), 1.0)[:, 1:],
            "torch-harmonics' example", "torch-harmonics", None if theirs is None else lambda t=theirs: t()[1:],
            note=note,
        )  # fmt: skip
