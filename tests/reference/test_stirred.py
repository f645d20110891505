"""The stirred reactor: Cantera's closed box, conservation, the nozzle, steady states, gradients across ignition."""

import math
from pathlib import Path

import cantera
import numpy as np
import pytest
import torch

from sciml import ode
from sciml.core.errors import UserError
from sciml.reference import GAS_CONSTANT, Inflow, Mechanism, Nozzle, StirredReactor

FOLDER = Path(__file__).parent / "mechanisms"
VOLUME, FLOW, THROAT, OUTSIDE = 2e-4, 9.4e-3, Nozzle(3e-5, 0.98, 101325.0), 101325.0


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture(scope="module")
def methane():
    return Mechanism.load(FOLDER / "one_step.yaml")


def tolerances(mechanism, relative):
    """Absolute tolerances of masses and temperature that go with a relative one."""
    return relative * double(*[1e-5] * len(mechanism.species), 1e3)


def combustor(mechanism):
    """Lean methane and oxygen at 300 K through a nozzle; the state it starts with."""
    shares = mechanism.shares({"CH4": 0.55, "O2": 8.85})
    reactor = StirredReactor(mechanism, VOLUME, (Inflow(FLOW, 300.0, shares),), THROAT)
    return reactor, reactor.encode(double(300.0), double(OUTSIDE), shares[None])


def pulse(time, energy, centre=2e-3, width=2e-4):
    return energy / (width * math.sqrt(2 * math.pi)) * torch.exp(-0.5 * ((time - centre) / width) ** 2)


def fired(reactor):
    """The right-hand side with a Gaussian pulse of heat of a given energy."""
    return lambda time, state, energy: reactor.slope(time, state, pulse(time, energy))


CLOSED = {"one_step": ({"CH4": 1.0, "O2": 25.0}, 1150.0), "two_step": ({"CH4": 1.0, "O2": 5.0, "N2": 15.0}, 1400.0)}


@pytest.mark.parametrize("name", ["one_step", pytest.param("two_step", marks=pytest.mark.slow)])
def test_a_closed_box_explodes_as_in_cantera(name):
    mechanism = Mechanism.load(FOLDER / f"{name}.yaml")
    amounts, temperature = CLOSED[name]
    shares = mechanism.shares(amounts)
    gas = cantera.Solution(str(FOLDER / f"{name}.yaml"), transport_model=None)
    gas.TPY = temperature, 2e5, shares.numpy()
    box = cantera.IdealGasReactor(gas, clone=True)
    net = cantera.ReactorNet([box])
    net.rtol, net.atol = 1e-9, 1e-16
    times, true = [0.0], [temperature]
    while len(times) < 4 or true[-1] < true[0] + 600 or times[-1] < 2 * times[int(np.argmax(np.diff(true)))]:
        times.append(net.step())
        true.append(box.T)
    reactor = StirredReactor(mechanism, 1.0)
    start = reactor.encode(double(temperature), double(2e5), shares[None])
    wanted = torch.tensor(times, dtype=torch.float64)
    atol = 1e-7 * double(*[1e-3] * len(shares), 1e3)
    solution = ode.solve(
        reactor.slope, start, wanted, args=(double(0.0),), method="rodas4", rtol=1e-7, atol=atol
    ).check()
    predicted = solution.states[0, :, -1].numpy()
    delays = [np.interp(temperature + 400, curve, times) for curve in (predicted, np.array(true))]
    assert delays[0] == pytest.approx(delays[1], rel=1e-4)
    assert max(true) < float(mechanism.hottest.min())
    np.testing.assert_allclose(predicted, true, rtol=1e-4)
    state = solution.states[0]
    assert (state[:, :-1].sum(1) / state[0, :-1].sum() - 1).abs().max() < 1e-10
    assert (reactor.energy(state) / reactor.energy(state)[0] - 1).abs().max() < 1e-6
    atoms = state[:, :-1] / mechanism.weights @ mechanism.composition.T
    kept = atoms[0] > 0
    assert (atoms[:, kept] / atoms[0, kept] - 1).abs().max() < 1e-10


@pytest.mark.slow
def test_the_reference_cases(methane):
    """60 J do not ignite, 80 J and more do: the values of an independent integration of the same equations."""
    reactor, start = combustor(methane)
    energy, times = double(60.0, 80.0, 100.0, 160.0), torch.linspace(0, 30e-3, 61, dtype=torch.float64)
    solution = ode.solve(
        fired(reactor), start.expand(4, -1), times, args=(energy,), method="rodas4", rtol=1e-6,
        atol=tolerances(methane, 1e-6),
    ).check()  # fmt: skip
    temperature, pressure, shares = reactor.decode(solution.states)
    assert temperature[:, -1].tolist() == pytest.approx([404, 2500, 2507, 2527], rel=4e-3)
    assert (pressure[:2, -1] / 1e5).tolist() == pytest.approx([1.46, 4.48], rel=3e-3)
    assert shares[:2, -1, 1].tolist() == pytest.approx([0.940, 0.708], abs=1e-3)
    assert (shares.sum(2) - 1).abs().max() < 1e-14
    assert shares.min() >= 0
    density = solution.states[..., :-1].clamp_min(0).sum(2) / VOLUME
    again = density * GAS_CONSTANT * temperature * (shares / methane.weights).sum(2)
    torch.testing.assert_close(again, pressure, rtol=1e-12, atol=0)


def test_mass_and_energy_are_accounted_for(methane):
    """What came in and left, integrated along, is what the reactor holds; across an ignition."""
    reactor, start = combustor(methane)
    feed = start[0, :-1] / start[0, :-1].sum()
    enters = (methane.heat_and_enthalpy(double(300.0))[1][0] / methane.weights * feed).sum() * FLOW

    def with_books(time, state, energy):
        inside, heat = state[:, :-2], pulse(time, energy, 3e-4, 5e-5)
        out = reactor.mass_flow_out(inside)
        mass = inside[:, :-1].sum(1)
        leaves = out * (reactor.energy(inside) + reactor.pressure(inside) * VOLUME) / mass
        books = torch.stack((FLOW - out, heat + enters - leaves), dim=1)
        return torch.cat((reactor.slope(time, inside, heat), books), dim=1)

    times = torch.linspace(0, 8e-4, 9, dtype=torch.float64)
    begin = torch.cat((start, torch.zeros(1, 2).double()), dim=1)
    atol = torch.cat((tolerances(methane, 1e-7), double(1e-11, 1e-4)))
    solution = ode.solve(
        with_books, begin, times, args=(double(100.0),), method="rodas4", rtol=1e-7, atol=atol,
        controller=ode.PID(longest=2e-4),
    ).check()  # fmt: skip
    inside, books = solution.states[0, :, :-2], solution.states[0, :, -2:]
    assert float(inside[-1, -1]) > 2500
    mass, energy = inside[:, :-1].sum(1), reactor.energy(inside)
    assert ((mass - mass[0] - books[:, 0]).abs() / mass).max() < 1e-8
    assert ((energy - energy[0] - books[:, 1]).abs() / 100.0).max() < 1e-6


def test_cold_flow_settles_at_the_choked_pressure(methane):
    """p = ṁ sqrt(r T / γ) / (C_d A) ((γ + 1) / 2)^((γ + 1) / (2 (γ - 1))) at the temperature it settles at."""
    chamber, start = combustor(methane)
    reactor = StirredReactor(methane, VOLUME, chamber.inflows, Nozzle(3e-5, 0.98, 2e4))
    times = double(0.0, 1.0)
    end = ode.solve(
        reactor.slope, start, times, args=(double(0.0),), method="rodas4", rtol=1e-6, atol=tolerances(methane, 1e-6)
    ).check().states[:, -1]  # fmt: skip
    moles = end[0, :-1] / methane.weights
    cp = (methane.heat_and_enthalpy(end[:, -1])[0][0] * moles).sum()
    gamma = float(cp / (cp - GAS_CONSTANT * moles.sum()))
    gas = GAS_CONSTANT * float(moles.sum() / end[0, :-1].sum())
    root = math.sqrt(gas * float(end[0, -1]) / gamma) * ((gamma + 1) / 2) ** ((gamma + 1) / (2 * (gamma - 1)))
    assert float(reactor.pressure(end)) == pytest.approx(FLOW * root / (0.98 * 3e-5), rel=1e-5)
    assert float(reactor.mass_flow_out(end)) == pytest.approx(FLOW, rel=1e-8)
    assert float(end[0, -1]) == pytest.approx(300.0, rel=1e-6)


def test_the_nozzle_where_it_chokes_and_where_it_stops():
    gamma = 1.3
    critical = ((gamma + 1) / 2) ** (gamma / (gamma - 1)) * OUTSIDE
    pressure = torch.cat(
        (double(0.2, 0.9, 1.0, 1.0001, 1.2) * OUTSIDE, critical * double(1 - 1e-9, 1.0, 1 + 1e-9, 3.0))
    ).requires_grad_()
    shape = torch.full((9,), gamma, dtype=torch.float64)
    density = torch.full((9,), 1.2, dtype=torch.float64)
    flow = THROAT.flow(density, 300 + 0 * density, pressure, shape)
    assert flow[:3].tolist() == [0.0, 0.0, 0.0]
    assert (flow[3:].diff() > 0).all()
    choked = 0.98 * 3e-5 * (gamma * density * pressure * (2 / (gamma + 1)) ** ((gamma + 1) / (gamma - 1))).sqrt()
    torch.testing.assert_close(flow[5:], choked[5:], rtol=1e-7, atol=0)
    (slope,) = torch.autograd.grad(flow.sum(), pressure)
    assert slope.isfinite().all()
    torch.testing.assert_close(slope[5], slope[7], rtol=1e-3, atol=0)


def test_cantera_and_ours_of_the_open_reactor(methane):
    """The same flow, pulse and nozzle in Cantera, 80 J: temperature along, and the moment of ignition."""
    reactor, start = combustor(methane)
    times = torch.linspace(0, 4e-3, 41, dtype=torch.float64)
    true = open_in_cantera(80.0, times.tolist())
    solution = ode.solve(
        fired(reactor), start, times, args=(double(80.0),), method="rodas4", rtol=1e-6,
        atol=tolerances(methane, 1e-6), controller=ode.PID(longest=2e-4),
    ).check()  # fmt: skip
    predicted = solution.states[0, :, -1].numpy()
    np.testing.assert_allclose(predicted, true, rtol=1e-3)
    assert np.interp(1500, predicted, times) == pytest.approx(np.interp(1500, true, times), rel=1e-3)


def open_in_cantera(energy, times):
    """Temperatures of the reference combustor by Cantera's reactor network."""
    gas = cantera.Solution(str(FOLDER / "one_step.yaml"), transport_model=None)
    gas.TPY = 300.0, OUTSIDE, {"CH4": 0.55, "O2": 8.85}
    feed, outside = cantera.Reservoir(gas, clone=True), cantera.Reservoir(gas, clone=True)
    box = cantera.IdealGasReactor(gas, volume=VOLUME, clone=True)
    cantera.MassFlowController(feed, box, mdot=FLOW)

    def leaving(time):
        phase = box.phase
        gamma = phase.cp_mass / phase.cv_mass
        one = (double(phase.density), double(phase.T), double(phase.P), double(gamma))
        return float(THROAT.flow(*one))

    cantera.MassFlowController(box, outside, mdot=leaving)
    shape = cantera.Func1(
        "Gaussian", [energy / (2e-4 * math.sqrt(2 * math.pi)), 2e-3, 2e-4 * 2 * math.sqrt(2 * math.log(2))]
    )
    cantera.Wall(outside, box, A=1.0, Q=shape)
    net = cantera.ReactorNet([box])
    net.rtol, net.atol, net.max_time_step = 1e-9, 1e-15, 1e-4
    temperatures = [box.T]
    for time in times[1:]:
        net.advance(time)
        temperatures.append(box.T)
    return np.array(temperatures)


@pytest.mark.slow
def test_gradients_across_ignition(methane):
    """dT(t)/dE, dT/d ln A and dT/d(activation energy) against central differences on the same steps."""
    reactor, start = combustor(methane)
    times = torch.linspace(0, 1.2e-4, 7, dtype=torch.float64)

    def temperatures(energy, ln_a, activation):
        def f(time, state, *inputs):
            heat = pulse(time, inputs[0], 4e-5, 1e-5)
            return reactor.slope(time, state, heat, inputs[1][:, None], inputs[2][:, None])

        return ode.solve(
            f, start.expand(len(energy), -1), times, args=(energy, ln_a, activation), method="rodas4", step=1e-6
        ).check().states[..., -1]  # fmt: skip

    base = double(120.0), methane.ln_a, methane.activation
    inputs = [v.clone().requires_grad_() for v in base]
    course = temperatures(*inputs)
    assert course[0, 1] < 500
    assert course[0, -1] > 2500
    sizes = (1e-3, 1e-5, 1e2)
    moved = [torch.cat([v + s * e for s in (1, -1)]) for v, e in zip(base, sizes, strict=True)]
    both = [[moved[i] if i == j else base[i].expand(2) for i in range(3)] for j in range(3)]
    with torch.no_grad():
        other = temperatures(*[torch.cat([case[i] for case in both]) for i in range(3)])
    for j in range(3):
        numeric = (other[2 * j] - other[2 * j + 1]) / (2 * sizes[j])
        exact = torch.stack(
            [torch.autograd.grad(course[0, k], inputs[j], retain_graph=True)[0][0] for k in (3, 4, 5, 6)]
        )
        torch.testing.assert_close(exact, numeric[3:], rtol=1e-5, atol=1e-6 * float(numeric.abs().max()))


def test_rows_and_single_calls_agree(methane):
    """A right-hand side of many rows is that of each row; the flow may be given per row."""
    reactor, start = combustor(methane)
    state = start * (1 + 0.1 * torch.rand(5, 5, generator=torch.Generator().manual_seed(0)).double())
    zero = torch.zeros(5).double()
    rates = FLOW * double(0.5, 1.0, 1.5, 2.0, 2.5)[:, None]
    together = reactor.slope(zero, state, zero, rates=rates)
    for row in range(5):
        alone = reactor.slope(zero[:1], state[row : row + 1], zero[:1], rates=rates[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(together, reactor.slope(zero, state, zero))


def test_a_state_survives_its_fields(methane):
    reactor, start = combustor(methane)
    t, p, y = reactor.decode(start)
    torch.testing.assert_close(reactor.encode(t, p, y), start, rtol=1e-14, atol=0)


def test_nonsense_is_refused(methane):
    with pytest.raises(UserError, match="volume"):
        StirredReactor(methane, 0.0)
    with pytest.raises(UserError, match="sum to one"):
        StirredReactor(methane, 1.0, (Inflow(1.0, 300.0, double(0.5, 0.5, 0.5, 0.0)),))
    with pytest.raises(UserError, match="sum to one"):
        StirredReactor(methane, 1.0, (Inflow(1.0, 300.0, double(0.5, 0.5)),))
