"""Equations forced in windows of their own: pulses are seen from wherever the integration begins."""

import math

import pytest
import torch

from sciml import ode
from sciml.core.errors import UserError
from sciml.core.status import Status

WIDTHS = torch.tensor([1e-6, 1e-4, 1e-2, 0.3], dtype=torch.float64)
CENTRES = torch.tensor([0.2, 0.5, 0.31, 0.7], dtype=torch.float64)


def pulse(time, state, centre, width):
    """Decay, and a Gaussian pulse of energy one."""
    late = (time - centre) / width
    return (torch.exp(-0.5 * late**2) / (width * math.sqrt(2 * math.pi)))[:, None] - 1e-3 * state


def breaks():
    return CENTRES[:, None] + WIDTHS[:, None] * torch.tensor([-8.0, -4.0, 0.0, 4.0, 8.0])


def solved(times, method="rodas4", rtol=1e-6):
    start = torch.zeros(4, 1, dtype=torch.float64)
    return ode.solve_forced(
        pulse, start, times, breaks(), args=(CENTRES, WIDTHS), method=method, rtol=rtol, atol=1e-9
    ).check()  # fmt: skip


@pytest.mark.parametrize("method", ["rodas4", "dopri5"])
def test_no_pulse_is_stepped_over(method):
    end = solved(torch.tensor([-4.0, 4.0]).double(), method).states[:, -1, 0]
    exact = torch.exp(-1e-3 * (4.0 - CENTRES) + 0.5e-6 * WIDTHS**2)
    torch.testing.assert_close(end, exact, rtol=1e-5, atol=0)


def test_plain_steps_miss_it():
    start = torch.zeros(4, 1, dtype=torch.float64)
    end = ode.solve(pulse, start, torch.tensor([-4.0, 4.0]).double(), args=(CENTRES, WIDTHS), method="rodas4").states
    assert float(end[0, -1]) < 1e-3


def test_neither_start_nor_output_times_matter():
    whole = solved(torch.tensor([-4.0, 4.0]).double()).states[:, -1]
    for times in (torch.linspace(-4, 4, 101), torch.tensor([-9.0, 0.5, 0.50001, 4.0])):
        torch.testing.assert_close(solved(times.double()).states[:, -1], whole, rtol=1e-5, atol=0)
    rows = torch.stack([torch.linspace(-4 - k, 4, 9, dtype=torch.float64) for k in range(4)])
    torch.testing.assert_close(solved(rows).states[:, -1], whole, rtol=1e-5, atol=0)


def test_a_start_within_the_pulse_takes_what_is_left_of_it():
    times = torch.stack((CENTRES, CENTRES + 20 * WIDTHS), dim=1)
    torch.testing.assert_close(solved(times).states[:, -1, 0], torch.full((4,), 0.5).double(), rtol=1e-2, atol=0)


def test_jumps_are_exact_and_on_the_right_side():
    """A rectangle of power, different for every row; the states at its ends are kinks."""
    begin, end = torch.tensor([[0.1, 0.3], [0.2, 0.300001]], dtype=torch.float64)

    def f(time, state, begin, end):
        return torch.where((time > begin) & (time < end), 1 / (end - begin), 0.0)[:, None] + 0 * state

    times = torch.tensor([0.0, 0.1, 0.15, 0.2, 0.3, 0.300001, 1.0], dtype=torch.float64)
    start = torch.zeros(2, 1, dtype=torch.float64)
    states = ode.solve_forced(f, start, times, torch.stack((begin, end), 1), args=(begin, end)).check().states[..., 0]
    torch.testing.assert_close(states[0], torch.tensor([0, 0, 0.5, 1, 1, 1, 1]).double(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(states[1], torch.tensor([0, 0, 0, 0, 0, 1, 1]).double(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("gradient", [ode.Discrete(), ode.Checkpointed(), ode.Adjoint()])
def test_gradients_reach_arguments_and_parameters_of_modules(gradient):
    class Driven(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = torch.nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

        def forward(self, time, state, energy):
            heat = torch.exp(-0.5 * ((time - 1) / 0.01) ** 2) / (0.01 * math.sqrt(2 * math.pi))
            return (energy * heat)[:, None] - self.rate * state

    module, energy = Driven(), torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    edges = torch.tensor([[0.92, 0.96, 1.0, 1.04, 1.08]]).double().expand(2, -1)
    start = torch.zeros(2, 1, dtype=torch.float64)
    times = torch.tensor([0.0, 3.0]).double()
    how = {"args": (energy,), "rtol": 1e-9, "atol": 1e-12, "gradient": gradient}
    end = ode.solve_forced(module, start, times, edges, **how).check().states[:, -1, 0]
    end.sum().backward()
    exact = math.exp(-2 * 0.7 + 0.5 * (0.7 * 0.01) ** 2)
    assert energy.grad.tolist() == pytest.approx([exact, exact], rel=1e-6)
    assert float(module.rate.grad) == pytest.approx(3 * exact * (-2 + 0.7 * 1e-4), rel=1e-5)


@pytest.mark.parametrize("schedule", ["stacked", "graph"])
@pytest.mark.parametrize("method", ["rodas4", "dopri5"])
def test_all_pieces_at_once_are_the_pieces_one_after_another(method, schedule):
    """Checkpoints stand in one piece at a time: the same steps, states and gradients, breaks that coincide included."""
    times = torch.tensor([0.0, 0.1, 0.3, 0.31, 1.5, 2.0], dtype=torch.float64)
    centres, widths = CENTRES[2:], WIDTHS[2:]
    edges = torch.stack((centres - 4 * widths, centres, centres, centres + 4 * widths), 1)

    def solved(gradient):
        rate = torch.tensor([3.0, 0.1], dtype=torch.float64, requires_grad=True)
        start = torch.zeros(2, 1, dtype=torch.float64, requires_grad=True)

        def f(time, state, centre, width, rate):
            return pulse(time, state, centre, width) - rate[:, None] * (state - torch.cos(time)[:, None])

        solution = ode.solve_forced(
            f, start, times, edges, args=(centres, widths, rate), method=method, rtol=1e-4, gradient=gradient
        ).check()  # fmt: skip
        grads = torch.autograd.grad(solution.states.square().sum(), (rate, start))
        return solution.states.detach(), *grads, solution.stats.accepted, solution.stats.rejected

    for ours, theirs in zip(solved(ode.Discrete(schedule)), solved(ode.Checkpointed()), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)


def test_a_failure_is_told_at_its_time():
    """dy/dt = y² from 1 at t = 5 ends at t = 6."""

    def f(time, state):
        return state.square()

    start, times = torch.ones(1, 1, dtype=torch.float64), torch.tensor([5.0, 8.0], dtype=torch.float64)
    for gradient in (ode.Discrete(), ode.Checkpointed()):
        solution = ode.solve_forced(f, start, times, torch.tensor([[5.5, 7.0]]).double(), gradient=gradient)
        assert solution.status.tolist() != [Status.OK]
        assert "t = 6" in solution.failures[0] or "t = 5.99" in solution.failures[0]


@pytest.mark.parametrize(
    ("edges", "share", "words"),
    [
        (torch.zeros(3, 2), 0.5, "one row per sample"),
        (torch.full((4, 1), math.nan), 0.5, "finite"),
        (torch.zeros(4, 1), 0.0, "share"),
    ],
)
def test_what_is_refused(edges, share, words):
    start = torch.zeros(4, 1, dtype=torch.float64)
    with pytest.raises(UserError, match=words):
        ode.solve_forced(
            pulse, start, torch.tensor([0.0, 1.0]), edges.double(), share=share, args=(CENTRES, WIDTHS)
        )  # fmt: skip


@pytest.mark.parametrize("pieces", ["breaks", "jumps"])
def test_a_sample_that_uses_up_its_steps_leaves_the_others_theirs(pieces):
    rate = torch.tensor([1.0, 3e4], dtype=torch.float64)
    y0, times = torch.ones(2, 1, dtype=torch.float64), torch.linspace(0, 4, 9, dtype=torch.float64)

    def f(t, y, rate):
        return -rate[:, None] * (y - torch.cos(t)[:, None])

    def answer(rows):
        if pieces == "breaks":
            breaks = torch.arange(1.0, 4.0, dtype=torch.float64).expand(len(rows), 3)
            return ode.solve_forced(f, y0[rows], times, breaks, args=(rate[rows],), max_steps=300)
        jumps = torch.arange(1.0, 4.0, dtype=torch.float64)
        return ode.solve(f, y0[rows], times, args=(rate[rows],), jumps=jumps, max_steps=300)

    together, alone = answer([0, 1]), answer([0])
    assert together.status.tolist() == [Status.OK, Status.MAX_STEPS]
    assert torch.equal(together.states[0], alone.states[0])
    assert together.stats.accepted[0] == alone.stats.accepted[0]
    assert "300 steps were not enough" in together.failures[1]
