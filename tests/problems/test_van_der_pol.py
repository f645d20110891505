"""The Van der Pol oscillator: equation, accuracy up to the stiff end, limit cycle, symmetry, closures."""

import importlib
import math
from itertools import pairwise

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
    simulate,
    slope,
)

from sciml.core import registry
from sciml.core.capabilities import Evolves, HasDynamics
from sciml.core.errors import UserError
from sciml.core.status import Status

PROBLEM = registry.problem("van_der_pol")
equations = importlib.import_module("sciml_problems.van_der_pol.equations")
reference = importlib.import_module("sciml_problems.van_der_pol.reference")


def friction_of(*mu):
    return {"mu": torch.tensor(mu, dtype=torch.float64)}


def taylor(mu, start, times, order=30, tolerance=1e-17):
    """The solution by Taylor series in extended precision: nothing in common with a Runge-Kutta method.

    With s = 1 − x², the coefficients follow from x' = v and v' = μ s v − x by Cauchy products.
    """
    exact = np.longdouble
    mu, (x0, v0), now = exact(mu), map(exact, start), exact(times[0])
    states = [(x0, v0)]
    for late in map(exact, times[1:]):
        while now < late:
            x, v, s = (np.zeros(order + 1, exact) for _ in range(3))
            x[0], v[0] = x0, v0
            for k in range(order):
                s[k] = (k == 0) - np.dot(x[: k + 1], x[: k + 1][::-1])
                x[k + 1] = v[k] / (k + 1)
                v[k + 1] = (mu * np.dot(s[: k + 1], v[: k + 1][::-1]) - x[k]) / (k + 1)
            size = max(exact(1), abs(x0), abs(v0))
            step = min((tolerance * size / max(abs(x[k]), abs(v[k]))) ** (exact(1) / k) for k in (order - 1, order))
            powers = min(step, late - now) ** np.arange(order + 1)
            x0, v0 = np.dot(x, powers), np.dot(v, powers)
            now = late if step >= late - now else now + step
        states.append((x0, v0))
    return torch.tensor(np.array(states, dtype=float))


# --- the equation and its solution ----------------------------------------------------------------------------------


def test_rate_is_the_symbolic_equation():
    params, states = draw(PROBLEM, 5)
    f = sympy.lambdify(sympy.symbols("x v mu", real=True), list(equations.symbolic().values()), "numpy")
    expected = torch.from_numpy(np.stack(f(*states.T.numpy(), params["mu"].numpy()), 1))
    torch.testing.assert_close(slope(PROBLEM, states, params), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("mu", [0.5, 5.0, 20.0])
def test_it_agrees_with_a_taylor_series(mu):
    start, times = (0.3, -1.2), np.arange(0, 40.05, 0.1)
    states = simulate(PROBLEM, friction_of(mu), torch.tensor([start], dtype=torch.float64), times).states[0]
    assert (states - taylor(mu, start, times)).abs().max() < 1e-8


def test_a_smaller_tolerance_gives_a_smaller_error():
    start, times = (0.3, -1.2), torch.arange(0, 10.05, 0.1, dtype=torch.float64)
    truth, initial = taylor(8.0, start, times.numpy()), torch.tensor([start], dtype=torch.float64)
    errors = [
        float((reference.simulate(friction_of(8.0), initial, times, rtol=rtol).states[0] - truth).abs().max())
        for rtol in (1e-5, 1e-8, 1e-11)
    ]
    assert all(fine < coarse / 100 for coarse, fine in pairwise(errors))


# --- physics --------------------------------------------------------------------------------------------------------


def test_it_swings_to_a_limit_cycle_of_amplitude_two_with_the_known_period():
    """From inside and from outside; period 2π (1 + μ²/16) for weak friction, Dorodnicyn's (1947) series for strong."""
    mu = [0.5, 0.5, 2.0, 20.0]
    initial = torch.tensor([[0.1, 0.0], [3.0, 0.0], [0.1, 0.0], [0.1, 0.0]], dtype=torch.float64)
    times = torch.arange(0, 60, 0.02, dtype=torch.float64)
    states = simulate(PROBLEM, friction_of(*mu), initial, times).states
    x = states[..., 0]
    assert (x[:, 1200:].abs().amax(1) - 2).abs().max() < 0.03

    def period(signal):
        rising = ((signal[:-1] < 0) & (signal[1:] >= 0)).nonzero().flatten()
        crossing = times[rising] - signal[rising] * 0.02 / (signal[rising + 1] - signal[rising])
        return float(crossing.diff()[-1])

    assert period(x[0]) == pytest.approx(2 * math.pi * (1 + 0.5**2 / 16), rel=1e-3)
    assert period(x[1]) == pytest.approx(period(x[0]), rel=1e-4)
    assert period(x[2]) == pytest.approx(7.6299, rel=1e-3)
    assert period(x[3]) == pytest.approx((3 - 2 * math.log(2)) * 20 + 7.014 * 20 ** (-1 / 3), rel=0.01)


def test_friction_feeds_small_swings_and_brakes_large_ones():
    """d(x² + v²)/dt = 2 μ (1 − x²) v²; without friction the oscillator is harmonic."""
    params, states = draw(PROBLEM, 50)
    power = (states * slope(PROBLEM, states, params)).sum(1)
    x, v = states.unbind(1)
    torch.testing.assert_close(power, params["mu"] * (1 - x**2) * v**2, rtol=1e-10, atol=1e-10)
    assert ((power > 0) == (x.abs() < 1)).all()

    free = {"friction": lambda state, p: torch.zeros_like(state[:, :1])}
    times = torch.tensor([0.0, 1.0, math.pi], dtype=torch.float64)
    swung = fly(PROBLEM, states[:3], times.tolist(), {name: v[:3] for name, v in params.items()}, free, step=2e-3)
    cos, sin = times.cos()[:, None], times.sin()[:, None]
    exact = torch.cat([x[:3, None, None] * cos + v[:3, None, None] * sin,
                       v[:3, None, None] * cos - x[:3, None, None] * sin], dim=2)  # fmt: skip
    torch.testing.assert_close(swung, exact, rtol=0, atol=1e-10)


def test_the_opposite_start_gives_the_opposite_motion():
    params, initial = draw(PROBLEM, 2)
    times = [0.0, 2.0, 5.0]
    opposite = simulate(PROBLEM, params, -initial, times).states
    assert torch.equal(opposite, -simulate(PROBLEM, params, initial, times).states)


def test_a_start_without_numbers_spoils_its_own_row_only():
    params, initial = draw(PROBLEM, 3)
    broken = initial.clone()
    broken[1, 0] = math.inf
    expected = simulate(PROBLEM, params, initial, [0.0, 1.0])
    solved = simulate(PROBLEM, params, broken, [0.0, 1.0])
    assert solved.status.tolist() == [Status.OK, Status.DIVERGED, Status.OK]
    assert solved.states[1].isnan().all()
    assert torch.equal(solved.states[::2], expected.states[::2])
    assert solved.stats["steps"][1] == 0


# --- closures and declaration ---------------------------------------------------------------------------------------


def test_dynamics_is_the_derivative_of_the_trajectory():
    check_dynamics_against_differences(PROBLEM, step=1e-3, tolerance=1e-5)


def test_closures():
    assert set(PROBLEM.closures()) == {"friction", "restoring"}
    check_every_closure_matters(PROBLEM)
    check_a_network_may_stand_in(PROBLEM)


def test_declaration():
    assert isinstance(PROBLEM, Evolves)
    assert isinstance(PROBLEM, HasDynamics)
    assert PROBLEM.solver == "neural_ode"
    with pytest.raises(UserError, match="no spatial grid"):
        PROBLEM.grid((4,))


def test_mu_is_drawn_evenly_on_a_logarithmic_scale():
    params, states = draw(PROBLEM, 300)
    assert 0.5 <= params["mu"].min() < 0.55
    assert 18 < params["mu"].max() <= 20
    assert abs(float(params["mu"].log().mean()) - math.log(math.sqrt(10))) < 0.15
    assert 1.9 < states.abs().max() <= reference.RANGE
