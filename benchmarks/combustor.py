"""Stirred reactors with a laser pulse: our batch against Cantera and SciPy, which take one after the other.

All sides integrate the same equations of the same mechanism file at the same relative tolerance. Cantera's nozzle is a
Python callback, as it must be for a user; SciPy's right-hand side is plain NumPy. Seconds are per trajectory. The note
of every row gives the largest relative errors of the temperature, ours and the peer's, against a solution at a
tolerance a thousand times smaller.

The last rows are ignition delays of hydrogen and air with detailed chemistry (`h2o2.yaml`: 10 species, 29 reactions,
third bodies and falloff) in closed vessels over 900 to 1500 K and 1 to 20 bar, against CVODE; their errors are
those of the delay.
"""

import math
import tempfile
from collections.abc import Iterable
from pathlib import Path

import cantera
import numpy as np
import torch
from torch import Tensor

from benchmarks import Row, difference, paired, version
from sciml import ode
from sciml.core.errors import NumericsError
from sciml.reference import GAS_CONSTANT, Inflow, Mechanism, Nozzle, StirredReactor

VOLUME, FLOW, OUTSIDE, CENTRE, WIDTH, HORIZON = 2e-4, 9.4e-3, 101325.0, 2e-3, 2e-4, 15e-3
FEED = {"CH4": 0.55, "O2": 8.85}
TIMES = np.linspace(0.0, HORIZON, 101)
HYDROGEN, IGNITED = {"H2": 2.0, "O2": 1.0, "N2": 3.76}, 1900.0
"""Moles, and the temperature in K that the delay is taken at: hotter than every start by 400 K."""

MECHANISM = """
units: {length: m, quantity: kmol, activation-energy: J/kmol}
phases:
- name: gas
  thermo: ideal-gas
  elements: [C, H, O]
  species: [{gri30.yaml/species: [CH4, O2, CO2, H2O]}]
  kinetics: gas
reactions:
- equation: CH4 + 2 O2 => CO2 + 2 H2O
  rate-constant: {A: 3.4785054e+08, b: 0.0, Ea: 8.368e+07}
  orders: {CH4: 1.0, O2: 0.5}
"""


def race(quick: bool) -> Iterable[Row]:
    """Rows for batches of reactors, a third of which does not ignite, at two tolerances.

    The threshold is between 60 and 80 J; energies right at it are left out, for there any error decides the answer.
    """
    mechanism, gas = saved_mechanism(), cantera.Solution(yaml=MECHANISM, transport_model=None)
    for batch in (1, 16, 64) if not quick else (16,):
        energies = _energies(batch)
        exact = _scipy(mechanism, energies, 1e-9)
        for tolerance in (1e-5, 1e-7):
            yield from _against(mechanism, gas, energies, tolerance, exact, repeats=3 if quick or batch > 16 else 5)
    yield from _hydrogen(quick)


def saved_mechanism() -> Mechanism:
    """The reaction in one step, read from a file as a user's is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one_step.yaml"
        path.write_text(MECHANISM, encoding="utf-8")
        return Mechanism.load(path)


def _hydrogen(quick: bool) -> Iterable[Row]:
    mechanism, gas = Mechanism.load("h2o2.yaml"), cantera.Solution("h2o2.yaml", transport_model=None)
    for batch in (1, 16, 128) if not quick else (16,):
        draw = torch.quasirandom.SobolEngine(2, scramble=True, seed=0).draw(batch, dtype=torch.float64)
        temperature, pressure = 900 + 600 * draw[:, 0], 1e5 * 20 ** draw[:, 1]
        exact = _delays_of_cantera(gas, temperature, pressure, 1e-9)
        ours, peer = [
            lambda: _delays(mechanism, temperature, pressure, 1e-4),  # noqa: B023 (called within the loop)
            lambda: _delays_of_cantera(gas, temperature, pressure, 1e-6),  # noqa: B023
        ]
        mine, other = ours(), peer()
        seconds = paired(ours, peer, repeats=3)
        yield Row(
            case=f"{batch} ignition delays of hydrogen and air",
            ours_s=seconds[0] / batch,
            peer="cantera",
            peer_version=version("cantera"),
            peer_s=seconds[1] / batch,
            equal=difference(mine, other),
            note=f"errors: ours {difference(mine, exact):.1e}, peer {difference(other, exact):.1e}",
        )


def _delays(mechanism: Mechanism, temperature: Tensor, pressure: Tensor, tolerance: float) -> np.ndarray:
    vessel, batch = StirredReactor(mechanism, VOLUME), len(temperature)
    shares = mechanism.shares_of_moles(HYDROGEN).expand(batch, -1)
    start = vessel.encode(temperature, pressure, shares)
    masses = tolerance * 1e-8 * float(start[:, :-1].sum(1).mean())
    with torch.no_grad():
        solution = ode.solve(
            lambda time, state: vessel.slope(time, state, torch.zeros_like(time)),
            start,
            torch.tensor([0.0, 1e3], dtype=torch.float64),
            method="rodas4",
            rtol=tolerance,
            atol=torch.tensor([masses] * len(mechanism.species) + [10 * tolerance], dtype=torch.float64),
            event=ode.Event(lambda time, state: state[:, -1] - IGNITED, direction="rising"),
        )
    if solution.event is None:
        raise NumericsError("no ignition was met")
    return solution.event.time.numpy()


def _delays_of_cantera(gas: cantera.Solution, temperature: Tensor, pressure: Tensor, tolerance: float) -> np.ndarray:
    delays = []
    for t, p in zip(temperature.tolist(), pressure.tolist(), strict=True):
        gas.TPX = t, p, HYDROGEN
        box = cantera.IdealGasReactor(gas, clone=True)
        net = cantera.ReactorNet([box])
        net.rtol, net.atol = tolerance, tolerance * 1e-8
        before, reached = 0.0, t
        while box.T < IGNITED:
            before, reached = net.time, box.T
            net.step()
        delays.append(before + (IGNITED - reached) / (box.T - reached) * (net.time - before))
    return np.array(delays)


def _energies(batch: int) -> np.ndarray:
    if batch == 1:
        return np.array([100.0])
    below = batch // 3
    return np.concatenate((np.linspace(30.0, 62.0, below), np.linspace(85.0, 160.0, batch - below)))


def _against(
    mechanism: Mechanism, gas: cantera.Solution, energies: np.ndarray, tolerance: float, exact: np.ndarray, repeats: int
) -> Iterable[Row]:
    batch = len(energies)

    def ours() -> np.ndarray:
        return _ours(mechanism, energies, tolerance)

    peers = {
        "cantera": lambda: _cantera(gas, energies, tolerance),
        "scipy": lambda: _scipy(mechanism, energies, tolerance),
    }
    for name, peer in peers.items():
        mine, other = ours(), peer()
        seconds = paired(ours, peer, repeats=repeats)
        yield Row(
            case=f"{batch} reactors, rtol {tolerance:.0e}",
            ours_s=seconds[0] / batch,
            peer=name,
            peer_version=version(name),
            peer_s=seconds[1] / batch,
            equal=difference(mine, other),
            note=f"errors: ours {difference(mine, exact):.1e}, peer {difference(other, exact):.1e}",
        )


def reactor_of(mechanism: Mechanism) -> tuple[StirredReactor, Tensor]:
    """The fed reactor without its pulse, and its state at rest, cold and full of the feed."""
    shares = mechanism.shares(FEED)
    reactor = StirredReactor(mechanism, VOLUME, (Inflow(FLOW, 300.0, shares),), Nozzle(3e-5, 0.98, OUTSIDE))
    start = reactor.encode(*(torch.tensor([v], dtype=torch.float64) for v in (300.0, OUTSIDE)), shares[None])
    return reactor, start


def _ours(mechanism: Mechanism, energies: np.ndarray, tolerance: float) -> np.ndarray:
    reactor, start = reactor_of(mechanism)

    def slope(time: Tensor, state: Tensor, energy: Tensor) -> Tensor:
        return reactor.slope(time, state, energy * _shape(time))

    atol = tolerance * torch.tensor([1e-5] * len(mechanism.species) + [1e3], dtype=torch.float64)
    with torch.no_grad():
        solution = ode.solve(
            slope,
            start.expand(len(energies), -1),
            torch.from_numpy(TIMES),
            args=(torch.from_numpy(energies),),
            method="rodas4",
            rtol=tolerance,
            atol=atol,
            controller=ode.PID(longest=HORIZON / 30),
        ).check()
    return solution.states[..., -1].numpy()


def _shape(time: Tensor) -> Tensor:
    return torch.exp(-0.5 * ((time - CENTRE) / WIDTH) ** 2) / (WIDTH * math.sqrt(2 * math.pi))


def _cantera(gas: cantera.Solution, energies: np.ndarray, tolerance: float) -> np.ndarray:
    rows = []
    for energy in energies:
        gas.TPY = 300.0, OUTSIDE, FEED
        feed, outside = cantera.Reservoir(gas, clone=True), cantera.Reservoir(gas, clone=True)
        box = cantera.IdealGasReactor(gas, volume=VOLUME, clone=True)
        cantera.MassFlowController(feed, box, mdot=FLOW)
        cantera.MassFlowController(box, outside, mdot=lambda time, phase=box.phase: _flow(phase))
        height, width = energy / (WIDTH * math.sqrt(2 * math.pi)), 2 * WIDTH * math.sqrt(2 * math.log(2))
        cantera.Wall(outside, box, A=1.0, Q=cantera.Func1("Gaussian", [height, CENTRE, width]))
        net = cantera.ReactorNet([box])
        net.rtol, net.atol, net.max_time_step = tolerance, tolerance * 1e-4, HORIZON / 30
        row = [box.T]
        for time in TIMES[1:]:
            net.advance(time)
            row.append(box.T)
        rows.append(row)
    return np.array(rows)


def _flow(phase: cantera.ThermoPhase) -> float:
    gamma, pressure = phase.cp_mass / phase.cv_mass, phase.P
    return _nozzle(phase.density, pressure, gamma)


def _nozzle(density: float, pressure: float, gamma: float) -> float:
    ratio = max(min(OUTSIDE / pressure, 1.0), (2 / (gamma + 1)) ** (gamma / (gamma - 1)))
    head = max(ratio ** (2 / gamma) - ratio ** ((gamma + 1) / gamma), 0.0)
    return 0.98 * 3e-5 * math.sqrt(2 * gamma / (gamma - 1) * pressure * density) * head / math.sqrt(head + 1e-8)


def _scipy(mechanism: Mechanism, energies: np.ndarray, tolerance: float) -> np.ndarray:
    from scipy.integrate import solve_ivp

    weights, thermo, middle = mechanism.weights.numpy(), mechanism.thermo.numpy(), mechanism.middle.numpy()
    net = (mechanism.products - mechanism.reactants)[0].numpy()
    a, e = math.exp(float(mechanism.ln_a[0])), float(mechanism.activation[0])
    powers, parts = np.arange(5), 1 / np.arange(1.0, 6.0)
    start = reactor_of(mechanism)[1]
    feed = mechanism.shares(FEED).numpy()

    def polynomials(temperature: float) -> tuple[np.ndarray, np.ndarray]:
        used = np.where((temperature <= middle)[:, None], thermo[0], thermo[1])
        grown = temperature**powers
        return used[:, :5] @ grown, used[:, :5] @ (grown * temperature * parts) + used[:, 5]

    enters = FLOW * float((polynomials(300.0)[1] * GAS_CONSTANT / weights) @ feed)

    def slope(time: float, state: np.ndarray, energy: float) -> np.ndarray:
        masses, temperature = state[:-1], state[-1]
        mass, moles = masses.sum(), masses / weights
        total = moles.sum()
        work = GAS_CONSTANT * temperature * total
        cp, h = polynomials(temperature)
        capacity = GAS_CONSTANT * ((cp - 1) @ moles)
        methane, oxygen = max(moles[0], 0.0) / VOLUME, max(moles[1], 0.0) / VOLUME
        rate = a * math.exp(-e / (GAS_CONSTANT * temperature)) * methane * oxygen / math.sqrt(oxygen + 1e-15)
        change = VOLUME * rate * net * weights + FLOW * feed
        pulse = energy / (WIDTH * math.sqrt(2 * math.pi)) * math.exp(-0.5 * ((time - CENTRE) / WIDTH) ** 2)
        power = pulse + enters - GAS_CONSTANT * (change / weights) @ (h - temperature)
        leaving = _nozzle(mass / VOLUME, work / VOLUME, 1 + GAS_CONSTANT * total / capacity) / mass
        return np.append(change - leaving * masses, (power - work * leaving) / capacity)

    atol = tolerance * np.array([1e-5] * len(weights) + [1e3])
    rows = []
    for energy in energies:
        solved = solve_ivp(
            slope, (0.0, HORIZON), start[0].numpy(), method="BDF", t_eval=TIMES, args=(energy,), rtol=tolerance,
            atol=atol, max_step=HORIZON / 30,
        )  # fmt: skip
        rows.append(solved.y[-1])
    return np.array(rows)
