"""Mixed damped oscillators: exact solution, hidden state, what is identifiable, decay, closures, sizes."""

import importlib
import math

import numpy as np
import pytest
import torch
from dynamics_checks import (
    check_a_network_may_stand_in,
    check_dynamics_against_differences,
    check_every_closure_matters,
    draw,
    row,
    simulate,
    slope,
    stored_times,
)
from scipy.integrate import solve_ivp

from sciml.core import registry
from sciml.core.capabilities import Evolves, HasDynamics
from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.data import PresetCard, read_card

PROBLEM = registry.problem("damped_oscillators")
equations = importlib.import_module("sciml_problems.damped_oscillators.equations")
reference = importlib.import_module("sciml_problems.damped_oscillators.reference")
GRID = PROBLEM.grid(())


@pytest.fixture(scope="module")
def series():
    params, initial = draw(PROBLEM, 6)
    times = stored_times(PROBLEM)
    return params, initial, times, simulate(PROBLEM, params, initial, times).states


def hidden_of(states):
    return states @ equations.unmixing(states).T


# --- the solution ---------------------------------------------------------------------------------------------------


def test_it_is_the_mixed_damped_cosines(series):
    """Real amplitudes and phases of every channel, written out without complex numbers or matrices of time."""
    params, initial, times, states = series
    start = hidden_of(initial)
    for channel, weights in enumerate(equations.MIXING):
        expected = torch.zeros(len(initial), len(times), dtype=torch.float64)
        for mode, name in enumerate(equations.MODES):
            real, imaginary = start[:, 2 * mode], start[:, 2 * mode + 1]
            a, b = weights[2 * mode : 2 * mode + 2]
            size = torch.hypot(real, imaginary) * math.hypot(a, b)
            phase = torch.atan2(imaginary, real) - math.atan2(b, a)
            turning = params[f"{name}_frequency"][:, None] * times + phase[:, None]
            expected += size[:, None] * (-params[f"{name}_damping"][:, None] * times).exp() * turning.cos()
        torch.testing.assert_close(states[..., channel], expected, rtol=0, atol=1e-12)


def test_scipy_integrates_the_channels_to_the_same(series):
    params, initial, times, states = series
    for index in range(2):
        one = row(params, index)

        def f(t, c, one=one):
            return slope(PROBLEM, torch.from_numpy(c)[None], one)[0].numpy()

        truth = solve_ivp(f, (0, 2), initial[index].numpy(), "DOP853", t_eval=times[:9].numpy(), rtol=1e-11, atol=1e-13)
        assert np.abs(truth.y.T - states[index, :9].numpy()).max() < 1e-8


def test_hidden_oscillators_obey_the_oscillator_equation(series):
    """x'' + 2 γ x' + (ω² + γ²) x = 0 for x = Re z, by applying the dynamics twice."""
    params, initial, _, _ = series
    first = slope(PROBLEM, initial, params)
    second = slope(PROBLEM, first, params)  # linear: the derivative moves like the state
    for mode, name in enumerate(equations.MODES):
        x, dx, ddx = (hidden_of(value)[:, 2 * mode] for value in (initial, first, second))
        gamma, omega = params[f"{name}_damping"], params[f"{name}_frequency"]
        residual = ddx + 2 * gamma * dx + (omega**2 + gamma**2) * x
        assert residual.abs().max() < 1e-12
        assert ddx.abs().max() > 0.1


def test_what_no_oscillator_makes_stays_as_it_is():
    params, initial = draw(PROBLEM, 2)
    mixing = equations.mixing(initial)
    rest = torch.linalg.qr(mixing, mode="complete").Q[:, 4]  # orthogonal to all columns
    assert (rest @ mixing).abs().max() < 1e-14
    plain, shifted = (simulate(PROBLEM, params, start, [0.0, 2.0]).states for start in (initial, initial + rest))
    torch.testing.assert_close(shifted, plain + rest, rtol=0, atol=1e-13)
    torch.testing.assert_close(slope(PROBLEM, initial + rest, params), slope(PROBLEM, initial, params))


# --- the hidden state -----------------------------------------------------------------------------------------------


def test_the_channels_determine_the_hidden_state_well():
    values = torch.linalg.svdvals(torch.tensor(equations.MIXING, dtype=torch.float64))
    assert values[-1] > 0.6
    assert values[0] / values[-1] < 3
    rows = torch.tensor(equations.MIXING, dtype=torch.float64)
    assert (rows.norm(dim=1) - 1).abs().max() < 0.02
    assert rows[:, :2].norm(dim=1).min() > 0.3, "every channel sees the slow oscillator"
    assert rows[:, 2:].norm(dim=1).min() > 0.3, "every channel sees the fast oscillator"


def test_starts_have_the_stated_amplitudes_and_all_phases():
    _, initial = draw(PROBLEM, 200)
    for mode in range(2):
        z = hidden_of(initial)[:, 2 * mode : 2 * mode + 2]
        assert reference.AMPLITUDE[0] <= z.norm(dim=1).min() + 1e-12 < 0.55
        assert 1.45 < z.norm(dim=1).max() <= reference.AMPLITUDE[1] + 1e-12
        assert (torch.histc(torch.atan2(z[:, 1], z[:, 0]), 4, -math.pi, math.pi) > 25).all()


def test_frequencies_and_dampings_can_be_read_off(series):
    params, _, times, states = series
    for mode, name in enumerate(equations.MODES):
        z = torch.view_as_complex(hidden_of(states)[..., 2 * mode : 2 * mode + 2].contiguous())
        ratio = (z[:, 1:] / z[:, :-1]).log() / times[1]
        frequency, damping = params[f"{name}_frequency"][:, None], params[f"{name}_damping"][:, None]
        torch.testing.assert_close(ratio.imag, frequency.expand_as(ratio.imag), rtol=0, atol=1e-11)
        torch.testing.assert_close(-ratio.real, damping.expand_as(ratio.real), rtol=0, atol=1e-11)


# --- physics --------------------------------------------------------------------------------------------------------


def test_amplitudes_only_fall_and_in_proportion(series):
    params, _, _, states = series
    for mode in range(2):
        assert (hidden_of(states)[..., 2 * mode : 2 * mode + 2].norm(dim=-1).diff(dim=1) < 0).all()
    balance = equations.balance(states, params, GRID)
    assert (balance / balance[:, :1] - 1).abs().max() < 1e-12
    stored = equations.balance(states.float(), params, GRID).double()
    assert (stored / stored[:, :1] - 1).abs().max() < PROBLEM.invariants[0].tolerance


def test_every_fast_period_has_at_least_seven_times(series):
    _, _, times, _ = series
    fastest = max(parameter.high for parameter in PROBLEM.parameters if parameter.name.endswith("frequency"))
    assert 2 * math.pi / fastest / float(times[1]) > 7


def test_a_start_without_numbers_spoils_its_own_row_only():
    params, initial = draw(PROBLEM, 3)
    broken = initial.clone()
    broken[1, 5] = math.nan
    solved = simulate(PROBLEM, params, broken, [0.0, 1.0])
    assert solved.status.tolist() == [Status.OK, Status.DIVERGED, Status.OK]
    assert solved.states[1].isnan().all()
    assert solved.states[::2].isfinite().all()


# --- closures and declaration ---------------------------------------------------------------------------------------


def test_dynamics_is_the_derivative_of_the_trajectory():
    check_dynamics_against_differences(PROBLEM, step=1e-3, tolerance=1e-9)


def test_closures():
    assert set(PROBLEM.closures()) == {"slow", "fast"}
    check_every_closure_matters(PROBLEM)
    check_a_network_may_stand_in(PROBLEM)


def test_declaration():
    assert isinstance(PROBLEM, Evolves)
    assert isinstance(PROBLEM, HasDynamics)
    assert PROBLEM.solver == "latent_ode"
    small = read_card(PROBLEM).table("small", PresetCard)
    assert (small.trajectories.train, small.trajectories.valid, small.trajectories.test) == (200, 40, 60)
    assert small.frames == 40
    with pytest.raises(UserError, match="no spatial grid"):
        PROBLEM.grid((4,))
