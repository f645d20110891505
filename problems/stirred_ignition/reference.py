"""The reactor in Cantera, with detailed chemistry, and with two steps as a cheaper and poorer member."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sciml.core.status import Status
from sciml.core.types import Params, Trajectory
from sciml.reference import Feed, Heating, Vessel, methane_oxygen, open_mechanism

from .equations import IGNITED, PEAK, PULSES, SPECIES, TURNOVERS, VOLUME, derived_values, horizon

TWO_STEP = Path(__file__).with_name("methane_2s_bfer.yaml")
TOLERANCES = ((1e-6, 1e-12), (1e-8, 1e-14))
"""Relative and absolute, of the first try and of the second."""


@cache
def two_step() -> Any:
    """The two steps of Franzelli et al. (2010). Raises UserError where the file is missing or cannot be read."""
    return open_mechanism(TWO_STEP)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One ignition: pulse energy [J] and full width at half maximum [s], feed and fill, residence time [s].

    A residence time of infinity closes the reactor.
    """

    energy: float
    duration: float
    feed_temperature: float
    feed_pressure: float
    equivalence_ratio: float
    residence_time: float

    @property
    def possible(self) -> bool:
        """Whether all numbers mean something."""
        positive = (self.duration, self.feed_temperature, self.feed_pressure, self.equivalence_ratio,
                    self.residence_time)  # fmt: skip
        return all(math.isfinite(v) and v > 0 for v in positive) and math.isfinite(self.energy) and self.energy >= 0


def vessel_of(
    gas: Any,  # Any: Cantera is imported where it is used
    case: Case,
    start: tuple[float, float, dict[str, float]] | None = None,
    tolerances: tuple[float, float] = TOLERANCES[0],
    begin: float = 0.0,
) -> Vessel:
    """The reactor of a case, at the feed's state unless another start is given; steps are no longer than its pulse.

    Begun at another time than zero [s], it meets the pulse where it is then.
    """
    import cantera as ct

    feed = Feed(
        temperature=case.feed_temperature,
        pressure=case.feed_pressure,
        composition=f"CH4:{case.equivalence_ratio}, O2:2",
        residence_time=case.residence_time,
    )
    if case.energy == 0:
        return Vessel(gas, VOLUME, feed, None, start=start, tolerances=tolerances, begin=begin)
    peak = case.energy / case.duration * 2 * math.sqrt(math.log(2) / math.pi)
    power = ct.Func1("Gaussian", [peak, PEAK * case.duration, case.duration])
    heating = Heating(power=power, over=PULSES * case.duration, longest_step=case.duration)
    return Vessel(gas, VOLUME, feed, heating, start=start, tolerances=tolerances, begin=begin)


def simulate(params: Params, initial: Tensor, times: Tensor) -> Trajectory:
    """States with detailed chemistry at `times` (shares of each row's horizon); see `Evolves.simulate`.

    A row whose parameters mean nothing is DIVERGED and NaN throughout. One that CVODE gives up on is tried once more
    with tighter tolerances; then it is NOT_CONVERGED and NaN from there on.
    """
    return _simulate(methane_oxygen(), params, initial, times)


def low_fidelity(params: Params, initial: Tensor, times: Tensor) -> Trajectory:
    """The same cases with the two-step mechanism: a seventh of the cost, no radicals, no dissociation but of CO2."""
    return _simulate(two_step(), params, initial, times)


def _simulate(gas: Any, params: Params, initial: Tensor, times: Tensor) -> Trajectory:
    seconds = horizon(params).double().cpu()[:, None] * times.double().cpu()
    columns = [gas.species_index(name) if name in gas.species_names else -1 for name in SPECIES]
    solved, codes, tries, quantities = [], [], [], []
    for i, start in enumerate(initial.double().cpu().numpy()):
        case = Case(**{name: float(value[i]) for name, value in params.items()})
        states, status, count = np.full((len(times), len(start)), np.nan), Status.DIVERGED, 0
        followed = seconds[i, :1].numpy(), states[:1]
        if case.possible and np.isfinite(start).all() and start[0] > 0 and start[1] > 0 and start[2:].sum() > 0:
            for count, tolerances in enumerate(TOLERANCES, start=1):  # noqa: B007
                states, followed, status = _row(gas, case, start, seconds[i].tolist(), columns, tolerances)
                if status == Status.OK:
                    break
        moments = torch.from_numpy(followed[0]) / float(horizon(params)[i])
        quantities.append(derived_values(moments, torch.from_numpy(followed[1])[None]))
        solved.append(states)
        codes.append(int(status))
        tries.append(count)
    states = torch.from_numpy(np.stack(solved)).to(initial.device)
    status = torch.tensor(codes, dtype=torch.int8, device=initial.device)
    found = {f"summary/{name}": torch.cat([row[name] for row in quantities]) for name in quantities[0]}
    found = {name: values.to(initial.device) for name, values in found.items()}
    return Trajectory(states, status, {"tries": torch.tensor(tries, device=initial.device), **found})


def _row(
    gas: Any, case: Case, start: np.ndarray, seconds: list[float], columns: list[int], tolerances: tuple[float, float]
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], Status]:
    """States at some seconds; those after every step of a second integration, with their times; the status."""
    import cantera as ct

    states, failed = np.full((len(seconds), len(start)), np.nan), np.full((1, len(start)), np.nan)
    present = set(gas.species_names)
    shares = {name: y for name, y in zip(SPECIES, start[2:].tolist(), strict=True) if y > 0 and name in present}
    try:
        vessel = vessel_of(gas, case, (float(start[0]), float(start[1]), shares), tolerances, seconds[0])
        for n, time in enumerate(seconds):
            if n:
                vessel.advance(time)
            states[n] = _fields(vessel.reactor.phase, columns)
        again = vessel_of(gas, case, (float(start[0]), float(start[1]), shares), tolerances, seconds[0])
        inner = [(again.net.time, _fields(phase, columns)) for phase in again.steps(seconds[-1])]
    except ct.CanteraError:
        return states, (np.array(seconds[:1]), failed), Status.NOT_CONVERGED
    if not np.isfinite(states).all():
        return states, (np.array(seconds[:1]), failed), Status.DIVERGED
    moments = np.array([seconds[0], *(time for time, _ in inner), seconds[-1]])
    return states, (moments, np.array([states[0], *(fields for _, fields in inner), states[-1]])), Status.OK


def _fields(phase: Any, columns: list[int]) -> list[float]:  # Any: Cantera is imported where it is used
    """T, p and the shares that are seen."""
    shares = phase.Y
    return [phase.T, phase.P, *(shares[k] if k >= 0 else 0.0 for k in columns)]


def threshold(case: Case, low: float, high: float, *, share: float = 1e-3, gas: Any = None) -> float:
    """The pulse energy [J] above which a case ignites, by bisection to `share` of itself; NaN if not bracketed."""
    mechanism = gas or methane_oxygen()

    def ignites(energy: float) -> bool:
        vessel = vessel_of(mechanism, Case(**{**vars(case), "energy": energy}))
        vessel.advance(TURNOVERS * case.residence_time + PULSES * case.duration)
        return vessel.reactor.phase.T > IGNITED

    if ignites(low) or not ignites(high):
        return math.nan
    while high / low > 1 + share:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if ignites(middle) else (middle, high)
    return math.sqrt(low * high)
