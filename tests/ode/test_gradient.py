"""Gradients: against central differences, against each other, against closed forms, and what they refuse."""

import inspect
import itertools
import math
import warnings

import pytest
import torch
from ode_cases import coupled, coupled_exact
from torch import nn

from sciml import ode
from sciml.core.errors import ConfigError, NumericsError, UnsupportedError, UserError

DOUBLE = torch.float64
SCHEDULES = {
    "stacked": ode.Discrete(schedule="stacked"),
    "graph": ode.Discrete(schedule="graph"),
    "checkpointed": ode.Checkpointed(budget=3),
    "checkpointed by itself": ode.Checkpointed(),
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def slow(*values):
    """A case for the slow suite."""
    return pytest.param(*values, marks=pytest.mark.slow)


class Net(nn.Module):
    """A small smooth right-hand side with a tensor per sample."""

    def __init__(self, dim=2, width=5):
        super().__init__()
        self.first, self.last = nn.Linear(dim + 1, width, dtype=DOUBLE), nn.Linear(width, dim, dtype=DOUBLE)

    def forward(self, time, state, rate):
        hidden = torch.tanh(self.first(torch.cat([state, time[:, None]], 1)))
        return self.last(hidden) * rate[:, None] + torch.sin(3 * time)[:, None] * state


def inputs(batch=3, dim=2):
    y0 = torch.randn(batch, dim, dtype=DOUBLE)
    rate = torch.rand(batch, dtype=DOUBLE) + 0.5
    times = torch.tensor([0.1, 0.4, 0.7, 1.3], dtype=DOUBLE)
    return y0, rate, times


def weighted(states):
    """A loss that sees every state differently."""
    weights = torch.linspace(0.3, 1.7, states.numel(), dtype=states.dtype).reshape(states.shape)
    return (weights * states.sin()).sum()


def along(loss, values, at=1e-5):
    """The derivative of a loss along a random direction in some tensors, by central differences; and the direction."""
    directions, kept = [torch.randn_like(v) for v in values], [v.clone() for v in values]

    def moved(by):
        for value, start, direction in zip(values, kept, directions, strict=True):
            value.copy_(start + by * direction)
        return float(loss())

    with torch.no_grad():
        difference = (moved(at) - moved(-at)) / (2 * at)
        moved(0.0)
    return difference, directions


def dot(grads, directions):
    return float(sum((g * d).sum() for g, d in zip(grads, directions, strict=True)))


def close(grads, wanted, tolerance):
    for a, b in zip(grads, wanted, strict=True):
        assert float((a - b).norm() / b.norm().clamp_min(1e-12)) < tolerance


@pytest.mark.parametrize("backward", [True, slow(False)])
def test_gradients_agree_with_central_differences(backward):
    net, (y0, rate, times) = Net(), inputs()
    times = times.flip(0).contiguous() if backward else times
    values = [y0, rate, times, *(p.data for p in net.parameters())]
    leaves = [y0.requires_grad_(), rate.requires_grad_(), times.requires_grad_(), *net.parameters()]

    def loss(gradient=SCHEDULES["stacked"]):
        # the step divides no interval, so that moving a time does not change the number of steps
        return weighted(ode.solve(net, y0, times, args=(rate,), step=0.097, gradient=gradient).states)

    by_gradient = [torch.autograd.grad(loss(gradient), leaves) for gradient in (*SCHEDULES.values(), ode.Adjoint())]
    for group in (slice(0, 1), slice(1, 2), slice(2, 3), slice(3, None)):
        wanted, directions = along(loss, values[group])
        for grads in by_gradient:
            assert dot(grads[group], directions) == pytest.approx(wanted, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    "method", ["tsit5", "rk4", *map(slow, ("rodas4", "bosh3", "dopri8", "heun", "euler", "kvaerno3"))]
)
def test_all_schedules_give_the_same_gradient(method):
    """On the same steps: rounding in a small error estimate would choose others, by 1e-9 of their length."""
    net, (y0, rate, times) = Net(), inputs()
    leaves = [y0.requires_grad_(), rate.requires_grad_(), *net.parameters()]
    grads, states = {}, {}
    for name, gradient in SCHEDULES.items():
        solution = ode.solve(
            net, y0, times, args=(rate,), method=method, rtol=1e-4, atol=1e-4, gradient=gradient, record=True, step=0.1
        )
        steps = solution.check().steps
        loss = (steps.error * steps.size).sum() + 0.1 * (steps.stiffness * steps.size).sum()
        states[name] = torch.autograd.grad(weighted(solution.states), leaves, retain_graph=True)
        grads[name] = torch.autograd.grad(weighted(solution.states) + loss, leaves)
    for name in list(SCHEDULES)[1:]:
        close(states[name], states["stacked"], 1e-11)
        close(grads[name], grads["stacked"], 1e-6)  # small errors are differences of large numbers


def test_gradients_of_many_steps_with_rejections_agree():
    matrix = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]], dtype=DOUBLE, requires_grad=True)
    y0 = torch.tensor([[2.0, 0.0], [0.7, -0.2], [1.5, 1.5]], dtype=DOUBLE, requires_grad=True)
    times = torch.tensor([[0.0, 1.0, 2.0], [0.5, 0.6, 6.0], [1.0, 1.5, 1.6]], dtype=DOUBLE)
    grads = {}
    for name, gradient in SCHEDULES.items():
        controller = ode.PID(p=0.0, i=1.0, safety=1.0)
        solution = ode.solve(
            lambda t, y: (y**3) @ matrix, y0, times, gradient=gradient, controller=controller, rtol=1e-5, atol=1e-5
        ).check()
        assert int(solution.stats.rejected.sum()) > 0
        grads[name] = torch.autograd.grad(weighted(solution.states), (matrix, y0))
    for name in list(SCHEDULES)[1:]:
        close(grads[name], grads["stacked"], 1e-9)


@pytest.mark.parametrize(
    ("method", "backward"),
    [
        ("dopri5", False),
        ("tsit5", True),
        ("kvaerno5", False),
        *(
            slow(*case)
            for case in itertools.product(("bosh3", "dopri8", "rodas4", "kvaerno5", "trbdf2"), (True, False))
        ),
    ],
)
def test_the_adjoint_is_within_a_thousand_tolerances_of_the_discrete_gradient(method, backward):
    tolerance = 1e-5 if ode.METHODS[method].order < 4 else 1e-6
    net, (y0, rate, times) = Net(), inputs()
    times = (times.flip(0) if backward else times).contiguous().requires_grad_()
    leaves = [y0.requires_grad_(), rate.requires_grad_(), times, *net.parameters()]
    reports = []
    grads = [
        torch.autograd.grad(
            weighted(
                ode.solve(
                    net, y0, times, args=(rate,), method=method, rtol=tolerance, atol=tolerance, gradient=gradient
                ).states
            ),
            leaves,
        )
        for gradient in (ode.Discrete(), ode.Adjoint(report=reports.append))
    ]
    close(grads[1], grads[0], 1e3 * tolerance)
    assert len(reports) == 1 and float(reports[0].drift.max()) < 1000


@pytest.mark.parametrize("gradient", [*SCHEDULES.values(), ode.Adjoint()])
def test_a_linear_equation_has_closed_forms(gradient):
    matrix = torch.tensor([[-0.2, 1.3, 0.1], [-1.0, 0.1, 0.4], [0.3, -0.5, -0.3]], dtype=DOUBLE, requires_grad=True)
    y0 = torch.randn(2, 3, dtype=DOUBLE, requires_grad=True)
    times = torch.tensor([0.0, 0.5, 1.7], dtype=DOUBLE, requires_grad=True)
    solution = ode.solve(lambda t, y: y @ matrix.T, y0, times, rtol=1e-10, atol=1e-10, gradient=gradient).check()
    grads = torch.autograd.grad(weighted(solution.states), (y0, matrix, times))
    exact = torch.stack([y0 @ torch.matrix_exp(matrix * (t - times[0])).T for t in times], 1)
    wanted = torch.autograd.grad(weighted(exact), (y0, matrix, times))
    assert torch.allclose(solution.states, exact, rtol=0, atol=1e-8)
    close(grads, wanted, 1e-7)


def test_times_per_sample_have_their_own_gradient():
    times = torch.tensor([[0.0, 0.5, 0.8], [0.3, 0.4, 1.1]], dtype=DOUBLE)
    y0 = coupled_exact(times[:, 0])

    def states(gradient=SCHEDULES["stacked"]):
        return ode.solve(coupled, y0, times, rtol=1e-8, atol=1e-8, method="dopri8", gradient=gradient).check().states

    wanted, directions = along(lambda: weighted(states()), [times])
    times.requires_grad_()
    for gradient in (*SCHEDULES.values(), ode.Adjoint()):
        grads = torch.autograd.grad(weighted(states(gradient)), times)
        assert dot(grads, directions) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("gradient", [*SCHEDULES.values(), ode.Adjoint()])
def test_parameters_of_a_plain_closure_are_found(gradient):
    scale = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)
    raw = torch.tensor([0.2, -0.4], dtype=DOUBLE, requires_grad=True)
    derived = raw.exp()  # not a leaf: its gradient goes on to `raw`
    frozen = torch.tensor(0.5, dtype=DOUBLE)
    y0 = torch.ones(1, 2, dtype=DOUBLE)
    states = ode.solve(
        lambda t, y: -scale * derived * y + frozen * torch.sin(t)[:, None],
        y0,
        torch.tensor([0.0, 1.0]),
        rtol=1e-9,
        atol=1e-9,
        gradient=gradient,
    ).states
    grads = torch.autograd.grad(states[0, 1].sum(), (scale, raw))

    def exact(scale, raw):
        rate = scale * raw.exp()  # y' = -rate y + sin(t) / 2 from 1
        size = frozen / (1 + rate**2)
        return ((1 + size) * torch.exp(-rate) + size * (rate * math.sin(1) - math.cos(1))).sum()

    close(grads, torch.autograd.grad(exact(scale, raw), (scale, raw)), 1e-6)


@pytest.mark.parametrize("gradient", [*SCHEDULES.values(), ode.Adjoint()])
def test_a_right_hand_side_may_differentiate_by_its_state(gradient):
    """A gradient flow, y' = -∇(scale |y|² / 2), whose field takes a leaf of its own where the state is none."""
    scale = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)

    def descent(time, state):
        wanted = torch.is_grad_enabled()
        with torch.enable_grad():
            here = state if state.requires_grad else state.detach().requires_grad_()
            (slope,) = torch.autograd.grad((scale * here.square()).sum() / 2, here, create_graph=True)
        return -slope if wanted else -slope.detach()

    y0 = torch.ones(2, 2, dtype=DOUBLE)
    states = ode.solve(descent, y0, torch.tensor([0.0, 1.0]), rtol=1e-9, atol=1e-9, gradient=gradient).states
    (grad,) = torch.autograd.grad(states[:, 1].sum(), scale)
    assert float(grad) == pytest.approx(-4 * math.exp(-0.7), rel=1e-6)


class Switched(nn.Module):
    """A right-hand side that uses its second parameter only after t = 1/2."""

    def __init__(self):
        super().__init__()
        self.early = nn.Parameter(torch.tensor(0.5, dtype=DOUBLE))
        self.late = nn.Parameter(torch.tensor(-0.8, dtype=DOUBLE))

    def forward(self, time, state):
        if bool((time < 0.5).all()):
            return self.early * state
        return torch.where(time[:, None] < 0.5, self.early, self.late) * state


@pytest.mark.parametrize("gradient", [*SCHEDULES.values(), ode.Adjoint()])
def test_a_parameter_used_only_later_in_time_is_never_lost_in_a_closure(gradient):
    switched = Switched()
    y0, times = torch.ones(1, 1, dtype=DOUBLE), torch.tensor([0.0, 0.5, 1.0])
    states = ode.solve(lambda t, y: switched(t, y), y0, times, step=0.1, gradient=gradient).states
    if gradient == ode.Discrete(schedule="graph"):  # autograd finds it
        states[0, 2].sum().backward()
        assert switched.late.grad.item() == pytest.approx(0.5 * math.exp(-0.15), rel=5e-2)
        return
    with pytest.raises(UserError, match=r"nn\.Module"):
        states[0, 2].sum().backward()


@pytest.mark.parametrize("gradient", [*SCHEDULES.values(), ode.Adjoint()])
def test_a_parameter_used_only_later_in_time_is_found_in_a_module(gradient):
    switched = Switched()
    y0, times = torch.ones(1, 1, dtype=DOUBLE), torch.tensor([0.0, 0.5, 1.0])
    states = ode.solve(switched, y0, times, step=0.05, gradient=gradient).states
    grads = torch.autograd.grad(states[0, 2].sum(), list(switched.parameters()))
    assert torch.tensor(grads) == pytest.approx(torch.full((2,), 0.5 * math.exp(-0.15)).numpy(), rel=5e-2)


def test_parameters_can_be_named():
    matrix, other = (torch.randn(2, 2, dtype=DOUBLE, requires_grad=True) for _ in range(2))
    states = ode.solve(
        lambda t, y: y @ matrix + torch.tanh(y @ other),
        torch.ones(1, 2, dtype=DOUBLE),
        torch.tensor([0.0, 1.0]),
        gradient=ode.Adjoint(parameters=(matrix,)),
    ).states
    states.sum().backward()
    assert matrix.grad is not None and other.grad is None


@pytest.mark.parametrize("method", ["dopri5", "tsit5"])
def test_errors_and_stiffness_are_those_of_the_steps(method):
    net, (y0, rate, times) = Net(), inputs()
    rtol, atol = 1e-5, 1e-7
    with torch.no_grad():
        solution = ode.solve(net, y0, times, args=(rate,), method=method, rtol=rtol, atol=atol, record=True).check()
    steps, table = solution.steps, ode.METHODS[method].tableau
    assert float(steps.error.max()) <= 1
    for row in range(len(y0)):
        state = y0[row]
        for j in range(int(solution.stats.accepted[row])):
            t, h = steps.time[row, j], steps.size[row, j]
            slopes, arguments = [], []
            for i in range(7):
                here = state + h * sum(a * k for a, k in zip(table.a[i], slopes, strict=True))
                arguments.append(here)
                slopes.append(net((t + table.c[i] * h)[None], here[None], rate[row : row + 1])[0].detach())
            new = arguments[-1]
            estimate = h * sum(e * k for e, k in zip(table.error, slopes, strict=True))
            scaled = estimate / (atol + rtol * torch.maximum(state.abs(), new.abs()))
            error = scaled.square().mean().sqrt()
            stiffness = (slopes[6] - slopes[5]).norm() / (arguments[6] - arguments[5]).norm()
            # the embedded difference is of size `atol`: what rounding of the slopes leaves of it
            rounding = 1e-15 * float(h) / atol
            assert float(error) == pytest.approx(float(steps.error[row, j]), rel=1e-12, abs=rounding)
            gap = float((arguments[6] - arguments[5]).norm())
            assert float(stiffness) == pytest.approx(float(steps.stiffness[row, j]), rel=1e-12 + 4e-15 / gap)
            state = new
        assert torch.allclose(state, solution.states[row, -1], rtol=1e-6)


@pytest.mark.parametrize("method", ["dopri5", "tsit5"])
def test_the_stiffness_of_a_scalar_linear_equation_is_its_rate(method):
    rate = torch.tensor([-50.0, -3.0, 2.0, -500.0], dtype=DOUBLE)
    y0 = torch.ones(4, 1, dtype=DOUBLE)
    solution = ode.solve(
        lambda t, y, r: r[:, None] * y,
        y0,
        torch.tensor([0.0, 0.1]),
        args=(rate,),
        method=method,
        step=0.005,
        record=True,
    )
    wanted = rate.abs()[:, None].expand_as(solution.steps.stiffness)
    assert torch.allclose(solution.steps.stiffness, wanted, rtol=1e-6)
    assert torch.allclose(solution.steps.stiffness[3], wanted[3], rtol=1e-12)


def test_stiffness_at_an_equilibrium_is_zero_and_has_a_gradient():
    rate = torch.tensor(-2.0, dtype=DOUBLE, requires_grad=True)
    y0 = torch.zeros(1, 2, dtype=DOUBLE)
    for gradient in SCHEDULES.values():
        solution = ode.solve(lambda t, y: rate * y, y0, torch.tensor([0.0, 1.0]), record=True, gradient=gradient)
        assert not solution.steps.stiffness.any() and not solution.steps.error.any()
        loss = solution.steps.stiffness.sum() + solution.steps.error.sum() + solution.states.sum()
        (grad,) = torch.autograd.grad(loss, rate)
        assert float(grad) == 0


@pytest.mark.parametrize("what", ["error", slow("stiffness")])
def test_gradients_of_errors_and_stiffness_on_a_frozen_grid(what):
    net, (y0, rate, _) = Net(), inputs()
    times = torch.tensor([0.1, 1.3, 3.1], dtype=DOUBLE)
    values = [y0, rate, *(p.data for p in net.parameters())]
    leaves = [y0.requires_grad_(), rate.requires_grad_(), *net.parameters()]

    def loss(gradient=SCHEDULES["stacked"]):
        steps = ode.solve(net, y0, times, args=(rate,), step=0.59, method="tsit5", record=True, gradient=gradient).steps
        return 1e-3 * (getattr(steps, what) * steps.size).sum()

    by_schedule = [torch.autograd.grad(loss(gradient), leaves) for gradient in SCHEDULES.values()]
    for group in (slice(0, 1), slice(1, 2), slice(2, None)):
        wanted, directions = along(loss, values[group])
        for grads in by_schedule:
            assert dot(grads[group], directions) == pytest.approx(wanted, rel=1e-5, abs=1e-9)


def test_the_adjoint_warns_where_the_state_cannot_be_recovered():
    rate = torch.tensor(100.0, dtype=DOUBLE, requires_grad=True)
    y0 = torch.ones(1, 1, dtype=DOUBLE, requires_grad=True)

    def gradient(mode, **how):
        states = ode.solve(lambda t, y: -rate * y, y0, torch.tensor([0.0, 1.0]), gradient=mode, **how).check().states
        return torch.autograd.grad(states[0, 1, 0], (rate, y0))

    reports = []
    with pytest.warns(ode.AdjointDriftWarning, match="Checkpointed"):
        gradient(ode.Adjoint(report=reports.append), rtol=1e-2, atol=1e-6)
    assert float(reports[0].drift[0]) > 1e6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grads = gradient(ode.Checkpointed(budget=8), method="dopri8", rtol=1e-4, atol=1e-100)
    wanted = (-math.exp(-100), math.exp(-100))
    assert [float(f) for f in grads] == pytest.approx(wanted, rel=2e-2, abs=0)


@pytest.mark.slow
def test_more_times_keep_the_adjoint_on_the_curve():
    rate = torch.tensor(25.0, dtype=DOUBLE, requires_grad=True)
    y0 = torch.ones(1, 1, dtype=DOUBLE)
    reports = []
    for count in (2, 11):
        mode = ode.Adjoint(report=reports.append, warn=False)
        states = ode.solve(lambda t, y: -rate * y, y0, torch.linspace(0, 1, count), gradient=mode).states
        states[0, -1].sum().backward()
    assert float(reports[0].drift[0]) > 1e5 and float(reports[1].drift[0]) < 100


def test_the_adjoint_reports_what_it_cost():
    asked = [0, 0]

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = nn.Parameter(torch.tensor(0.5, dtype=DOUBLE))

        def forward(self, time, state):
            asked[0] += 1
            asked[1] += len(state)
            return self.rate * torch.sin(state) + torch.cos(time)[:, None]

    reports = []
    y0 = torch.tensor([[0.1, 2.0], [1.0, -1.0], [0.3, 0.3]], dtype=DOUBLE)
    times = torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.1, 0.2], [0.0, 3.0, 9.0]])
    solution = ode.solve(Counting(), y0, times, gradient=ode.Adjoint(report=reports.append))
    assert asked == [solution.stats.calls, int(solution.stats.evaluations.sum())]
    asked[:] = [0, 0]
    solution.states[:, 1:].sum().backward()
    stats = reports[0].stats
    assert asked == [stats.calls, int(stats.evaluations.sum())]
    assert bool((stats.accepted > 1).all())
    asked[:] = [0, 0]
    solution = ode.solve(Counting(), y0, times, gradient=ode.Adjoint(report=reports.append))
    solution.states[1, 2].sum().backward()  # samples without a costate are not integrated
    assert reports[1].stats.accepted.tolist()[::2] == [0, 0] and int(reports[1].stats.accepted[1]) > 0


def test_the_adjoint_costs_the_same_at_any_scale_of_the_loss():
    net, (y0, rate, times) = Net(), inputs()
    reports, grads = [], []
    for scale in (1e-12, 1.0, 1e12):
        states = ode.solve(net, y0, times, args=(rate,), gradient=ode.Adjoint(report=reports.append)).states
        grads.append([g / scale for g in torch.autograd.grad(scale * weighted(states), list(net.parameters()))])
    assert [r.stats.evaluations.tolist() for r in reports[1:]] == [reports[0].stats.evaluations.tolist()] * 2
    close(grads[0], grads[1], 1e-10)
    close(grads[2], grads[1], 1e-10)


@pytest.mark.slow
def test_the_adjoint_may_step_differently():
    net, (y0, rate, times) = Net(), inputs()
    grads, reports = [], []
    for how in (
        {},
        {"rtol": 1e-7, "atol": 1e-7},
        {"rtol": 1e-7, "atol": 1e-7, "method": ode.METHODS["tsit5"]},
        {"step": 0.1, "method": ode.METHODS["rk4"]},
        {"controller": ode.PID(longest=0.05)},
    ):
        mode = ode.Adjoint(report=reports.append, **how)
        states = ode.solve(net, y0, times, args=(rate,), rtol=1e-6, atol=1e-6, gradient=mode).states
        grads.append(torch.autograd.grad(weighted(states), list(net.parameters())))
    for other in grads[1:]:
        close(other, grads[0], 1e-3)
    costs = [int(r.stats.evaluations.sum()) for r in reports]
    assert len(set(costs)) == 5 and costs[1] > costs[0] and costs[4] > costs[0]


def test_the_adjoint_gives_errors_and_stiffness_without_gradient():
    net, (y0, rate, times) = Net(), inputs()
    solution = ode.solve(net, y0, times, args=(rate,), gradient=ode.Adjoint(), record=True)
    assert solution.states.requires_grad
    assert not solution.steps.error.requires_grad and not solution.steps.stiffness.requires_grad
    assert float(solution.steps.error.max()) > 0


def test_the_adjoint_of_a_sample_that_failed():
    rate = torch.tensor(1.0, dtype=DOUBLE, requires_grad=True)
    y0 = torch.tensor([[0.5], [2.0]], dtype=DOUBLE, requires_grad=True)  # y' = y² blows up at 1 / y0
    times = torch.tensor([0.0, 0.3, 1.0], dtype=DOUBLE)
    grads = []
    for gradient in (ode.Discrete(), ode.Adjoint()):
        solution = ode.solve(lambda t, y: rate * y**2, y0, times, gradient=gradient, max_steps=40)
        assert solution.ok.tolist() == [True, False]
        grads.append(torch.autograd.grad(torch.nansum(solution.states), (rate, y0)))
    close(grads[1], grads[0], 1e-4)
    assert all(bool(f.isfinite().all()) for f in grads[0])


def test_an_adjoint_that_cannot_go_back_says_so():
    rate = torch.tensor([1.0, 3.0], dtype=DOUBLE, requires_grad=True)
    y0, times = torch.ones(2, 1, dtype=DOUBLE), torch.tensor([0.0, 1.0])
    mode = ode.Adjoint(rtol=1e-12, atol=1e-12)  # needs more steps than are allowed
    solution = ode.solve(
        lambda t, y, r: -r[:, None] * y**2, y0, times, args=(rate,), rtol=1e-4, gradient=mode, max_steps=12
    ).check()
    with pytest.raises(NumericsError, match=r"sample 1: 12 steps.* t = 0\..*Checkpointed"):
        solution.states[1, 1].sum().backward()


def test_what_the_adjoint_refuses():
    f, y0, times = (lambda t, y: -y), torch.ones(1, 1), torch.tensor([0.0, 1.0])
    with pytest.raises(ConfigError, match="fixed step"):
        ode.solve(
            f, y0.requires_grad_(), times, gradient=ode.Adjoint(method=ode.METHODS["rk4"], step=None), method="dopri5"
        )
    with pytest.raises(ConfigError, match="Adjoint"):
        inspect.unwrap(ode.solve)(f, y0, times, gradient="adjoint")  # the annotation refuses it where types are checked
    with pytest.raises(ConfigError):
        ode.Adjoint(step=-1.0)


def test_second_derivatives_are_refused_rather_than_wrong():
    y0 = torch.ones(1, 1, dtype=DOUBLE, requires_grad=True)
    for gradient in (*SCHEDULES.values(), ode.Adjoint()):
        states = ode.solve(lambda t, y: -(y**2), y0, torch.tensor([0.0, 1.0]), gradient=gradient).states
        (first,) = torch.autograd.grad(states[0, 1, 0], y0, create_graph=True)
        if gradient == ode.Discrete(schedule="graph"):
            continue
        with pytest.raises(UnsupportedError, match="second derivatives"):
            torch.autograd.grad(first.sum(), y0)


@pytest.mark.parametrize("method", ["dopri5", "rodas4"])
def test_the_graph_has_second_derivatives(method):
    y0 = torch.ones(1, 1, dtype=DOUBLE, requires_grad=True)
    how = {"gradient": ode.Discrete(schedule="graph"), "rtol": 1e-9, "atol": 1e-9}
    states = ode.solve(lambda t, y: -(y**2), y0, torch.tensor([0.0, 1.0]), method=method, **how).states
    (first,) = torch.autograd.grad(states[0, 1, 0], y0, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), y0)
    assert (first.item(), second.item()) == pytest.approx((1 / 4, -1 / 4), rel=1e-6)  # y1 = 1 / (1 / y0 + 1)


def test_backward_more_than_once():
    y0 = torch.ones(1, 1, dtype=DOUBLE, requires_grad=True)
    for gradient in (*SCHEDULES.values(), ode.Adjoint()):
        states = ode.solve(lambda t, y: -(y**2), y0, torch.tensor([0.0, 1.0]), gradient=gradient).states
        (first,) = torch.autograd.grad(states[0, 1, 0], y0, retain_graph=True)
        (second,) = torch.autograd.grad(states[0, 1, 0], y0, retain_graph=True)
        (third,) = torch.autograd.grad(2 * states[0, 1, 0], y0)
        assert torch.equal(first, second) and torch.equal(2 * first, third)
        with pytest.raises(RuntimeError, match="second time"):
            torch.autograd.grad(states[0, 1, 0], y0)


def test_only_what_is_asked_for_gets_a_gradient():
    rate = torch.rand(2, dtype=DOUBLE)
    index = torch.tensor([0, 1])
    scale = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
    for gradient in (*SCHEDULES.values(), ode.Adjoint()):
        solution = ode.solve(
            lambda t, y, r, i: scale * r[:, None] * y * (i[:, None] + 1),
            torch.ones(2, 1, dtype=DOUBLE),
            torch.tensor([0.0, 1.0]),
            args=(rate, index),
            gradient=gradient,
            rtol=1e-9,
            atol=1e-9,
        )
        (grad,) = torch.autograd.grad(solution.states[:, 1].sum(), scale)
        speed = rate * (index + 1)
        assert float(grad) == pytest.approx(float((speed * torch.exp(0.5 * speed)).sum()), rel=1e-6)
    with torch.no_grad():
        quiet = ode.solve(lambda t, y: scale * y, torch.ones(2, 1, dtype=DOUBLE), torch.tensor([0.0, 1.0]))
    assert not quiet.states.requires_grad
