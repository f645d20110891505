"""Equations whose answers and gradients fit on a line, asked for in every way."""

import math

import pytest
import torch

from sciml import ode
from sciml.ode import odeint, odeint_adjoint

DOUBLE = torch.float64


@pytest.mark.parametrize("ends", [(0.5, 2.0), (2.0, 0.5)])
@pytest.mark.parametrize("backward", [odeint, odeint_adjoint])
def test_the_end_by_both_times_forward_and_backward(ends, backward):
    """y' = 2 t from y = 3: y = 3 + b² - a², by the times -2 a and 2 b."""
    times = torch.tensor(ends, dtype=DOUBLE, requires_grad=True)
    module = torch.nn.Module()
    module.forward = lambda t, y: 2 * t + 0 * y
    end = backward(module, torch.tensor([3.0], dtype=DOUBLE), times, rtol=1e-9, atol=1e-9)[-1, 0]
    (slopes,) = torch.autograd.grad(end, times)
    a, b = ends
    assert float(end.detach()) == pytest.approx(3 + b**2 - a**2, abs=1e-8)
    assert slopes.tolist() == pytest.approx([-2 * a, 2 * b], abs=1e-7)


@pytest.mark.parametrize(
    "gradient", [None, ode.Checkpointed(), ode.Adjoint()], ids=["graph", "checkpointed", "adjoint"]
)
def test_numbers_made_of_another_are_not_lost(gradient):
    """x' = a x - b x² with (a, b) = 2 z: x(2) and its slopes by the closed form of logistic growth."""
    half = torch.tensor([0.2, 1.5], dtype=DOUBLE, requires_grad=True)
    a, b = 2 * half
    settings = {} if gradient is None else {"gradient": gradient}
    times = torch.tensor([0.0, 2.0], dtype=DOUBLE)
    start = torch.tensor([[1.4]], dtype=DOUBLE)
    solved = ode.solve(lambda t, x: a * x - b * x**2, start, times, rtol=1e-9, atol=1e-9, **settings)
    end = solved.states[0, -1, 0]
    (slopes,) = torch.autograd.grad(end, half)
    assert float(end.detach()) == pytest.approx(0.2246695, abs=1e-6)
    assert slopes.tolist() == pytest.approx([2 * 0.2133660, 2 * -0.0694897], abs=1e-5)


@pytest.mark.parametrize("solve", ["odeint", "solve"])
def test_euler_in_single_precision_ends_on_the_last_time(solve):
    """590 steps of y' = y: Euler's own value, and the end is where it was asked for."""
    times, step = torch.tensor([0.0, 0.59]), 1e-3
    if solve == "odeint":
        end = odeint(lambda t, y: y, torch.ones(1), times, method="euler", options={"step_size": step})[-1, 0]
    else:
        solved = ode.solve(lambda t, y: y, torch.ones(1, 1), times, method="euler", step=step).check()
        assert float(solved.times.flatten()[-1]) == float(times[-1])
        end = solved.states[0, -1, 0]
    assert float(end) == pytest.approx((1 + step) ** 590, rel=1e-5)
    assert float(end) < math.exp(0.59) - 4e-4
