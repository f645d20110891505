"""Explicit stepping: every method keeps the order it claims, rows are independent, failure is a status."""

import math

import pytest
import torch

from sciml.core.errors import UserError
from sciml.core.status import Status
from sciml.reference import ORDERS, in_chunks, integrate, rk4, ssp_rk3


def solve(tendency, initial, times, step, **options):
    step = torch.as_tensor(step, dtype=torch.float64)
    return integrate(
        tendency,
        initial,
        times,
        largest_step=lambda y: step.expand(len(y)),
        is_admissible=lambda y: torch.isfinite(torch.view_as_real(y) if y.is_complex() else y).flatten(1).all(1),
        **options,
    )


@pytest.mark.parametrize("method", ORDERS)
def test_order(method):
    """Slope of log error against log step on a nonlinear equation with a known solution, y' = −y², y(0) = 1."""
    steps = torch.tensor([0.2, 0.1, 0.05, 0.025], dtype=torch.float64)
    errors = []
    for step in steps:
        y = solve(lambda y: -(y**2), torch.ones(1, 1, dtype=torch.float64), [0.0, 2.0], step, method=method).states
        errors.append(abs(float(y[0, -1, 0]) - 1 / 3))
    slope = torch.linalg.lstsq(
        torch.stack([steps.log(), torch.ones_like(steps)], 1), torch.tensor(errors, dtype=torch.float64).log()[:, None]
    ).solution[0]
    assert abs(float(slope) - ORDERS[method]) < 0.25


@pytest.mark.parametrize(("method", "limit"), [(rk4, 2.82), (ssp_rk3, 1.73)])
def test_stability_limit_on_the_imaginary_axis(method, limit):
    def growth(step):
        y = torch.ones(1, 1, dtype=torch.complex128)
        for _ in range(2000):
            y = method(lambda y: 1j * y, y, torch.full((1, 1), step, dtype=torch.float64))
        return float(y.abs())

    assert growth(limit - 0.02) < 1 < growth(limit + 0.02)


def test_output_times_are_hit_with_equal_steps():
    times = [0.0, 0.25, 1.0, 1.09]
    result = solve(lambda y: 2j * math.pi * y, torch.ones(1, 1, dtype=torch.complex128), times, 0.02)
    exact = torch.exp(2j * math.pi * torch.tensor(times, dtype=torch.float64))
    torch.testing.assert_close(result.states[0, :, 0], exact, rtol=0, atol=2e-5)
    assert result.stats["steps"].tolist() == [13 + 38 + 5]


def test_a_row_takes_its_own_steps_and_not_its_neighbours():
    """A stiff neighbour makes the batch take more sub-steps; the other row's result does not change by one bit."""
    rates = torch.tensor([[1.0], [200.0]], dtype=torch.float64)
    initial = torch.ones(2, 1, dtype=torch.float64)

    def run(rows):
        return integrate(
            lambda y: -rates[rows] * y,
            initial[rows],
            [0.0, 0.5, 1.0],
            largest_step=lambda y: 0.5 / rates[rows, 0],
            is_admissible=lambda y: torch.isfinite(y).all(1),
        )

    alone, both = run(slice(0, 1)), run(slice(0, 2))
    assert torch.equal(alone.states[0], both.states[0])
    assert alone.stats["steps"].tolist() == [2]
    assert both.stats["steps"].tolist() == [2, 400]


def test_a_row_that_blows_up_is_reported_and_blanked_from_there_on():
    initial = torch.tensor([[0.1], [2.0]], dtype=torch.float64)
    result = solve(lambda y: y**2, initial, [0.0, 0.25, 2.0, 3.0], 0.01)  # y = 1/(1/y0 - t), pole at t = 1/y0
    assert result.status.tolist() == [Status.OK, Status.DIVERGED]
    torch.testing.assert_close(
        result.states[0, :, 0], 1 / (10 - torch.tensor([0.0, 0.25, 2.0, 3.0], dtype=torch.float64))
    )
    assert torch.isfinite(result.states[1, :2]).all()
    assert torch.isnan(result.states[1, 2:]).all()


def test_a_step_budget_that_runs_out_is_reported():
    initial = torch.ones(2, 1, dtype=torch.float64)
    result = solve(lambda y: -y, initial, [0.0, 1.0], [1e-9, 1e-1], max_steps=100)
    assert result.status.tolist() == [Status.MAX_STEPS, Status.OK]
    assert result.stats["steps"].tolist() == [0, 10]


def test_an_inadmissible_start_never_runs():
    result = solve(lambda y: -y, torch.tensor([[math.nan], [1.0]], dtype=torch.float64), [0.0, 1.0], 0.1)
    assert result.status.tolist() == [Status.DIVERGED, Status.OK]
    assert torch.isnan(result.states[0]).all()


def test_observation_is_what_is_kept():
    initial = torch.ones(2, 4, dtype=torch.float64)
    result = solve(lambda y: -y, initial, [0.0, 1.0], 0.1, observe=lambda y: y[:, :2].float())
    assert result.states.shape == (2, 2, 2)
    assert result.states.dtype == torch.float32


@pytest.mark.parametrize("times", [[], [0.0, 0.0], [0.0, 2.0, 1.0], [0.0, math.nan]])
def test_times_must_increase(times):
    with pytest.raises(UserError, match="increase"):
        solve(lambda y: -y, torch.ones(1, 1, dtype=torch.float64), times, 0.1)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_chunks_join_to_the_whole(chunk):
    initial = torch.tensor([[0.1], [2.0], [0.3], [0.4], [0.5]], dtype=torch.float64)

    def solve_rows(rows):
        return solve(lambda y: y**2, initial[rows], [0.0, 0.25, 1.0], 0.01)

    whole, joined = solve_rows(slice(None)), in_chunks(solve_rows, 5, chunk)
    assert torch.equal(whole.states.nan_to_num(), joined.states.nan_to_num())
    assert torch.equal(whole.status, joined.status)
    assert torch.equal(whole.stats["steps"], joined.stats["steps"])
