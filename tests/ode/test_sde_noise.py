"""Equations after Stratonovich, matrices of noise and correlated motions, and whose seed it is."""

import math

import pytest
import torch
import torchsde

from sciml.ode import Brownian, solve_sde

D = torch.float64
SIGMA, MU = 0.8, 0.5


def times(*values):
    return torch.tensor(values, dtype=D)


def ones(rows, dim):
    return torch.ones(rows, dim, dtype=D)


@pytest.mark.parametrize(("method", "order"), [("heun", 1.0), ("milstein", 1.0), ("srk", 1.5)])
def test_stratonovich_equations_converge_to_their_own_solution(method, order):
    """dy = μ y dt + σ y ∘ dW has y = exp(μ t + σ W), where Itô's has exp((μ - σ²/2) t + σ W)."""
    paths = Brownian([0.0, 1.0], (300, 1), seed=1, dtype=D)
    exact = torch.exp(MU + SIGMA * paths(0.0, 1.0).w)
    errors = []
    for step in (1 / 16, 1 / 64):
        solution = solve_sde(
            lambda t, y: MU * y, lambda t, y: SIGMA * y, ones(300, 1), times(0, 1),
            method=method, step=step, brownian=paths, calculus="stratonovich",
        )  # fmt: skip
        assert not solution.states.requires_grad
        errors.append(float((solution.states[:, -1] - exact).abs().mean()))
    assert math.log(errors[0] / errors[1], 4) > order - 0.2
    assert errors[1] < 0.03


def test_an_adaptive_method_of_ito_takes_an_equation_of_stratonovich():
    paths = Brownian([0.0, 1.0], (40, 1), seed=2, dtype=D)
    solution = solve_sde(
        lambda t, y: MU * y, lambda t, y: SIGMA * y, ones(40, 1), times(0, 1),
        rtol=2e-2, atol=2e-2, brownian=paths, calculus="stratonovich",
    )  # fmt: skip
    assert (solution.states[:, -1] - torch.exp(MU + SIGMA * paths(0.0, 1.0).w)).abs().mean() < 5e-3


def matrix(t, y):
    """Two components, three motions; columns that do not commute."""
    zero = torch.zeros_like(y[:, 0])
    return torch.stack(
        [torch.stack([0.5 * y[:, 1], 0.2 + zero, zero], 1), torch.stack([zero, 0.3 * y[:, 0], 0.1 * y[:, 1]], 1)], 1
    )


@pytest.mark.parametrize(("method", "calculus"), [("euler", "ito"), ("heun", "stratonovich")])
def test_matrices_of_noise_agree_with_torchsde(method, calculus):
    paths = Brownian([0.0, 0.5, 1.0], (20, 3), seed=3, dtype=D)
    options = {"method": method, "step": 1 / 32, "brownian": paths, "calculus": calculus, "noise": "general"}
    ours, peer = (
        solve_sde(lambda t, y: -y, matrix, ones(20, 2), times(0, 0.5, 1), backend=backend, **options).states
        for backend in ("sciml", "torchsde")
    )
    assert torch.allclose(ours, peer, atol=1e-12)
    assert torchsde.__name__ == "torchsde"


def test_both_methods_converge_to_one_solution_in_either_calculus():
    """A matrix of noise after Itô by Heun's method, whose drift is converted, and by Euler's on fine steps."""
    paths = Brownian([0.0, 1.0], (200, 3), seed=4, dtype=D)
    options = {"brownian": paths, "noise": "general"}
    gaps = []
    for step in (1 / 16, 1 / 128):
        euler, heun = (
            solve_sde(lambda t, y: -y, matrix, ones(200, 2), times(0, 1), method=name, step=step, **options).states
            for name in ("euler", "heun")
        )
        gaps.append(float((euler - heun)[:, -1].abs().mean()))
    assert gaps[1] < gaps[0] / 2  # order 1/2: 2.8
    assert gaps[1] < 6e-3


def test_correlated_motions_have_the_covariance_asked_for():
    """dy = diag(σ) dW with dW dWᵀ = C dt: the covariance at t = 2 is 2 σ_i σ_j C_ij, up to the errors of 20,000."""
    correlation, sigma = torch.tensor([[1.0, -0.6], [-0.6, 1.0]], dtype=D), torch.tensor([0.5, 2.0], dtype=D)
    solution = solve_sde(
        lambda t, y: 0 * y, lambda t, y: sigma.expand_as(y), torch.zeros(20_000, 2, dtype=D), times(0, 2),
        method="euler", step=2.0, seed=5, correlation=correlation,
    )  # fmt: skip
    found = solution.states[:, -1].T.cov() / (sigma[:, None] * sigma)
    assert torch.allclose(found, 2 * correlation, atol=0.06)


def test_gradients_go_through_a_converted_drift():
    """d/dσ of exp(μ + σ W) is W times it; by Itô's method of an equation of Stratonovich."""
    sigma = torch.tensor(SIGMA, dtype=D, requires_grad=True)
    paths = Brownian([0.0, 1.0], (50, 1), seed=6, dtype=D)
    last = solve_sde(
        lambda t, y: MU * y, lambda t, y: sigma * y, ones(50, 1), times(0, 1),
        method="srk", step=1 / 32, brownian=paths, calculus="stratonovich",
    ).states[:, -1]  # fmt: skip
    (slope,) = torch.autograd.grad(last.mean(), sigma)
    w = paths(0.0, 1.0).w
    assert torch.isclose(slope, (w * torch.exp(MU + SIGMA * w)).mean(), rtol=1e-2)


def test_a_generator_gives_new_paths_with_every_call_and_the_same_ones_again():
    def two(seed):
        generator = torch.Generator().manual_seed(seed)
        return [
            solve_sde(lambda t, y: 0 * y, lambda t, y: 1 + 0 * y, ones(2, 1), times(0, 1), seed=generator).states
            for _ in range(2)
        ]

    first, second = two(0)
    assert not torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip((first, second), two(0), strict=True))
    assert not torch.equal(first, two(1)[0])
