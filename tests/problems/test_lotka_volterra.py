"""Lotka-Volterra: equation, accuracy, order, the invariant and what follows from it, closures."""

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

PROBLEM = registry.problem("lotka_volterra")
equations = importlib.import_module("sciml_problems.lotka_volterra.equations")
reference = importlib.import_module("sciml_problems.lotka_volterra.reference")
GRID = PROBLEM.grid(())
TIMES = stored_times(PROBLEM)[:51]


def make_params(alpha=1.5, beta=1.0, delta=1.0, gamma=3.0, batch=1):
    values = {"alpha": alpha, "beta": beta, "delta": delta, "gamma": gamma}
    return {name: torch.full((batch,), value, dtype=torch.float64) for name, value in values.items()}


@pytest.fixture(scope="module")
def orbits():
    """Four random orbits over half the times of the tiny preset, which is one turn and more."""
    params, initial = draw(PROBLEM, 4)
    return params, simulate(PROBLEM, params, initial, TIMES).states


# --- the equation and its solution ----------------------------------------------------------------------------------


def test_rate_is_the_symbolic_equation():
    params, states = draw(PROBLEM, 5)
    forms = equations.symbolic()
    symbols = sympy.symbols("x y alpha beta gamma delta", positive=True)
    f = sympy.lambdify(symbols, [forms["prey"], forms["predator"]], "numpy")
    numbers = [params[name].numpy() for name in ("alpha", "beta", "gamma", "delta")]
    expected = torch.from_numpy(np.stack(f(*states.T.numpy(), *numbers), 1))
    torch.testing.assert_close(slope(PROBLEM, states, params), expected, rtol=1e-13, atol=1e-14)


def test_the_first_integral_is_one_and_is_the_one_computed():
    """dV/dt vanishes identically, and `volterra` is V less its value in equilibrium."""
    forms = equations.symbolic()
    symbols = sympy.symbols("x y alpha beta gamma delta", positive=True)
    x, y, alpha, beta, gamma, delta = symbols
    v = forms["volterra"]
    assert sympy.simplify(v.diff(x) * forms["prey"] + v.diff(y) * forms["predator"]) == 0
    least = v.subs({x: gamma / delta, y: alpha / beta})
    params, states = draw(PROBLEM, 5)
    numbers = [params[name].numpy() for name in ("alpha", "beta", "gamma", "delta")]
    expected = sympy.lambdify(symbols, v - least, "numpy")(*states.T.numpy(), *numbers)
    torch.testing.assert_close(
        equations.volterra(states[:, None], params, GRID)[:, 0], torch.from_numpy(expected), rtol=1e-12, atol=1e-13
    )


def test_it_agrees_with_scipy(orbits):
    params, states = orbits
    times = TIMES.numpy()
    for index, trajectory in enumerate(states.numpy()):
        a, b, d, g = (float(value) for value in row(params, index).values())
        truth = solve_ivp(
            lambda t, s, a=a, b=b, d=d, g=g: (a * s[0] - b * s[0] * s[1], d * s[0] * s[1] - g * s[1]),
            (0, times[-1]), trajectory[0], "DOP853", t_eval=times, rtol=1e-13, atol=1e-15,
        )  # fmt: skip
        assert np.abs(truth.y.T - trajectory).max() < 1e-8


def test_time_stepping_is_of_fourth_order():
    params, initial = draw(PROBLEM, 1)
    times = torch.tensor([0.0, 1.5]).double()
    truth = reference.simulate(params, initial, times, step=0.02).states[:, -1]
    runs = [reference.simulate(params, initial, times, step=step) for step in (0.4, 0.2, 0.1)]
    errors = [float((run.states[:, -1] - truth).norm()) for run in runs]
    assert (order(errors, [int(run.stats["steps"]) for run in runs]) - 4).abs().max() < 0.25


# --- physics --------------------------------------------------------------------------------------------------------


def test_populations_stay_positive_and_the_invariant_constant(orbits):
    params, states = orbits
    assert (states > 0).all()
    for values, limit in ((states, 1e-9), (states.float(), PROBLEM.invariants[0].tolerance)):
        v = equations.volterra(values, params, GRID).double()
        assert (v > 0).all()
        assert (v / v[:, :1] - 1).abs().max() < limit


def test_the_bound_that_sets_the_step_holds_along_the_orbit(orbits):
    """Known at the start: it is above the true maximum and not by more than half."""
    params, states = orbits
    level = equations.volterra(states[:, :1], params, GRID)[:, 0]
    for field, (numerator, name) in enumerate((("delta", "gamma"), ("beta", "alpha"))):
        largest = (params[numerator][:, None] * states[..., field] / params[name][:, None]).amax(1)
        bound = reference.largest_ratio(level / params[name])
        assert (largest < bound).all()
        assert (bound < 1.5 * largest).all()


def test_the_equilibrium_rests():
    params, _ = draw(PROBLEM, 3)
    rest = torch.stack([params["gamma"] / params["delta"], params["alpha"] / params["beta"]], dim=1)
    states = simulate(PROBLEM, params, rest, [0.0, 2.0, 4.0]).states
    torch.testing.assert_close(states, rest[:, None].expand_as(states), rtol=1e-12, atol=0)


def test_small_orbits_have_the_linear_period():
    """2π/sqrt(α γ) near the equilibrium: after one such time the state is back."""
    params = make_params()
    period = 2 * math.pi / math.sqrt(1.5 * 3.0)
    initial = torch.tensor([[3.0 + 1e-4, 1.5]], dtype=torch.float64)
    halfway, back = simulate(PROBLEM, params, initial, [0.0, period / 2, period]).states[0, 1:]
    assert (back - initial[0]).abs().max() < 1e-8
    assert float(halfway[0] - 3.0) == pytest.approx(-1e-4, rel=1e-3)


def test_time_averages_over_an_orbit_are_the_equilibrium():
    """Volterra's second law, whatever the size of the orbit."""
    params, initial = make_params(), torch.ones(1, 2, dtype=torch.float64)
    period = 3.3170
    times = torch.arange(0, 3.5, 0.01, dtype=torch.float64)
    states = simulate(PROBLEM, params, initial, times).states[0]
    near = (times > 3.0).nonzero().flatten()
    closing = near[(states[near] - 1).norm(dim=1).argmin()]
    assert float(times[closing]) == pytest.approx(period, abs=0.01)
    mean = states[:closing].mean(0)
    torch.testing.assert_close(mean, torch.tensor([3.0, 1.5]).double(), rtol=2e-3, atol=0)


def test_prey_alone_grow_and_predators_alone_die():
    params, initial = draw(PROBLEM, 2)
    apart = {name: lambda state, p: torch.zeros_like(state[:, :1]) for name in ("predation", "reproduction")}
    states = fly(PROBLEM, initial, [0.0, 1.0], params, apart, step=1e-2)[:, 1]
    expected = initial * torch.stack([params["alpha"].exp(), (-params["gamma"]).exp()], dim=1)
    torch.testing.assert_close(states, expected, rtol=1e-7, atol=0)


def test_a_population_that_is_not_positive_is_a_status():
    params, initial = draw(PROBLEM, 3)
    broken = initial.clone()
    broken[0, 1], broken[2, 0] = -0.1, math.nan
    solved = simulate(PROBLEM, params, broken, [0.0, 0.5])
    assert solved.status.tolist() == [Status.DIVERGED, Status.OK, Status.DIVERGED]
    assert solved.states[[0, 2]].isnan().all()


# --- closures and declaration ---------------------------------------------------------------------------------------


def test_dynamics_is_the_derivative_of_the_trajectory():
    check_dynamics_against_differences(PROBLEM, step=5e-3, tolerance=1e-6)


def test_closures():
    assert set(PROBLEM.closures()) == {"birth", "predation", "reproduction", "death"}
    check_every_closure_matters(PROBLEM)
    check_a_network_may_stand_in(PROBLEM)


def test_declaration():
    assert isinstance(PROBLEM, Evolves)
    assert isinstance(PROBLEM, HasDynamics)
    assert PROBLEM.solver == "neural_ode"
    middle = [(parameter.low + parameter.high) / 2 for parameter in PROBLEM.parameters]
    assert middle == pytest.approx([1.5, 1.0, 1.0, 3.0])
    with pytest.raises(UserError, match="no spatial grid"):
        PROBLEM.grid((4,))


def test_orbits_start_away_from_the_equilibrium():
    params, states = draw(PROBLEM, 100)
    assert (equations.volterra(states[:, None], params, GRID) > 0.1).all()
    assert 0.5 <= states.min() < 0.52
    assert 1.48 < states.max() <= 1.5
