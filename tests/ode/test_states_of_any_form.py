"""Complex and nested states, arguments that are shared, times of unequal number, and the transforms of torch.func."""

import math

import pytest
import torch
from torch import nn

from sciml import ode
from sciml.core.errors import UnsupportedError, UserError

D = torch.float64


def times(*values):
    return torch.tensor(values, dtype=D)


@pytest.mark.parametrize("method", ["dopri5", "dopri8", "rodas4", "radauIIA5", "implicit_adams"])
def test_complex_states(method):
    """y' = -i ω y turns by ω t; the gradient of Im y(π/2) = -sin(ω π/2) by ω, and that by y0."""
    omega = torch.tensor(1.0, dtype=D, requires_grad=True)
    start = torch.ones(2, 1, dtype=torch.complex128, requires_grad=True)
    step = {"step": 0.01} if method == "implicit_adams" else {}
    solution = ode.solve(
        lambda t, y: -1j * omega * y,
        start,
        times(0, math.pi / 2, math.pi),
        method=method,
        rtol=1e-8,
        atol=1e-10,
        **step,
    )
    assert solution.states.dtype == torch.complex128
    assert solution.times.dtype == D
    exact = torch.tensor([1, -1j, -1], dtype=torch.complex128)
    assert torch.allclose(solution.states[:, :, 0], exact.expand(2, 3), atol=1e-6)
    slopes = torch.autograd.grad(solution.states[0, 2, 0].imag, (omega, start))
    assert abs(float(slopes[0]) - math.pi) < 1e-5  # d/dω (-sin ω π) at 1
    assert torch.allclose(slopes[1][0, 0], torch.tensor(-1j, dtype=torch.complex128), atol=1e-6)  # torch's convention


class Oscillator(nn.Module):
    """q' = p, p' = -k q in a dictionary, with a complex amplitude beside that decays."""

    def __init__(self):
        super().__init__()
        self.stiffness = nn.Parameter(torch.tensor(4.0, dtype=D))

    def forward(self, time, state, rate):
        return {"where": (state["where"][1], -self.stiffness * state["where"][0]), "wave": -rate * state["wave"]}


def nested():
    q = torch.tensor([[1.0], [0.5]], dtype=D)
    return {"where": (q, torch.zeros_like(q)), "wave": torch.ones(2, 3, 2, dtype=torch.complex128)}


@pytest.mark.parametrize(
    "gradient", [ode.Discrete(), ode.Checkpointed(), ode.Adjoint()], ids=lambda g: type(g).__name__
)
def test_nested_states(gradient):
    module, q = Oscillator(), torch.tensor([1.0, 0.5], dtype=D)
    event = ode.Event(lambda t, y: y["where"][0][:, 0], terminal=False)
    solution = ode.solve(
        module, nested(), times(0, 0.5, 1), args=(1.0,), rtol=1e-8, atol=1e-10, gradient=gradient, event=event
    )
    where, wave = solution.states["where"], solution.states["wave"]
    assert where[0].shape == (2, 3, 1)
    assert wave.shape == (2, 3, 3, 2)
    assert torch.allclose(where[0][:, -1, 0], q * math.cos(2), atol=1e-7)
    assert torch.allclose(wave[:, -1].real, torch.full((2, 3, 2), math.exp(-1), dtype=D), atol=1e-7)
    assert torch.allclose(solution.marks.time[:, 0], torch.full((2,), math.pi / 4, dtype=D), atol=1e-6)
    assert torch.allclose(solution.marks.state["where"][1][:, 0, 0], -2 * q, atol=1e-6)
    (slope,) = torch.autograd.grad(where[0][0, -1, 0], module.stiffness)
    assert abs(float(slope) + math.sin(2) / 4) < 1e-6  # d/dk cos √k


def test_dense_output_and_tolerances_of_nested_states():
    start = (torch.ones(1, 2, dtype=D), torch.ones(1, dtype=torch.complex128))
    solution = ode.solve(
        lambda t, y: (-y[0], -2 * y[1]), start, times(0, 1), dense=True, rtol=1e-8,
        atol=(torch.tensor([1e-9, 1e-10]), 1e-10),
    )  # fmt: skip
    real, wide = solution.dense(times(0.3, 0.7))
    assert torch.allclose(real[0, :, 0], torch.exp(-times(0.3, 0.7)), atol=1e-6)
    assert torch.allclose(wide[0].real, torch.exp(-2 * times(0.3, 0.7)), atol=1e-6)


@pytest.mark.parametrize(
    ("f", "y0", "words"),
    [
        (lambda t, y: y, {}, ("one row per sample", "got nothing")),
        (lambda t, y: y, (torch.ones(2, 1), torch.ones(3, 1)), ("one row per sample", "(2, 1), (3, 1)")),
        (lambda t, y: y, (torch.ones(2, 1), torch.ones(2, dtype=D)), ("share one precision", "float32", "float64")),
        (lambda t, y: y["a"], {"a": torch.ones(2, 1)}, ("form of the state", "(2, 1), torch.float32", "(row, 1)")),
        (lambda t, y: y.real, torch.ones(2, 1, dtype=torch.complex64), ("form of the state", "complex")),
    ],
)
def test_states_that_do_not_fit(f, y0, words):
    with pytest.raises(UserError) as refusal:
        ode.solve(f, y0, torch.tensor([0.0, 1.0]))
    for word in words:
        assert word in str(refusal.value), str(refusal.value)


def test_shared_arguments():
    """A number, a module and a shared matrix beside a tensor with a row per sample; the matrix has a gradient."""
    matrix = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=D, requires_grad=True)
    rate = torch.tensor([0.5, 1.0], dtype=D)

    def f(time, state, scale, shared, own, layer):
        return scale * layer(state) @ shared.T - own[:, None] * state

    def last(shared):
        args = (1.0, ode.Static(shared), rate, nn.Identity())
        return ode.solve(f, torch.ones(2, 2, dtype=D), times(0, 1), args=args, rtol=1e-9, atol=1e-11).states[:, -1]

    turned = torch.tensor([math.cos(1) + math.sin(1), math.cos(1) - math.sin(1)], dtype=D)
    assert torch.allclose(last(matrix), torch.exp(-rate)[:, None] * turned, atol=1e-7)
    (slope,) = torch.autograd.grad(last(matrix).sum(), matrix)
    moved = torch.tensor([[0.0, 0.0], [1e-5, 0.0]], dtype=D)
    difference = (last(matrix.detach() + moved).sum() - last(matrix.detach() - moved).sum()) / 2e-5
    assert torch.isclose(slope[1, 0], difference, rtol=1e-5)
    with pytest.raises(UserError, match=r"one row per sample.*ode\.Static"):
        ode.solve(lambda t, y, a: y, torch.ones(2, 1), torch.tensor([0.0, 1.0]), args=(torch.ones(3),))


def test_times_of_unequal_number():
    """A list of times per sample, NaN at the end of a row, or the last time again: one answer."""
    start, f = torch.ones(2, 1, dtype=D), lambda t, y: -y
    rows = [times(0.1, 0.2, 0.3), times(0.0, 0.5)]
    listed = ode.solve(f, start, rows)
    padded = torch.stack([rows[0], times(0.0, 0.5, math.nan)]).requires_grad_()
    missing = ode.solve(f, start, padded)
    repeated = ode.solve(f, start, torch.stack([rows[0], times(0.0, 0.5, 0.5)]))
    exact = torch.tensor([[1, 0.904837, 0.818731], [1, 0.606531, 0.606531]], dtype=D)
    assert torch.allclose(repeated.states[..., 0], exact, atol=1e-6)
    for solution in (listed, missing):
        assert torch.equal(solution.states.isnan()[..., 0], torch.tensor([[False] * 3, [False, False, True]]))
        assert torch.allclose(solution.states[..., 0].nan_to_num(nan=0.606531), exact, atol=1e-6)
        assert solution.times[1, 2].isnan()
    (slope,) = torch.autograd.grad(missing.states[:, :2].sum() + missing.states[0, 2].sum(), padded)
    assert abs(float(slope[1, 1]) + 0.606531) < 1e-5
    assert slope[1, 2] == 0
    with pytest.raises(UserError, match="NaN before a time"):
        ode.solve(f, start, torch.stack([rows[0], times(0.0, math.nan, 0.5)]))


def decay(time, state, rate):
    return -rate[:, None] * state


def end(y0, rate, method="dopri5"):
    return ode.solve(decay, y0[None], times(0, 1), args=(rate[None],), method=method, rtol=1e-8, atol=1e-10).states[
        0, -1
    ]


@pytest.mark.parametrize("method", ["dopri5", "rodas4", "kvaerno3", "radauIIA5"])
def test_vmap_over_states_and_arguments(method):
    y0, rates = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=D), times(1, 2, 3)
    exact = y0 * torch.exp(-rates)[:, None]
    assert torch.allclose(torch.vmap(lambda a, b: end(a, b, method))(y0, rates), exact, atol=1e-6)
    assert torch.allclose(torch.vmap(end, in_dims=(0, None))(y0, rates[1]), y0 * math.exp(-2), atol=1e-6)
    twice = torch.vmap(torch.vmap(end, in_dims=(None, 0)), in_dims=(0, None))(y0, rates)
    assert torch.allclose(twice[:, 1], y0 * math.exp(-2), atol=1e-6)


@pytest.mark.parametrize("method", ["dopri5", "rodas4", "auto"])
def test_gradients_by_torch_func(method):
    y0, rates = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=D), times(1, 2)
    exact = -y0.sum(1) * torch.exp(-rates)
    slope = torch.func.grad(lambda k: end(y0[0], k, method).sum())(rates[0])
    assert torch.isclose(slope, exact[0], rtol=1e-6)
    each = torch.vmap(torch.func.grad(lambda a, k: end(a, k, method).sum(), argnums=1))(y0, rates)
    assert torch.allclose(each, exact, rtol=1e-6)
    assert torch.allclose(torch.func.jacrev(end, argnums=1)(y0[0], rates[0]), -y0[0] * math.exp(-1), rtol=1e-6)
    outside = rates.clone().requires_grad_()
    torch.vmap(end)(y0, outside).sum().backward()
    assert torch.allclose(outside.grad, exact, rtol=1e-6)


def test_what_vmap_refuses():
    y0 = torch.ones(1, 1, dtype=D)
    with pytest.raises(UnsupportedError, match=r"maps over a tensor that the right-hand side uses.*args"):
        torch.vmap(lambda k: ode.solve(lambda t, y: -k * y, y0, times(0, 1)).states)(times(1, 2))
    event = ode.Event(lambda t, y: y[:, 0] - 0.5)
    with pytest.raises(UnsupportedError, match=r"under torch\.vmap"):
        torch.vmap(lambda k: ode.solve(decay, y0, times(0, 1), args=(k[None],), event=event).states)(times(1, 2))
    with pytest.raises(UnsupportedError, match=r"torch\.vmap over an SDE"):
        torch.vmap(lambda y: ode.solve_sde(lambda t, x: x, lambda t, x: x, y, times(0, 1), seed=0).states)(
            torch.ones(2, 1, 1, dtype=D)
        )
