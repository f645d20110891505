"""Cost of reference data: one batched float64 solve against solving one by one, and against SciPy with NumPy arrays.

The problem is shallow water over one stored interval. SciPy's side is a second implementation of the equations, given
the loosest tolerance that reaches our error (both measured against a run with a step eight times smaller).
"""

from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
import scipy.fft
import torch
from scipy.integrate import solve_ivp

from benchmarks import Row, difference, paired, version
from sciml.core import registry
from sciml.core.capabilities import Evolves
from sciml.core.rng import generator
from sciml.core.types import Grid, Params

INTERVAL = 3.5
METHODS = ("RK45", "DOP853")
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7)


def race(quick: bool) -> Iterator[Row]:
    """Resolutions 32, 64 and 128 with batches of 1 to 32; `quick` keeps the two smaller and batch 8."""
    sizes, batches = ((32, 64), (8,)) if quick else ((32, 64, 128), (8, 16, 32))
    for points in sizes:
        for batch in batches:
            yield _one_by_one(points, batch, repeats=1 if points == 128 else 3)
    for points in (64,) if quick else (64, 128):
        yield from _scipy(points, batch=8, methods=METHODS[1:] if quick else METHODS)


def _one_by_one(points: int, batch: int, repeats: int) -> Row:
    grid, params, initial = _draw(points, batch)

    def together() -> torch.Tensor:
        return _solve(grid, params, initial)

    def separately() -> torch.Tensor:
        rows = [slice(row, row + 1) for row in range(batch)]
        return torch.cat([_solve(grid, {k: v[row] for k, v in params.items()}, initial[row]) for row in rows])

    ours_s, peer_s = paired(together, separately, repeats=repeats)
    return Row(
        case=f"shallow water {points}x{points}, {batch} trajectories",
        ours_s=ours_s,
        peer="batch of 1, in a loop",
        peer_version=version("sciml"),
        peer_s=peer_s,
        equal=difference(together(), separately()),
        note=f"{1e3 * ours_s / batch:.0f} ms per trajectory and frame" + (" (solved at 64x64)" if points < 64 else ""),
    )


def _scipy(points: int, batch: int, methods: Iterable[str]) -> Iterator[Row]:
    from sciml_problems.shallow_water import reference  # registered by the registry

    grid, params, initial = _draw(points, batch)
    times = torch.tensor([0.0, INTERVAL], dtype=torch.float64)
    fine = reference.COURANT / 8
    truth = reference.simulate(params, initial, times, grid, internal=grid, courant=fine).states[:, -1]
    ours = _solve(grid, params, initial)
    error = difference(ours, truth)
    rows = [({k: float(v[row]) for k, v in params.items()}, initial[row].numpy()) for row in range(batch)]
    for method in methods:
        for tolerance in TOLERANCES:
            if difference(_solve_scipy(rows[:1], method, tolerance), truth[:1]) <= difference(ours[:1], truth[:1]):
                break
        ours_s, peer_s = paired(
            lambda: _solve(grid, params, initial),
            lambda: _solve_scipy(rows, method, tolerance),  # noqa: B023 - run before the loop goes on
            repeats=3 if points < 128 else 1,
        )
        theirs = _solve_scipy(rows, method, tolerance)
        yield Row(
            case=f"shallow water {points}x{points}, {batch} trajectories",
            ours_s=ours_s,
            peer=f"SciPy {method} with NumPy",
            peer_version=version("scipy"),
            peer_s=peer_s,
            equal=difference(ours, theirs),
            note=f"rtol {tolerance:g}; errors {error:.0e} (ours), {difference(theirs, truth):.0e} (peer)",
        )


def _draw(points: int, batch: int) -> tuple[Grid, Params, torch.Tensor]:
    problem = registry.problem("shallow_water")
    grid, draws, states = problem.grid((points, points)), [], []
    for index in range(batch):
        randomness = generator(0, "race", index)
        draws.append(problem.draw(randomness))
        states.append(problem.initial(draws[-1], grid, randomness))
    return grid, {name: torch.stack([draw[name] for draw in draws]) for name in draws[0]}, torch.stack(states)


def _solve(grid: Grid, params: Params, initial: torch.Tensor) -> torch.Tensor:
    problem = cast(Evolves, registry.problem("shallow_water"))
    return problem.simulate(params, initial, torch.tensor([0.0, INTERVAL], dtype=torch.float64), grid).states[:, -1]


def _solve_scipy(rows: list[tuple[dict[str, float], np.ndarray]], method: str, rtol: float) -> torch.Tensor:
    return torch.stack([torch.from_numpy(_one_scipy(params, initial, method, rtol)) for params, initial in rows])


def _one_scipy(params: dict[str, float], initial: np.ndarray, method: str, rtol: float) -> np.ndarray:
    """The same equations in NumPy, advective quantities in physical space, stepped adaptively by SciPy."""
    from sciml_problems.shallow_water import equations

    n = initial.shape[-1]
    unit = 2 * np.pi / equations.EXTENT
    ky, kx = np.fft.fftfreq(n, 1 / n)[:, None], np.fft.rfftfreq(n, 1 / n)[None, :]
    keep = kx**2 + ky**2 < (n / 3) ** 2 - 1e-9
    damping = equations.VISCOSITY * unit**4 * (kx**2 + ky**2) ** 2
    ikx, iky = 1j * unit * kx, 1j * unit * ky
    f = params["froude"] * np.sqrt(equations.GRAVITY * params["depth"]) / params["rossby"] / equations.EDDY_LENGTH
    shape = (3, n, n // 2 + 1)

    def tendency(_: float, flat: np.ndarray) -> np.ndarray:
        hats = flat.view(np.complex128).reshape(shape)
        fields = np.concatenate([hats, (ikx * hats[2] - iky * hats[1])[None]])
        h, u, v, zeta = scipy.fft.irfft2(fields, s=(n, n), norm="ortho")
        absolute = zeta + f
        head = equations.GRAVITY * h + 0.5 * (u**2 + v**2)
        hu, hv, qu, qv, b = (
            scipy.fft.rfft2(np.stack([h * u, h * v, absolute * u, absolute * v, head]), norm="ortho") * keep
        )
        change = [-ikx * hu - iky * hv, qv - ikx * b - damping * hats[1], -qu - iky * b - damping * hats[2]]
        return np.stack(change).reshape(-1).view(np.float64)

    start = (scipy.fft.rfft2(initial, norm="ortho") * keep).reshape(-1).view(np.float64)
    solution = solve_ivp(tendency, (0.0, INTERVAL), start, method=method, rtol=rtol, atol=rtol, t_eval=[INTERVAL])
    return scipy.fft.irfft2(solution.y[:, -1].copy().view(np.complex128).reshape(shape), s=(n, n), norm="ortho")
