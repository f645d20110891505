"""The cubic spiral: equation, accuracy, order, symmetries, decay, closures."""

import importlib
import math

import numpy as np
import pytest
import sympy
import torch
from dynamics_checks import (
    check_a_network_may_stand_in,
    check_dynamics_against_differences,
    check_every_closure_matters,
    draw,
    fly,
    order,
    simulate,
    slope,
    stored_times,
)
from scipy.integrate import solve_ivp

from sciml.core import registry
from sciml.core.capabilities import Evolves, HasDynamics
from sciml.core.errors import UserError

PROBLEM = registry.problem("spiral")
equations = importlib.import_module("sciml_problems.spiral.equations")
reference = importlib.import_module("sciml_problems.spiral.reference")

START = torch.tensor([[2.0, 0.0]], dtype=torch.float64)


@pytest.fixture(scope="module")
def spirals():
    """The paper's start and two random ones over the times of the tiny preset."""
    times = stored_times(PROBLEM)
    return times, simulate(PROBLEM, {}, torch.cat([START, draw(PROBLEM, 2)[1]]), times).states


# --- the equation ---------------------------------------------------------------------------------------------------


def test_rate_is_the_symbolic_equation_and_the_matrix():
    _, states = draw(PROBLEM, 5)
    expressions = equations.symbolic().values()
    f = sympy.lambdify(sympy.symbols("y1 y2 a b", real=True), list(expressions), "numpy")
    expected = torch.from_numpy(np.stack(f(*states.T.numpy(), equations.DECAY, equations.ROTATION), 1))
    actual = slope(PROBLEM, states, {})
    torch.testing.assert_close(actual, expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(actual, states**3 @ torch.tensor(equations.MATRIX).double(), rtol=1e-6, atol=1e-6)


def test_it_turns_anticlockwise_from_the_papers_start():
    after = simulate(PROBLEM, {}, START, [0.0, 0.05]).states[0, 1]
    assert after[1] > 0.5
    assert after[0] < 2


def test_the_transposed_matrix_is_the_mirror_image():
    """Both readings of the equation decay alike; they differ in the sense of rotation only."""
    times = [0.0, 0.25, 0.5]
    backwards = fly(PROBLEM, START, times, {}, {"rotation": lambda c, p: -equations.rotation(c, p)}, step=1e-3)
    expected = simulate(PROBLEM, {}, START, times).states * torch.tensor([1.0, -1.0])
    torch.testing.assert_close(backwards, expected, rtol=0, atol=1e-8)


# --- accuracy -------------------------------------------------------------------------------------------------------


def test_it_agrees_with_scipy(spirals):
    """Largest error of t = 0 to 25 against DOP853 at a tolerance of 1e-13."""
    times, states = spirals
    (a, b), (c, d) = equations.MATRIX
    for trajectory in states.numpy():
        truth = solve_ivp(
            lambda t, y: (a * y[0] ** 3 + c * y[1] ** 3, b * y[0] ** 3 + d * y[1] ** 3),
            (0, 25.001), trajectory[0], "DOP853", t_eval=times, rtol=1e-13, atol=1e-15,
        )  # fmt: skip
        assert np.abs(truth.y.T - trajectory).max() < 1e-8


def test_time_stepping_is_of_fourth_order():
    _, initial = draw(PROBLEM, 1)
    times = torch.tensor([0.0, 1.5]).double()
    truth = reference.simulate({}, initial, times, step=0.02).states[:, -1]
    runs = [reference.simulate({}, initial, times, step=step) for step in (0.4, 0.2, 0.1)]
    errors = [float((run.states[:, -1] - truth).norm()) for run in runs]
    assert (order(errors, [int(run.stats["steps"]) for run in runs]) - 4).abs().max() < 0.25


# --- physics --------------------------------------------------------------------------------------------------------


def test_scaling_symmetry():
    """λ y(λ² t) solves the equation if y(t) does."""
    _, initial = draw(PROBLEM, 2)
    times = torch.tensor([0.0, 0.3, 0.6], dtype=torch.float64)
    larger = simulate(PROBLEM, {}, 1.5 * initial, times).states
    expected = 1.5 * simulate(PROBLEM, {}, initial, 1.5**2 * times).states
    torch.testing.assert_close(larger, expected, rtol=0, atol=1e-8)


def test_quarter_turn_symmetry():
    _, initial = draw(PROBLEM, 2)
    times = [0.0, 0.4, 0.8]
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    turned = simulate(PROBLEM, {}, initial @ turn, times).states
    torch.testing.assert_close(turned, simulate(PROBLEM, {}, initial, times).states @ turn, rtol=0, atol=1e-13)
    eighth = math.sqrt(0.5) * torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)
    other = simulate(PROBLEM, {}, initial @ eighth, times).states
    assert (other - simulate(PROBLEM, {}, initial, times).states @ eighth).abs().max() > 1e-2


def test_only_the_decay_changes_the_quartic(spirals):
    """dQ/dt = −4 a (y₁⁶ + y₂⁶); Q falls everywhere, like 1/t² in the end, and the rotation alone keeps it."""
    _, states = draw(PROBLEM, 5)
    states.requires_grad_()
    (gradient,) = torch.autograd.grad(equations.quartic(states).sum(), states)
    change = (gradient * slope(PROBLEM, states, {})).sum(1)
    torch.testing.assert_close(change, -4 * equations.DECAY * states.pow(6).sum(1), rtol=1e-12, atol=0)

    initial = states.detach()[:2]
    quartic = equations.quartic(spirals[1])
    assert (quartic.diff(dim=1) < 0).all()
    # between a Q^(3/2) 2^(-1/2) and a Q^(3/2): bounds of y₁⁶ + y₂⁶ at given Q, so Q^(-1/2) grows by 2at/√2 to 2at
    growth = quartic[:, -1] ** -0.5 - quartic[:, 0] ** -0.5
    assert (growth < 2 * equations.DECAY * 25).all()
    assert (growth > 2 * equations.DECAY * 25 / math.sqrt(2)).all()

    turning = fly(PROBLEM, initial, [0.0, 1.0], {}, {"decay": lambda c, p: torch.zeros_like(c)}, step=2e-3)
    kept = equations.quartic(turning)
    assert (turning[:, 1] - initial).abs().max() > 0.1
    torch.testing.assert_close(kept[:, 1], kept[:, 0], rtol=1e-8, atol=0)


# --- closures and declaration ---------------------------------------------------------------------------------------


def test_dynamics_is_the_derivative_of_the_trajectory():
    check_dynamics_against_differences(PROBLEM, step=2e-3, tolerance=1e-6)


def test_closures():
    assert set(PROBLEM.closures()) == {"decay", "rotation"}
    check_every_closure_matters(PROBLEM)
    check_a_network_may_stand_in(PROBLEM)


def test_declaration():
    assert isinstance(PROBLEM, Evolves)
    assert isinstance(PROBLEM, HasDynamics)
    assert PROBLEM.solver == "neural_ode"
    assert PROBLEM.parameters == ()
    for preset in PROBLEM.presets:
        assert float(stored_times(PROBLEM, preset)[-1]) == pytest.approx(25)
    with pytest.raises(UserError, match="no spatial grid"):
        PROBLEM.grid((4,))


def test_starts_fill_the_ring():
    _, states = draw(PROBLEM, 200)
    radius = states.norm(dim=1)
    assert reference.RADIUS[0] <= radius.min() < 1.55
    assert 2.45 < radius.max() <= reference.RADIUS[1]
    assert (torch.histc(torch.atan2(states[:, 1], states[:, 0]), 4, -math.pi, math.pi) > 25).all()
