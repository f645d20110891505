"""Implicit methods on stiff problems with step-size control, against Radau at a tighter tolerance; gradients."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from sciml import ode
from sciml.ode import METHODS, DiagonallyImplicit, Rosenbrock, find_method

NAMES = [name for name, m in METHODS.items() if isinstance(m, (DiagonallyImplicit, Rosenbrock))]


def robertson(t, y):
    a, b, c = y[..., 0], y[..., 1], y[..., 2]
    first, second, third = 0.04 * a, 1e4 * b * c, 3e7 * b * b
    return [second - first, first - second - third, third]


def van_der_pol(t, y):
    return [y[..., 1], 1000 * (1 - y[..., 0] ** 2) * y[..., 1] - y[..., 0]]


def hires(t, y):
    a, b, c, d, e, f, g, h = (y[..., i] for i in range(8))
    product = 280 * f * h
    return [
        -1.71 * a + 0.43 * b + 8.32 * c + 0.0007,
        1.71 * a - 8.75 * b,
        -10.03 * c + 0.43 * d + 0.035 * e,
        8.32 * b + 1.71 * c - 1.12 * d,
        -1.745 * e + 0.43 * f + 0.43 * g,
        -product + 0.69 * d + 1.71 * e - 0.43 * f + 0.69 * g,
        product - 1.81 * g,
        -product + 1.81 * g,
    ]


def against_radau(problem, start, times, method, rtol, atol):
    """Largest difference from Radau at a hundredth of the tolerance, in units of the tolerance; and the solution."""
    settings = {"t_eval": times, "method": "Radau", "rtol": max(rtol / 100, 1e-12), "atol": atol / 100}
    exact = solve_ivp(lambda t, y: np.array(problem(t, y)), (times[0], times[-1]), np.array(start), **settings)
    expected = torch.from_numpy(exact.y.T.copy())
    with torch.no_grad():
        solution = ode.solve(
            lambda t, y: torch.stack(problem(t, y), -1),
            torch.tensor([start], dtype=torch.float64),
            torch.tensor(times, dtype=torch.float64),
            method=method,
            rtol=rtol,
            atol=atol,
        )
    solution.check()
    return float(((solution.states[0] - expected).abs() / (atol + rtol * expected.abs())).max()), solution


@pytest.mark.parametrize("method", ["kvaerno3", "kvaerno5", "trbdf2", "rodas4"])
def test_a_rate_of_a_million(method):
    def f(t, y):
        return -1e6 * (y - t.cos()[:, None])

    start, times = torch.tensor([[2.0], [1.0]], dtype=torch.float64), torch.tensor([0.0, 10.0], dtype=torch.float64)
    with torch.no_grad():
        solution = ode.solve(f, start, times, method=method, rtol=1e-4, atol=1e-6)
    solution.check()
    assert (solution.states[:, 1] - times[1].cos()).abs().max() < 1e-4
    assert solution.stats.accepted.max() < 200
    assert solution.stats.accepted[1] < solution.stats.accepted[0]  # it starts on the slow solution


@pytest.mark.parametrize("method", ["kvaerno5", "rodas4"])
def test_robertson(method):
    error, solution = against_radau(robertson, [1.0, 0.0, 0.0], [0.0, 1.0, 1e2, 1e4], method, 1e-6, 1e-10)
    assert error < 20
    assert torch.allclose(solution.states.sum(-1), torch.ones((), dtype=torch.float64), atol=1e-9)
    assert solution.stats.accepted.item() < 250


@pytest.mark.slow
@pytest.mark.parametrize("method", NAMES)
@pytest.mark.parametrize(
    ("problem", "start", "times", "atol"),
    [
        (robertson, [1.0, 0.0, 0.0], [0.0, 1.0, 1e2, 1e4], 1e-10),
        (van_der_pol, [2.0, 0.0], [0.0, 500.0, 1000.0, 2000.0], 1e-8),
        (hires, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057], [0.0, 10.0, 321.8122], 1e-9),
    ],
    ids=["robertson", "van_der_pol", "hires"],
)
def test_stiff_problems(problem, start, times, atol, method):
    tight = 1e-6 if find_method(method).order > 3 else 1e-5
    coarse, fine = (against_radau(problem, start, times, method, r, atol * r / 1e-6)[0] * r for r in (1e-3, tight))
    assert fine < 5e-3
    assert fine < coarse


@pytest.mark.parametrize(
    ("method", "schedule"),
    [("kvaerno5", "stacked"), ("kvaerno5", "checkpointed"), ("trbdf2", "graph"), ("rodas4", "stacked")],
)
def test_gradients_through_a_stiff_solve(method, schedule):
    gradient = ode.Checkpointed() if schedule == "checkpointed" else ode.Discrete(schedule=schedule)

    def f(t, y, rate):
        forced = -rate * (y - torch.cos(t)[:, None])
        return forced + torch.stack([y[:, 0] * y[:, 1], -(y[:, 0] ** 2)], 1)

    start = torch.tensor([[1.0, 0.5], [2.0, 1.0]], dtype=torch.float64)
    rate = torch.tensor([[5.0], [1000.0]], dtype=torch.float64)
    times = torch.tensor([0.0, 0.13, 0.4], dtype=torch.float64)
    costs = torch.tensor([[[1.0, -2.0], [0.5, 3.0], [-1.0, 0.7]]], dtype=torch.float64)
    along = torch.tensor([[1.0], [-200.0]], dtype=torch.float64)

    def loss(rate):
        return (
            ode.solve(f, start, times, args=(rate,), method=method, step=0.1, gradient=gradient).states * costs
        ).sum()

    leaf = rate.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(leaf), leaf)
    with torch.no_grad():
        far, near = (float(loss(rate + e * along) - loss(rate - e * along)) for e in (2e-3, 1e-3))
    expected = (8 * near - far) / (12 * 1e-3)
    assert abs(float((grad * along).sum()) - expected) < 1e-6 * abs(expected)


def test_backward_in_time():
    def f(t, y):
        return torch.stack([-y[:, 0], torch.cos(t)], 1)

    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    for method in ("kvaerno5", "rodas4"):
        with torch.no_grad():
            back = ode.solve(f, start, torch.tensor([0.0, -0.5, -1.0], dtype=torch.float64), method=method)
        assert torch.allclose(back.states[0, :, 0], torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64).exp(), rtol=1e-5)
        assert torch.allclose(back.states[0, 2, 1], torch.tensor(-1.0, dtype=torch.float64).sin(), rtol=1e-5)
