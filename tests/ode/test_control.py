"""Step-size control: errors follow the tolerance, counters add up, bounds are kept."""

import itertools

import pytest
import torch
from ode_cases import OSCILLATORS, coupled, coupled_exact, reference

from sciml import ode
from sciml.core.errors import ConfigError
from sciml.core.status import Status

CONTROLLERS = {"pi": ode.PID(), "pid": ode.PID(p=0.2, i=0.4, d=0.05), "plain": ode.PID(p=0.0, i=1.0)}
QUICK, ALL = (1e-3, 1e-6, 1e-8), tuple(10.0**-k for k in range(3, 11))


def error_per_tolerance(name, tolerance, span=5.0, **how):
    """RMS over the ends of all steps: at one time of an oscillation an error is small or large by chance."""
    f, start = OSCILLATORS[name]
    state, times = torch.tensor([start], dtype=torch.float64), torch.tensor([0.0, span], dtype=torch.float64)
    taken = ode.solve(f, state, times, rtol=tolerance, atol=tolerance, dense=True, **how).check().dense
    true = reference(name, span)(taken.time[0])
    assert len(true) > 5
    return float(((taken.state[0] - true) / (1 + true.abs())).norm(dim=1).square().mean().sqrt() / tolerance)


@pytest.mark.parametrize(("name", "tolerance"), list(itertools.product(OSCILLATORS, QUICK)))
@pytest.mark.parametrize("controller", ["pi", pytest.param("pid", marks=pytest.mark.slow)])
def test_the_error_follows_the_tolerance(name, tolerance, controller):
    assert 0.01 <= error_per_tolerance(name, tolerance, controller=CONTROLLERS[controller]) <= 100


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tolerance"), list(itertools.product(OSCILLATORS, ALL)))
@pytest.mark.parametrize("controller", ["pi", "pid"])
@pytest.mark.parametrize("method", ["dopri5", "tsit5", "dopri8"])
def test_the_error_follows_the_tolerance_of_every_order(name, tolerance, controller, method):
    ratio = error_per_tolerance(name, tolerance, span=10.0, controller=CONTROLLERS[controller], method=method)
    assert 0.01 <= ratio <= 100


@pytest.mark.parametrize("method", ["bosh3", "tsit5", "dopri8"])
def test_other_methods_follow_a_moderate_tolerance(method):
    assert 1e-3 <= error_per_tolerance("lotka_volterra", 1e-4, method=method) <= 100


@pytest.mark.parametrize(
    ("method", "controller"), [("dopri5", "pi"), ("tsit5", "pid"), ("bosh3", "plain"), ("dopri8", "pi"), ("heun", "pi")]
)
def test_counters_add_up_and_evaluations_are_calls(method, controller):
    calls, rows, order = 0, [], ode.METHODS[method].order

    def counted(time, state):
        nonlocal calls
        calls += 1
        rows.append(len(state))
        return OSCILLATORS["van_der_pol"][0](time, state)

    state = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    solution = ode.solve(
        counted,
        state,
        torch.linspace(0, 6 if order > 2 else 2, 7),
        method=method,
        rtol=1e-4,
        atol=1e-4,
        controller=CONTROLLERS[controller],
        record=True,
    ).check()
    stats, stages = solution.stats, ode.METHODS[method].tableau.stages - 1
    attempts = int(stats.accepted + stats.rejected)
    assert calls == stats.calls == int(stats.evaluations) == 2 + stages * attempts
    assert set(rows) == {1}
    assert int(solution.steps.taken.sum()) == int(stats.accepted)
    assert int(stats.rejected) > 0 or order == 2
    assert float(solution.steps.size.sum()) == pytest.approx(float(solution.times[-1]), rel=1e-12)


def test_evaluations_are_counted_per_sample():
    f, start = OSCILLATORS["lotka_volterra"]
    state = torch.tensor([start, (3.0, 1.5), (1.0, 4.0)], dtype=torch.float64)
    times = torch.tensor([[0.0, 0.2], [0.0, 5.0], [0.0, 20.0]])
    seen = 0

    def counted(time, state):
        nonlocal seen
        seen += len(state)
        return f(time, state)

    solution = ode.solve(counted, state, times).check()
    assert int(solution.stats.evaluations.sum()) == seen
    assert solution.stats.calls == int(solution.stats.evaluations.max())
    assert len(set(solution.stats.evaluations.tolist())) == 3


def test_steps_end_where_the_next_one_starts():
    start = coupled_exact([0.0, 0.5])
    solution = ode.solve(coupled, start, torch.tensor([[0.0, 2.0], [0.5, 1.0]]), record=True).check()
    steps = solution.steps
    for row, (begin, end) in enumerate(((0.0, 2.0), (0.5, 1.0))):
        time, size = steps.time[row, steps.taken[row]], steps.size[row, steps.taken[row]]
        assert torch.allclose((time + size)[:-1], time[1:], rtol=0, atol=1e-14)
        assert float(time[0]) == begin and float(time[-1] + size[-1]) == pytest.approx(end, abs=1e-14)
        assert not steps.error[row, ~steps.taken[row]].any() and not steps.size[row, ~steps.taken[row]].any()


def test_pi_control_rejects_less_than_plain_control_at_about_as_many_steps():
    f, start = OSCILLATORS["van_der_pol"]
    stats = {}
    for name in ("pi", "plain"):
        state = torch.tensor([start], dtype=torch.float64)
        stats[name] = ode.solve(f, state, torch.tensor([0.0, 12.0]), controller=CONTROLLERS[name]).check().stats
    assert int(stats["pi"].rejected) < 0.7 * int(stats["plain"].rejected)
    assert int(stats["pi"].evaluations) < 1.15 * int(stats["plain"].evaluations)


def test_the_first_step_can_be_given():
    f, start = OSCILLATORS["harmonic"]
    state = torch.tensor([start], dtype=torch.float64)
    solution = ode.solve(f, state, torch.tensor([0.0, 1.0]), controller=ode.PID(first=1e-3), record=True).check()
    assert float(solution.steps.size[0, 0]) == 1e-3
    assert int(solution.stats.evaluations) == 1 + 6 * int(solution.stats.accepted + solution.stats.rejected)
    rejected = ode.solve(f, state, torch.tensor([0.0, 10.0]), controller=ode.PID(first=9), record=True).check()
    assert int(rejected.stats.rejected) > 0


def test_no_step_is_longer_than_the_longest():
    f, start = OSCILLATORS["harmonic"]
    state = torch.tensor([start], dtype=torch.float64)
    solution = ode.solve(f, state, torch.tensor([0.0, 3.0]), rtol=1e-3, controller=ode.PID(longest=0.05), record=True)
    assert float(solution.check().steps.size.max()) == pytest.approx(0.05, rel=1e-12)


def test_the_shortest_step_is_taken_whatever_its_error():
    def jumps(time, state):
        return 1e6 * (time[:, None] >= 0.5).to(state).expand_as(state)

    state = torch.zeros(1, 1, dtype=torch.float64)
    solution = ode.solve(jumps, state, torch.tensor([0.0, 1.0]), controller=ode.PID(shortest=1e-2), record=True).check()
    assert float(solution.steps.error.max()) > 1
    assert float(solution.steps.size[0, :-1].min()) >= 1e-2 * (1 - 1e-9)
    free = ode.solve(jumps, state, torch.tensor([0.0, 1.0]), record=True).check()
    assert float(free.steps.error.max()) <= 1 and int(free.stats.rejected) > int(solution.stats.rejected)


def test_a_shortest_step_that_is_not_finite_ends_the_sample():
    def breaks(time, state):
        return torch.where(time[:, None] < 0.5, state + 1, torch.nan)

    state = torch.zeros(1, 1, dtype=torch.float64)
    solution = ode.solve(breaks, state, torch.tensor([0.0, 1.0]), controller=ode.PID(shortest=1e-3))
    assert int(solution.status) == Status.DIVERGED and int(solution.stats.rejected) < 50


def test_tolerances_per_component():
    f, start = OSCILLATORS["harmonic"]
    state = torch.tensor([start], dtype=torch.float64)
    loose = ode.solve(f, state, torch.tensor([0.0, 5.0]), rtol=0, atol=torch.tensor([1e-3, 1e6])).check()
    tight = ode.solve(f, state, torch.tensor([0.0, 5.0]), rtol=0, atol=torch.tensor([1e-3, 1e-8])).check()
    assert int(tight.stats.accepted) > 3 * int(loose.stats.accepted)


@pytest.mark.parametrize(
    "wrong", [{"shrink": 1.5}, {"safety": 0.0}, {"i": 0.0}, {"shortest": 1.0, "longest": 0.5}, {"first": 0.0}]
)
def test_settings_that_cannot_work(wrong):
    with pytest.raises(ConfigError):
        ode.PID(**wrong)
