"""The spatially resolved truth: a network of stirred zones with a fuel-rich jet, lit by a laser at a point."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from sciml.core.status import Status
from sciml.core.types import Params, Trajectory
from sciml.reference import GAS_CONSTANT, Gas, Orifice, Zones, solve_zones

from . import equations
from .derived import derived_values
from .equations import COLD, DISCHARGE, FIRING, OUTSIDE, PULSE, SPECIES, THROAT, VOLUME

LENGTH, HEIGHT = 0.12, 0.06
"""Of the chamber along x (the feed is at x = 0, the nozzles at x = LENGTH) and y, m."""
ZONES = (8, 6)
"""Zones along x and y."""
JET_CENTRE, JET_WIDTH, JET_FLOOR = 0.35 * HEIGHT, 0.22 * HEIGHT, 0.25
"""Fuel in the feed and the fill ∝ JET_FLOOR + exp(−((y − JET_CENTRE)/JET_WIDTH)²), by moles."""
DIFFUSIVITY = 0.01
"""Turbulent mixing, m²/s: 5 m/s times 2 mm."""
SOUND, REACH = 350.0, 0.06
"""A face of area A between zones Δ apart conducts A REACH/(SOUND Δ) kg/(s Pa): equal pressure within acoustic times."""


@cache
def gas() -> Gas:
    """The one-step mechanism in NumPy. Raises UserError where its file is missing."""
    return Gas(equations.mechanism())


def fuel_profile(rows: int) -> np.ndarray:
    """Mean over each row of zones of the fuel's mole fraction, in units of its mean over the chamber."""
    edges = (np.linspace(0, HEIGHT, rows + 1) - JET_CENTRE) / JET_WIDTH
    inside = JET_WIDTH * math.sqrt(math.pi) / 2 * np.diff([math.erf(e) for e in edges])
    profile = JET_FLOOR + inside * rows / HEIGHT
    return profile / profile.mean()


def kernel(row: dict[str, float], zones: tuple[int, int] = ZONES) -> np.ndarray:
    """Share of the laser energy that each zone receives, ``y x``; exp(−|r − r₀|²/radius²) integrated, sum one."""
    parts = []
    for count, size, centre in ((zones[1], HEIGHT, row["laser_y"]), (zones[0], LENGTH, row["laser_x"])):
        cut = (np.linspace(0, size, count + 1) - centre) / row["radius"]
        upper = np.array([math.erfc(abs(c)) for c in cut])  # no cancellation far from the centre
        share = np.where(
            cut[:-1] >= 0,
            upper[:-1] - upper[1:],
            np.where(cut[1:] <= 0, upper[1:] - upper[:-1], 2 - upper[:-1] - upper[1:]),
        )
        parts.append(share)
    shares = np.outer(*parts)
    return shares / shares.sum()


def network(row: dict[str, float], feed: np.ndarray, zones: tuple[int, int] = ZONES) -> Zones:
    """The network of one case; `feed` is the mass flow of CH4 and O2 in kg/s."""
    columns, rows = zones
    dx, dy, depth = LENGTH / columns, HEIGHT / rows, VOLUME / (LENGTH * HEIGHT)
    faces = dy * depth / dx, dx * depth / dy
    fractions = _fractions(_moles(feed), rows)
    masses = fractions * gas().weights
    density = row["chamber_pressure"] * masses.sum(1).mean() / (GAS_CONSTANT * COLD)
    return Zones(
        gas=gas(),
        volume=VOLUME / (columns * rows),
        conductance=tuple(face * REACH / SOUND for face in faces),
        mixing=tuple(face * density * DIFFUSIVITY for face in faces),
        feed=feed.sum() * masses / masses.sum(),
        feed_temperature=COLD,
        orifice=Orifice(THROAT / rows, DISCHARGE, OUTSIDE),
    )


def spread(fields: np.ndarray, zones: tuple[int, int] = ZONES) -> np.ndarray:
    """Zones ``y x 5`` at rest with means `fields`: T and p uniform, fuel along the jet's profile, oxygen the rest."""
    columns, rows = zones
    moles = fields[3:] / gas().weights
    fractions = _fractions(moles / moles.sum(), rows)
    amount = fields[1] * VOLUME / (columns * rows) / (GAS_CONSTANT * fields[0])  # kmol per zone
    state = np.empty((rows, columns, len(SPECIES) + 1))
    state[..., :-1] = (amount * fractions * gas().weights)[:, None]
    state[..., -1] = fields[0]
    return state


def averages(zones: Zones, states: np.ndarray) -> np.ndarray:
    """Fields ``time 7`` of zone states ``time y x 5``.

    p is the mean over the volume, ρ = m/V, Y_k = m_k/m, and T = p W/(ρ R) is the one that obeys the gas law with them:
    the mean over the moles, by which each zone counts with its density. See the README on the plain mean.
    """
    masses = states[..., :-1].sum((1, 2))
    pressure = zones.pressure(states).mean((1, 2))
    temperature = pressure * VOLUME / (GAS_CONSTANT * (masses / gas().weights).sum(1))
    total = masses.sum(1)
    return np.column_stack([temperature, pressure, total / VOLUME, masses / total[:, None]])


def simulate_zones(
    row: dict[str, float],
    fields: np.ndarray,
    feed: np.ndarray,
    times: np.ndarray,
    zones: tuple[int, int] = ZONES,
    rtol: float = 1e-6,
    means: list[tuple[np.ndarray, np.ndarray]] | None = None,
) -> tuple[Zones, np.ndarray, Status, int]:
    """The network of one case, its states ``time y x 5``, the status and the number of steps.

    `means`, where it is given, is filled with times and mean fields ``time 7`` of every step of the integration.
    An integration that does not converge is tried once more at a hundredth of the tolerance and twice the steps.
    """
    chamber, state = network(row, feed, zones), spread(fields, zones)
    shares, d = kernel(row, zones), row["duration"]
    end, width = FIRING + PULSE * d, d / (2 * math.sqrt(2 * math.log(2)))
    half = PULSE / 2 * d / width
    peak = row["energy"] / (width * math.sqrt(2 * math.pi) * math.erf(half / math.sqrt(2)))

    def heat(time: float) -> np.ndarray | float:
        if not FIRING <= time <= end:
            return 0.0
        return shares * (peak * math.exp(-0.5 * ((time - FIRING) / width - half) ** 2))

    def watch(moments: np.ndarray, inner: np.ndarray) -> None:
        if means is not None:
            means.append((moments, averages(chamber, inner)))

    breaks = [(FIRING, d / 4), (end, np.inf)]
    states, status, steps = solve_zones(chamber, state, times, heat, breaks=breaks, rtol=rtol, watch=watch)
    if status in (Status.NOT_CONVERGED, Status.MAX_STEPS):
        if means is not None:
            del means[1:]
        states, status, more = solve_zones(
            chamber, state, times, heat, breaks=breaks, rtol=rtol / 100, max_steps=40_000, watch=watch
        )
        steps += more
    return chamber, states, status, steps


def simulate(
    params: Params, initial: Tensor, times: Tensor, *, zones: tuple[int, int] = ZONES, rtol: float = 1e-6
) -> Trajectory:
    """States at `times`; see `sciml.core.problem.Evolves.simulate`.

    Arguments:
        zones: along x and y.
        rtol: relative tolerance of the integration.

    A row whose parameters mean nothing (not finite, a pulse or kernel without extent, negative energy, a mixture with
    more fuel or oxygen than there is room for) is DIVERGED and NaN throughout; what lies outside of a range but means
    something is computed.
    """
    feeds = equations.feed({name: value.double().cpu() for name, value in params.items()}).numpy()
    starts, moments = initial.double().cpu().numpy(), times.double().cpu().numpy()
    solved, codes, counts, quantities = [], [], [], []
    for i, start in enumerate(starts):
        row = {name: float(value[i]) for name, value in params.items()}
        states, status, steps = np.full((len(moments), len(start)), np.nan), Status.DIVERGED, 0
        means = [(moments[:1], start[None])]
        if _possible(row, start, zones[1]):
            chamber, inner, status, steps = simulate_zones(row, start, feeds[i], moments, zones, rtol, means)
            with np.errstate(invalid="ignore"):
                states = averages(chamber, inner)
        quantities.append(_quantities(means, status))
        solved.append(states)
        codes.append(int(status))
        counts.append(steps)
    states = torch.from_numpy(np.stack(solved)).to(initial.device)
    status = torch.tensor(codes, dtype=torch.int8, device=initial.device)
    found = {
        f"summary/{name}": torch.cat([row[name] for row in quantities]).to(initial.device) for name in quantities[0]
    }
    return Trajectory(states, status, {"steps": torch.tensor(counts, device=initial.device), **found})


def _quantities(means: list[tuple[np.ndarray, np.ndarray]], status: Status) -> dict[str, Tensor]:
    """Derived quantities of one case from the steps of its integration; NaN where it failed."""
    times, fields = (torch.from_numpy(np.concatenate(part)) for part in zip(*means, strict=True))
    if status != Status.OK:
        fields = torch.full_like(fields, torch.nan)
    return derived_values(times, fields[None])


def _possible(row: dict[str, float], start: np.ndarray, rows: int) -> bool:
    if not (np.isfinite(start).all() and all(map(math.isfinite, row.values()))):
        return False
    positive = all(row[name] > 0 for name in ("duration", "radius", "chamber_pressure", "equivalence_ratio"))
    if not positive or row["energy"] < 0 or start[0] <= 0 or start[1] <= 0 or (start[3:] < 0).any():
        return False
    moles, phi = start[3:] / gas().weights, row["equivalence_ratio"]
    if not (moles.sum() > 0 and 0 <= row["laser_x"] <= LENGTH and 0 <= row["laser_y"] <= HEIGHT):
        return False
    fuel, room = np.array([moles[0] / moles.sum(), phi / (phi + 2)]), np.array([1 - moles[2:].sum() / moles.sum(), 1.0])
    return bool((fuel * fuel_profile(rows).max() <= room).all())


def _moles(feed: np.ndarray) -> np.ndarray:
    moles = np.append(feed, [0.0, 0.0]) / gas().weights
    return moles / moles.sum()


def _fractions(mean: np.ndarray, rows: int) -> np.ndarray:
    """Mole fractions ``row species`` with mean `mean`: fuel by the profile, oxygen makes room for it."""
    fractions = np.repeat(mean[None], rows, 0)
    fractions[:, 0] *= fuel_profile(rows)
    fractions[:, 1] = 1 - fractions[:, [0, 2, 3]].sum(1)
    return fractions
