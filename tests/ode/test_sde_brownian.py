"""Brownian paths: the law of (ΔW, U), increments that add up in any order, and what a path depends on."""

import itertools
import math

import pytest
import torch

from sciml.core.errors import UserError
from sciml.ode import Brownian


def make(times=(0.0, 1.0), rows=3, seed=0, dtype=torch.float64):
    return Brownian(list(times), (rows, 2), seed=seed, dtype=dtype)


def test_increments_of_neighbours_add_up_in_whatever_order_they_are_asked_for():
    """A rejected step asks for a part of an interval already known; the next one then reaches beyond it."""
    paths = make()
    far = paths(0.0, 0.7)
    near = paths(0.0, 0.2)  # after a rejection
    beyond = paths(0.2, 0.85)  # across the end of the first interval
    rest, between = paths(0.85, 1.0), paths(0.2, 0.7)
    whole = paths(0.0, 1.0)
    torch.testing.assert_close(far.w, near.w + between.w, rtol=0, atol=1e-13)
    torch.testing.assert_close(far.u, near.u + between.u + 0.5 * near.w, rtol=0, atol=1e-13)
    torch.testing.assert_close(whole.w, near.w + beyond.w + rest.w, rtol=0, atol=1e-13)
    joined = near.u + beyond.u + rest.u + 0.65 * near.w + 0.15 * (near.w + beyond.w)
    torch.testing.assert_close(whole.u, joined, rtol=0, atol=1e-13)
    assert torch.equal(paths(0.0, 0.2).w, near.w), "an interval asked for again is the same"


def test_random_refinement_adds_up():
    paths = make()
    draws = torch.rand(60, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64).sort(dim=1).values
    for start, end in draws.tolist():
        middle = (2 * start + end) / 3
        a, b, c = paths(start, end), paths(start, middle), paths(middle, end)
        torch.testing.assert_close(a.w, b.w + c.w, rtol=0, atol=1e-12)
        torch.testing.assert_close(a.u, b.u + c.u + (end - middle) * b.w, rtol=0, atol=1e-12)


def test_the_law_of_the_pair_is_right_after_rejections():
    """Var ΔW = h, Cov(ΔW, U) = h²/2, Var U = h³/3, nothing shared by disjoint intervals; 4 standard errors."""
    paths = make(rows=20_000)
    paths(0.0, 0.9)
    paths(0.0, 0.5)
    first, second = paths(0.0, 0.2), paths(0.2, 0.6)
    values = torch.stack([first.w, first.u, second.w, second.u]).flatten(1)
    h, k = 0.2, 0.4
    expected = torch.tensor(
        [
            [h, h**2 / 2, 0, 0],
            [h**2 / 2, h**3 / 3, 0, 0],
            [0, 0, k, k**2 / 2],
            [0, 0, k**2 / 2, k**3 / 3],
        ],
        dtype=torch.float64,
    )
    scale = expected.diagonal().sqrt()
    covariance = (values @ values.T / values.shape[1]) / scale[:, None] / scale
    assert (covariance - expected / scale[:, None] / scale).abs().max() < 4 * math.sqrt(2 / values.shape[1])
    assert (values.mean(1) / scale).abs().max() < 4 / math.sqrt(values.shape[1])


def test_the_same_seed_and_questions_give_the_same_bits():
    a, b, other = make(seed=4), make(seed=4), make(seed=5)
    for start, end in ((0.0, 0.5), (0.0, 0.1), (0.1, 0.8)):
        assert torch.equal(a(start, end).w, b(start, end).w)
        assert torch.equal(a(start, end).u, b(start, end).u)
        assert (a(start, end).w != other(start, end).w).all()


def test_the_path_at_the_given_times_does_not_depend_on_the_steps_between_them():
    times = [0.0, 0.3, 0.4, 0.9, 1.0]
    fine, coarse = make(times), make(times)
    for i in range(30):
        fine(i * 0.01, (i + 1) * 0.01)
    fine(0.3, 0.35)
    for start, end in itertools.pairwise(times):
        torch.testing.assert_close(fine(start, end).w, coarse(start, end).w, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_honoured(dtype):
    step = make(dtype=dtype)(0.25, 0.5)
    assert step.w.dtype == step.u.dtype == dtype
    assert step.w.shape == (3, 2)
    assert step.size == 0.25


@pytest.mark.gpu
def test_device_is_honoured():
    paths = Brownian([0.0, 1.0], (2, 2), device="cuda")
    assert paths(0.0, 0.5).w.is_cuda


@pytest.mark.parametrize(("start", "end"), [(-0.1, 0.5), (0.5, 1.1), (0.5, 0.5), (0.6, 0.5)])
def test_an_interval_it_does_not_cover_is_refused(start, end):
    with pytest.raises(UserError, match=r"does not cover.*within \[0\.0, 1\.0\]"):
        make()(start, end)
