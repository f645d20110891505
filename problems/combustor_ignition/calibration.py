"""Computes the numbers the README quotes: ignition thresholds by bisection, ignited shares, the map of the boundary."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sciml.core.problem import Problem
from sciml.core.rng import generator
from sciml.core.status import Status

from . import equations, reference

MIDDLE = {
    "laser_x": 0.06,
    "laser_y": 0.03,
    "energy": 15.0,
    "duration": 2e-4,
    "radius": 0.013,
    "equivalence_ratio": 0.175,
    "chamber_pressure": 2e5,
}
"""A case in the middle of all ranges."""
END = 15e-3
"""When outcomes are read, s."""
EARLY = 4e-3
"""When most of the chambers that ignite already burn, s."""


def threshold(case: dict[str, float], low: float, high: float, *, share: float = 1e-3, end: float = END) -> float:
    """The deposited energy [J] above which a case ignites, by bisection to `share` of itself; NaN if not bracketed."""
    params = {name: torch.tensor([value], dtype=torch.float64) for name, value in case.items()}
    start, feed = equations.fill(params)[0].numpy(), equations.feed(params)[0].numpy()

    def hot(energy: float, until: float) -> bool:
        chamber, states, _, _ = reference.simulate_zones(
            {**case, "energy": energy}, start, feed, np.array([0.0, until])
        )
        return bool(reference.averages(chamber, states)[-1, 0] > equations.IGNITED)

    def ignites(energy: float) -> bool:  # a chamber that burns goes on burning, so most are known early and cheaply
        return hot(energy, min(EARLY, end)) or hot(energy, end)

    return _bisect(ignites, low, high, share)


def stirred_threshold(case: dict[str, float], low: float, high: float, *, share: float = 1e-2) -> float:
    """The same for the reduced model with the true source."""
    return _bisect(lambda energy: stirred_end({**case, "energy": energy}) > equations.IGNITED, low, high, share)


def stirred_end(case: dict[str, float]) -> float:
    """T [K] at the end of the reduced model with the true source, by SciPy's BDF."""
    from scipy.integrate import solve_ivp

    params = {name: torch.tensor([value], dtype=torch.float64) for name, value in case.items()}
    state = equations.encode(equations.fill(params), params)[0].numpy()
    pulse = equations.FIRING + equations.PULSE * case["duration"]

    def slope(time: float, state: np.ndarray) -> np.ndarray:
        at = torch.tensor([time], dtype=torch.float64)
        return equations.rate(at, torch.from_numpy(state)[None], params, equations.CLOSURES)[0].numpy()

    for begin, end in ((0.0, equations.FIRING), (equations.FIRING, pulse), (pulse, END)):
        step = (end - begin) / 20
        state = solve_ivp(slope, (begin, end), state, "BDF", rtol=1e-6, atol=1e-10, max_step=step).y[:, -1]
    return float(state[-1])


def _bisect(ignites, low: float, high: float, share: float) -> float:
    if ignites(low) or not ignites(high):
        return math.nan
    while high / low > 1 + share:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if ignites(middle) else (middle, high)
    return math.sqrt(low * high)


def ignited_share(problem: Problem, count: int, seed: int) -> tuple[float, float]:
    """Shares of `count` random cases that end above 1000 K, and within 400 K of it; raises where one fails."""
    draws = [problem.draw(generator(seed, index)) for index in range(count)]
    params = {name: torch.stack([draw[name] for draw in draws]) for name in draws[0]}
    solved = reference.simulate(params, equations.fill(params), torch.tensor([0.0, END]).double(), rtol=1e-5)
    if (solved.status != Status.OK).any():
        raise ArithmeticError(f"cases failed: {solved.status.tolist()}")
    end = solved.states[:, -1, 0]
    return float((end > 1000).double().mean()), float(((end - 1000).abs() < 400).double().mean())


def identifiability(case: dict[str, float], ln_a: float, activation: float, factor: float) -> tuple[Tensor, Tensor]:
    """How far the means determine the closures of the reduced model.

    Sensitivities of T, p and Y_CH4 at 101 times to (ln A, ln E, ln heat), each field in units of its range, by central
    differences of 0.1 %. Returns their singular values in units of the largest, and the correlation of the closures in
    a least squares fit, ``3 3``. Raises NumericsError where an integration fails.

    Arguments:
        case: parameters.
        ln_a, activation, factor: closures to look around: ln A, E in J/kmol, the heat in units of the laser's.
    """
    from sciml import ode

    params = {name: torch.full((6,), value, dtype=torch.float64) for name, value in case.items()}
    shift = 1e-3 * torch.cat((torch.eye(3), -torch.eye(3))).double()
    scale = torch.tensor([ln_a, math.log(activation), math.log(factor)], dtype=torch.float64) + shift

    def slope(time: Tensor, state: Tensor, args: Tensor, rows: Tensor) -> Tensor:
        row_params = dict(zip(params, args.unbind(1), strict=True))
        closures = {
            "heat": lambda time, params: rows[:, 2].exp() * equations.pulse(time, params),
            "pre_exponential": lambda params: rows[:, 0],
            "activation": lambda params: rows[:, 1].exp(),
        }
        return equations.rate(time, state, row_params, closures)

    start = equations.encode(equations.fill(params), params)
    times = torch.linspace(0, END, 101, dtype=torch.float64)
    solved = ode.solve(
        slope, start, times, args=(torch.stack(list(params.values()), 1), scale), method="rodas4", rtol=1e-8,
        atol=1e-8 * start.abs().amax(0).clamp_min(1e-6), controller=ode.PID(longest=case["duration"] / 4),
    ).check()  # fmt: skip
    fields = equations.decode(solved.states, params)[..., [0, 1, 3]]
    change = (fields[:3] - fields[3:]) / 2e-3 / (fields.amax((0, 1)) - fields.amin((0, 1)))
    matrix = change.flatten(1).T
    values = torch.linalg.svdvals(matrix)
    covariance = torch.linalg.inv(matrix.T @ matrix)
    spread = covariance.diagonal().sqrt()
    return values / values[0], covariance / spread / spread[:, None]


def ignition_map(columns: int = 8, rows: int = 6, share: float = 0.04) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x and y of the laser [m] and the threshold [J], ``rows columns``; the rest as in `MIDDLE`."""
    x, y = np.linspace(0.012, 0.108, columns), np.linspace(0.006, 0.054, rows)
    energies = [[threshold({**MIDDLE, "laser_x": a, "laser_y": b}, 6.0, 40.0, share=share) for a in x] for b in y]
    return x, y, np.array(energies)


def save_ignition_map(path: Path, x: np.ndarray, y: np.ndarray, energies: np.ndarray) -> None:
    """Draw the threshold over the chamber, with the zones and the middle of the jet."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    filled = axes.contourf(1e3 * x, 1e3 * y, energies, levels=12, cmap="viridis_r")
    lines = axes.contour(1e3 * x, 1e3 * y, energies, levels=[MIDDLE["energy"]], colors="black", linewidths=2)
    axes.clabel(lines, fmt=lambda value: f"{value:.0f} J")
    for column in range(1, reference.ZONES[0]):
        axes.axvline(1e3 * reference.LENGTH * column / reference.ZONES[0], color="white", lw=0.5, alpha=0.6)
    for row in range(1, reference.ZONES[1]):
        axes.axhline(1e3 * reference.HEIGHT * row / reference.ZONES[1], color="white", lw=0.5, alpha=0.6)
    axes.axhline(1e3 * reference.JET_CENTRE, color="tab:red", ls="--", lw=1.5, label="middle of the fuel-rich jet")
    axes.set(
        xlabel="x of the laser [mm] (feed at 0)", ylabel="y of the laser [mm]", title="Energy that ignites the chamber"
    )
    axes.set(xlim=(0, 1e3 * reference.LENGTH), ylim=(0, 1e3 * reference.HEIGHT))
    axes.legend(loc="upper right", fontsize="small")
    figure.colorbar(filled, label="threshold [J]")
    figure.savefig(path, dpi=110)
