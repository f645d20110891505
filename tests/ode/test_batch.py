"""Samples do not influence each other: alone or in a batch, with common times or their own."""

import pytest
import torch
from ode_cases import OSCILLATORS, coupled, coupled_exact

from sciml import ode
from sciml.core.errors import UserError
from sciml.core.status import Status

DOUBLE = torch.float64
GRADIENTS = {
    "stacked": ode.Discrete(schedule="stacked"),
    "graph": ode.Discrete(schedule="graph"),
    "checkpointed": ode.Checkpointed(budget=4),
    "adjoint": ode.Adjoint(),
}
STARTS = torch.tensor([[1.0, 1.0], [3.0, 0.2], [0.1, 4.0], [2.9, 1.6]], dtype=DOUBLE)


def predator(time, state, rate):
    """Lotka-Volterra with a growth rate per sample."""
    x, y = state.unbind(1)
    return torch.stack([rate * x - x * y, -3 * y + x * y], dim=1)


@pytest.mark.parametrize(
    ("method", "record"), [("dopri5", False), ("dopri5", True), ("dopri8", False), ("rodas4", False)]
)
def test_a_sample_alone_is_the_sample_in_a_batch(method, record):
    rate, times = torch.tensor([1.5, 0.3, 2.5, 1.0], dtype=DOUBLE), torch.tensor([0.0, 0.3, 1.0, 1.5])
    how = {"method": method, "rtol": 1e-4, "atol": 1e-4, "record": record}
    with torch.no_grad():
        together = ode.solve(predator, STARTS, times, args=(rate,), **how).check()
        for row in range(len(STARTS)):
            here = slice(row, row + 1)
            alone = ode.solve(predator, STARTS[here], times, args=(rate[here],), **how).check()
            assert torch.allclose(alone.states[0], together.states[row], rtol=1e-13, atol=1e-14)
            for name in ("accepted", "rejected", "evaluations"):
                assert int(getattr(alone.stats, name)) == int(getattr(together.stats, name)[row])
            if record:
                count = int(alone.stats.accepted)
                assert torch.allclose(alone.steps.size[0], together.steps.size[row, :count], rtol=1e-7)
    assert len(set(together.stats.evaluations.tolist())) > 1


@pytest.mark.parametrize(
    "name", ["stacked", "adjoint", *(pytest.param(n, marks=pytest.mark.slow) for n in ("graph", "checkpointed"))]
)
def test_the_gradient_of_a_sample_alone_is_that_in_a_batch(name):
    rate = torch.tensor([1.5, 0.3, 2.5, 1.0], dtype=DOUBLE, requires_grad=True)
    times = torch.tensor([0.0, 0.3, 1.0])
    solution = ode.solve(predator, STARTS, times, args=(rate,), rtol=1e-4, gradient=GRADIENTS[name]).check()
    (together,) = torch.autograd.grad(solution.states.square().sum(), rate)
    for row in range(len(STARTS)):
        row_rate = rate.detach()[row : row + 1].requires_grad_()
        alone = ode.solve(predator, STARTS[row : row + 1], times, args=(row_rate,), rtol=1e-4, gradient=GRADIENTS[name])
        (grad,) = torch.autograd.grad(alone.states.square().sum(), row_rate)
        assert float(grad) == pytest.approx(float(together[row]), rel=1e-10)


def test_finished_samples_leave():
    rows = []

    def watched(time, state):
        rows.append(len(state))
        return coupled(time, state)

    start = torch.zeros(4, dtype=DOUBLE)
    times = torch.stack([start, torch.tensor([0.1, 0.5, 2.0, 8.0], dtype=DOUBLE)], 1)
    solution = ode.solve(watched, coupled_exact(start), times).check()
    assert rows[0] == 4 and rows[-1] == 1 and rows == sorted(rows, reverse=True)
    assert sum(rows) == int(solution.stats.evaluations.sum())


def test_arguments_follow_their_samples():
    names = torch.arange(5)
    shift = torch.linspace(-1, 1, 5, dtype=DOUBLE)[:, None, None].expand(5, 2, 3)
    ends = torch.tensor([0.4, 3.0, 0.1, 2.0, 1.0], dtype=DOUBLE)

    def field(time, state, name, moved):
        assert torch.equal(moved[:, 0, 0], torch.linspace(-1, 1, 5, dtype=DOUBLE)[name])
        return moved[:, 0, :1] + 0 * state

    times = torch.stack([torch.zeros(5, dtype=DOUBLE), ends], 1)
    solution = ode.solve(field, torch.zeros(5, 1, dtype=DOUBLE), times, args=(names, shift)).check()
    assert torch.allclose(solution.states[:, 1, 0], shift[:, 0, 0] * ends, rtol=1e-12)


@pytest.mark.parametrize(("method", "step"), [("dopri5", None), ("dopri8", None), ("kvaerno5", 0.2), ("tsit5", 0.1)])
def test_times_per_sample(method, step):
    times = torch.tensor([[0.0, 0.2, 0.25, 1.0], [0.5, 0.6, 1.5, 1.7], [1.0, 2.0, 3.0, 3.5]], dtype=DOUBLE)
    solution = ode.solve(coupled, coupled_exact(times[:, 0]), times, method=method, rtol=1e-8, step=step).check()
    assert torch.allclose(solution.states, coupled_exact(times), rtol=0, atol=1e-4 if step else 1e-6)


def test_common_times_are_times_of_every_sample():
    times = torch.tensor([0.0, 0.1, 0.11, 2.0, 3.0])
    f, _ = OSCILLATORS["lotka_volterra"]
    with torch.no_grad():
        common = ode.solve(f, STARTS, times).check()
        repeated = ode.solve(f, STARTS, times.expand(4, -1)).check()
    assert torch.equal(common.states, repeated.states)


def test_more_times_do_not_change_the_steps():
    f, _ = OSCILLATORS["lotka_volterra"]
    with torch.no_grad():
        few = ode.solve(f, STARTS, torch.tensor([0.0, 1.0])).check()
        many = ode.solve(f, STARTS, torch.linspace(0, 1, 101)).check()
    assert torch.equal(few.stats.accepted, many.stats.accepted)
    assert torch.equal(few.states[:, 1], many.states[:, -1])
    exact = ode.solve(f, STARTS, torch.linspace(0, 1, 101), rtol=1e-12, atol=1e-12, method="dopri8").check()
    assert torch.allclose(many.states, exact.states, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 2)])
@pytest.mark.parametrize("gradient", [GRADIENTS["stacked"], GRADIENTS["adjoint"]])
def test_states_of_any_shape(shape, gradient):
    y0 = torch.rand(3, *shape, dtype=DOUBLE, requires_grad=True)
    seen = set()

    def decay(time, state):
        seen.add(tuple(state.shape[1:]))
        return -state

    solution = ode.solve(decay, y0, torch.tensor([0.0, 1.0, 1.5]), gradient=gradient, rtol=1e-8).check()
    assert seen == {shape} and solution.states.shape == (3, 3, *shape)
    (grad,) = torch.autograd.grad(solution.states[:, 1].sum(), y0)
    assert torch.allclose(grad, torch.exp(torch.tensor(-1.0, dtype=DOUBLE)).expand_as(grad), rtol=1e-5)


def test_one_sample_that_fails_leaves_the_others_alone():
    y0 = torch.tensor([[0.2], [1.0], [0.1]], dtype=DOUBLE)  # y' = y² blows up at 1 / y0
    times = torch.tensor([0.0, 0.5, 2.0])
    with torch.no_grad():
        solution = ode.solve(lambda t, y: y**2, y0, times, max_steps=66)
        alone = ode.solve(lambda t, y: y**2, y0[::2], times).check()
    assert solution.status.tolist() == [Status.OK, Status.MAX_STEPS, Status.OK]
    assert torch.equal(solution.states[::2], alone.states)
    assert float(solution.states[1, 1, 0]) == pytest.approx(2.0, rel=1e-5) and bool(solution.states[1, 2].isnan())
    assert list(solution.failures) == [1] and "t = 0.99" in solution.failures[1]


def test_backward_time_returns_to_the_start():
    times = torch.tensor([0.0, 0.7, 1.5], dtype=DOUBLE)
    with torch.no_grad():
        there = ode.solve(coupled, coupled_exact([0.0, 0.0]), times, rtol=1e-10, atol=1e-10).check()
        back = ode.solve(coupled, there.states[:, -1], times.flip(0), rtol=1e-10, atol=1e-10, record=True).check()
    assert torch.allclose(back.states.flip(1), there.states, rtol=0, atol=1e-8)
    steps = back.steps
    assert bool((steps.size[steps.taken] < 0).all()) and float(steps.time[0, 0]) == 1.5


def test_rows_that_influence_each_other_are_told_by_their_shape():
    with pytest.raises(UserError, match="any number of rows"):
        ode.solve(lambda t, y: -y.sum(0), STARTS, torch.tensor([0.0, 1.0]))
