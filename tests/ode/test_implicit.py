"""Implicit methods step by step: order, stability, gradients of the step, rows that do not converge."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from sciml import ode
from sciml.core.errors import UserError
from sciml.ode import Newton, jacobian

DIRK = {name: m for name, m in ode.METHODS.items() if isinstance(m, ode.DiagonallyImplicit)}
LINEAR = {name: m for name, m in ode.METHODS.items() if isinstance(m, ode.Rosenbrock)}
METHODS = {**DIRK, **LINEAR}
every = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
iterated = pytest.mark.parametrize("method", DIRK.values(), ids=DIRK)


def powers(t, y):
    """Nonlinear, time-dependent, solved by exp(sin t²), exp(5 sin t²), sin t² + 1, cos t²."""
    a, b, c, d = y.unbind(1)
    return 2 * t[:, None] * torch.stack([b**0.2 * d, 5 * torch.exp(5 * (c - 1)) * d, d, -a.log()], 1)


def powers_exact(t):
    s = torch.sin(t * t)
    return torch.stack([s.exp(), (5 * s).exp(), s + 1, torch.cos(t * t)], 1)


def pendulum(t, y):
    """Two coupled components, nonlinear and driven."""
    a, b = y.unbind(1)
    return torch.stack([-2 * a * b + t.sin(), a.cos() - b * t], 1)


def march(method, f, state, start, stop, steps):
    """`steps` equal steps; the last one is returned as well."""
    time = torch.full((len(state),), start, dtype=state.dtype)
    size = torch.full_like(time, (stop - start) / steps)
    slope, step = f(time, state), None
    for i in range(steps):
        step = method.step(f, time + i * size, size, state, slope)
        assert step.failed is None or not step.failed.any()
        state, slope = step.state, step.slope
    return state, step


def one(method, f, state, size, time=0.0, **options):
    """One step of size `size` from `time`."""
    t = torch.full((len(state),), time, dtype=state.dtype)
    return method.step(f, t, torch.full_like(t, size), state, f(t, state), **options)


def slope_of(x, y):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


# --- coefficients ---------------------------------------------------------------------------------------------------


def square(rows, size):
    out = np.zeros((size, size))
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def runge_kutta_conditions(a, b, order):
    """Residuals of the order conditions (rooted trees) up to order five."""
    c, one = a.sum(1), np.ones(len(a))
    trees = {
        1: [(one, 1)],
        2: [(c, 2)],
        3: [(c**2, 3), (a @ c, 6)],
        4: [(c**3, 4), (c * (a @ c), 8), (a @ c**2, 12), (a @ a @ c, 24)],
        5: [
            (c**4, 5),
            (c**2 * (a @ c), 10),
            ((a @ c) ** 2, 20),
            (c * (a @ c**2), 15),
            (c * (a @ a @ c), 30),
            (a @ c**3, 20),
            (a @ (c * (a @ c)), 40),
            (a @ a @ c**2, 60),
            (a @ a @ a @ c, 120),
        ],
    }
    return [abs(b @ phi - 1 / density) for o in range(1, order + 1) for phi, density in trees[o]]


@iterated
def test_diagonally_implicit_coefficients_fulfil_the_order_conditions(method):
    table = method.tableau
    a, b = square(table.a, table.stages), np.array(table.b)
    assert np.allclose(np.diag(a)[1:], method.gamma, atol=0)
    assert np.array_equal(a[-1], b)
    assert max(runge_kutta_conditions(a, b, method.order)) < 2e-15
    embedded = method.order - 1 if method.name != "trbdf2" else 3
    assert max(runge_kutta_conditions(a, b - np.array(table.error), embedded)) < 2e-15
    if method.order < 5:
        assert max(runge_kutta_conditions(a, b, method.order + 1)) > 1e-3


def test_the_dense_output_of_kvaerno5_has_order_four_and_stays_bounded_for_stiff_components():
    table = DIRK["kvaerno5"].tableau
    a, dense = square(table.a, table.stages), np.array(table.dense)
    c = a.sum(1)
    stiff = np.linalg.solve(np.eye(7) + 1e14 * a, np.ones(7))  # the stages of y' = λ y, λ h = -1e14
    for theta in (0.1, 0.35, 0.8, 1.0):
        b = dense @ theta ** np.arange(1, 5)
        for phi, density, degree in ((np.ones(7), 1, 1), (c, 2, 2), (c**2, 3, 3), (c**3, 4, 4), (a @ c**2, 12, 4)):
            assert abs(b @ phi - theta**degree / density) < 3e-15
        assert abs(b @ stiff) < 1e-12
    assert np.allclose(dense.sum(1), table.b, atol=2e-15)


@pytest.mark.parametrize("method", LINEAR.values(), ids=LINEAR)
def test_rosenbrock_coefficients_fulfil_the_order_conditions(method):
    table = method.tableau
    size = len(table.b)
    full = np.linalg.inv(np.eye(size) / table.gamma - square(table.c, size))
    a = square(table.a, size) @ full
    beta, alpha, beta_row = a + full, a.sum(1), (a + full).sum(1)
    large = method.name == "rodas5p"  # whose published coefficients have 16 digits and are large
    rounding = 1e-16 * max(np.abs(table.c[-1]).max(), np.abs(full).sum()) * size if large else 0.0
    assert np.allclose(alpha, table.nodes, atol=max(1e-14, rounding))
    assert np.allclose(full.sum(1), table.slants, atol=max(1e-14, rounding))
    conditions = {
        1: [(np.ones(size), 1)],
        2: [(beta_row, 2)],
        3: [(alpha**2, 3), (beta @ beta_row, 6)],
        4: [(alpha**3, 4), (alpha * (a @ beta_row), 8), (beta @ alpha**2, 12), (beta @ beta @ beta_row, 24)],
    }

    def residual(weights, order, scale=1.0):
        b = np.array(weights) @ full
        return max(abs(b @ p - scale**o / d) for o in range(1, order + 1) for p, d in conditions[o])

    embedded = tuple(b - e for b, e in zip(table.b, table.error, strict=True))
    assert residual(table.b, min(method.order, 4)) < max(3e-15, rounding)
    assert residual(embedded, 4 if large else 3) < max(3e-15, rounding)
    order = {"rodas4": 3, "rodas5p": 4, "rosenbrock23": 2}[method.name]
    for theta in (0.2, 0.7):
        dense = np.array(table.dense) @ theta ** np.arange(1, len(table.dense[0]) + 1)
        assert residual(dense, order, theta) < 1e-13


# --- accuracy -------------------------------------------------------------------------------------------------------


@every
def test_convergence_has_the_claimed_order(method):
    start = powers_exact(torch.zeros(1, dtype=torch.float64))
    exact = powers_exact(torch.ones(1, dtype=torch.float64))
    steps = [40, 56, 80, 112] if method.name == "rodas5p" else [10, 14, 20, 28]  # it comes to its order late
    with torch.no_grad():
        errors = [float((march(method, powers, start, 0.0, 1.0, n)[0] - exact).norm()) for n in steps]
    assert abs(-slope_of(steps, errors) - method.order) < 0.25


@every
def test_local_error_its_estimate_and_the_dense_output_have_the_claimed_order(method):
    begin = torch.full((1,), 0.2, dtype=torch.float64)
    state, sizes = powers_exact(begin), [0.05, 0.035, 0.025, 0.0175]
    if method.name == "rodas5p":  # it comes to its order late
        sizes = [0.25 * size for size in sizes]
    local, estimated, dense = [], [], []
    along = torch.full((1,), 0.4, dtype=torch.float64)
    with torch.no_grad():
        for h in sizes:
            step = one(method, powers, state, h, 0.2)
            size = torch.full((1,), h, dtype=torch.float64)
            local.append(float((step.state - powers_exact(begin + h)).norm()))
            estimated.append(float(step.error.norm()))
            middle = method.interpolate(step, state, size, along)
            dense.append(float((middle - powers_exact(begin + 0.4 * h)).norm()))
            ends = [method.interpolate(step, state, size, torch.full((1,), x, dtype=torch.float64)) for x in (0.0, 1.0)]
            assert torch.equal(ends[0], state)
            assert torch.equal(ends[1], step.state)
    assert abs(slope_of(sizes, local) - method.order - 1) < 0.35
    assert abs(slope_of(sizes, estimated) - method.error_order) < 0.35
    assert slope_of(sizes, dense) > (4 if method.name == "kvaerno5" else min(method.order, 3)) + 0.75


@every
def test_single_precision_and_twenty_components(method):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 20)).double()
    state = torch.randn(5, 20, dtype=torch.float64)
    with torch.no_grad():
        wide, _ = march(method, lambda t, y: net(y) - 30 * y, state, 0.0, 0.5, 5)
        single = net.float()
        narrow, step = march(method, lambda t, y: single(y) - 30 * y, state.float(), 0.0, 0.5, 5)
    assert narrow.dtype == torch.float32
    assert step.error.dtype == torch.float32
    assert (narrow - wide).abs().max() < 2e-5


# --- stability ------------------------------------------------------------------------------------------------------


@every
def test_the_stability_function_vanishes_for_stiff_decay(method):
    rates = -torch.logspace(2, 10, 9, dtype=torch.float64)
    state = torch.ones(9, 1, dtype=torch.float64)
    with torch.no_grad():
        step = one(method, lambda t, y: rates[:, None] * y, state, 1.0)
    factor = step.state.abs()[:, 0]
    assert method.stability == math.inf
    assert step.failed is None or not step.failed.any()
    assert factor[0] < 0.2
    assert (factor[-1] < 1e-5) and (factor[4:].diff() <= 1e-12).all()
    assert (step.error.abs() < 3).all()


@every
def test_the_left_half_plane_is_stable(method):
    angle = torch.linspace(math.pi / 2, math.pi, 40, dtype=torch.float64)
    modulus = torch.logspace(-1, 3, 25, dtype=torch.float64)
    z = torch.polar(modulus[:, None], angle[None]).flatten()
    matrix = torch.stack([torch.stack([z.real, -z.imag], 1), torch.stack([z.imag, z.real], 1)], 1)
    state = torch.tensor([[1.0, 0.0]], dtype=torch.float64).repeat(len(z), 1)
    with torch.no_grad():
        step = one(method, lambda t, y: (matrix @ y[:, :, None])[:, :, 0], state, 1.0)
    assert step.state.norm(dim=1).max() < 1 + 1e-6


@every
def test_a_stiff_component_is_forgotten_at_large_steps(method):
    def f(t, y):
        return -1e6 * (y - t.cos()[:, None]) - t.sin()[:, None]

    state = torch.tensor([[3.0]], dtype=torch.float64)
    with torch.no_grad():
        final, step = march(method, f, state, 0.0, 2.0, 20)
    assert abs(float(final) - math.cos(2.0)) < 1e-3
    if method.name != "rosenbrock23":  # the others end on a stage, so that their error is not multiplied by λ
        assert abs(float(step.slope) + math.sin(2.0)) < 0.2


# --- gradients ------------------------------------------------------------------------------------------------------


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.inner = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)).double()
        self.stiff = nn.Parameter(torch.tensor([12.0, 3.0], dtype=torch.float64))

    def forward(self, t, y):
        return self.inner(torch.cat([y, t[:, None]], 1)) - self.stiff * y**3


def difference(function, tensors, directions, eps=2e-4):
    """Fourth-order central difference of a scalar function of some tensors in a direction."""
    with torch.no_grad():
        keep, values = [t.clone() for t in tensors], []
        for shift in (2, 1, -1, -2, 0):
            for tensor, value, direction in zip(tensors, keep, directions, strict=True):
                tensor.copy_(value + shift * eps * direction)
            values.append(float(function()) if shift else 0.0)
    return (-values[0] + 8 * values[1] - 8 * values[2] + values[3]) / (12 * eps)


def sharp(method):
    """The method with its stages solved to round-off, for differences."""
    return dataclasses.replace(method, newton=Newton(tolerance=1e-15)) if method.name in DIRK else method


@every
def test_the_gradient_of_a_step_is_that_of_the_discrete_map(method):
    field = Field()
    time = torch.tensor([0.3, 0.1, 0.7], dtype=torch.float64)
    size = torch.tensor([0.2, -0.05, 0.4], dtype=torch.float64)
    state = torch.tensor([[0.8, -0.5], [0.1, 0.9], [-0.6, 0.4]], dtype=torch.float64)
    slope = field(time, state).detach()
    costs = torch.randn(4, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    along = torch.full_like(size, 0.3)

    def loss(chosen=method):
        step = chosen.step(field, time, size, state, slope)
        parts = (step.state, step.slope, 10 * step.error, method.interpolate(step, state, size, along))
        return sum((c * p).sum() for c, p in zip(costs, parts, strict=True))

    inputs = [state.requires_grad_(), slope.requires_grad_(), *field.parameters()]
    grads = torch.autograd.grad(loss(), inputs)
    generator = torch.Generator().manual_seed(6)
    directions = [torch.randn(t.shape, dtype=torch.float64, generator=generator) for t in inputs]
    for group in (slice(0, 1), slice(1, 2), slice(2, None)):
        expected = difference(lambda: loss(sharp(method)), inputs[group], directions[group])
        derivative = sum(float((g * d).sum()) for g, d in zip(grads[group], directions[group], strict=True))
        assert abs(derivative - expected) < 1e-6 * max(1.0, abs(expected))


@every
def test_gradcheck_of_a_step(method):
    time = torch.tensor([0.2, 0.5], dtype=torch.float64)
    size = torch.tensor([0.3, 0.1], dtype=torch.float64)

    def run(state, slope, weight):
        step = method.step(lambda t, y: pendulum(t, y) - weight * y**3, time, size, state, slope)
        return step.state, step.slope, step.error

    state = torch.tensor([[0.7, 0.2], [-0.4, 1.1]], dtype=torch.float64, requires_grad=True)
    slope = pendulum(time, state.detach()).requires_grad_()
    weight = torch.tensor([2.0, 30.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (state, slope, weight))


@every
def test_the_gradient_of_many_steps(method):
    field = Field()
    start = torch.tensor([[0.8, -0.5], [0.1, 0.9]], dtype=torch.float64)

    def loss(chosen=method):
        return march(chosen, field, start, 0.0, 0.5, 4)[0].square().sum()

    inputs = [start.requires_grad_(), field.stiff]
    for tensor, grad in zip(inputs, torch.autograd.grad(loss(), inputs), strict=True):
        expected = difference(lambda: loss(sharp(method)), [tensor], [torch.ones_like(tensor)])
        assert abs(float(grad.sum()) - expected) < 1e-6 * abs(expected)


@every
def test_values_do_not_depend_on_whether_gradients_are_enabled(method):
    field = Field()
    state = torch.tensor([[0.8, -0.5], [0.1, 0.9]], dtype=torch.float64)
    taped = one(method, field, state, 0.2, repeatable=True)
    with torch.no_grad():
        plain = one(method, field, state, 0.2, repeatable=True)
    with torch.inference_mode():
        inferred = one(method, field, state, 0.2)
    for other in (plain, inferred):
        assert torch.equal(taped.state, other.state)
        assert torch.equal(taped.slope, other.slope)
        assert torch.equal(taped.error, other.error)


@iterated
def test_second_derivatives_of_iterated_methods_are_refused(method):
    state = torch.tensor([[0.8, -0.5]], dtype=torch.float64, requires_grad=True)
    with pytest.raises(UserError, match="second derivatives"):
        torch.autograd.grad(one(method, pendulum, state, 0.2).state.sum(), state, create_graph=True)


# --- rows -----------------------------------------------------------------------------------------------------------


@every
def test_a_row_does_not_depend_on_the_others(method):
    torch.manual_seed(3)
    state = torch.randn(6, 2, dtype=torch.float64)
    time, size = torch.rand(6, dtype=torch.float64), torch.rand(6, dtype=torch.float64)
    with torch.no_grad():
        together = method.step(pendulum, time, size, state, pendulum(time, state))
        assert together.failed is None or not together.failed.any()
        for i in range(6):
            alone = [v[i : i + 1] for v in (time, size, state)]
            step = method.step(pendulum, *alone, pendulum(alone[0], alone[2]))
            assert torch.allclose(step.state, together.state[i : i + 1], rtol=1e-14, atol=1e-15)
            assert torch.allclose(step.error, together.error[i : i + 1], rtol=1e-9, atol=1e-15)


@iterated
def test_rows_that_do_not_converge_are_flagged_and_leave_the_others_alone(method):
    def f(t, y):  # the second component says which row it is; a stage that jumps over 7 has no solution
        decay, jump = -y[:, 0], -1000 * torch.sign(y[:, 0] - 7)
        slope = torch.where(y[:, 1] > 0, jump, decay)
        return torch.stack([torch.where(y[:, 1] > 1, slope.detach() * torch.nan, slope), 0 * t], 1)

    state = torch.tensor([[1.0, 0.0], [7.3, 1.0], [0.5, 0.0], [1.0, 2.0]], dtype=torch.float64)
    with torch.no_grad():
        step = one(method, f, state, 0.5)
        alone = one(method, f, state[::2], 0.5)
    assert step.failed.tolist() == [False, True, False, True]
    assert not alone.failed.any()
    assert torch.equal(step.state[::2], alone.state)
    assert step.evaluations > alone.evaluations


@iterated
def test_a_row_that_leaves_the_domain_of_f_does_not_spoil_the_gradient(method):
    weight = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    state = torch.tensor([[4.0], [0.01]], dtype=torch.float64)
    step = one(method, lambda t, y: -weight * y.sqrt(), state, 0.5)
    assert step.failed.tolist() == [False, True]
    (grad,) = torch.autograd.grad(step.state[0].sum(), weight)
    assert abs(float(grad) + 0.5 * (2 - 0.25)) < 1e-2  # y = (2 - weight t / 2)²


@every
def test_one_component_and_an_equilibrium(method):
    state = torch.zeros(3, 1, dtype=torch.float64)
    with torch.no_grad():
        rest = one(method, lambda t, y: -5 * y, state, 300.0)
        moving, _ = march(method, lambda t, y: t[:, None] - y, state, 0.0, 1.0, 40)
    assert torch.equal(rest.state, state)
    assert rest.failed is None or not rest.failed.any()
    assert (moving - math.exp(-1.0)).abs().max() < 2e-4


@every
def test_evaluations_are_counted_and_the_stiffness_is_the_spectral_radius(method):
    matrix = torch.tensor([[0.0, 1.0, 0.0], [-400.0, -5.0, 0.0], [1.0, 0.0, -3.0]], dtype=torch.float64)
    calls = []

    def f(t, y):
        calls.append(len(y))
        return y @ matrix.T

    state = torch.ones(2, 3, dtype=torch.float64)
    with torch.no_grad():
        step = one(method, f, state, 0.1, stiffness=True)
    assert step.evaluations == sum(calls[1:]) // 2 - 1 + 3  # but for the slope it was given; one Jacobian for three
    assert torch.allclose(step.stiffness, torch.full((2,), 20.0, dtype=torch.float64))
    calls.clear()
    step = one(method, f, state, 0.1)
    assert step.stiffness is None
    stages = 0 if method.name in LINEAR else step.stages.shape[0] - 1
    assert step.evaluations == sum(calls[1:]) // 2 - 1 + 3 + 3 * stages


# --- Jacobians ------------------------------------------------------------------------------------------------------


def test_jacobians_of_all_rows():
    field = Field()
    torch.manual_seed(2)
    time, state = torch.rand(4, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64)
    with torch.no_grad():
        jacobians = jacobian(field, time, state)
    for i in range(4):
        by_time, by_state = torch.autograd.functional.jacobian(
            lambda t, y: field(t[None], y[None])[0], (time[i], state[i])
        )
        assert torch.allclose(jacobians.by_state[i], by_state)
        assert torch.allclose(jacobians.by_time[i], by_time)
    assert not jacobians.by_state.requires_grad

    def scalar(y, weight):
        def f(t, x):
            return weight * x**3 * t[:, None]

        return jacobian(f, time, y).by_state

    assert torch.autograd.gradcheck(scalar, (state.requires_grad_(), field.stiff))
    flat = jacobian(lambda t, y: t.cos()[:, None].expand(-1, 2), time, state.detach())
    assert not flat.by_state.any()
    with torch.no_grad():
        assert not jacobian(lambda t, y: torch.ones_like(y), time, state.detach()).by_state.any()


def test_a_field_autograd_cannot_follow_is_an_error():
    state = torch.ones(2, 3, dtype=torch.float64)
    for method in METHODS.values():
        with torch.no_grad(), pytest.raises(UserError, match="create_graph"):
            one(method, lambda t, y: -(y.detach() ** 2), state, 0.1)


def test_the_tolerance_of_the_stage_equations_can_be_chosen():
    state = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    loose, default = (dataclasses.replace(DIRK["kvaerno5"], newton=n) for n in (Newton(tolerance=1e-4), Newton()))
    with torch.no_grad():
        rough, fine = (one(m, pendulum, state, 0.5) for m in (loose, default))
        exact = one(dataclasses.replace(default, newton=Newton(tolerance=1e-15, iterations=40)), pendulum, state, 0.5)
    assert rough.evaluations < fine.evaluations
    assert 1e-10 < (rough.state - exact.state).abs().max() < 1e-4
    assert (fine.state - exact.state).abs().max() < 3e-10


@iterated
def test_a_guess_far_from_the_stage_is_given_up(method):
    """Robertson's second component is a twentieth of what its slope predicts a step ahead."""

    def f(t, y):
        first, second, third = 0.04 * y[:, 0], 1e4 * y[:, 1] * y[:, 2], 3e7 * y[:, 1] ** 2
        return torch.stack([second - first, first - second - third, third], 1)

    state = torch.tensor([[0.9, 2e-5, 0.1]], dtype=torch.float64)
    with torch.no_grad():
        step = one(method, f, state, 0.1)
    assert not step.failed.any()
    assert 2.1e-5 < float(step.state[0, 1]) < 2.2e-5
