"""Events inside of steps, several of them, and those that never come."""

import math

import pytest
import torch
from torch import nn

from sciml import ode
from sciml.core.errors import NumericsError, UserError
from sciml.core.status import Status

DOUBLE = torch.float64


def at(*times):
    return torch.tensor(times, dtype=DOUBLE)


def circle(t, y):
    """(sin t, cos t) from (0, 1)."""
    return torch.stack([y[:, 1], -y[:, 0]], dim=1)


def fall(t, y):
    return torch.stack([y[:, 1], torch.full_like(y[:, 1], -9.81)], dim=1)


UP = at(0.0, 1.0)[None]


@pytest.mark.parametrize("method", ["dopri5", "dopri8", "tsit5", "kvaerno5", "rodas4"])
@pytest.mark.parametrize(("direction", "where"), [("any", 2.5), ("falling", 2.5), ("rising", 2.6)])
def test_two_roots_in_one_step(method, direction, where):
    event = ode.Event(lambda t, y: (y[:, 0] - 2.5) * (y[:, 0] - 2.6), direction=direction)
    with torch.no_grad():
        y0 = torch.zeros(1, 1, dtype=DOUBLE)
        solved = ode.solve(lambda t, y: torch.ones_like(y), y0, at(0.0, 10.0), method=method, event=event).check()
    assert float(solved.event.time[0]) == pytest.approx(where, abs=1e-9)


@pytest.mark.parametrize("truth", [False, True])
@pytest.mark.parametrize("method", ["dopri5", "dopri8"])
def test_events_are_located_at_the_tolerance(method, truth):
    event = ode.Event(lambda t, y: y[:, 0] > 0.5 if truth else y[:, 0] - 0.5)
    y0 = UP.clone().requires_grad_()
    solved = ode.solve(circle, y0, at(0.0, 10.0), method=method, rtol=1e-10, atol=1e-10, event=event).check()
    assert float(solved.event.time[0].detach()) == pytest.approx(math.asin(0.5), abs=1e-10)
    assert solved.event.state[0, 0].item() == pytest.approx(0.5, abs=1e-10)
    if not truth:
        for gradient in (ode.Discrete(schedule="graph"), ode.Checkpointed(budget=4), ode.Adjoint(), ode.Discrete()):
            solved = ode.solve(
                circle, y0, at(0.0, 10.0), method=method, rtol=1e-10, atol=1e-10, event=event, gradient=gradient
            )
            (slope,) = torch.autograd.grad(solved.event.time[0], y0)  # p cos t + q sin t = 1/2
            t = math.asin(0.5)
            assert slope[0].tolist() == pytest.approx([-1.0, -math.tan(t)], abs=1e-7)


def test_truth_values_have_directions():
    for direction, where in (("rising", math.pi / 6), ("falling", 5 * math.pi / 6)):
        event = ode.Event(lambda t, y: y[:, 0] > 0.5, direction=direction)
        hit = ode.solve(circle, UP, at(0.0, 10.0), rtol=1e-9, atol=1e-9, event=event).event
        assert float(hit.time[0]) == pytest.approx(where, abs=1e-8)
    ends = ode.Event(lambda t, y: t > 2, direction="rising")
    assert float(ode.solve(circle, UP, at(0.0, 10.0), event=ends).event.time[0]) == pytest.approx(2, abs=1e-12)


def test_a_root_at_the_start_is_waited_for_by_everyone():
    """A ball thrown from the ground, in one large step if it may: 20 / 9.81."""
    y0, ground = at(0.0, 10.0), 20 / 9.81
    hit = ode.solve(fall, y0[None], at(0.0, 10.0), event=ode.Event(lambda t, y: y[:, 0])).event
    assert float(hit.time[0]) == pytest.approx(ground, abs=1e-9)
    fixed = ode.solve(
        fall, y0[None], at(0.0, 10.0), method="rk4", step=10.0, event=ode.Event(lambda t, y: y[:, 0])
    ).event
    assert float(fixed.time[0]) == pytest.approx(ground, abs=1e-9)
    for adjoint in (ode.odeint, ode.odeint_adjoint):
        time, states = ode.odeint_event(
            lambda t, y: fall(t[None], y[None])[0], y0, at(0.0)[0], event_fn=lambda t, y: y[0], odeint_interface=adjoint
        )
        assert float(time) == pytest.approx(ground, abs=1e-8) and states.shape == (2, 2)


class Threshold(nn.Module):
    def __init__(self):
        super().__init__()
        self.height = nn.Parameter(torch.tensor(0.3, dtype=DOUBLE))

    def forward(self, t, y):
        return y[:, 0] - self.height


@pytest.mark.parametrize("terminal", [True, False])
def test_parameters_of_the_event_have_gradients(terminal):
    """sin t = h: dt/dh = 1 / cos t, and the state there follows."""
    threshold = Threshold()
    solved = ode.solve(
        circle, UP, at(0.0, 1.0), rtol=1e-10, atol=1e-11, event=ode.Event(threshold, terminal=terminal)
    ).check()
    t = math.asin(0.3)
    time, state = (
        (solved.event.time[0], solved.event.state[0])
        if terminal
        else (solved.marks.time[0, 0], solved.marks.state[0, 0])
    )
    assert float(time.detach()) == pytest.approx(t, abs=1e-8)
    by_time, by_state = (torch.autograd.grad(v, threshold.height, retain_graph=True)[0] for v in (time, state[1]))
    assert float(by_time) == pytest.approx(1 / math.cos(t), abs=1e-6)
    assert float(by_state) == pytest.approx(-math.sin(t) / math.cos(t), abs=1e-6)


@pytest.mark.parametrize("method", ["dopri5", "dopri8"])
@pytest.mark.parametrize("gradient", [ode.Discrete(), ode.Adjoint()])
def test_events_that_end_nothing_are_noted(method, gradient):
    y0 = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 0.2]], dtype=DOUBLE, requires_grad=True)
    events = [
        ode.Event(lambda t, y: y[:, 0], terminal=False),
        ode.Event(lambda t, y: y[:, 0] - 0.5, direction="rising", terminal=False),
        ode.Event(lambda t, y: y[:, 0] + 1.5),
    ]
    solved = ode.solve(circle, y0, at(0.0, 7.0), method=method, rtol=1e-10, atol=1e-10, event=events, gradient=gradient)
    assert solved.status.tolist() == [Status.NO_EVENT, Status.OK, Status.NO_EVENT]
    marks, quarter = solved.marks, math.asin(0.25)
    assert marks.index.tolist() == [[1, 0, 0, 1], [1, 0, -1, -1], [0, 0, -1, -1]]
    expected = [[math.pi / 6, math.pi, 2 * math.pi, 2 * math.pi + math.pi / 6], [quarter, math.pi]]
    assert marks.time[0].tolist() == pytest.approx(expected[0], abs=1e-8)
    assert marks.time[1, :2].tolist() == pytest.approx(expected[1], abs=1e-8)
    assert bool(marks.time[1, 2:].isnan().all()) and marks.state.shape == (3, 4, 2)
    (slope,) = torch.autograd.grad(marks.time[0, 1] + marks.state[1, 1, 1], y0)
    assert slope[0].tolist() == pytest.approx([-1.0, 0.0], abs=1e-6)
    assert slope[1].tolist() == pytest.approx([0.0, -1.0], abs=1e-6)


def test_only_noted_events_leave_a_sample_well():
    solved = ode.solve(circle, UP, at(0.0, 1.0), event=ode.Event(lambda t, y: y[:, 0] - 5, terminal=False)).check()
    assert solved.status.tolist() == [Status.OK] and solved.marks.time.shape == (1, 0) and solved.event is None


def test_an_event_may_be_waited_for_without_end():
    event = ode.Event(lambda t, y: y[:, 0] + 0.5)
    solved = ode.solve(circle, UP, at(0.0, math.inf), rtol=1e-8, event=event).check()
    assert float(solved.event.time[0]) == pytest.approx(math.pi + math.asin(0.5), abs=1e-6)
    back = ode.solve(circle, UP, at(0.0, -math.inf), rtol=1e-8, event=event).check()
    assert float(back.event.time[0]) == pytest.approx(-math.asin(0.5), abs=1e-6)
    fixed = ode.solve(circle, UP, at(0.0, math.inf), method="rk4", step=0.05, event=event).check()
    assert float(fixed.event.time[0]) == pytest.approx(math.pi + math.asin(0.5), abs=1e-5)
    with pytest.raises(UserError, match="Only with an event"):
        ode.solve(circle, UP, at(0.0, math.inf))


def test_an_impossible_event_ends():
    never = ode.Event(lambda t, y: y[:, 0] - 5)
    solved = ode.solve(circle, UP, at(0.0, math.inf), event=never, max_steps=200)
    assert solved.status.tolist() == [Status.MAX_STEPS] and "200 steps were not enough" in solved.failures[0]
    still = ode.solve(lambda t, y: 0 * y, UP, at(0.0, math.inf), event=never)
    assert still.status.tolist() == [Status.NO_EVENT]
    with pytest.raises(NumericsError, match="30 steps were not enough"):
        ode.odeint_event(
            lambda t, y: circle(t[None], y[None])[0], UP[0], at(0.0)[0], event_fn=lambda t, y: y[0] - 5,
            options={"max_num_steps": 30},
        )  # fmt: skip
    with pytest.raises(NumericsError, match="did not happen"):
        ode.odeint_event(lambda t, y: 0 * y, UP[0], at(0.0)[0], event_fn=lambda t, y: y[0] - 5)


@pytest.mark.parametrize("gradient", [ode.Discrete(), ode.Adjoint()])
def test_samples_may_be_numbers(gradient):
    y0 = at(0.0, 1.0).requires_grad_()
    events = [ode.Event(lambda t, y: y - 2), ode.Event(lambda t, y: y - 1.5, terminal=False)]
    solved = ode.solve(lambda t, y: torch.ones_like(y), y0, at(0.0, 5.0), event=events, gradient=gradient, dense=True)
    assert solved.event.time.tolist() == pytest.approx([2, 1]) and solved.marks.state[:, 0].tolist() == pytest.approx(
        [1.5, 1.5], rel=1e-12
    )
    (slope,) = torch.autograd.grad(solved.event.time.sum() + solved.marks.time[0, 0], y0)
    assert slope.tolist() == pytest.approx([-2, -1])
    assert solved.dense(at(0.5)).flatten().tolist() == pytest.approx([0.5, 1.5])


@pytest.mark.parametrize(("direction", "where"), [("any", [2.5, 2.6, 2.7]), ("falling", [2.6]), ("rising", [2.5, 2.7])])
@pytest.mark.parametrize("terminal", [True, False])
def test_three_roots_in_one_step(terminal, direction, where):
    def product(t, y):
        return (y[:, 0] - 2.5) * (y[:, 0] - 2.6) * (y[:, 0] - 2.7)

    event = ode.Event(product, direction=direction, terminal=terminal)
    solved = ode.solve(lambda t, y: torch.ones_like(y), at(0.0)[None], at(0.0, 10.0), event=event).check()
    seen = solved.event.time if terminal else solved.marks.time[0]
    assert seen.tolist() == pytest.approx(where[:1] if terminal else where, abs=1e-9)


def test_the_first_of_four_roots():
    event = ode.Event(lambda t, y: (y[:, 0] - 2.5) * (y[:, 0] - 2.6) * (y[:, 0] - 7.1) * (y[:, 0] - 7.2))
    solved = ode.solve(lambda t, y: torch.ones_like(y), at(0.0)[None], at(0.0, 10.0), event=event).check()
    assert float(solved.event.time) == pytest.approx(2.5, abs=1e-9)


@pytest.mark.parametrize("rate", [1, 10])
def test_a_wave_is_counted_in_steps_that_are_long_against_it(rate):
    event = ode.Event(lambda t, y: torch.sin(rate * t), terminal=False)
    solved = ode.solve(lambda t, y: torch.ones_like(y), at(0.0)[None], at(0.0, 100.0), event=event).check()
    assert solved.stats.accepted[0] < 10
    known = torch.arange(1, int(100 * rate / math.pi) + 1) * math.pi / rate
    assert torch.allclose(solved.marks.time[0], known.double(), atol=1e-9)


def test_events_that_are_no_numbers_are_refused():
    y0, times = at(0.0)[None], at(0.0, 10.0)
    event = ode.Event(lambda t, y: (3 - y[:, 0]).sqrt() - 1)
    with pytest.raises(UserError, match=r"not a number.*NaN of event 0 at t = "):
        ode.solve(lambda t, y: torch.ones_like(y), y0, times, event=event)
    event = ode.Event(lambda t, y: (y[:, 0] > 1).long())
    with pytest.raises(UserError, match=r"int64.*expected floating point or bool"):
        ode.solve(lambda t, y: torch.ones_like(y), y0, times, event=event)
