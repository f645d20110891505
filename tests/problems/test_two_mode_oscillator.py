"""The two-mode oscillator: the exact solution against a second one, decay, modes apart, closures."""

import importlib
import math

import pytest
import torch
from dynamics_checks import (
    check_a_network_may_stand_in,
    check_dynamics_against_differences,
    check_every_closure_matters,
    draw,
    fly,
    simulate,
    slope,
    stored_times,
)

from sciml.core import registry
from sciml.core.capabilities import Evolves, HasDynamics
from sciml.core.errors import UserError
from sciml.core.status import Status

PROBLEM = registry.problem("two_mode_oscillator")
equations = importlib.import_module("sciml_problems.two_mode_oscillator.equations")
reference = importlib.import_module("sciml_problems.two_mode_oscillator.reference")
GRID = PROBLEM.grid(())
MODES = (equations.SLOW, equations.FAST)


def damped_cosines(initial, times):
    """``x = e^(−γt) (x₀ cos Ωt + (v₀ + γ x₀)/Ω sin Ωt)``, Ω² = ω² − γ², and its derivative: no matrix involved."""
    columns = []
    for mode, (x0, v0) in zip(MODES, initial.T.reshape(2, 2, -1, 1), strict=True):
        gamma = mode.damping
        omega = math.sqrt(mode.frequency**2 - gamma**2)
        cos, sin, decay = (omega * times).cos(), (omega * times).sin(), (-gamma * times).exp()
        along = (v0 + gamma * x0) / omega
        columns += [decay * (x0 * cos + along * sin)]
        columns += [decay * ((along * omega - gamma * x0) * cos - (x0 * omega + gamma * along) * sin)]
    return torch.stack(columns, dim=-1)


@pytest.fixture(scope="module")
def swings():
    _, initial = draw(PROBLEM, 6)
    times = stored_times(PROBLEM)
    return initial, times, simulate(PROBLEM, {}, initial, times).states


# --- the solution ---------------------------------------------------------------------------------------------------


def test_it_is_the_damped_cosines(swings):
    initial, times, states = swings
    torch.testing.assert_close(states, damped_cosines(initial, times), rtol=0, atol=1e-11)


def test_it_solves_the_equation_by_steps_too():
    _, initial = draw(PROBLEM, 3)
    stepped = fly(PROBLEM, initial, [0.0, 1.0], {}, {}, step=1e-3)
    torch.testing.assert_close(stepped, simulate(PROBLEM, {}, initial, [0.0, 1.0]).states, rtol=0, atol=1e-8)


def test_going_on_from_any_time_gives_the_same_motion(swings):
    _, times, states = swings
    later = simulate(PROBLEM, {}, states[:, 100], times[100:]).states
    torch.testing.assert_close(later, states[:, 100:], rtol=0, atol=1e-11)


def test_the_matrix_is_the_jacobian_and_holds_the_two_modes():
    _, initial = draw(PROBLEM, 1)
    jacobian = torch.autograd.functional.jacobian(lambda y: slope(PROBLEM, y[None], {})[0], initial[0])
    torch.testing.assert_close(jacobian, equations.matrix(), rtol=0, atol=0)
    eigenvalues = sorted(torch.linalg.eigvals(equations.matrix()).tolist(), key=lambda value: value.imag)
    expected = [complex(-mode.damping, sign * mode.damped_frequency) for sign in (-1, 1) for mode in MODES]
    for value, exact in zip(eigenvalues, sorted(expected, key=lambda value: value.imag), strict=True):
        assert abs(value - exact) < 1e-12
    assert equations.FAST.frequency / equations.SLOW.frequency == 10


# --- physics --------------------------------------------------------------------------------------------------------


def test_energy_falls_by_friction_only(swings):
    """dE/dt = −2 γ v² for E = (v² + ω² x²)/2, in each mode."""
    _, _, states = swings
    for mode, first in zip(MODES, (0, 2), strict=True):
        position, velocity = states[..., first], states[..., first + 1]
        energy = (velocity**2 + mode.frequency**2 * position**2) / 2
        assert (energy.diff(dim=1) < 1e-15).all()
        flat = states.flatten(0, 1)
        power = (slope(PROBLEM, flat, {})[:, first + 1] * flat[:, first + 1]) + (
            mode.frequency**2 * flat[:, first] * flat[:, first + 1]
        )
        torch.testing.assert_close(power, -2 * mode.damping * flat[:, first + 1] ** 2, rtol=0, atol=1e-12)


def test_envelopes_decay_exponentially_and_in_proportion(swings):
    _, times, states = swings
    for mode, pair in zip(MODES, (states[..., :2], states[..., 2:]), strict=True):
        envelope = mode.envelope(pair)
        torch.testing.assert_close(envelope / envelope[:, :1], (-mode.damping * times).exp().expand(6, -1))
    balance = equations.balance(states, {}, GRID)
    assert (balance / balance[:, :1] - 1).abs().max() < 1e-11
    stored = equations.balance(states.float(), {}, GRID).double()
    assert (stored / stored[:, :1] - 1).abs().max() < PROBLEM.invariants[0].tolerance


def test_the_balance_notices_a_fast_mode_that_is_damped_too_much(swings):
    """Half as much damping again, in the fast closure alone."""
    initial, *_ = swings
    heavier = equations.Mode(equations.FAST.frequency, 1.5 * equations.FAST.damping)
    states = fly(PROBLEM, initial, [0.0, 5.0], {}, {"fast": heavier.acceleration}, step=1e-2)
    drift = equations.balance(states, {}, GRID)[:, 1] / equations.balance(states, {}, GRID)[:, 0] - 1
    assert (drift < -0.05).all()


def test_the_modes_do_not_touch_each_other():
    _, initial = draw(PROBLEM, 2)
    mixed = torch.cat([initial[:1, :2], initial[1:, 2:]], dim=1)
    times = [0.0, 1.0, 7.0]
    first, second = simulate(PROBLEM, {}, initial, times).states
    states = simulate(PROBLEM, {}, mixed, times).states[0]
    torch.testing.assert_close(states, torch.cat([first[:, :2], second[:, 2:]], dim=1), rtol=0, atol=1e-13)


def test_a_start_without_numbers_spoils_its_own_row_only():
    _, initial = draw(PROBLEM, 2)
    broken = torch.cat([initial, torch.full((1, 4), math.inf, dtype=torch.float64)])
    solved = simulate(PROBLEM, {}, broken, [0.0, 1.0])
    assert solved.status.tolist() == [Status.OK, Status.OK, Status.DIVERGED]
    assert solved.states[2].isnan().all()
    assert solved.states[:2].isfinite().all()


# --- closures and declaration ---------------------------------------------------------------------------------------


def test_dynamics_is_the_derivative_of_the_trajectory():
    check_dynamics_against_differences(PROBLEM, step=1e-3, tolerance=1e-8)


def test_closures():
    assert set(PROBLEM.closures()) == {"slow", "fast"}
    check_every_closure_matters(PROBLEM)
    check_a_network_may_stand_in(PROBLEM)


def test_declaration():
    assert isinstance(PROBLEM, Evolves)
    assert isinstance(PROBLEM, HasDynamics)
    assert PROBLEM.solver == "neural_ode"
    with pytest.raises(UserError, match="no spatial grid"):
        PROBLEM.grid((4,))


def test_starts_have_the_stated_amplitudes_and_velocities_of_similar_size():
    _, states = draw(PROBLEM, 200)
    for mode, (low, high), first in zip(MODES, reference.AMPLITUDES, (0, 2), strict=True):
        amplitude = torch.hypot(states[:, first], states[:, first + 1] / mode.frequency)
        assert low <= amplitude.min() < low * 1.05
        assert high * 0.95 < amplitude.max() <= high
    assert 1 < float(states[:, 3].std() / states[:, 1].std()) < 3
