"""One stirred volume of gas with detailed chemistry in Cantera: fed at one rate, drained by a sonic nozzle, heated."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sciml.core.errors import UserError

DETAILED = "gri30.yaml"
"""Cantera's copy of GRI-Mech 3.0."""
_INSTANT = 1e-12
"""The time to which a vessel is advanced when it is made, s."""


@cache
def methane_oxygen() -> Any:
    """GRI-Mech 3.0 without the species that hold nitrogen or argon: 34 species, 215 reactions.

    Raises UserError where the mechanism is missing or cannot be read.
    """
    import cantera

    full = open_mechanism(DETAILED)
    kept = [s for s in full.species() if not {"N", "Ar"} & set(s.composition)]
    names = {s.name for s in kept}
    reactions = [r for r in full.reactions() if set(r.reactants) | set(r.products) <= names]
    return cantera.Solution(thermo="ideal-gas", kinetics="gas", species=kept, reactions=reactions)


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
class Feed:
    """What flows into a vessel, and fills it before: temperature [K], pressure [Pa], composition as Cantera's X.

    A residence time [s], the mass of the fill over the feed's rate, of infinity closes the vessel.
    """

    temperature: float
    pressure: float
    composition: str
    residence_time: float


@dataclass(frozen=True, kw_only=True)
class Heating:
    """Power [W] that is put into a vessel from time 0 on, as a ``cantera.Func1``.

    Fields:
        power: of time in s.
        over: when it is over, s.
        longest_step: of the integration until then, s, so that no pulse is stepped over.
    """

    power: Any  # Any: Cantera is imported where it is used
    over: float
    longest_step: float


class Vessel:
    """A reactor of constant volume with its feed and its nozzle, ready to advance.

        d(m Y_k)/dt = ṁ₀ Y_k,in − ṁ Y_k + V W_k ω_k
        d(m u)/dt   = ṁ₀ h_in − ṁ h + Q(t),   p V = m R T/W
        ṁ = ṁ₀ (p/p₀) sqrt(T₀ W/(T W₀)) G(γ)/G(γ₀),   G = sqrt(γ (2/(γ+1))^{(γ+1)/(γ−1)})

    The nozzle is sized so that the cold state is steady.

    Arguments:
        gas: the mechanism, a Cantera solution; its own state is not kept.
        volume: m³.
        feed: and fill.
        heating: None for none.
        start: T, p and mass fractions by name at the start; the feed's where it is None.
        tolerances: relative and absolute, of CVODE.
        begin: time of the start, s; the heating keeps its own times.
    """

    def __init__(
        self,
        gas: Any,  # Any: Cantera is imported where it is used
        volume: float,
        feed: Feed,
        heating: Heating | None,
        *,
        start: tuple[float, float, dict[str, float]] | None = None,
        tolerances: tuple[float, float] = (1e-6, 1e-12),
        begin: float = 0.0,
    ) -> None:
        import cantera as ct

        gas.TPX = feed.temperature, feed.pressure, feed.composition
        inflow = gas.density * volume / feed.residence_time
        cold, speed = gas.T / gas.mean_molecular_weight, _throat(gas.cp_mass / gas.cv_mass)
        self._source, self._drain = ct.Reservoir(gas, clone=True), ct.Reservoir(gas, clone=True)
        if start is not None:
            gas.TPY = start
        self.reactor = ct.IdealGasReactor(gas, volume=volume, clone=True)
        self._devices: list[Any] = []  # Any: Cantera is imported where it is used
        if inflow > 0:

            def outflow(time: float) -> float:
                now = self.reactor.phase
                fall = math.sqrt(cold * now.mean_molecular_weight / now.T)
                return inflow * now.P / feed.pressure * fall * _throat(now.cp_mass / now.cv_mass) / speed

            nozzle = ct.MassFlowController(self.reactor, self._drain)
            nozzle.mass_flow_rate = outflow
            self._devices += [nozzle, ct.MassFlowController(self._source, self.reactor, mdot=inflow)]
        self._heating = heating
        if heating is not None:
            self._devices.append(ct.Wall(self._source, self.reactor, A=1.0, Q=heating.power))
        self.net = ct.ReactorNet([self.reactor])
        self.net.rtol, self.net.atol = tolerances
        self.net.initial_time = begin
        self._turnover = min(feed.residence_time, 1.0)
        self._start(begin)

    def _start(self, begin: float) -> None:
        """A first step that does not depend on the times asked for, as CVODE's otherwise does."""
        if self._heating is not None and begin < self._heating.over:
            self.net.max_time_step = self._heating.longest_step
        self.net.advance(begin + max(_INSTANT, 4 * math.ulp(begin)))

    def advance(self, time: float) -> None:
        """On to `time` [s], 1e-12 s or more after the start; steps are short while it is heated."""
        if self._heating is not None and self.net.time < self._heating.over:
            self.net.max_time_step = self._heating.longest_step
            self.net.advance(min(time, self._heating.over))
        if self._heating is None or time > self._heating.over:
            self.net.max_time_step = self._turnover
            self.net.advance(time)

    def steps(self, until: float) -> Iterator[Any]:  # Any: Cantera is imported where it is used
        """The gas after every step of the integration before `until` [s]; `net.time` says when."""
        heated = self._heating is not None and self.net.time < self._heating.over
        while self.net.time < until:
            if heated and self._heating is not None and self.net.time >= self._heating.over:
                heated = False
            self.net.max_time_step = self._heating.longest_step if heated and self._heating else self._turnover
            if self.net.step() < until:
                yield self.reactor.phase


def _throat(gamma: float) -> float:
    return math.sqrt(gamma * (2 / (gamma + 1)) ** ((gamma + 1) / (gamma - 1)))
