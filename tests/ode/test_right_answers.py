"""What users of solvers met: lost gradients, repeated times, shared memory, ends that never came."""

import math

import pytest
import torch
from torch import nn

from sciml import ode
from sciml.core.errors import ConfigError, UnsupportedError, UserError
from sciml.core.status import Status

DOUBLE = torch.float64
SPAN = torch.tensor([0.0, 1.0], dtype=DOUBLE)
GRADIENTS = {
    "auto": ode.Discrete(),
    "stacked": ode.Discrete(schedule="stacked"),
    "graph": ode.Discrete(schedule="graph"),
    "checkpointed": ode.Checkpointed(),
    "budget": ode.Checkpointed(budget=3),
    "adjoint": ode.Adjoint(),
}


def at(values):
    return torch.tensor(values, dtype=DOUBLE)


def ones(*shape, **more):
    return torch.ones(*shape, dtype=DOUBLE, **more)


@pytest.mark.parametrize("gradient", GRADIENTS.values(), ids=GRADIENTS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_parameter_that_shows_up_late_has_its_gradient(gradient, wrapped):
    """y' = 0 before t = 0.5, then -k y: y(1) = exp(-k/2), and the loss y(1) + 0.01 k² has the slope -0.3383."""
    k = torch.tensor(0.7, dtype=DOUBLE, requires_grad=True)

    def slope(t, y):
        return torch.where(t[:, None] < 0.5, torch.zeros_like(y), -k * y) if bool((t >= 0.5).any()) else 0 * y

    class Module(nn.Module):
        def forward(self, t, y):
            return slope(t, y)

    times = torch.tensor([0.0, 0.5, 1.0], dtype=DOUBLE)
    solved = ode.solve(Module() if wrapped else slope, ones(1, 1), times, method="rk4", step=1 / 128, gradient=gradient)
    (solved.states[0, -1, 0] + 0.01 * k**2).backward()
    expected = -0.5 * math.exp(-0.35) + 0.02 * 0.7
    assert float(k.grad) == pytest.approx(expected, abs=2e-3)  # one step sees the jump


@pytest.mark.parametrize("gradient", GRADIENTS.values(), ids=GRADIENTS)
def test_what_was_computed_before_the_solve_is_differentiated(gradient):
    weight = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
    calls = []

    class Encoder(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value.exp()

        @staticmethod
        def backward(ctx, grad):
            calls.append(1)
            return grad * math.exp(0.5)

    rate = Encoder.apply(weight)
    solved = ode.solve(lambda t, y: -rate * y, ones(1, 1), SPAN, gradient=gradient, rtol=1e-9, atol=1e-10)
    solved.states[0, -1, 0].backward()
    exact = -math.exp(0.5) * math.exp(-math.exp(0.5))
    assert float(weight.grad) == pytest.approx(exact, rel=1e-5)
    if gradient == ode.Discrete():
        assert len(calls) == 1  # through the encoder once, not once a step


def test_a_result_from_before_can_be_differentiated_by():
    weight = torch.tensor(0.5, dtype=DOUBLE, requires_grad=True)
    rate = weight.exp()
    solved = ode.solve(lambda t, y: -rate * y, ones(1, 1), SPAN, rtol=1e-9, atol=1e-10)
    (slope,) = torch.autograd.grad(solved.states[0, -1, 0], rate)
    assert float(slope) == pytest.approx(-math.exp(-math.exp(0.5)), rel=1e-7)


def test_second_derivatives_by_the_times():
    """y' = a t y, y(0) = 1: with s = t1² - t0², y = exp(a s / 2)."""
    a = torch.tensor(0.3, dtype=DOUBLE, requires_grad=True)
    times = torch.tensor([0.4, 1.1], dtype=DOUBLE, requires_grad=True)
    schedule = ode.Discrete(schedule="graph")
    solved = ode.solve(lambda t, y: a * t[:, None] * y, ones(1, 9), times, gradient=schedule, rtol=1e-10, atol=1e-12)
    first = torch.autograd.grad(solved.states[0, -1, 0], (times, a), create_graph=True)
    s, y = 1.1**2 - 0.4**2, math.exp(0.15 * (1.1**2 - 0.4**2))
    assert first[0].tolist() == pytest.approx([-0.3 * 0.4 * y, 0.3 * 1.1 * y], rel=1e-8)
    by_times = torch.autograd.grad(first[0][1], (times, a), retain_graph=True)
    assert by_times[0].tolist() == pytest.approx([-0.3 * 0.4 * 0.3 * 1.1 * y, 0.3 * y + (0.3 * 1.1) ** 2 * y], rel=1e-6)
    assert float(by_times[1]) == pytest.approx(1.1 * y + 0.3 * 1.1 * y * s / 2, rel=1e-6)
    by_start = torch.autograd.grad(first[0][0], (times, a))
    assert by_start[0].tolist() == pytest.approx(
        [-0.3 * y + (0.3 * 0.4) ** 2 * y, -0.3 * 0.4 * 0.3 * 1.1 * y], rel=1e-6
    )
    assert float(by_start[1]) == pytest.approx(-0.4 * y - 0.3 * 0.4 * y * s / 2, rel=1e-6)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_tangents_are_refused_and_not_dropped():
    with pytest.raises(UnsupportedError, match="forward-mode derivatives through a solve"):
        torch.func.jvp(lambda y: ode.solve(lambda t, y: -y, y, SPAN).states, (ones(1, 1),), (ones(1, 1),))
    k = torch.tensor(0.7, dtype=DOUBLE)
    with pytest.raises(UnsupportedError, match="forward-mode"):
        torch.func.jvp(lambda k: ode.solve(lambda t, y: -k * y, ones(1, 1), SPAN).states, (k,), (k,))


def test_functional_gradients_agree_with_autograd():
    def end(y):
        return ode.solve(lambda t, y: -(y**2), y, SPAN, rtol=1e-9, atol=1e-10).states[:, -1].sum()

    y0 = torch.tensor([[1.0], [3.0]], dtype=DOUBLE)
    assert torch.func.grad(end)(y0).flatten().tolist() == pytest.approx([1 / 4, 1 / 16], rel=1e-6)


class Dropped(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 16), nn.Dropout(0.5), nn.Linear(16, 2)).double()

    def forward(self, t, y):
        return self.layers(y)


def test_dropout_has_the_gradient_of_the_steps_that_were_taken():
    torch.manual_seed(0)
    module, y0 = Dropped(), ones(3, 2)

    def loss(**more):
        torch.manual_seed(1)
        return ode.solve(module, y0, SPAN, method="rk4", step=0.1, **more).states[:, -1].square().sum()

    first = torch.autograd.grad(loss(), list(module.parameters()))
    followed = torch.autograd.grad(loss(gradient=ode.Discrete(schedule="graph")), list(module.parameters()))
    for ours, true in zip(first, followed, strict=True):
        assert torch.equal(ours, true)
    for gradient in (ode.Checkpointed(), ode.Adjoint()):
        with pytest.raises(UnsupportedError, match="holds dropout or batch statistics in training"):
            loss(gradient=gradient)
    with pytest.raises(UserError, match="gives another answer when steps are repeated"):
        loss(gradient=ode.Discrete(schedule="stacked")).backward()
    loss_of = ode.solve(module.eval(), y0, SPAN, gradient=ode.Checkpointed()).states.sum()
    assert torch.autograd.grad(loss_of, y0.requires_grad_() if y0.requires_grad else module.layers[0].weight)[0].any()


@pytest.mark.parametrize("gradient", ["auto", "checkpointed", "budget"])
def test_a_look_at_the_other_rows_is_found_out(gradient):
    """`if t.max() < 0.5` decides for the whole batch: repeated together, all steps would take the other branch."""
    k = torch.tensor(1.0, dtype=DOUBLE, requires_grad=True)
    torch.manual_seed(0)

    def slope(t, y):
        return k * (0.1 if float(t.max()) < 0.5 else 1.0) * y * (1 + (torch.rand(()) if gradient != "auto" else 0))

    solved = ode.solve(slope, ones(2, 1), SPAN, method="rk4", step=0.05, gradient=GRADIENTS[gradient])
    with pytest.raises(UserError, match=r"gives another answer.*schedule='graph'"):
        solved.states[:, -1].sum().backward()


def test_rounding_close_to_an_equilibrium_is_no_change():
    """A network in single precision, repeated as one batch, rounds otherwise: 1e-7 of terms that cancel."""
    torch.manual_seed(0)
    layers = torch.nn.Linear(2, 64, dtype=DOUBLE), torch.nn.Tanh(), torch.nn.Linear(64, 2, dtype=DOUBLE)
    net, y0 = torch.nn.Sequential(*layers).float(), torch.zeros(1, 2, dtype=DOUBLE)
    with torch.no_grad():
        for _ in range(300):
            y0 = (y0 + net(y0.float()).to(DOUBLE)) / 2

    def gradients(schedule):
        solved = ode.solve(
            lambda t, y: net(y.float()).to(DOUBLE) - y,
            y0,
            torch.tensor([0.0, 20.0], dtype=DOUBLE),
            method="rk4",
            step=0.1,
            gradient=ode.Discrete(schedule=schedule),
        )
        return torch.autograd.grad(solved.states[:, -1].sum(), list(net.parameters()))

    for ours, true in zip(gradients("stacked"), gradients("graph"), strict=True):
        torch.testing.assert_close(ours, true, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 7])
def test_terms_of_a_network_that_cancel_at_rest_are_no_change(rows):
    """A state that rests at zero says nothing of what cancels: the rounding is that of the weights."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 256), torch.nn.Tanh(), torch.nn.Linear(256, 2))
    rest = net(torch.zeros(1, 2)).detach()

    def slope(t, y):
        return (net(y.float()) - rest).to(DOUBLE)

    y0, slopes = torch.zeros(rows, 2, dtype=DOUBLE), []
    for schedule in ("stacked", "graph"):
        solved = ode.solve(slope, y0, SPAN, method="rk4", step=0.05, gradient=ode.Discrete(schedule=schedule))
        slopes.append(torch.autograd.grad(solved.states[:, -1].sum(), list(net.parameters())))
    for ours, true in zip(*slopes, strict=True):
        torch.testing.assert_close(ours, true, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["dopri5", "rk4", "heun", "kvaerno5", "rodas4", "tsit5", "dopri8"])
@pytest.mark.parametrize("memory", ["tensor", "array", "part"])
def test_a_buffer_that_is_filled_again_is_copied(method, memory):
    buffer = torch.zeros(1, 2, dtype=DOUBLE)
    array = buffer.numpy() if memory == "array" else None

    def filled(t, y):
        if array is not None:
            array[0] = y.detach()[0, 1], -y.detach()[0, 0]
            return torch.from_numpy(array)
        out = torch.empty(1, 4, dtype=DOUBLE) if memory == "fresh" else buffer
        out[:, 0], out[:, 1] = y[:, 1], -y[:, 0]
        return out[:, :2] if memory == "part" else out

    def fresh(t, y):
        return torch.stack([y[:, 1], -y[:, 0]], dim=1)

    y0, times = torch.tensor([[1.0, 0.0]], dtype=DOUBLE), torch.tensor([0.0, 5.0], dtype=DOUBLE)
    step = None if ode.METHODS[method].adaptive else 0.05
    if not isinstance(ode.METHODS[method], type(ode.METHODS["dopri5"])):
        filled = fresh if memory == "array" else filled  # these need the Jacobian, which an array has not
    pair = [ode.solve(f, y0, times, method=method, step=step, rtol=1e-4).states for f in (filled, fresh)]
    assert torch.equal(*pair)
    assert not pair[0].requires_grad  # Jacobians leave nothing in the buffer


def test_a_buffer_of_the_wrong_number_of_rows_is_told():
    buffer = torch.zeros(1, 2, dtype=DOUBLE)

    def filled(t, y):
        buffer[:, 0], buffer[:, 1] = y[:, 1], -y[:, 0]
        return buffer

    with pytest.raises(UserError, match=r"fails on 3 rows, after it answered for 1.*len\(state\)"):
        ode.solve(filled, ones(1, 2), torch.tensor([0.0, 5.0], dtype=DOUBLE), method="radauIIA5")


def test_the_gradient_goes_through_a_buffer():
    """x' = k v, v' = -k x from (1, 0): x = cos k t."""
    k, buffer = torch.tensor(1.3, dtype=DOUBLE, requires_grad=True), torch.zeros(1, 2, dtype=DOUBLE)

    def filled(t, y):
        buffer[:, 0], buffer[:, 1] = k * y[:, 1], -k * y[:, 0]
        return buffer

    y0, times = torch.tensor([[1.0, 0.0]], dtype=DOUBLE), torch.tensor([0.0, 1.0], dtype=DOUBLE)
    last = ode.solve(filled, y0, times, rtol=1e-8, gradient=ode.Discrete(schedule="graph")).states[0, -1, 0]
    (slope,) = torch.autograd.grad(last, k)
    assert abs(last.item() - math.cos(1.3)) < 1e-7
    assert abs(slope.item() + math.sin(1.3)) < 1e-7


@pytest.mark.parametrize("solver", [ode.odeint, ode.solve])
def test_a_network_of_another_precision_is_told_with_both_names(solver):
    network = torch.nn.Linear(2, 2)
    with pytest.raises(UserError, match=r"a state of torch\.float64; got .*Double and Float.*f\.double\(\)"):
        solver(lambda t, y: network(y), ones(1, 2), torch.tensor([0.0, 1.0], dtype=DOUBLE))


def test_rows_without_numbers_are_refused():
    with pytest.raises(UserError, match=r"got shape \(3, 0\); expected batch \*shape, at least one sample and one"):
        ode.solve(lambda t, y: -y, torch.zeros(3, 0), torch.tensor([0.0, 1.0]))


TIMES = torch.tensor([[0.1, 0.2, 0.3], [0.0, 0.5, 0.5]], dtype=DOUBLE)


PLAIN = [name for name in sorted(ode.METHODS) if not isinstance(ode.METHODS[name], (ode.Symplectic, ode.Additive))]


@pytest.mark.parametrize("method", PLAIN)
def test_times_may_be_repeated(method):
    y0, expected = ones(2, 1, requires_grad=True), torch.exp(-(TIMES - TIMES[:, :1]))[..., None]
    step = None if ode.METHODS[method].adaptive else 0.04
    rtol = 1e-7 if ode.METHODS[method].order > 3 else 1e-5
    repeats = () if ode.METHODS[method].remembers else (ode.Checkpointed(),)
    ways = (ode.Discrete(), ode.Discrete(schedule="graph"), *repeats, ode.Adjoint())
    for gradient, sign in ((ways[0], -1), *((way, 1) for way in ways)):
        solved = ode.solve(
            lambda t, y, s=sign: -s * y, y0, sign * TIMES, method=method, step=step, gradient=gradient, rtol=rtol
        ).check()
        torch.testing.assert_close(solved.states, expected, rtol=2e-2 if step else 100 * rtol, atol=0)
        assert torch.equal(solved.states[1, 1], solved.states[1, 2])
        (slope,) = torch.autograd.grad(solved.states.sum(), y0)
        torch.testing.assert_close(slope, expected.sum(1), rtol=2e-2 if step else 1000 * rtol, atol=0)


@pytest.mark.parametrize("method", ["leapfrog", "yoshida4", "imex_ark3"])
def test_times_may_be_repeated_by_methods_for_equations_in_parts(method):
    is_split = method == "imex_ark3"
    f = (
        ode.Split(lambda t, y: -0.4 * y, lambda t, y: -0.6 * y) if is_split else lambda t, y: y.flip(1)
    )  # q' = p, p' = q
    y0 = torch.tensor([[1.0, -1.0]] * 2, dtype=DOUBLE, requires_grad=True)
    for gradient in (ode.Discrete(), ode.Checkpointed()):
        solved = ode.solve(f, y0, TIMES, method=method, step=None if is_split else 0.01, gradient=gradient).check()
        expected = torch.exp(-(TIMES - TIMES[:, :1]))[..., None] * y0[:, None]
        torch.testing.assert_close(solved.states, expected, rtol=1e-4, atol=0)
        assert torch.equal(solved.states[1, 1], solved.states[1, 2])


@pytest.mark.parametrize("method", ["dopri5", "kvaerno5", "rodas4", "rk4", "auto", "explicit_adams"])
def test_times_that_do_not_move_give_the_start(method):
    step = None if ode.METHODS[method].adaptive else 0.1
    y0 = ones(2, 3, requires_grad=True)
    solved = ode.solve(lambda t, y: -y, y0, torch.tensor([2.0, 2.0]), method=method, step=step).check()
    assert torch.equal(solved.states, y0[:, None].expand(2, 2, 3))
    (slope,) = torch.autograd.grad(solved.states[:, 1].sum(), y0)
    assert torch.equal(slope, torch.ones_like(y0))


def test_odeint_takes_repeated_times():
    states = ode.odeint(lambda t, y: -y, ones(2), torch.tensor([0.0, 0.5, 0.5, 1.0], dtype=DOUBLE))
    assert states[:, 0].tolist() == pytest.approx([1, math.exp(-0.5), math.exp(-0.5), math.exp(-1)], rel=1e-6)


def test_a_component_that_stays_zero_needs_no_absolute_tolerance():
    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE, requires_grad=True)
    solved = ode.solve(lambda t, y: -y, y0, SPAN, rtol=1e-6, atol=0.0).check()
    assert solved.states[0, -1].tolist() == pytest.approx([math.exp(-1), 0.0], rel=1e-5)
    (slope,) = torch.autograd.grad(solved.states[0, -1].sum(), y0)
    assert slope[0].tolist() == pytest.approx([math.exp(-1)] * 2, rel=1e-5)
    assert ode.odeint(lambda t, y: -y, y0[0], SPAN, atol=0.0)[-1, 1] == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_told_what_it_can_meet(dtype):
    y0, times = torch.ones(1, 1, dtype=dtype), torch.tensor([0.0, 1.0])
    with pytest.raises(
        ConfigError, match=r"below the rounding of torch\.\w*float16; got rtol=1e-06; expected at least"
    ):
        ode.solve(lambda t, y: -2 * y, y0, times)
    with pytest.raises(ConfigError, match="below the rounding"):
        ode.odeint(lambda t, y: -2 * y, y0[0], times)
    states = ode.solve(lambda t, y: -2 * y, y0, times, rtol=2e-2, atol=1e-2).check().states
    assert float(states[0, -1, 0]) == pytest.approx(math.exp(-2), abs=0.02)


@pytest.mark.slow
def test_a_known_number_of_steps_is_taken():
    solved = ode.solve(lambda t, y: y, torch.ones(1, 1), torch.tensor([0.0, 1.2]), method="euler", step=1e-4).check()
    assert int(solved.stats.accepted[0]) == 12_000
    assert float(solved.states[0, -1, 0]) == pytest.approx((1 + 1e-4) ** 12_000, rel=2e-4)


def test_fixed_steps_beyond_the_budget_are_refused_before_work():
    taken = []
    with pytest.raises(ConfigError, match=r"more than max_steps; got 12000 steps of 0.0001; expected at most 500"):
        ode.solve(
            lambda t, y: taken.append(1) or y, torch.ones(1, 1), torch.tensor([0.0, 1.2]), method="euler", step=1e-4,
            max_steps=500,
        )  # fmt: skip
    assert not taken


def test_steps_that_do_not_move_the_time_end_the_sample():
    late = torch.tensor([1e17, 2e17], dtype=DOUBLE)
    solved = ode.solve(lambda t, y: -y, ones(1, 1), late, controller=ode.PID(first=1.0, longest=2.0), max_steps=100)
    assert int(solved.status[0]) == Status.STEP_UNDERFLOW
    assert "1e+17" in solved.failures[0]


@pytest.mark.parametrize("solver", ["solve", "odeint"])
def test_an_empty_batch_is_refused_alike(solver):
    y0 = torch.ones(0, 3)
    with pytest.raises(UserError, match="at least one"):
        if solver == "solve":
            ode.solve(lambda t, y: -y, y0, SPAN)
        else:
            ode.odeint(lambda t, y: -y, y0, SPAN)


@pytest.mark.parametrize("gradient", GRADIENTS.values(), ids=GRADIENTS)
def test_a_right_hand_side_may_take_gradients_itself(gradient):
    """A Hamiltonian p²/2 + k q²/2, with k = 4: q = cos 2t."""
    k = torch.tensor(4.0, dtype=DOUBLE, requires_grad=True)

    def slope(t, y):
        y = y if y.requires_grad else y.detach().requires_grad_()
        energy = (y[:, 1] ** 2 / 2 + k * y[:, 0] ** 2 / 2).sum()
        (by,) = torch.autograd.grad(energy, y, create_graph=True)
        return torch.stack([by[:, 1], -by[:, 0]], dim=1)

    def careless(t, y):  # works with gradients enabled only
        moved = y + 0 * k
        energy = (moved[:, 1] ** 2 / 2 + k * moved[:, 0] ** 2 / 2).sum()
        (by,) = torch.autograd.grad(energy, moved, create_graph=True)
        return torch.stack([by[:, 1], -by[:, 0]], dim=1)

    y0 = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    for f in (slope, careless):
        solved = ode.solve(f, y0, SPAN, gradient=gradient, rtol=1e-8, atol=1e-9)
        assert solved.states[0, -1, 0].item() == pytest.approx(math.cos(2), abs=1e-6)
        (by_k,) = torch.autograd.grad(solved.states[0, -1, 0], k)
        assert float(by_k) == pytest.approx(-math.sin(2) / 4, abs=1e-5)
    with torch.no_grad():
        assert ode.solve(careless, y0, SPAN).states[0, -1, 0].item() == pytest.approx(math.cos(2), abs=1e-4)


@pytest.mark.parametrize("gradient", ["stacked", "checkpointed", "budget", "adjoint"])
def test_leaves_of_its_own_do_not_hide_a_parameter_that_shows_up_late(gradient):
    early, late = (torch.tensor(value, dtype=DOUBLE, requires_grad=True) for value in (0.4, 0.3))

    def slope(t, y):
        own = torch.ones_like(y, requires_grad=True)
        rate = early * own if bool((t < 0.5).all()) else torch.where(t[:, None] < 0.5, early, late) * own
        return -rate * y

    times = torch.linspace(0, 1, 5, dtype=DOUBLE)
    solved = ode.solve(slope, ones(1, 1), times, method="rk4", step=0.02, gradient=GRADIENTS[gradient])
    with pytest.raises(UserError, match="uses a tensor with gradient that it did not use at the first time"):
        solved.states.sum().backward()


def torch_writes(t, y):
    y *= -0.7
    return y


def numpy_writes(t, y):
    y.detach().numpy()[:] *= -0.7
    return y.clone()


def time_writes(t, y):
    t -= 5
    return -0.7 * y


@pytest.mark.parametrize("wrong", [torch_writes, numpy_writes, time_writes])
@pytest.mark.parametrize("method", ["dopri5", "explicit_adams", "auto", "rodas4", "kvaerno5", "radauIIA5"])
def test_what_is_given_is_not_written_into(method, wrong):
    step = 0.1 if method == "explicit_adams" else None
    with pytest.raises(UserError, match="writes into the time, state or arguments"):
        ode.solve(wrong, at([[1.0, 2.0]]), at([0.0, 1.0]), method=method, step=step)


def test_an_argument_and_the_state_of_odeint_are_not_written_into():
    def scaled(t, y, k):
        k *= 0.5
        return -k * y

    with pytest.raises(UserError, match="writes into"):
        ode.solve(scaled, at([[1.0]]), at([0.0, 1.0]), args=(at([[1.0]]),))
    with pytest.raises(UserError, match="writes into"):
        ode.odeint(torch_writes, at([1.0, 2.0]), at([0.0, 1.0]))
    with pytest.raises(UserError, match="the drift writes into"):
        noise = lambda t, y: torch.full_like(y, 0.1)
        ode.solve_sde(torch_writes, noise, at([[1.0]]), at([0.0, 1.0]), seed=0)


@pytest.mark.parametrize("gradient", [ode.Discrete(schedule="stacked"), ode.Checkpointed(budget=4)])
def test_a_constant_that_changes_before_backward_is_found_out(gradient):
    k, scale = at(0.7).requires_grad_(), at([1.0])
    states = ode.solve(lambda t, y: -k * scale * y, at([[1.0]]), at([0.0, 1.0]), gradient=gradient).states
    scale *= 1.001
    with pytest.raises(UserError, match="another answer"):
        states[:, -1].sum().backward()


@pytest.mark.parametrize("method", ["heun", "srk", "milstein", "sosri"])
def test_drift_and_diffusion_may_fill_a_buffer(method):
    buffers = torch.zeros(5, 2, dtype=torch.float64), torch.zeros(5, 2, dtype=torch.float64)

    def filled(buffer, value):
        buffer[:] = value
        return buffer

    def solve(drift, diffusion):
        step = None if method == "sosri" else 0.1
        y0 = torch.ones(5, 2, dtype=torch.float64)
        return ode.solve_sde(drift, diffusion, y0, at([0.0, 1.0]), method=method, step=step, seed=3).states

    fresh = solve(lambda t, y: -y * y, lambda t, y: 0.3 * y)
    again = solve(lambda t, y: filled(buffers[0], -y * y), lambda t, y: filled(buffers[1], 0.3 * y))
    assert torch.equal(fresh, again)


def test_times_that_single_precision_rounds_together_are_told():
    times, start = at([1e8, 1e8 + 1]), torch.ones(1, 1)
    with pytest.raises(UserError, match=r"float32 cannot tell .* apart.*Count times from the first"):
        ode.solve(lambda t, y: torch.cos(t - 1e8)[:, None] + 0 * y, start, times, rtol=1e-4)
    with pytest.raises(UserError, match="float32 cannot tell"):
        ode.odeint(lambda t, y: torch.cos(t - 1e8) + 0 * y, torch.ones(1), times, rtol=1e-4, atol=1e-5)
    same = ode.solve(lambda t, y: -y, start, times, rtol=1e-5).check()  # does not look at the time
    assert float(same.states[0, -1]) == pytest.approx(math.exp(-1), rel=1e-4)
    sharp = ode.solve(lambda t, y: torch.cos(t - 1e8)[:, None] + 0 * y, 0 * start.double(), times).check()
    assert float(sharp.states[0, -1]) == pytest.approx(math.sin(1), abs=1e-6)
