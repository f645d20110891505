"""Adams, symplectic, additive and switching methods, and Rodas5P: order, gradients, what they refuse."""

import math

import pytest
import torch
from ode_cases import coupled, coupled_exact, van_der_pol

from sciml import ode
from sciml.core.errors import ConfigError, UnsupportedError, UserError

D = torch.float64


def times(*values):
    return torch.tensor(values, dtype=D)


def pendulum(time, state):
    return torch.stack([state[:, 1], -torch.sin(state[:, 0])], dim=1)


def split(rate=1.0):
    """`coupled` in two parts, its decay implicitly."""

    def decay(time, state):
        return torch.stack([torch.zeros_like(state[:, 0]), -rate * (state[:, 1] ** 3) * (1 + time)], dim=1)

    return ode.Split(decay, lambda time, state: coupled(time, state) - decay(time, state))


@pytest.mark.parametrize("name", ["explicit_adams", "implicit_adams", "rodas5p", "auto", "imex_ark3"])
def test_order(name):
    method = ode.find_method(name)
    f = split() if name == "imex_ark3" else coupled
    order = 5 if name == "auto" else method.order  # nothing is stiff here
    errors = []
    for step in (1 / 20, 1 / 40):
        last = ode.solve(f, torch.ones(2, 2, dtype=D), times(0, 1), method=name, step=step).states[:, -1]
        errors.append(float((last - coupled_exact(1.0)).abs().max()))
    assert abs(math.log2(errors[0] / errors[1]) - order) < 0.45


@pytest.mark.parametrize(("name", "order"), [("leapfrog", 2), ("yoshida4", 4)])
def test_symplectic_order_and_energy(name, order):
    start = torch.tensor([[1.0, 0.0]], dtype=D)
    exact = ode.solve(pendulum, start, times(0, 2), method="dopri8", rtol=1e-12, atol=1e-12).states[0, -1]
    errors = [
        float((ode.solve(pendulum, start, times(0, 2), method=name, step=step).states[0, -1] - exact).abs().max())
        for step in (1 / 20, 1 / 40)
    ]
    assert abs(math.log2(errors[0] / errors[1]) - order) < 0.1

    def energy(states):
        return states[..., 1] ** 2 / 2 - torch.cos(states[..., 0])

    long = ode.solve(pendulum, start, torch.linspace(0, 200, 41, dtype=D), method=name, step=0.2).states[0]
    gap = (energy(long) - energy(start[0])).abs()
    assert gap.max() < (5e-3 if order == 2 else 1e-4)
    assert gap[20:].mean() < 1.5 * gap[1:20].mean()  # it does not drift


def test_a_leapfrog_goes_back_to_where_it_came_from():
    start = torch.tensor([[1.0, 0.3]], dtype=D)
    there = ode.solve(pendulum, start, times(0, 5), method="leapfrog", step=0.1).states[:, -1]
    back = ode.solve(pendulum, there, times(5, 0), method="leapfrog", step=0.1).states[:, -1]
    assert torch.allclose(back, start, atol=1e-12)


def test_what_a_leapfrog_refuses():
    start = torch.tensor([[1.0, 0.0]], dtype=D)
    with pytest.raises(UserError, match=r"p' depends on p.*without friction"):
        ode.solve(lambda t, y: torch.stack([y[:, 1], -y[:, 0] - y[:, 1]], 1), start, times(0, 1),
                  method="leapfrog", step=0.1)  # fmt: skip
    with pytest.raises(UserError, match="positions and momenta"):
        ode.solve(lambda t, y: -y, torch.ones(1, 3, dtype=D), times(0, 1), method="leapfrog", step=0.1)


@pytest.mark.parametrize("name", ["explicit_adams", "implicit_adams", "auto", "imex_ark3", "leapfrog", "yoshida4"])
@pytest.mark.parametrize("gradient", [ode.Discrete(), ode.Adjoint()], ids=["discrete", "adjoint"])
def test_gradients(name, gradient):
    """Of the steps against finite differences, of the flow by the adjoint up to the error of the method."""
    if name == "imex_ark3" and isinstance(gradient, ode.Adjoint):
        gradient = ode.Adjoint(method=ode.find_method("rodas4"), step=None, rtol=1e-8, atol=1e-10)
    if name in ("leapfrog", "yoshida4") and isinstance(gradient, ode.Adjoint):
        gradient = ode.Adjoint(method=ode.find_method("dopri5"), step=None, rtol=1e-8, atol=1e-10)
    start = torch.tensor([[0.8, 0.3]], dtype=D)

    def end(rate, begin):
        if name == "imex_ark3":
            f = ode.Split(lambda t, y: -rate * y, lambda t, y: torch.sin(y))
        else:
            f = lambda t, y: torch.stack([y[:, 1], -rate * torch.sin(y[:, 0])], 1)
        options = {"rtol": 1e-6, "atol": 1e-8} if name == "auto" else {"step": 0.02}
        return ode.solve(f, begin, times(0, 0.5, 1), method=name, gradient=gradient, **options).states.sum()

    rate, begin = torch.tensor(1.3, dtype=D, requires_grad=True), start.clone().requires_grad_()
    slopes = torch.autograd.grad(end(rate, begin), (rate, begin))
    with torch.no_grad():
        near = [float(end(rate + sign * 1e-5, start)) for sign in (1, -1)]
    assert abs(float(slopes[0]) - (near[0] - near[1]) / 2e-5) < 1e-4
    with torch.no_grad():
        moved = torch.tensor([[1e-5, 0.0]], dtype=D)
        near = [float(end(rate, start + sign * moved)) for sign in (1, -1)]
    assert abs(float(slopes[1][0, 0]) - (near[0] - near[1]) / 2e-5) < 1e-4


@pytest.mark.parametrize("name", ["explicit_adams", "auto"])
def test_steps_that_look_back_cannot_be_repeated(name):
    y0 = torch.ones(1, 1, dtype=D, requires_grad=True)
    step = {"step": 0.1} if name == "explicit_adams" else {}
    for gradient in (ode.Checkpointed(), ode.Discrete(schedule="stacked")):
        with pytest.raises(ConfigError, match=f"steps of {name} look at earlier ones"):
            ode.solve(lambda t, y: -y, y0, times(0, 1), method=name, gradient=gradient, **step)


def test_adams_with_unequal_intervals_repeated_times_and_events():
    """Weights follow the steps; a repeated time changes nothing; an event is met on the cubic through both ends."""
    wanted = times(0, 0.31, 0.31, 0.8, 1.0, 1.05, 2.0)
    solution = ode.solve(lambda t, y: -y, torch.ones(1, 1, dtype=D), wanted, method="implicit_adams", step=0.05)
    assert torch.allclose(solution.states[0, :, 0], torch.exp(-wanted), atol=1e-8)
    event = ode.Event(lambda t, y: y[:, 0] - 0.5)
    hit = ode.solve(
        lambda t, y: -y, torch.ones(1, 1, dtype=D), times(0, 2), method="implicit_adams", step=0.05, event=event
    ).event
    assert abs(float(hit.time[0]) - math.log(2)) < 1e-7


def test_auto_finds_who_is_stiff():
    """Of two samples the stiff one takes implicit steps, in far fewer than an explicit method; the other as alone."""

    def relax(time, state, rate):
        return -rate[:, None] * (state - torch.cos(time)[:, None])

    rates, start = torch.tensor([1.0, 5e2], dtype=D), torch.zeros(2, 1, dtype=D)
    auto, easy = (
        ode.solve(relax, start, times(0, 5), args=(rates,), method=name, rtol=1e-5, atol=1e-7)
        for name in ("auto", "dopri5")
    )
    assert auto.stats.accepted[1] < easy.stats.accepted[1] / 4
    assert abs(int(auto.stats.accepted[0] - easy.stats.accepted[0])) <= 2
    assert torch.allclose(auto.states[0], easy.states[0], atol=1e-4)
    exact = math.cos(5) + math.sin(5) / 5e2
    assert abs(float(auto.states[1, -1, 0]) - exact) < 1e-5


def test_auto_goes_back():
    """Van der Pol's oscillator at μ = 1000 is stiff on its slow branches only: fewer evaluations than rodas4 alone."""

    def stiff(time, state):
        x, v = state.unbind(1)
        return torch.stack([v, 1000 * (1 - x**2) * v - x], 1)

    start = torch.tensor([[2.0, 0.0]], dtype=D)
    auto, rodas = (
        ode.solve(stiff, start, times(0, 2000), method=name, rtol=1e-4, atol=1e-6) for name in ("auto", "rodas4")
    )
    assert torch.allclose(auto.states[0, -1, 0], torch.tensor(1.7062, dtype=D), atol=1e-3)
    assert auto.stats.evaluations[0] < rodas.stats.evaluations[0]


def test_rodas5p_needs_fewer_steps_than_rodas4_where_errors_are_small():
    start = torch.tensor([[2.0, 0.0]], dtype=D)
    counts = [
        int(ode.solve(van_der_pol, start, times(0, 5), method=name, rtol=1e-8, atol=1e-8).stats.accepted[0])
        for name in ("rodas5p", "rodas4")
    ]
    assert counts[0] < 0.6 * counts[1]


def test_imex_is_stable_where_only_one_part_is_stiff():
    """y' = -1000 (y - cos t) + forcing: few steps, and an error within the tolerance."""
    f = ode.Split(
        lambda t, y: -1000 * (y - torch.cos(t)[:, None]), lambda t, y: -torch.sin(t)[:, None].expand_as(y)
    )  # solved by cos t
    solution = ode.solve(f, torch.ones(1, 1, dtype=D), times(0, 1), method="imex_ark3", rtol=1e-6, atol=1e-8)
    assert abs(float(solution.states[0, -1, 0]) - math.cos(1)) < 5e-6
    assert solution.stats.accepted[0] < 250


def test_what_imex_refuses():
    y0 = torch.ones(1, 1, dtype=D)
    with pytest.raises(ConfigError, match=r"two parts.*ode\.Split"):
        ode.solve(lambda t, y: -y, y0, times(0, 1), method="imex_ark3")
    whole = ode.Split(lambda t, y: -y, lambda t, y: -y)
    last = ode.solve(whole, y0, times(0, 1), rtol=1e-8, atol=1e-10).states[0, -1, 0]
    assert abs(float(last) - math.exp(-2)) < 1e-7  # any other method takes the sum
    with pytest.raises(UnsupportedError, match=r"cannot be taken by torch\.func"):
        torch.func.grad(
            lambda k: ode.solve(
                ode.Split(lambda t, y: -k * y, lambda t, y: 0 * y), y0, times(0, 1), method="imex_ark3"
            ).states.sum()
        )(torch.tensor(1.0, dtype=D))
