"""The reactor in Cantera, with detailed chemistry, and with two steps as a cheaper and poorer member."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.core.types import Params, Trajectory

from .equations import IGNITED, PEAK, PULSES, SPECIES, TURNOVERS, VOLUME, horizon

DETAILED = "gri30.yaml"
"""Cantera's copy of GRI-Mech 3.0."""
TWO_STEP = Path(__file__).with_name("methane_2s_bfer.yaml")
TOLERANCES = ((1e-6, 1e-12), (1e-8, 1e-14))
"""Relative and absolute, of the first try and of the second."""


@cache
def detailed() -> Any:
    """GRI-Mech 3.0 without the species that hold nitrogen or argon: 34 species, 215 reactions.

    Raises UserError where the mechanism is missing or cannot be read.
    """
    import cantera

    full = open_mechanism(DETAILED)
    kept = [s for s in full.species() if not {"N", "Ar"} & set(s.composition)]
    names = {s.name for s in kept}
    reactions = [r for r in full.reactions() if set(r.reactants) | set(r.products) <= names]
    return cantera.Solution(thermo="ideal-gas", kinetics="gas", species=kept, reactions=reactions)


@cache
def two_step() -> Any:
    """The two steps of Franzelli et al. (2010). Raises UserError where the file is missing or cannot be read."""
    return open_mechanism(TWO_STEP)


def open_mechanism(source: str | Path) -> Any:  # Any: Cantera is imported where it is used
    """A mechanism file as a Cantera solution; UserError if it is missing or Cantera cannot read it."""
    import cantera

    if isinstance(source, Path) and not source.is_file():
        raise UserError(
            "a mechanism file is missing", got=source, expected="a Cantera YAML file",
            fix="Restore it from the repository, or reinstall sciml.",
        )  # fmt: skip
    try:
        return cantera.Solution(str(source), transport_model=None)
    except cantera.CanteraError as error:
        reason = " ".join(line.strip(" |*>") for line in str(error).splitlines()).strip()
        raise UserError(
            f"Cantera cannot read the mechanism {source}",
            got=reason[:300],
            fix="Reinstall Cantera or restore the file.",
        ) from None


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


class Vessel:
    """A reactor of `VOLUME` with its feed, sonic nozzle and laser, ready to advance.

    Arguments:
        gas: the mechanism; its own state is not kept.
        case: see `Case`.
        start: T, p and mass fractions by name at the start; the feed's where it is None.
        tolerances: relative and absolute.
    """

    def __init__(self, gas: Any, case: Case, start: tuple[float, float, dict[str, float]] | None = None,
                 tolerances: tuple[float, float] = TOLERANCES[0]) -> None:  # fmt: skip
        import cantera as ct

        feed = case.feed_temperature, case.feed_pressure, f"CH4:{case.equivalence_ratio}, O2:2"
        gas.TPX = feed
        inflow = gas.density * VOLUME / case.residence_time
        cold, speed = gas.T / gas.mean_molecular_weight, _throat(gas.cp_mass / gas.cv_mass)
        self._source, self._drain = ct.Reservoir(gas, clone=True), ct.Reservoir(gas, clone=True)
        if start is not None:
            gas.TPY = start
        self.reactor = ct.IdealGasReactor(gas, volume=VOLUME, clone=True)
        self._devices = []
        if inflow > 0:

            def outflow(time: float) -> float:
                now = self.reactor.phase
                fall = math.sqrt(cold * now.mean_molecular_weight / now.T)
                return inflow * now.P / case.feed_pressure * fall * _throat(now.cp_mass / now.cv_mass) / speed

            nozzle = ct.MassFlowController(self.reactor, self._drain)
            nozzle.mass_flow_rate = outflow
            self._devices = [nozzle, ct.MassFlowController(self._source, self.reactor, mdot=inflow)]
        if case.energy > 0:
            peak = case.energy / case.duration * 2 * math.sqrt(math.log(2) / math.pi)
            power = ct.Func1("Gaussian", [peak, PEAK * case.duration, case.duration])
            self._devices.append(ct.Wall(self._source, self.reactor, A=1.0, Q=power))
        self.net = ct.ReactorNet([self.reactor])
        self.net.rtol, self.net.atol = tolerances
        self._pulse, self._turnover = case.duration, min(case.residence_time, 1.0)

    def advance(self, time: float) -> None:
        """On to `time` [s]; steps are no longer than a pulse until it is over."""
        over = PULSES * self._pulse
        if self.net.time < over:
            self.net.max_time_step = self._pulse
            self.net.advance(min(time, over))
        if time > over:
            self.net.max_time_step = self._turnover
            self.net.advance(time)


def _throat(gamma: float) -> float:
    return math.sqrt(gamma * (2 / (gamma + 1)) ** ((gamma + 1) / (gamma - 1)))


def simulate(params: Params, initial: Tensor, times: Tensor) -> Trajectory:
    """States with detailed chemistry at `times` (shares of each row's horizon); see `Evolves.simulate`.

    A row whose parameters mean nothing is DIVERGED and NaN throughout. One that CVODE gives up on is tried once more
    with tighter tolerances; then it is NOT_CONVERGED and NaN from there on.
    """
    return _simulate(detailed(), params, initial, times)


def low_fidelity(params: Params, initial: Tensor, times: Tensor) -> Trajectory:
    """The same cases with the two-step mechanism: a seventh of the cost, no radicals, no dissociation but of CO2."""
    return _simulate(two_step(), params, initial, times)


def _simulate(gas: Any, params: Params, initial: Tensor, times: Tensor) -> Trajectory:
    seconds = horizon(params).double().cpu()[:, None] * times.double().cpu()
    columns = [gas.species_index(name) if name in gas.species_names else -1 for name in SPECIES]
    solved, codes, tries = [], [], []
    for i, start in enumerate(initial.double().cpu().numpy()):
        case = Case(**{name: float(value[i]) for name, value in params.items()})
        states, status, count = np.full((len(times), len(start)), np.nan), Status.DIVERGED, 0
        if case.possible and np.isfinite(start).all() and start[0] > 0 and start[1] > 0 and start[2:].sum() > 0:
            for count, tolerances in enumerate(TOLERANCES, start=1):  # noqa: B007
                states, status = _row(gas, case, start, seconds[i].tolist(), columns, tolerances)
                if status == Status.OK:
                    break
        solved.append(states)
        codes.append(int(status))
        tries.append(count)
    states = torch.from_numpy(np.stack(solved)).to(initial.device)
    status = torch.tensor(codes, dtype=torch.int8, device=initial.device)
    return Trajectory(states, status, {"tries": torch.tensor(tries, device=initial.device)})


def _row(
    gas: Any, case: Case, start: np.ndarray, seconds: list[float], columns: list[int], tolerances: tuple[float, float]
) -> tuple[np.ndarray, Status]:
    import cantera as ct

    states = np.full((len(seconds), len(start)), np.nan)
    present = set(gas.species_names)
    shares = {name: y for name, y in zip(SPECIES, start[2:].tolist(), strict=True) if y > 0 and name in present}
    try:
        vessel = Vessel(gas, case, (float(start[0]), float(start[1]), shares), tolerances)
        for n, time in enumerate(seconds):
            if n:
                vessel.advance(time - seconds[0])
            now = vessel.reactor.phase
            y = now.Y
            states[n] = [now.T, now.P, *(y[k] if k >= 0 else 0.0 for k in columns)]
    except ct.CanteraError:
        return states, Status.NOT_CONVERGED
    return states, Status.OK if np.isfinite(states).all() else Status.DIVERGED


def threshold(case: Case, low: float, high: float, *, share: float = 1e-3, gas: Any = None) -> float:
    """The pulse energy [J] above which a case ignites, by bisection to `share` of itself; NaN if not bracketed."""
    mechanism = gas or detailed()

    def ignites(energy: float) -> bool:
        vessel = Vessel(mechanism, Case(**{**vars(case), "energy": energy}))
        vessel.advance(TURNOVERS * case.residence_time + PULSES * case.duration)
        return vessel.reactor.phase.T > IGNITED

    if ignites(low) or not ignites(high):
        return math.nan
    while high / low > 1 + share:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if ignites(middle) else (middle, high)
    return math.sqrt(low * high)
