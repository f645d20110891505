"""Events: where they are, which one comes first, and how they depend on everything."""

import math

import pytest
import torch

from sciml import ode
from sciml.core.errors import ConfigError, UserError
from sciml.core.status import Status

DOUBLE = torch.float64
GRADIENTS = {
    "stacked": ode.Discrete(schedule="stacked"),
    "graph": ode.Discrete(schedule="graph"),
    "checkpointed": ode.Checkpointed(budget=4),
}
FLOOR = ode.Event(lambda time, state: state[:, 0])


def circle(time, state):
    """A rotation of frequency one: (sin t, cos t) from (0, 1)."""
    return torch.stack([state[:, 1], -state[:, 0]], dim=1)


def impact(height, speed, gravity):
    """When a ball thrown up from a height meets the floor, and its speed there."""
    root = (speed**2 + 2 * gravity * height).sqrt()
    return (speed + root) / gravity, -root


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_falling_ball_meets_the_floor(name):
    height = torch.tensor([1.0, 10.0, 0.3], dtype=DOUBLE, requires_grad=True)
    speed = torch.tensor([0.0, 3.0, -2.0], dtype=DOUBLE, requires_grad=True)
    gravity = torch.tensor(9.81, dtype=DOUBLE, requires_grad=True)
    inputs = (height, speed, gravity)

    def fall(time, state):
        return torch.stack([state[:, 1], -gravity.expand(len(state))], dim=1)

    times = torch.tensor([0.0, 5.0], dtype=DOUBLE)
    y0 = torch.stack([height, speed], 1)
    solution = ode.solve(fall, y0, times, event=FLOOR, gradient=GRADIENTS[name]).check()
    hit = solution.event
    time, fast = impact(*inputs)
    assert torch.allclose(hit.time, time, rtol=1e-10)
    assert torch.allclose(hit.state[:, 1], fast, rtol=1e-8) and float(hit.state.detach()[:, 0].abs().max()) < 1e-9
    assert hit.index.tolist() == [0, 0, 0] and not solution.status.any()
    weights = torch.tensor([1.0, -2.0, 0.7], dtype=DOUBLE)
    for got, wanted in ((hit.time, time), (hit.state[:, 1], fast), (hit.time * hit.state[:, 1], time * fast)):
        grads = torch.autograd.grad((weights * got).sum(), inputs, retain_graph=True)
        exact = torch.autograd.grad((weights * wanted).sum(), inputs, retain_graph=True)
        for a, b in zip(grads, exact, strict=True):
            assert torch.allclose(a, b, rtol=1e-7, atol=1e-9)
    (height_there,) = torch.autograd.grad(hit.state[:, 0].sum(), height)
    assert float(height_there.abs().max()) < 1e-8  # the floor stays where it is


def test_a_ball_that_bounces_three_times():
    height = torch.tensor([2.0], dtype=DOUBLE, requires_grad=True)
    kept = torch.tensor(0.8, dtype=DOUBLE, requires_grad=True)
    gravity = 9.81

    def fall(time, state):
        return torch.stack([state[:, 1], torch.full_like(state[:, 1], -gravity)], dim=1)

    state, clock = torch.stack([height, torch.zeros_like(height)], 1), torch.zeros(1, dtype=DOUBLE)
    times = torch.tensor([0.0, 10.0], dtype=DOUBLE)
    for _ in range(3):
        hit = ode.solve(fall, state, times, event=ode.Event(FLOOR.function, direction="falling")).check().event
        clock = clock + hit.time
        state = torch.stack([torch.zeros_like(height), -kept * hit.state[:, 1]], 1)
    exact = (2 * height / gravity).sqrt() * (1 + 2 * kept + 2 * kept**2)
    assert torch.allclose(clock, exact, rtol=1e-9)
    grads = torch.autograd.grad(clock.sum(), (height, kept))
    wanted = torch.autograd.grad(exact.sum(), (height, kept))
    for a, b in zip(grads, wanted, strict=True):
        assert torch.allclose(a, b, rtol=1e-7)


@pytest.mark.parametrize(("direction", "wanted"), [("any", math.pi), ("falling", math.pi), ("rising", 2 * math.pi)])
def test_the_direction_of_a_crossing(direction, wanted):
    y0 = torch.tensor([[0.0, 1.0]], dtype=DOUBLE)
    event = ode.Event(lambda time, state: state[:, 0], direction=direction)
    with torch.no_grad():
        solution = ode.solve(circle, y0, torch.tensor([0.0, 7.0]), event=event, rtol=1e-9, atol=1e-10).check()
    assert float(solution.event.time[0]) == pytest.approx(wanted, abs=1e-7)


@pytest.mark.parametrize(("direction", "wanted"), [("any", -math.pi), ("rising", -math.pi), ("falling", -2 * math.pi)])
def test_backward_in_time_the_direction_is_still_that_of_time(direction, wanted):
    y0 = torch.tensor([[0.0, -1.0]], dtype=DOUBLE, requires_grad=True)  # -sin t, which rises through zero at -π
    event = ode.Event(lambda time, state: state[:, 0], direction=direction)
    solution = ode.solve(circle, y0, torch.tensor([0.0, -7.0]), event=event, rtol=1e-9, atol=1e-10).check()
    assert float(solution.event.time.detach()[0]) == pytest.approx(wanted, abs=1e-7)
    (grad,) = torch.autograd.grad(solution.event.time.sum(), y0)
    assert grad[0].tolist() == pytest.approx([1.0, 0.0], abs=1e-6)  # -sin(t - p) with p = y0[0] near zero


def test_events_of_time_and_of_several_kinds():
    y0 = torch.tensor([[0.0, 1.0], [0.0, 0.5], [0.0, 0.2]], dtype=DOUBLE)
    events = [
        ode.Event(lambda time, state: state[:, 0] - 0.4),
        ode.Event(lambda time, state: time - 2.0),
        ode.Event(lambda time, state: state[:, 1] + 0.45, direction="falling"),
    ]
    with torch.no_grad():
        solution = ode.solve(circle, y0, torch.tensor([0.0, 6.0]), event=events, rtol=1e-9, atol=1e-10).check()
    assert solution.event.index.tolist() == [0, 0, 1]
    wanted = (math.asin(0.4), math.asin(0.8), 2.0)
    assert solution.event.time.tolist() == pytest.approx(wanted, abs=1e-7)
    with torch.no_grad():
        late = ode.solve(circle, y0[:1], torch.tensor([0.0, 6.0]), event=events[2], rtol=1e-9, atol=1e-10).check()
    assert float(late.event.time) == pytest.approx(math.acos(-0.45), abs=1e-7)


def test_the_first_of_two_events_in_one_step():
    y0 = torch.zeros(1, 1, dtype=DOUBLE)
    events = [ode.Event(lambda time, state, at=at: state[:, 0] - at) for at in (0.9, 0.2, 0.5)]
    with torch.no_grad():
        solution = ode.solve(
            lambda t, y: torch.ones_like(y), y0, torch.tensor([0.0, 1.0]), event=events, step=1.0
        ).check()
    assert int(solution.event.index) == 1 and float(solution.event.time) == pytest.approx(0.2, abs=1e-12)


def test_an_event_that_does_not_happen():
    y0 = torch.tensor([[0.0, 1.0], [0.0, 3.0]], dtype=DOUBLE, requires_grad=True)
    event = ode.Event(lambda time, state: state[:, 0] - 2)
    solution = ode.solve(circle, y0, torch.tensor([0.0, 1.0, 3.0]), event=event)
    assert solution.status.tolist() == [Status.NO_EVENT, Status.OK]
    assert bool(solution.ok.all()) and solution.check() is solution
    assert bool(solution.event.time[0].isnan()) and solution.event.index.tolist() == [-1, 0]
    assert bool(solution.states[0].isfinite().all()) and bool(solution.event.state[0].isnan().all())
    (grad,) = torch.autograd.grad(solution.event.time[1] + solution.states[0, 1].sum(), y0)
    assert bool(grad.isfinite().all()) and bool(grad.any(1).all())


def test_states_after_the_event_are_not_there():
    y0 = torch.tensor([[0.0, 1.0]], dtype=DOUBLE)
    with torch.no_grad():
        solution = ode.solve(
            circle, y0, torch.tensor([0.0, 1.0, 3.0, 3.5, 9.0]), event=ode.Event(FLOOR.function, direction="falling")
        ).check()
    there = solution.states[0, :, 0]
    assert there[:3].tolist() == pytest.approx([0.0, math.sin(1), math.sin(3)], abs=1e-5)
    assert bool(there[3:].isnan().all())


@pytest.mark.parametrize("method", ["tsit5", "dopri8", "bosh3", "rk4", "kvaerno5", "rodas4"])
def test_every_method_finds_events(method):
    y0 = torch.tensor([[0.0, 1.0]], dtype=DOUBLE)
    step = None if ode.METHODS[method].adaptive else 0.02
    event = ode.Event(lambda time, state: state[:, 0] - 0.5)
    with torch.no_grad():
        solution = ode.solve(circle, y0, torch.tensor([0.0, 2.0]), method=method, step=step, event=event).check()
    assert float(solution.event.time) == pytest.approx(math.asin(0.5), abs=2e-4)


def test_the_state_given_to_an_event_has_its_shape():
    y0 = torch.ones(2, 2, 3, dtype=DOUBLE)
    event = ode.Event(lambda time, state: state[:, 1, 2] - 2)
    with torch.no_grad():
        solution = ode.solve(lambda t, y: torch.ones_like(y), y0, torch.tensor([0.0, 3.0]), event=event).check()
    assert solution.event.state.shape == (2, 2, 3) and solution.event.time.tolist() == pytest.approx([1.0, 1.0])


def test_wrong_events():
    y0, times = torch.ones(1, 1), torch.tensor([0.0, 1.0])
    with pytest.raises(ConfigError, match="rising"):
        _event_with_direction("up")
    with pytest.raises(UserError, match="one value per row"):
        ode.solve(lambda t, y: -y, y0, times, event=ode.Event(lambda time, state: state))


def _event_with_direction(direction):
    """As an `Event` is made where types are not checked."""
    made = object.__new__(ode.Event)
    object.__setattr__(made, "function", FLOOR.function)
    object.__setattr__(made, "direction", direction)
    made.__post_init__()
    return made
