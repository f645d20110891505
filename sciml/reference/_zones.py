"""A network of stirred gas zones on a rectangle: neighbours exchange mass and energy, fed left, drained right."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.reference._gas import Gas
from sciml.reference._mechanism import GAS_CONSTANT


@dataclass(frozen=True)
class Orifice:
    """An orifice to the outside: sonic (choked) where p (2/(γ+1))^{γ/(γ−1)} ≥ p_out, subsonic elsewhere.

        ṁ = C_d A p sqrt(γ/(R_s T)) (2/(γ+1))^{(γ+1)/(2(γ−1))}                             if choked
        ṁ = C_d A p sqrt(2 γ/((γ−1) R_s T) (r^{2/γ} − r^{(γ+1)/γ})),  r = min(p_out/p, 1)  elsewhere

    Arguments:
        area: A, m²; zero closes it.
        discharge: C_d.
        outside: p_out, Pa.
    """

    area: float
    discharge: float = 1.0
    outside: float = 0.0

    def flow(
        self,
        pressure: np.ndarray | float,
        temperature: np.ndarray | float,
        specific: np.ndarray | float,
        gamma: np.ndarray | float,
    ) -> np.ndarray | float:
        """ṁ [kg/s] at p [Pa], T [K], R_s = R/W [J/(kg K)] and γ; arrays of one shape."""
        critical = (2 / (gamma + 1)) ** (gamma / (gamma - 1))
        r = np.clip(self.outside / pressure, critical, 1.0)  # at the critical ratio both branches are one
        flux = 2 * gamma / ((gamma - 1) * specific * temperature) * (r ** (2 / gamma) - r ** ((gamma + 1) / gamma))
        return self.discharge * self.area * pressure * np.sqrt(np.maximum(flux, 0.0))


@dataclass(frozen=True, kw_only=True)
class Zones:
    """Stirred zones of equal volume; state ``y x (species + 1)``: masses m_k [kg] and temperature T [K].

        dm_k/dt  = Σ_in ṁ Y_k − Σ_out ṁ Y_k + V W_k ω_k
        d(m u)/dt = Σ_in ṁ h − Σ_out ṁ h + Q,         m c_v dT/dt = d(m u)/dt − Σ_k u_k dm_k/dt

    A neighbour at higher pressure sends ``conductance (p_a − p_b)``; besides, neighbours exchange ``mixing`` in both
    directions. What flows carries the composition and enthalpy of where it comes from.

    Arguments:
        gas: thermodynamics and kinetics.
        volume: of one zone, m³.
        conductance: between neighbours along x and along y, kg/(s Pa).
        mixing: exchange between neighbours along x and along y, kg/s.
        feed: mass flow [kg/s] of each species into the first column, ``y species``.
        feed_temperature: of the feed, K.
        orifice: one of these behind each zone of the last column; its area is that of one.
    """

    gas: Gas
    volume: float
    conductance: tuple[float, float] = (0.0, 0.0)
    mixing: tuple[float, float] = (0.0, 0.0)
    feed: np.ndarray | None = None
    feed_temperature: float = 300.0
    orifice: Orifice | None = None

    @cached_property
    def feed_enthalpy(self) -> np.ndarray:
        """Enthalpy brought in by the feed, W, ``y``."""
        assert self.feed is not None  # asked for only where there is one
        u, _ = self.gas.heats(np.asarray(self.feed_temperature))
        return self.feed @ (u + GAS_CONSTANT / self.gas.weights * self.feed_temperature)

    def pressure(self, state: np.ndarray) -> np.ndarray:
        """p [Pa] of every zone, ``… y x``."""
        moles = state[..., :-1] @ (1 / self.gas.weights)
        return moles * GAS_CONSTANT * state[..., -1] / self.volume

    def rates(self, state: np.ndarray, heat: np.ndarray | float = 0.0) -> np.ndarray:
        """d(state)/dt, ``… y x (species + 1)``; `heat` in W, ``y x``."""
        weights = self.gas.weights
        masses, temperature = state[..., :-1], state[..., -1]
        u, c = self.gas.heats(temperature)
        total = masses.sum(-1)
        moles = masses / weights
        specific = moles.sum(-1) * (GAS_CONSTANT / total)
        pressure = total * specific * temperature / self.volume
        energy = (masses * u).sum(-1)
        capacity = (masses * c).sum(-1)
        # what a kilogram carries: shares, then enthalpy u + p V/m
        load = np.concatenate([masses, (energy + pressure * self.volume)[..., None]], -1) / total[..., None]
        change = np.zeros(load.shape)
        change[..., -1] = heat
        change[..., :-1] = self.volume * self.gas.production(temperature, moles / self.volume)
        for axis, k, exchange in ((-2, self.conductance[0], self.mixing[0]), (-3, self.conductance[1], self.mixing[1])):
            if state.shape[axis] > 1 and (k or exchange):
                first, second = _sides(axis)
                drive = k * (pressure[first[:-1]] - pressure[second[:-1]])
                onward, back = np.maximum(drive, 0.0) + exchange, np.maximum(-drive, 0.0) + exchange
                net = onward[..., None] * load[first] - back[..., None] * load[second]
                change[first] -= net
                change[second] += net
        if self.feed is not None:
            change[..., :, 0, :-1] += self.feed
            change[..., :, 0, -1] += self.feed_enthalpy
        if self.orifice is not None:
            last = (..., slice(None), -1)
            gamma = 1 + specific[last] * total[last] / capacity[last]
            out = np.asarray(self.orifice.flow(pressure[last], temperature[last], specific[last], gamma))
            change[..., :, -1, :] -= out[..., None] * load[..., :, -1, :]
        change[..., -1] = (change[..., -1] - (u * change[..., :-1]).sum(-1)) / capacity
        return change

    def jacobian(self, state: np.ndarray, heat: np.ndarray | float = 0.0) -> np.ndarray:
        """∂(rates)/∂(state), dense ``n n``, by differences of zones that do not touch, all in one batch.

        A zone feels itself and its four neighbours, so zones with equal ``(x + 2 y) mod 5`` are disturbed together.
        """
        rows, columns, width = state.shape
        y, x = np.mgrid[:rows, :columns]
        colour = (x + 2 * y) % 5
        mass = state[..., :-1].sum(-1, keepdims=True)
        size = np.concatenate([np.maximum(np.abs(state[..., :-1]), 1e-3 * mass), state[..., -1:]], -1) * 1e-7
        trial = np.broadcast_to(state, (5, width, *state.shape)).copy()
        for c in range(5):
            for k in range(width):
                trial[c, k, colour == c, k] += size[colour == c, k]
        change = self.rates(trial, heat) - self.rates(state, heat)
        matrix = np.zeros((rows, columns, width, rows, columns, width))
        for dy, dx in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)):
            ty, tx = y + dy, x + dx
            inside = (ty >= 0) & (ty < rows) & (tx >= 0) & (tx < columns)
            sy, sx, ty, tx = y[inside], x[inside], ty[inside], tx[inside]
            for k in range(width):
                matrix[ty, tx, :, sy, sx, k] = change[colour[sy, sx], k, ty, tx, :] / size[sy, sx, k, None]
        return matrix.reshape(state.size, state.size)


_LOOKS = np.linspace(0.25, 1.0, 4)  # places in a step at which it is watched


def _sides(axis: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    tail = (slice(None),) * (-axis - 1)
    return (..., slice(None, -1), *tail), (..., slice(1, None), *tail)


def solve_zones(
    zones: Zones,
    initial: np.ndarray,
    times: np.ndarray,
    heat: Callable[[float], np.ndarray | float],
    *,
    breaks: Sequence[tuple[float, float]] = (),
    rtol: float = 1e-6,
    atol: tuple[float, float] = (1e-7, 1e-3),
    max_steps: int = 20_000,
    watch: Callable[[np.ndarray, np.ndarray], None] | None = None,
) -> tuple[np.ndarray, Status, int]:
    """States of a network at `times`, by LSODA (Adams and BDF of variable order, banded Newton matrix).

    Arguments:
        zones: the network.
        initial: state at ``times[0]``, ``y x (species + 1)``.
        times: increasing, s.
        heat: power put into every zone, ``time -> y x`` in W.
        breaks: ``(start, longest step)``: times at which integration starts afresh, with the longest step from then on,
            so that a pulse is not stepped over.
        rtol: relative tolerance of the local error.
        atol: absolute tolerances, of masses as a share of the mean zone mass, and of T in K.
        max_steps: budget.
        watch: called with times and states ``time y x (species + 1)`` inside of every step and at its end, for what
            happens between the output times.

    Returns:
        States ``time y x (species + 1)``, NaN from a failure on; the status; the number of steps.
    """
    from scipy.integrate import LSODA

    if len(times) < 1 or (np.diff(times) <= 0).any():
        raise UserError("output times must increase", got=times.tolist())
    shape, states = initial.shape, np.full((len(times), *initial.shape), np.nan)
    if not (np.isfinite(initial).all() and (initial[..., -1] > 0).all() and (initial[..., :-1].sum(-1) > 0).all()):
        return states, Status.DIVERGED, 0
    band = shape[2] * (shape[0] + 1) - 1 if shape[1] > 1 else 2 * shape[2] - 1
    band = min(band, initial.size - 1)
    order = (1, 0, 2)  # columns of zones first: neighbours along y are adjacent
    turned = (shape[1], shape[0], shape[2])
    scale = np.full(shape, atol[0] * initial[..., :-1].sum(-1).mean())
    scale[..., -1] = atol[1]

    def unpack(vector: np.ndarray) -> np.ndarray:
        return vector.reshape(turned).transpose(order)

    def pack(state: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(state.transpose(order)).ravel()

    index = np.arange(initial.size).reshape(shape).transpose(order).ravel()
    row, column = np.nonzero(np.abs(np.subtract.outer(np.arange(initial.size), np.arange(initial.size))) <= band)

    def slope(time: float, vector: np.ndarray) -> np.ndarray:
        return pack(zones.rates(unpack(vector), heat(time)))

    def matrix(time: float, vector: np.ndarray) -> np.ndarray:
        full = zones.jacobian(unpack(vector), heat(time))[np.ix_(index, index)]
        packed = np.zeros((2 * band + 1, initial.size))
        packed[row - column + band, column] = full[row, column]
        return packed

    states[0], known, steps, vector = initial, 1, 0, pack(initial)
    close = 1e-12 * (times[-1] - times[0])  # LSODA may end a rounding error before its last time, and step forever
    begin = next((step for t, step in reversed(breaks) if t <= times[0]), np.inf)
    marks = [(times[0], begin), *[(t, step) for t, step in breaks if times[0] < t < times[-1]], (times[-1], np.inf)]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # LSODA's words on a failure, which is a status here
        for (start, longest), (end, _) in pairwise(marks):
            solver = LSODA(slope, start, vector, end, max_step=longest, rtol=rtol, jac=matrix,
                           atol=pack(scale),  # pyright: ignore[reportArgumentType] (one for each is fine)
                           lband=band, uband=band)  # fmt: skip
            while end - solver.t > close:
                if steps == max_steps:
                    return states, Status.MAX_STEPS, steps
                solver.step()
                if solver.status == "failed":
                    return states, Status.NOT_CONVERGED, steps
                if not np.isfinite(solver.y).all():
                    return states, Status.DIVERGED, steps
                steps += 1
                if watch is not None:
                    moments = solver.t_old + (solver.t - solver.t_old) * _LOOKS
                    watch(moments, np.stack([unpack(v) for v in solver.dense_output()(moments).T]))
                reached = int(np.searchsorted(times, solver.t + close, side="right"))
                if reached > known:
                    dense = solver.dense_output()(times[known:reached]).T
                    states[known:reached] = np.stack([unpack(v) for v in dense])
                    known = reached
            vector = solver.y
    return states, Status.OK, steps
