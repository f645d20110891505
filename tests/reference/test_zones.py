"""Networks of stirred zones: conservation, steady states, against Cantera's reactors, and what goes wrong."""

import importlib
import math

import numpy as np
import pytest
import torch

from sciml.core import registry
from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.reference import GAS_CONSTANT, Gas, Mechanism, Orifice, Zones, solve_zones

registry.problem("combustor_ignition")
equations = importlib.import_module("sciml_problems.combustor_ignition.equations")
FILE = equations.MECHANISM
GAS = Gas(equations.mechanism())
VOLUME = 8e-6


def mixed(rows=2, columns=3, temperature=300.0, pressure=2e5, fuel=(0.06, 0.14)):
    """Zones at rest with a vertical gradient of fuel in oxygen."""
    fractions = np.zeros((rows, columns, 4))
    fractions[..., 0] = np.linspace(*fuel, rows)[:, None]
    fractions[..., 1] = 1 - fractions[..., 0]
    state = np.empty((rows, columns, 5))
    state[..., :4] = pressure * VOLUME / (GAS_CONSTANT * temperature) * fractions * GAS.weights
    state[..., 4] = temperature
    return state


def closed(**arguments):
    return Zones(gas=GAS, volume=VOLUME, conductance=(1e-6, 2e-6), mixing=(1e-3, 2e-3), **arguments)


def energy(states):
    """Internal energy of the whole network, J."""
    return (states[..., :4] * GAS.heats(states[..., 4])[0]).sum((-1, -2, -3))


def flash(state, joules):
    """A pulse of 0.2 ms into the first zone."""
    shares = np.zeros(state.shape[:2])
    shares[0, 0] = 1.0
    sigma, middle = 4e-5, 3e-4
    shape = lambda t: math.exp(-0.5 * ((t - middle) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    return lambda t: shares * joules * shape(t)


# --- gas -------------------------------------------------------------------------------------------------------------


def test_thermodynamics_and_kinetics_are_those_of_cantera():
    cantera = pytest.importorskip("cantera")
    solution = cantera.Solution(str(FILE))
    for temperature in (300.0, 999.0, 1001.0, 2500.0):
        solution.TPX = temperature, 3e5, {"CH4": 0.1, "O2": 0.7, "CO2": 0.1, "H2O": 0.1}
        u, c = GAS.heats(np.array(temperature))
        weights = solution.molecular_weights
        np.testing.assert_allclose(u, solution.partial_molar_int_energies / weights, rtol=1e-12)
        np.testing.assert_allclose(c, solution.partial_molar_cp / weights - GAS_CONSTANT / weights, rtol=1e-9)
        made = GAS.production(np.array(temperature), solution.concentrations)
        np.testing.assert_allclose(made, solution.net_production_rates * weights, rtol=1e-6)


def test_a_gas_that_is_too_hot_keeps_a_positive_heat_capacity():
    """The polynomials turn over beyond 5000 K; here c_v stays and u goes on linearly, as in the reduced model."""
    hot = np.array([3500.0, 9000.0])
    u, c = GAS.heats(hot)
    np.testing.assert_allclose(c[1], c[0])
    np.testing.assert_allclose(u[1] - u[0], c[0] * 5500.0)
    molar = GAS.mechanism.heat_and_enthalpy(torch.from_numpy(hot))[1].numpy()
    np.testing.assert_allclose(u, (molar - GAS_CONSTANT * hot[:, None]) / GAS.weights, rtol=1e-9)


def test_reversible_reactions_are_refused(tmp_path):
    text = FILE.read_text().replace("CH4 + 2 O2 => CO2 + 2 H2O", "CH4 + 2 O2 <=> CO2 + 2 H2O")
    path = tmp_path / "both_ways.yaml"
    path.write_text(text.replace("  orders: {CH4: 1.0, O2: 0.5}\n", ""))
    with pytest.raises(UserError, match="irreversible"):
        Gas(Mechanism.load(path))


# --- conservation ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def burnt():
    """A closed network lit by 40 J, every 0.1 ms for 4 ms."""
    state = mixed()
    states, status, _ = solve_zones(
        closed(), state, np.linspace(0, 4e-3, 41), flash(state, 40.0), breaks=[(1e-4, 2e-5), (6e-4, np.inf)], rtol=1e-8
    )
    assert status == Status.OK
    return states


def test_a_closed_network_burns_and_keeps_its_elements(burnt):
    assert burnt[-1, ..., 4].min() > 1500
    assert burnt[-1, ..., 0].sum() < 1e-3 * burnt[0, ..., 0].sum()
    atoms = (burnt[..., :4].sum((1, 2)) / GAS.weights) @ GAS.mechanism.composition.numpy().T
    np.testing.assert_allclose(atoms[:, [0, 1, 2]], np.broadcast_to(atoms[0], atoms.shape), rtol=1e-10)


def test_a_closed_network_gains_the_energy_of_the_laser(burnt):
    gained = energy(burnt) - energy(burnt[:1])
    assert gained[0] == 0
    assert gained[-1] == pytest.approx(40.0, rel=1e-5)
    assert np.abs(gained[10:] - 40.0).max() < 1e-3


def test_rates_conserve_to_rounding():
    """Whatever the state: masses and energy of a closed network change only by chemistry and heat."""
    random = np.random.default_rng(0)
    state = mixed(4, 3) * (1 + 0.5 * random.random((4, 3, 5)))
    state[..., 4] *= 1 + 4 * random.random((4, 3))
    state[..., 2:4] = 1e-6 * random.random((4, 3, 2))
    change = closed().rates(state, 5.0)
    atoms = (change[..., :4].sum((0, 1)) / GAS.weights) @ GAS.mechanism.composition.numpy().T
    assert np.abs(atoms).max() < 1e-12 * np.abs(change[..., :4] / GAS.weights).sum()
    u, c = GAS.heats(state[..., 4])
    power = (change[..., :4] * u).sum() + (change[..., 4] * (state[..., :4] * c).sum(-1)).sum()
    assert power == pytest.approx(5.0 * 12, abs=1e-9 * np.abs(change[..., :4] * u).sum())


def test_the_jacobian_is_the_derivative():
    random = np.random.default_rng(1)
    state = mixed(4, 3) * (1 + 0.3 * random.random((4, 3, 5)))
    state[..., 4] *= 4
    state[..., 2:4] = 1e-6 * (1 + random.random((4, 3, 2)))
    network = closed(feed=np.full((4, 4), 1e-4), orifice=Orifice(1e-6))
    exact = network.jacobian(state)
    scale = np.abs(state).ravel()
    for column in random.integers(0, state.size, 12):
        step = np.zeros(state.size)
        step[column] = 1e-4 * scale[column]
        step = step.reshape(state.shape)
        difference = ((network.rates(state + step) - network.rates(state - step)) / (2 * step.max())).ravel()
        miss = np.abs(difference - exact[:, column]) * scale[column] / scale
        assert miss.max() < 2e-3 * max(1.0, (np.abs(difference) * scale[column] / scale).max())


def test_one_zone_is_the_stirred_reactor():
    """The NumPy zone and the reduced model in torch are one equation."""
    params = {"chamber_pressure": torch.tensor([2e5]).double(), "equivalence_ratio": torch.tensor([0.2]).double()}
    reactor, fields, feed = equations.reactor(), equations.fill(params), equations.feed(params)
    zone = Zones(
        gas=GAS, volume=equations.VOLUME, feed=np.append(feed.numpy(), [[0.0, 0.0]], 1),
        orifice=Orifice(equations.THROAT, equations.DISCHARGE, equations.OUTSIDE),
    )  # fmt: skip
    state = equations.encode(fields, params)
    state = torch.cat(
        [0.6 * state[:, :2], 0.4 * state[:, :2].sum() * torch.tensor([[0.55, 0.45]]), 5 * state[:, 4:]], 1
    )
    wanted = reactor.slope(torch.zeros(1), state, torch.tensor([1e4]).double(), rates=feed)
    rates = zone.rates(state.numpy()[:, None], 1e4)[:, 0]
    np.testing.assert_allclose(rates, wanted.numpy(), rtol=1e-6)


# --- flow ------------------------------------------------------------------------------------------------------------


def test_the_cold_steady_state_has_the_analytic_choked_pressure():
    """p = ṁ sqrt(R_s T/γ)/(C_d A) ((γ+1)/2)^{(γ+1)/(2(γ−1))} in the last zone; the temperature is the feed's."""
    feed = np.array([[5e-4, 9e-3, 0.0, 0.0]])
    orifice = Orifice(3e-5, 0.98, 3e4)
    network = Zones(gas=GAS, volume=2e-4 / 4, conductance=(1e-5, 0.0), feed=feed, orifice=orifice)
    start = mixed(1, 4, fuel=(0.1, 0.1)) * np.array([6.25] * 4 + [1.0])
    states, status, _ = solve_zones(network, start, np.array([0.0, 1.0]), lambda t: 0.0)
    assert status == Status.OK
    _, c = GAS.heats(np.array(300.0))
    shares = feed[0] / feed.sum()
    specific, heat = (shares * GAS.specific).sum(), (shares * c).sum()
    gamma = 1 + specific / heat
    expected = feed.sum() * math.sqrt(specific * 300 / gamma) / (0.98 * 3e-5)
    expected *= ((gamma + 1) / 2) ** ((gamma + 1) / (2 * (gamma - 1)))
    assert network.pressure(states)[-1, 0, -1] == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(states[-1, ..., 4], 300.0, rtol=1e-4)
    np.testing.assert_allclose(
        states[-1, 0, :, :4] / states[-1, 0, :, :4].sum(-1, keepdims=True), shares[None].repeat(4, 0), atol=1e-6
    )


def test_the_orifice_is_continuous_where_it_chokes_and_shut_at_equal_pressure():
    orifice = Orifice(1e-5, 0.9, 1e5)
    gamma, specific = 1.4, 270.0
    edge = 1e5 / (2 / 2.4) ** (1.4 / 0.4)
    p = np.array([edge * (1 - 1e-9), edge * (1 + 1e-9), 1e5, 5e4])
    flow = orifice.flow(p, 300.0, specific, gamma)
    assert flow[0] == pytest.approx(flow[1], rel=1e-8)
    sonic = 0.9e-5 * edge * math.sqrt(gamma / (specific * 300)) * (2 / (gamma + 1)) ** ((gamma + 1) / (2 * (gamma - 1)))
    assert flow[1] == pytest.approx(sonic, rel=1e-8)
    assert flow[2:].tolist() == [0.0, 0.0]


def test_without_flow_nothing_happens():
    state = mixed(1, 1)
    states, status, _ = solve_zones(Zones(gas=GAS, volume=VOLUME), state, np.array([0.0, 0.01]), lambda t: 0.0)
    assert status == Status.OK
    np.testing.assert_allclose(states[1], state, rtol=1e-7, atol=1e-12)  # cold chemistry is slow, not absent


# --- against Cantera -------------------------------------------------------------------------------------------------


def test_it_agrees_with_a_network_of_cantera_reactors():
    """Four zones with feed, mixing, pressure-driven flow, laser and nozzle; the flows are Cantera's own devices."""
    cantera = pytest.importorskip("cantera")
    start = mixed(2, 2)
    network = closed(feed=np.array([[1e-5, 2e-4, 0, 0], [2e-5, 2e-4, 0, 0]]), orifice=Orifice(1e-6, 0.98, 3e4))
    times = np.linspace(0, 3e-3, 13)
    ours, status, _ = solve_zones(
        network, start, times, flash(start, 30.0), breaks=[(1e-4, 2e-5), (6e-4, np.inf)], rtol=1e-8
    )
    assert status == Status.OK
    first = np.zeros((2, 2))
    first[0, 0] = 1.0
    width = 4e-5 * 2 * math.sqrt(2 * math.log(2))
    theirs = cantera_network(cantera, network, start, times, first, (30.0, 3e-4, width))
    assert ours[-1, ..., 4].min() > 1500
    assert np.abs(theirs[..., 4] / ours[..., 4] - 1).max() < 1e-3
    mass = ours[..., :4].sum(-1, keepdims=True)
    assert (np.abs(theirs[..., :4] - ours[..., :4]) / mass).max() < 1e-3


@pytest.mark.slow
def test_the_combustor_agrees_with_a_network_of_24_cantera_reactors():
    """A case that burns, up to a millisecond after it has passed 2000 K; the means of the chamber."""
    cantera = pytest.importorskip("cantera")
    reference = importlib.import_module("sciml_problems.combustor_ignition.reference")
    calibration = importlib.import_module("sciml_problems.combustor_ignition.calibration")
    case = {**calibration.MIDDLE, "laser_y": 0.02, "energy": 24.0}
    params = {name: torch.tensor([value], dtype=torch.float64) for name, value in case.items()}
    start, feed = equations.fill(params)[0].numpy(), equations.feed(params)[0].numpy()
    times, shares = np.linspace(0, 3e-3, 13), reference.kernel(case)
    network, ours, status, _ = reference.simulate_zones(case, start, feed, times)
    assert status == Status.OK
    theirs = cantera_network(cantera, network, ours[0], times, shares, pulse_of(case), rtol=1e-6)
    a, b = reference.averages(network, ours), reference.averages(network, theirs)
    assert a[-1, 0] > 2000
    assert ours[..., 4].max() < 3500
    assert np.abs(b[:, :3] / a[:, :3] - 1).max() < 2e-3
    assert np.abs(b[:, 3:] - a[:, 3:]).max() < 1e-3


def pulse_of(case):
    """Energy, middle and full width at half maximum."""
    return case["energy"], equations.FIRING + 0.5 * equations.PULSE * case["duration"], case["duration"]


def cantera_network(cantera, network, start, times, shares, pulse, rtol=1e-8):
    """States of the same network by `cantera.ReactorNet`; each zone gets its share of a Gaussian pulse."""
    energy, middle, width = pulse
    peak = 2 * energy / width * math.sqrt(math.log(2) / math.pi)
    solution = cantera.Solution(str(FILE))
    rows, columns = start.shape[:2]

    def vessel(index):
        state = start[index]
        solution.TDY = state[4], state[:4].sum() / network.volume, state[:4] / state[:4].sum()
        return cantera.IdealGasReactor(solution, volume=network.volume, clone=True)

    zones = {index: vessel(index) for index in np.ndindex(rows, columns)}
    solution.TP = 300.0, 1e5
    outside = cantera.Reservoir(solution, clone=True)
    keep = []
    for y, x in zones:
        for other, axis in (((y, x + 1), 0), ((y + 1, x), 1)):
            if other not in zones:
                continue
            for a, b in (((y, x), other), (other, (y, x))):
                valve = cantera.Valve(zones[a], zones[b])
                valve.valve_coeff = network.conductance[axis]
                keep += [valve, cantera.MassFlowController(zones[a], zones[b], mdot=network.mixing[axis])]
        if shares[y, x] > 0:
            power = cantera.Func1("Gaussian", [peak * shares[y, x], middle, width])
            keep.append(cantera.Wall(outside, zones[y, x], A=1.0, Q=power))
    for y in range(rows):
        if network.feed is not None:
            solution.TPY = network.feed_temperature, 1e5, network.feed[y] / network.feed[y].sum()
            source = cantera.Reservoir(solution, clone=True)
            keep += [source, cantera.MassFlowController(source, zones[y, 0], mdot=network.feed[y].sum())]
        last = zones[y, columns - 1]

        def flow(t, last=last):
            gas = last.phase
            gamma = gas.cp_mass / gas.cv_mass
            specific = GAS_CONSTANT / gas.mean_molecular_weight
            return float(network.orifice.flow(np.float64(gas.P), gas.T, specific, gamma))

        drain = cantera.MassFlowController(last, outside)
        drain.mass_flow_rate = flow
        keep.append(drain)
    net = cantera.ReactorNet(list(zones.values()))
    net.rtol, net.atol, net.max_time_step = rtol, 1e-6 * rtol, width / 2
    states = np.empty((len(times), *start.shape))
    states[0] = start
    for i, time in enumerate(times[1:], start=1):
        net.advance(time)
        for index, zone in zones.items():
            states[(i, *index)] = [*(zone.mass * zone.phase.Y), zone.phase.T]
    return states


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [math.nan, math.inf, -300.0])
def test_a_state_that_means_nothing_is_a_status(fault):
    state = mixed()
    state[0, 0, 4] = fault
    states, status, steps = solve_zones(closed(), state, np.array([0.0, 1e-3]), lambda t: 0.0)
    assert (status, steps) == (Status.DIVERGED, 0)
    assert np.isnan(states).all()


def test_heat_that_is_not_a_number_is_a_status_and_what_came_before_is_kept():
    state = mixed()
    states, status, _ = solve_zones(
        closed(), state, np.linspace(0, 1e-3, 11), lambda t: math.nan if t > 5e-4 else 0.0, breaks=[(5e-4, 1e-5)]
    )
    assert status in (Status.DIVERGED, Status.NOT_CONVERGED, Status.MAX_STEPS)
    assert np.isfinite(states[:5]).all()
    assert np.isnan(states[-1]).all()


def test_the_budget_of_steps():
    state = mixed()
    _, status, steps = solve_zones(closed(), state, np.array([0.0, 1e-3]), flash(state, 40.0), max_steps=5)
    assert (status, steps) == (Status.MAX_STEPS, 5)


def test_times_must_increase():
    with pytest.raises(UserError, match="increase"):
        solve_zones(closed(), mixed(), np.array([0.0, 1e-3, 1e-3]), lambda t: 0.0)
