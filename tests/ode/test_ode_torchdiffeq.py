"""torchdiffeq as a backend: the same answers by another program, its failures as status, its faults refused."""

import pytest
import torch
from ode_cases import coupled, coupled_exact, slope_of

from sciml import ode
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError
from sciml.core.status import Status

DOUBLE = torch.float64
STEPS = {1: (80, 113, 160, 226), 2: (20, 28, 40, 57), 3: (12, 17, 24, 34), 4: (24, 34, 48, 68)}


@pytest.mark.parametrize("method", ode.TORCHDIFFEQ_FIXED)
def test_their_fixed_step_methods_have_their_order_on_our_grid(method):
    order = {"euler": 1, "midpoint": 2, "heun2": 2, "heun3": 3, "rk4": 4}[method]
    start, end = coupled_exact([0.0, 1.0])
    errors = []
    for count in STEPS[order]:
        with torch.no_grad():
            solution = ode.solve(
                coupled,
                start[None],
                torch.tensor([0.0, 0.37, 1.0]),
                method=method,
                step=1 / count,
                backend="torchdiffeq",
            ).check()
        errors.append(float((solution.states[0, 2] - end).norm()))
    assert slope_of([1 / n for n in STEPS[order]], errors) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize("method", ode.TORCHDIFFEQ_ADAPTIVE)
@pytest.mark.parametrize("backward", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_their_adaptive_methods_follow_the_tolerance(method, backward):
    tolerance = 1e-5 if method in ("fehlberg2", "adaptive_heun") else 1e-8
    times = torch.tensor([0.0, 0.4, 1.0], dtype=DOUBLE)
    times = times.flip(0) if backward else times
    with torch.no_grad():
        solution = ode.solve(
            coupled,
            coupled_exact(times)[:1],
            times,
            method=method,
            rtol=tolerance,
            atol=tolerance,
            backend="torchdiffeq",
        ).check()
    assert torch.allclose(
        solution.states[0], coupled_exact(times), rtol=0, atol=(1000 if "fehl" in method else 20) * tolerance
    )


@pytest.mark.parametrize(
    ("gradient", "method", "step"),
    [
        (ode.Discrete(), "dopri5", None),
        (ode.Adjoint(), "rk4", 0.1),
        pytest.param(ode.Adjoint(), "dopri5", None, marks=pytest.mark.slow),
        pytest.param(ode.Discrete(), "rk4", 0.1, marks=pytest.mark.slow),
    ],
)
def test_gradients_agree(gradient, method, step):
    torch.manual_seed(0)
    mix = (torch.randn(3, 3, dtype=DOUBLE) * 0.3).requires_grad_()
    y0 = torch.randn(4, 3, dtype=DOUBLE, requires_grad=True)
    rate = (torch.rand(4, dtype=DOUBLE) + 0.5).requires_grad_()
    times = torch.tensor([2.0, 1.0, 0.5], dtype=DOUBLE, requires_grad=True)
    results = []
    for backend in ("sciml", "torchdiffeq"):
        states = ode.solve(
            lambda t, y, r: torch.tanh(y @ mix) * r[:, None] + torch.sin(t)[:, None] * y,
            y0,
            times,
            args=(rate,),
            method=method if backend == "torchdiffeq" or method == "dopri5" else ode.FIXED_METHODS[method],
            step=step,
            rtol=1e-7,
            atol=1e-7,
            gradient=gradient,
            backend=backend,
        ).states
        results.append((states.detach(), *torch.autograd.grad(states.square().sum(), (mix, y0, rate, times))))
    for a, b in zip(*results, strict=True):
        assert float((a - b).norm() / b.norm()) < 1e-5


def test_what_it_did_is_counted():
    calls = 0

    def counted(time, state):
        nonlocal calls
        calls += 1
        assert time.shape == (len(state),)
        return coupled(time, state)

    with torch.no_grad():
        solution = ode.solve(
            counted, coupled_exact([0.0, 0.0]), torch.tensor([0.0, 2.0]), backend="torchdiffeq"
        ).check()
    stats = solution.stats
    assert stats.calls == calls and stats.evaluations.tolist() == [calls, calls]
    assert calls == 2 + 6 * int(stats.accepted[0] + stats.rejected[0])


@pytest.mark.parametrize(
    ("f", "how", "status"),
    [
        (lambda t, y: y**2, {}, Status.STEP_UNDERFLOW),
        (lambda t, y: y * torch.where(t[:, None] > 1, torch.nan, 1.0).to(y), {}, Status.STEP_UNDERFLOW),
        (lambda t, y: y * torch.cos(9 * t)[:, None], {"max_steps": 4}, Status.MAX_STEPS),
        (lambda t, y: -1e6 * y, {"method": "euler", "step": 0.01}, Status.DIVERGED),
    ],
)
def test_its_failures_become_status(f, how, status):
    with torch.no_grad():
        solution = ode.solve(f, torch.ones(2, 1, dtype=DOUBLE), torch.tensor([0.0, 3.0]), backend="torchdiffeq", **how)
    assert solution.status.tolist() == [status, status] and list(solution.failures) == [0, 1]
    assert torch.equal(solution.states[:, 0], torch.ones(2, 1, dtype=DOUBLE)) and bool(
        solution.states[:, 1].isnan().all()
    )


def test_errors_of_the_right_hand_side_are_not_swallowed():
    def broken(time, state):
        raise AssertionError("mine")

    with pytest.raises(AssertionError, match="mine"), torch.no_grad():
        ode.solve(broken, torch.ones(1, 1), torch.tensor([0.0, 1.0]), backend="torchdiffeq")


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"method": "tsit5"}, UnsupportedError, "order is four"),
        ({"method": "gl4", "step": 0.1}, UnsupportedError, "two nodes"),
        ({"method": "dopri"}, UnknownNameError, "Did you mean"),
        ({"method": "rk4"}, ConfigError, "needs a fixed step"),
        ({"method": "dopri5", "step": 0.1}, ConfigError, "fixed length"),
        ({"record": True}, UnsupportedError, "record"),
        ({"times": torch.zeros(2, 2) + torch.tensor([0.0, 1.0])}, UnsupportedError, "same times"),
        ({"event": ode.Event(lambda t, y: y[:, 0])}, UnsupportedError, "one event"),
        ({"gradient": ode.Checkpointed()}, UnsupportedError, "checkpoints"),
        ({"controller": ode.PID(safety=0.8)}, UnsupportedError, "controller"),
    ],
)
def test_what_it_refuses(how, error, words):
    times = how.pop("times", torch.tensor([0.0, 1.0]))
    with pytest.raises(error, match=words):
        ode.solve(lambda t, y: -y, torch.ones(2, 1), times, backend="torchdiffeq", **how)
