"""Mistakes give errors that say what to do; equations that break down give a status per sample."""

import inspect
import math

import pytest
import torch

from sciml import ode
from sciml.core.errors import ConfigError, NumericsError, UnknownNameError, UserError
from sciml.core.status import Status

DOUBLE = torch.float64
SPAN = torch.tensor([0.0, 1.0])


def decay(time, state):
    """y' = -y."""
    return -state


def test_a_right_hand_side_that_is_nan_at_the_start():
    y0 = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 2.0, -3.0]], dtype=DOUBLE)
    solution = ode.solve(lambda t, y: -y.sqrt(), y0, SPAN)
    assert solution.status.tolist() == [Status.OK, Status.DIVERGED, Status.DIVERGED]
    assert "start" in solution.failures[1] and solution.failures[1].endswith("component 1")
    assert solution.failures[2].endswith("component 2")
    assert bool(solution.states[1:, 1].isnan().all()) and torch.equal(solution.states[:, 0], y0)
    assert solution.stats.evaluations.tolist()[1:] == [2, 2]
    with pytest.raises(NumericsError, match="2 of 3 samples failed; sample 1: f is not finite at the start"):
        solution.check()


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_an_initial_state_that_is_not_finite(wrong):
    solution = ode.solve(decay, torch.tensor([[1.0, 1.0], [1.0, wrong]]), SPAN)
    assert solution.status.tolist() == [Status.OK, Status.DIVERGED] and "component 1" in solution.failures[1]


@pytest.mark.parametrize("backward", [False, True])
def test_a_right_hand_side_that_turns_nan_midway(backward):
    sign = -1 if backward else 1

    def breaks(time, state):
        late = (sign * time[:, None] > 0.4) & (state.new_tensor([0, 1]) > 0)
        return torch.where(late, torch.nan, -state)

    y0 = torch.ones(1, 2, dtype=DOUBLE)
    solution = ode.solve(breaks, y0, sign * torch.tensor([0.0, 0.2, 1.0]))
    assert solution.status.tolist() == [Status.DIVERGED]
    assert f"t = {sign * 0.4}" in solution.failures[0] and "component 1" in solution.failures[0]
    assert float(solution.states[0, 1, 0]) == pytest.approx(math.exp(-sign * 0.2), rel=1e-5)
    assert bool(solution.states[0, 2].isnan().all())
    fixed = ode.solve(breaks, y0, sign * torch.tensor([0.0, 0.2, 1.0]), method="rk4", step=0.05)
    assert fixed.status.tolist() == [Status.DIVERGED] and bool(fixed.states[0, 1].isfinite().all())


def test_a_singularity_in_time():
    y0 = torch.zeros(2, 1, dtype=DOUBLE)
    times = torch.tensor([[0.0, 0.5, 2.0], [0.0, 0.5, 0.9]], dtype=DOUBLE)
    solution = ode.solve(lambda t, y: (1 / (1 - t))[:, None] + 0 * y, y0, times)
    assert int(solution.status[0]) in (Status.STEP_UNDERFLOW, Status.DIVERGED) and int(solution.status[1]) == Status.OK
    assert "t = 1" in solution.failures[0] or "t = 0.99999" in solution.failures[0]
    assert float(solution.states[1, 2, 0]) == pytest.approx(math.log(10), rel=1e-5)


def test_a_solution_that_blows_up():
    solution = ode.solve(lambda t, y: y**2, torch.ones(1, 1, dtype=DOUBLE), torch.tensor([0.0, 2.0]))
    assert int(solution.status[0]) == Status.STEP_UNDERFLOW
    assert (
        "shrank" in solution.failures[0]
        and "component 0" in solution.failures[0]
        and "implicit" in solution.failures[0]
    )


def test_too_many_steps():
    y0 = torch.ones(2, 1, dtype=DOUBLE)
    times = torch.tensor([[0.0, 0.01, 100.0], [0.0, 0.01, 0.02]])
    solution = ode.solve(lambda t, y: torch.cos(50 * t)[:, None] * y, y0, times, max_steps=20)
    assert solution.status.tolist() == [Status.MAX_STEPS, Status.OK]
    assert "20 steps were not enough" in solution.failures[0]
    assert int(solution.stats.accepted[0] + solution.stats.rejected[0]) == 20
    assert bool(solution.states[0, 1].isfinite()) and bool(solution.states[0, 2].isnan())


def test_a_fixed_step_far_outside_the_stability_region_is_told():
    solution = ode.solve(lambda t, y: -1e5 * y, torch.ones(1, 1), torch.tensor([0.0, 1.0]), method="euler", step=0.01)
    assert int(solution.status[0]) == Status.DIVERGED and solution.failures


def test_gradients_of_samples_that_are_well_do_not_suffer():
    scale = torch.tensor(-1.0, dtype=DOUBLE, requires_grad=True)
    y0 = torch.tensor([[1.0], [-1.0], [2.0]], dtype=DOUBLE, requires_grad=True)
    for gradient in (ode.Discrete(), ode.Discrete(schedule="graph"), ode.Checkpointed(), ode.Adjoint()):
        solution = ode.solve(lambda t, y: scale * y.sqrt(), y0, SPAN, gradient=gradient, rtol=1e-8)
        assert solution.ok.tolist() == [True, False, True]
        grads = torch.autograd.grad(solution.states[solution.ok, 1].sum(), (scale, y0))
        assert float(grads[0]) == pytest.approx((1 - 0.5) + (math.sqrt(2) - 0.5), rel=1e-5)
        assert float(grads[1][1]) == 0 and bool(grads[1].isfinite().all())


MODES = (ode.Discrete(schedule="stacked"), ode.Discrete(schedule="graph"), ode.Checkpointed(budget=2), ode.Adjoint())


@pytest.mark.parametrize("method", ["dopri5", pytest.param("rodas4", marks=pytest.mark.slow)])
def test_a_trial_that_leaves_the_domain_of_f_does_not_spoil_the_gradient(method):
    scale = torch.tensor(1.0, dtype=DOUBLE, requires_grad=True)
    y0 = torch.tensor([[1.0], [4.0]], dtype=DOUBLE, requires_grad=True)
    for gradient in MODES:
        solution = ode.solve(
            lambda t, y: -3 * scale * y.sqrt(),  # y = (√y0 - 3 t scale / 2)²
            y0,
            torch.tensor([0.0, 0.6]),
            method=method,
            controller=ode.PID(first=0.6),  # goes below zero in the first sample only
            rtol=1e-5,
            atol=1e-6,
            gradient=gradient,
        ).check()
        assert int(solution.stats.rejected[0]) > 0
        grads = torch.autograd.grad(solution.states[:, 1].sum(), (scale, y0))
        root = torch.tensor([0.1, 1.1], dtype=DOUBLE)
        assert float(grads[0]) == pytest.approx(float((-1.8 * root).sum()), rel=1e-4)
        assert grads[1][:, 0].tolist() == pytest.approx((root / torch.tensor([1.0, 2.0])).tolist(), rel=1e-3)


@pytest.mark.parametrize("method", ["dopri8", "rk4"])
def test_a_sample_that_fails_midway_has_gradients_before_that(method):
    scale = torch.tensor(1.0, dtype=DOUBLE, requires_grad=True)
    ends = torch.tensor([0.5, 9.0], dtype=DOUBLE)
    times = torch.tensor([0.0, 0.3, 1.0], dtype=DOUBLE, requires_grad=True)
    step = None if ode.METHODS[method].adaptive else 0.05
    for gradient in MODES:
        solution = ode.solve(
            lambda t, y, end: scale * (end - t).sqrt()[:, None] * y,
            torch.ones(2, 1, dtype=DOUBLE),
            times,
            args=(ends,),
            method=method,
            step=step,
            max_steps=25,
            gradient=gradient,
        )
        assert int(solution.stats.rejected[0]) > 0 and solution.ok.tolist() == [False, True]
        area = lambda t: (ends**1.5 - (ends - t) ** 1.5) / 1.5
        grads = torch.autograd.grad(solution.states[:, 1].sum() + solution.states[1, 2].sum(), (scale, times))
        wanted = (area(0.3) * area(0.3).exp()).sum() + area(1.0)[1] * area(1.0)[1].exp()
        assert float(grads[0]) == pytest.approx(float(wanted), rel=1e-4)
        assert bool(grads[1].isfinite().all())
        slope = ((ends - 0.3).sqrt() * area(0.3).exp()).sum()
        assert float(grads[1][1]) == pytest.approx(float(slope), rel=1e-4)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (torch.tensor([0.0, 1.0, 0.5]), "1 followed by 0.5 at place 2"),
        (torch.tensor([0.0, 0.0, 1.0, 0.5]), "1 followed by 0.5 at place 3"),
        (torch.tensor([[0.0, 1.0], [1.0, 0.0]]), "place 1 of sample 1"),
        (torch.tensor([0.0]), "at least two times"),
        (torch.zeros(3, 2), r"\(2, time\)"),
        (torch.zeros(2, 2, 2), r"\(2, time\)"),
        (torch.tensor([0.0, math.nan]), "finite"),
        (torch.tensor([0.0, math.inf]), "finite"),
    ],
)
def test_times_that_cannot_be(times, words):
    with pytest.raises(UserError, match=words):
        ode.solve(decay, torch.ones(2, 1), times)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (torch.ones(2, 1, dtype=torch.long), "floating-point"),
        (torch.ones(2, 1, dtype=torch.bool), "floating-point"),
        (torch.tensor(1.0 + 1j), "one row per sample"),
        (torch.tensor(1.0), r"y0\[None\]"),
        (torch.ones(0, 2), "at least one sample"),
    ],
)
def test_states_that_cannot_be(state, words):
    with pytest.raises(UserError, match=words):
        inspect.unwrap(ode.solve)(decay, state, SPAN)  # the annotation refuses them where types are checked


@pytest.mark.parametrize(
    "wrong",
    [
        lambda t, y: y[:, :1],
        lambda t, y: y[:1],
        lambda t, y: y.sum(1),
        lambda t, y: y.double(),
        lambda t, y: y.half(),
    ],
)
def test_a_right_hand_side_of_the_wrong_kind(wrong):
    with pytest.raises(UserError, match=r"shape \(2, 3\), torch.float32"):
        ode.solve(wrong, torch.ones(2, 3), SPAN)


@pytest.mark.parametrize("args", [(torch.ones(3, 2),), (torch.ones(2, 1), torch.ones(1))])
def test_arguments_with_the_wrong_number_of_rows(args):
    with pytest.raises(UserError, match=rf"argument {len(args) - 1} .*\(2, \.\.\.\)"):
        ode.solve(lambda t, y, *rest: -y, torch.ones(2, 1), SPAN, args=args)


def test_an_unknown_method_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"tsit5.*Did you mean 'dopri5'"):
        ode.solve(decay, torch.ones(1, 1), SPAN, method="dorpi5")
    with pytest.raises(UnknownNameError, match="backend"):
        inspect.unwrap(ode.solve)(decay, torch.ones(1, 1), SPAN, backend="julia")


@pytest.mark.parametrize("method", ["rk4", "euler", "midpoint"])
def test_methods_without_an_error_need_a_step(method):
    with pytest.raises(ConfigError, match="step="):
        ode.solve(decay, torch.ones(1, 1), SPAN, method=method)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rtol": -1.0},
        {"atol": -1.0},
        {"rtol": 0.0, "atol": 0.0},
        {"rtol": math.nan},
        {"atol": torch.tensor([1e-3, -1e-3])},
        {"step": 0.0},
        {"step": -0.1},
        {"step": math.inf},
        {"max_steps": 0},
    ],
)
def test_settings_that_cannot_work(wrong):
    with pytest.raises(ConfigError):
        ode.solve(decay, torch.ones(1, 2), SPAN, **wrong)


@pytest.mark.parametrize("method", ["dopri5", "kvaerno5"])
def test_single_precision_far_from_time_zero(method):
    y0 = torch.tensor([[1.0, 0.0]])
    start = 1e6
    times = torch.tensor([start, start + 1.0, start + 3.0], dtype=DOUBLE)

    def circle(time, state):
        return torch.stack([state[:, 1], -state[:, 0]], dim=1)

    with torch.no_grad():
        solution = ode.solve(circle, y0, times, method=method, rtol=1e-5, atol=1e-6, record=True).check()
    assert solution.states.dtype == torch.float32
    assert solution.states[0, :, 0].tolist() == pytest.approx([1, math.cos(1), math.cos(3)], abs=1e-3)
    steps = solution.steps
    assert float(steps.size.sum()) == pytest.approx(3.0, abs=1e-6) and steps.time.dtype == DOUBLE


def test_single_precision_over_a_long_span():
    def slow(time, state):
        return (0.5 - state) * 1e-3

    y0 = torch.tensor([[2.0], [1.0]])
    with torch.no_grad():
        solution = ode.solve(slow, y0, torch.tensor([0.0, 1e-3, 1e3, 1e6]), rtol=1e-4, atol=1e-5).check()
    decay_ = torch.exp(-torch.tensor([0.0, 1e-6, 1.0, 1e3]))
    assert torch.allclose(solution.states[:, :, 0], 0.5 + (y0 - 0.5) * decay_, atol=1e-3)


def test_times_closer_than_single_precision_can_tell():
    times = torch.tensor([1e6, 1e6 + 1e-4, 1e6 + 2e-4], dtype=DOUBLE)
    with torch.no_grad():
        solution = ode.solve(lambda t, y: torch.ones_like(y), torch.zeros(1, 1), times).check()
    assert solution.states[0, :, 0].tolist() == pytest.approx([0, 1e-4, 2e-4], rel=1e-3)


def test_a_constant_right_hand_side():
    scale = torch.tensor(2.0, dtype=DOUBLE, requires_grad=True)
    y0 = torch.zeros(1, 2, dtype=DOUBLE)
    for gradient in (ode.Discrete(), ode.Discrete(schedule="graph"), ode.Checkpointed(), ode.Adjoint()):
        solution = ode.solve(lambda t, y: scale.expand(len(y), 2), y0, SPAN, gradient=gradient, record=True).check()
        assert float(solution.steps.error.detach().max()) < 1e-9 and int(solution.stats.rejected) == 0
        (grad,) = torch.autograd.grad(solution.states[0, 1, 0], scale)
        assert float(grad) == pytest.approx(1.0)
    still = ode.solve(lambda t, y: torch.zeros_like(y), y0, SPAN).check()
    assert not still.states.any()


def test_a_right_hand_side_that_ignores_the_state_but_not_the_time():
    y0 = torch.zeros(1, 1, dtype=DOUBLE, requires_grad=True)
    for gradient in (ode.Discrete(), ode.Checkpointed(), ode.Adjoint()):
        solution = ode.solve(lambda t, y: torch.cos(t)[:, None], y0, SPAN, gradient=gradient).check()
        (grad,) = torch.autograd.grad(solution.states[0, 1, 0], y0)
        assert float(solution.states.detach()[0, 1, 0]) == pytest.approx(math.sin(1), rel=1e-6) and float(grad) == 1
