"""Paths of stochastic equations: orders, moments known in closed form, the Itô sense, reproducibility."""

import math

import numpy as np
import pytest
import torch

from sciml.core import rng
from sciml.core.errors import UserError
from sciml.reference import ito_paths, ito_step

TIMES = torch.linspace(0.0, 1.0, 4, dtype=torch.float64)


def make(drift, diffusion, start, *, paths=4000, step=0.05, seed=0, times=TIMES):
    start = torch.tensor(start, dtype=torch.float64)
    return ito_paths(drift, diffusion, start, times, paths=paths, step=step, generator=rng.generator(seed))


def along(drift, diffusion, start, noise):
    """The last states with one step per row of `noise` (``step path channel``) of the unit interval."""
    state, h = torch.tensor(start, dtype=torch.float64).expand(noise.shape[1], -1), 1 / len(noise)
    for k, increment in enumerate(noise):
        state = ito_step(drift, diffusion, k * h, h, state, increment)
    return state


def test_without_noise_it_is_the_classical_method_of_order_4():
    def drift(time, state):
        return torch.stack([state[:, 1] * time.cos(), -(state[:, 0] ** 3)], 1)

    def still(time, state):
        return torch.zeros_like(state)

    fine = make(drift, still, (1.0, 0.5), paths=1, step=1 / 384)[0, -1]
    steps = [1 / 12, 1 / 24, 1 / 48]
    errors = [float((make(drift, still, (1.0, 0.5), paths=1, step=step)[0, -1] - fine).norm()) for step in steps]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 3.8 < slope < 4.2


def test_paths_converge_with_strong_order_1():
    """Non-linear drift, noise that depends on time and on its own component."""

    def drift(time, state):
        return torch.stack([-(state[:, 0] ** 3) + state[:, 1], torch.sin(3 * state[:, 0])], 1)

    def diffusion(time, state):
        return torch.stack([0.5 * state[:, 0].cos(), 0.4 * (1 + time) * state[:, 1]], 1)

    fine = torch.randn(256, 300, 2, dtype=torch.float64, generator=rng.generator(1)) / 16
    best = along(drift, diffusion, (1.0, 0.5), fine)
    counts = [4, 8, 16, 32]
    errors = []
    for count in counts:
        coarse = fine.unflatten(0, (count, -1)).sum(1)
        errors.append(float((along(drift, diffusion, (1.0, 0.5), coarse) - best).square().mean().sqrt()))
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert -1.25 < slope < -0.85


def test_geometric_brownian_motion_is_exact_along_its_path_and_ito():
    """X = exp((μ - σ²/2) t + σ W); in Stratonovich's sense the first term would be μ t."""
    growth, noise = 0.3, 0.8
    increments = torch.randn(32, 50, 1, dtype=torch.float64, generator=rng.generator(2)) / math.sqrt(32)
    path = along(lambda t, x: growth * x, lambda t, x: noise * x, (1.0,), increments)
    exact = torch.exp(growth - noise**2 / 2 + noise * increments.sum(0))
    torch.testing.assert_close(path, exact, rtol=5e-4, atol=0)


def test_moments_agree_with_closed_forms():
    """An Ornstein-Uhlenbeck process: mean and variance within 4 standard errors at every time."""
    decay, noise = 2.0, 0.7
    paths = make(lambda t, x: -decay * x, lambda t, x: torch.full_like(x, noise), (1.5,))
    mean, variance = 1.5 * (-decay * TIMES).exp(), noise**2 / (2 * decay) * (1 - (-2 * decay * TIMES).exp())
    assert paths.shape == (4000, 4, 1)
    assert paths.dtype == torch.float64
    assert torch.equal(paths[:, 0, 0], torch.full((4000,), 1.5, dtype=torch.float64))
    assert ((paths.mean(0)[:, 0] - mean).abs() <= 4 * (variance / 4000).sqrt() + 1e-12).all()
    assert ((paths.var(0)[:, 0] - variance).abs() <= 4 * variance * math.sqrt(2 / 4000) + 1e-12).all()


def test_a_diffusion_that_mixes_components_is_corrected_by_its_diagonal_alone():
    """g = (x y, 1): the correction of the first component is x y² / 2, and the second has none."""
    steady = torch.tensor([[0.5, 2.0]], dtype=torch.float64)
    increment = torch.zeros(1, 2, dtype=torch.float64)

    def diffusion(time, state):
        return torch.stack([state[:, 0] * state[:, 1], torch.ones_like(state[:, 1])], 1)

    h = 1e-6
    moved = ito_step(lambda t, x: torch.zeros_like(x), diffusion, 0.0, h, steady, increment)
    torch.testing.assert_close(
        (moved - steady) / h, torch.tensor([[-0.5 * 0.5 * 4, 0.0]]).double(), rtol=1e-4, atol=1e-8
    )


def test_paths_are_a_function_of_the_generator():
    one, same, other = (make(lambda t, x: -x, lambda t, x: x, (1.0,), paths=3000, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(one[:, -1].unique()) == 3000  # also across the chunks it works in


@pytest.mark.parametrize(("times", "step"), [([0.0, 1.0, 1.0], 0.1), ([0.0], 0.1), ([0.0, 1.0], 0.0)])
def test_times_and_steps_that_make_no_sense_are_refused(times, step):
    with pytest.raises(UserError, match="increasing times and a positive step"):
        make(lambda t, x: x, lambda t, x: x, (1.0,), times=torch.tensor(times), step=step)
