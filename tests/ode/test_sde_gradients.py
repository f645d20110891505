"""Gradients through an SDE solve: against finite differences, through adaptive steps, and into the recorded E and S."""

import pytest
import torch

from sciml.ode import SDE_METHODS, SRI, Brownian, solve_sde

D = torch.float64
WANTED = torch.tensor([0.0, 0.5, 1.0], dtype=D)
WEIGHTS = torch.linspace(-0.6, 0.8, 12, dtype=D)
START = torch.tensor([[1.0, -0.5], [0.3, 0.7], [-1.1, 0.2]], dtype=D)


def drift(t, y, offset, p=WEIGHTS):
    hidden = torch.tanh(y @ p[:4].view(2, 2) + t[:, None] * p[4:6] + offset[:, None])
    return hidden @ p[6:10].view(2, 2) - y


def solve(p, y0=START, offset=None, grid=WANTED, **options):
    offset = torch.tensor([0.1, 0.2, -0.3], dtype=D) if offset is None else offset
    return solve_sde(
        lambda t, y, o: drift(t, y, o, p),
        lambda t, y, o: 0.3 * torch.sin(y * p[10] + p[11]) + 0.2,
        y0,
        grid,
        args=(offset,),
        **options,
    )


def loss(solution):
    """Something of the states, and the regularisers R_E and R_S."""
    total = (solution.states[:, -1] ** 2).mean()
    if solution.steps is None:
        return total
    steps = solution.steps
    return total + (steps.error * steps.size).sum() + 0.1 * (steps.stiffness * steps.size).sum()


def check(gradient, function, x, step=1e-6):
    """Slopes of `function` along three random directions, by central differences, are those of the gradient (1e-5)."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        way = torch.randn(x.shape, generator=generator, dtype=D)
        with torch.no_grad():
            slope = (function(x.detach() + step * way) - function(x.detach() - step * way)) / (2 * step)
        assert abs(float((gradient * way).sum()) - float(slope)) <= 1e-5 * abs(float(slope))


@pytest.mark.parametrize("name", SDE_METHODS)
def test_gradients_with_frozen_noise_and_steps(name):
    """With respect to parameters, initial states and per-row arguments; relative 1e-5."""
    record = isinstance(SDE_METHODS[name], SRI)
    options = {"method": name, "step": 0.125, "seed": 5, "record": record}
    p = WEIGHTS.clone().requires_grad_()
    y0 = START.clone().requires_grad_()
    offset = torch.tensor([0.1, 0.2, -0.3], dtype=D, requires_grad=True)
    by_p, by_y0, by_offset = torch.autograd.grad(loss(solve(p, y0, offset, **options)), (p, y0, offset))
    check(by_p, lambda x: loss(solve(x, **options)), p)
    check(by_y0, lambda x: loss(solve(WEIGHTS, x, **options)), y0)
    check(by_offset, lambda x: loss(solve(WEIGHTS, START, x, **options)), offset)


def test_an_adaptive_gradient_is_that_of_the_grid_it_chose():
    """Step sizes and accept tests carry no gradient: replaying the accepted steps as a fixed grid gives the same."""
    paths = Brownian(WANTED.tolist(), (3, 2), seed=9, dtype=D)
    common = {"method": "sriw1", "rtol": 0.01, "atol": 0.01, "brownian": paths, "record": True}
    p = WEIGHTS.clone().requires_grad_()
    adaptive = solve(p, **common)
    grid = torch.cat([adaptive.steps.time[0], torch.ones(1, dtype=D)])
    assert len(grid) > 10
    (grad,) = torch.autograd.grad(loss(adaptive), p)
    q = WEIGHTS.clone().requires_grad_()
    (replayed,) = torch.autograd.grad(loss(solve(q, grid=grid, step=1.0, **common)), q)
    torch.testing.assert_close(grad, replayed, rtol=1e-10, atol=1e-12)
    check(grad, lambda x: loss(solve(x, grid=grid, step=1.0, **common)), p)


def test_a_regulariser_of_weight_zero_changes_nothing():
    gradients = []
    for record in (False, True):
        p = WEIGHTS.clone().requires_grad_()
        solution = solve(p, rtol=0.05, atol=0.05, seed=2, record=record)
        value = (solution.states**2).mean()
        if record:
            value = value + 0.0 * ((solution.steps.error + solution.steps.stiffness) * solution.steps.size).sum()
        (gradient,) = torch.autograd.grad(value, p)
        gradients.append((value.detach(), gradient))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert torch.equal(gradients[0][1], gradients[1][1])


def test_a_few_steps_down_the_regulariser_save_evaluations():
    p = WEIGHTS.clone().requires_grad_()
    optimiser = torch.optim.Adam([p], lr=0.2)
    counts = []
    for _ in range(8):
        solution = solve(p, method="sosri", rtol=0.3, atol=0.3, seed=2, record=True)
        value = (solution.steps.error * solution.steps.size).sum()
        counts.append(int(solution.stats.accepted[0]))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    assert counts[-1] <= 0.75 * counts[0]


def test_gradients_survive_a_sample_that_leaves():
    """Rows that stay get the gradient they would have had, rows that left contribute none that is not finite."""
    scale = torch.tensor([1.0, 1.0], dtype=D, requires_grad=True)
    y0 = torch.tensor([[1.0], [30.0]], dtype=D)
    solution = solve_sde(
        lambda t, y, k: k[:, None] * torch.where(y > 10, y**3, -y),
        lambda t, y, k: 0.1 * y,
        y0,
        WANTED,
        args=(scale,),
        method="srk",
        step=0.05,
        seed=1,
    )
    assert solution.status.tolist() == [0, 1]
    (gradient,) = torch.autograd.grad(solution.states[solution.ok, -1].sum(), scale)
    assert gradient.isfinite().all()
    assert gradient[0] < 0
    assert gradient[1] == 0
