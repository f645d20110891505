"""Driven equations: known jumps, tables of forcing, and what is kept of the steps between."""

import math

import pytest
import torch

from sciml import ode
from sciml.core.errors import ConfigError, UserError
from sciml.core.status import Status

DOUBLE = torch.float64


def at(*times, **more):
    return torch.tensor(times, dtype=DOUBLE, **more)


def pulse(t, y):
    """A slope of 100 for a hundredth of a unit of time."""
    return torch.where((t >= 5) & (t < 5.01), 100.0, 0.0).to(y)[:, None] + 0 * y


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("method", ["dopri5", "dopri8", "bosh3", "kvaerno5", "rodas4", "radauIIA5", "rk4"])
def test_a_short_pulse_is_integrated(method, dtype):
    step = None if ode.METHODS[method].adaptive else 1.0
    with torch.no_grad():
        y0 = torch.zeros(1, 1, dtype=dtype)
        solved = ode.solve(pulse, y0, at(0.0, 10.0), method=method, jumps=at(5.0, 5.01), step=step).check()
    assert float(solved.states[0, -1, 0]) == pytest.approx(1.0, abs=2e-6)
    assert int(solved.stats.accepted[0]) < 20


def test_each_sample_crosses_the_jumps_at_times_of_its_own():
    times = torch.stack([at(10.0, 5.005, 0.0), at(10.0, 7.0, 1.0), at(4.0, 3.0, 1.0)])
    solved = ode.solve(pulse, torch.zeros(3, 1, dtype=DOUBLE), times, jumps=at(5.01, 5.0)).check()
    expected = torch.tensor([[0.0, -0.5, -1.0], [0.0, 0.0, -1.0], [0.0, 0.0, 0.0]], dtype=DOUBLE)
    torch.testing.assert_close(solved.states[..., 0], expected, rtol=0, atol=1e-9)


def test_linear_forcing_from_a_table():
    """x' = -x + u(t) with a ramp of a thousandth: x(3) = 1 - exp(-1.9995) to 1e-7."""
    ramp = ode.Forcing(at(0.0, 1.0, 1.001, 3.0), at(0.0, 0.0, 1.0, 1.0))
    solved = ode.solve(
        lambda t, y: -y + ramp(t)[:, None], torch.zeros(1, 1, dtype=DOUBLE), at(0.0, 3.0), jumps=ramp
    ).check()
    assert float(solved.states[0, -1, 0]) == pytest.approx(1 - math.exp(-1.9995), abs=2e-7)
    assert not solved.stats.rejected.any()


def test_forcing_holds_and_joins_and_is_differentiable():
    steps = ode.Forcing(at(0.0, 1.0, 2.0), at(1.0, -2.0, 5.0, requires_grad=True), kind="hold")
    assert steps(at(-1.0, 0.999, 1.0, 9.0)).tolist() == [1, 1, -2, 5]
    solved = ode.solve(
        lambda t, y: steps(t)[:, None] + 0 * y, torch.zeros(1, 1, dtype=DOUBLE), at(0.0, 1.5), jumps=[steps]
    ).check()
    assert float(solved.states.detach()[0, -1, 0]) == pytest.approx(0.0, abs=1e-12)
    (slope,) = torch.autograd.grad(solved.states[0, -1, 0], steps.values)
    assert slope.tolist() == pytest.approx([1.0, 0.5, 0.0], abs=1e-10)


def test_forcing_that_does_not_fit():
    with pytest.raises(UserError, match="increase"):
        ode.Forcing(at(0.0, 2.0, 1.0), at(0.0, 0.0, 0.0))
    with pytest.raises(UserError, match="one value per time"):
        ode.Forcing(at(0.0, 2.0), at(0.0, 0.0, 0.0))
    with pytest.raises(UserError, match="finite"):
        ode.Forcing(at(0.0, 2.0), at(0.0, math.nan))
    table = ode.Forcing(at(0.0, 1.0), at(0.0, 0.0))
    with pytest.raises(UserError, match=r"from 0 to 1; expected from 0 to 2"):
        ode.solve(lambda t, y: -y, torch.ones(1, 1, dtype=DOUBLE), at(0.0, 2.0), jumps=table)
    with pytest.raises(UserError, match="one list"):
        ode.solve(lambda t, y: -y, torch.ones(1, 1, dtype=DOUBLE), at(0.0, 2.0), jumps=at(1.0)[None])


def switched(t, y):
    """Decay before a half, growth without bound after it."""
    return torch.where(t[:, None] < 0.5, -0.5 * y, y**2)


def switched_exact(switch, end=1.0):
    return 1 / (math.exp(0.5 * switch) - (end - switch))


@pytest.mark.parametrize("gradient", [ode.Discrete(), ode.Checkpointed(budget=3), ode.Adjoint()])
def test_gradients_go_across_jumps_and_by_their_times(gradient):
    jump, y0 = at(0.5, requires_grad=True), torch.ones(1, 1, dtype=DOUBLE, requires_grad=True)
    times = at(0.0, 0.2, 0.5, 1.0)
    solved = ode.solve(switched, y0, times, jumps=jump, rtol=1e-9, atol=1e-10, gradient=gradient).check()
    assert float(solved.states.detach()[0, -1, 0]) == pytest.approx(switched_exact(0.5), rel=1e-8)
    by_y0, by_jump = torch.autograd.grad(solved.states[0, -1, 0], (y0, jump))
    top = switched_exact(0.5)
    assert float(by_y0) == pytest.approx(top**2 * math.exp(0.25), rel=1e-6)
    assert float(by_jump) == pytest.approx((switched_exact(0.5001) - switched_exact(0.4999)) / 2e-4, rel=1e-5)


def test_events_and_records_across_jumps():
    y0 = torch.tensor([[1.0], [0.5]], dtype=DOUBLE)
    event = ode.Event(lambda t, y: y[:, 0] - 1.1)
    solved = ode.solve(switched, y0, at(0.0, 1.0), jumps=at(0.5), event=event, record=True, dense=True, rtol=1e-9)
    assert solved.status.tolist() == [Status.OK, Status.NO_EVENT]
    low = math.exp(-0.25)
    assert float(solved.event.time[0]) == pytest.approx(0.5 + 1 / low - 1 / 1.1, abs=1e-8)
    steps = solved.steps
    assert steps.taken.sum(1).tolist() == solved.stats.accepted.tolist()
    ends = (steps.time + steps.size)[1][steps.taken[1]]
    assert 0.5 in ends.tolist() and float(ends[-1]) == 1.0 and bool((ends.diff() > 0).all())
    assert float(solved.dense(at(0.25))[1, 0, 0]) == pytest.approx(0.5 * math.exp(-0.125), rel=1e-8)
    assert float(solved.dense(at(0.75))[1, 0, 0]) == pytest.approx(1 / (2 / low - 0.25), rel=1e-7)
    assert bool(solved.dense(at(0.99))[0].isnan().all())


@pytest.mark.parametrize("method", ["dopri5", "dopri8", "rodas4", "radauIIA5"])
def test_dense_output_is_as_good_as_the_steps(method):
    y0 = torch.tensor([[0.0, 1.0], [0.0, 2.0]], dtype=DOUBLE)
    solved = ode.solve(
        lambda t, y: torch.stack([y[:, 1], -y[:, 0]], dim=1), y0, at(0.0, -3.0), method=method, rtol=1e-7, atol=1e-8,
        dense=True,
    ).check()  # fmt: skip
    times = torch.linspace(0, -3, 31, dtype=DOUBLE)
    there = solved.dense(times)
    exact = torch.stack([times.sin(), times.cos()], dim=1)
    assert float((there - torch.stack([exact, 2 * exact])).abs().max()) < 3e-6
    own = torch.stack([at(-1.0, -2.0), at(-0.5, -3.5)])
    assert solved.dense(own)[1, 0, 0].item() == pytest.approx(2 * math.sin(-0.5), abs=2e-6)
    assert bool(solved.dense(own)[1, 1].isnan().all())
    assert solved.dense.time[0, 0] == 0 and torch.equal(solved.dense.state[:, -1], solved.states[:, -1])


@pytest.mark.parametrize("name", ["odeint", "odeint_adjoint"])
def test_jumps_by_the_names_of_torchdiffeq(name):
    calls = 0

    def f(t, y):
        nonlocal calls
        calls += 1
        return -0.5 * y if t < 0.5 else y**2

    y0 = torch.ones(1, dtype=DOUBLE, requires_grad=True)
    spent = []
    for options in ({}, {"jump_t": at(0.5)}, {"step_t": at(0.5)}):
        calls = 0
        states = getattr(ode, name)(f, y0, at(0.0, 1.0), rtol=1e-7, method="dopri5", options=options)
        if options:
            assert states[-1].item() == pytest.approx(switched_exact(0.5), rel=1e-7)
        (slope,) = torch.autograd.grad(states[-1].sum(), y0)
        assert slope.item() == pytest.approx(switched_exact(0.5) ** 2 * math.exp(0.25), rel=1e-4)
        spent.append(calls)
    assert spent[1] == spent[2] < spent[0]


def test_fixed_steps_beyond_the_budget_count_jumps():
    with pytest.raises(ConfigError, match="max_steps"):
        ode.solve(switched, torch.ones(1, 1, dtype=DOUBLE), at(0.0, 1.0), method="rk4", step=0.1, max_steps=10,
                  jumps=at(0.25, 0.55))  # fmt: skip
