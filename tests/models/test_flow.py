"""Continuous normalising flows: closed forms, round trips, normalisation, estimates of the trace."""

import math

import pytest
import torch
from torch import nn

from sciml.models import Flow, IntegrateConfig, RegulariseConfig

TIGHT = IntegrateConfig(rtol=1e-9, atol=1e-9)


class Linear(nn.Module):
    """v = A z."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = nn.Parameter(matrix.double())

    def forward(self, time, state):
        return state @ self.matrix.T


def flow(dim=2, mean=0.0, std=1.0, seed=0, strength=1.0, **settings):
    torch.manual_seed(seed)
    settings = {"width": 16, "integrate": IntegrateConfig(rtol=1e-6, atol=1e-6)} | settings
    units = {"mean": torch.full((dim,), mean), "std": torch.full((dim,), std)}
    module = Flow(dim, **units, **settings).double()
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(strength)
    return module


def points(count=64, dim=2, seed=1):
    return torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_linear_velocity_changes_the_log_density_by_its_trace():
    matrix = torch.tensor([[0.3, -1.0], [0.7, -0.9]])
    module = flow(span=2.0, integrate=TIGHT)
    module.block.field.velocity = Linear(matrix)
    x = points()
    log_density, solution = module(x)
    back = x @ torch.linalg.matrix_exp(-2.0 * matrix.double()).T
    normal = -0.5 * back.square().sum(1) - math.log(2 * math.pi)
    torch.testing.assert_close(log_density, normal - 2.0 * float(matrix.trace()), rtol=1e-7, atol=1e-7)
    change = solution.states[:, -1, -1]
    torch.testing.assert_close(change, torch.full_like(change, 2.0 * float(matrix.trace())), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(module.push(back), x, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", ["squash", "planar"])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-7])
def test_there_and_back_is_within_ten_tolerances(kind, tolerance):
    module = flow(kind=kind, strength=2.0, mean=1.0, std=3.0)
    x = points() * 3 + 1
    _, solution = module(x, tolerance=tolerance)
    again = module.push(solution.states[:, -1, :-1].detach(), tolerance=tolerance)
    assert float((again - x).abs().max()) / 3 < 10 * tolerance * max(1.0, float(x.abs().max()) / 3)


@pytest.mark.parametrize("kind", ["squash", "planar"])
def test_the_density_integrates_to_one(kind):
    module = flow(kind=kind, strength=2.5, mean=-0.5, std=0.7, integrate=IntegrateConfig(rtol=1e-4, atol=1e-4))
    module.eval()
    axis = torch.linspace(-6, 6, 81, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).view(-1, 2)
    with torch.no_grad():
        density = module(grid)[0].exp()
    assert float(density.sum()) * 0.15**2 == pytest.approx(1.0, abs=1e-2)
    assert float(density.std()) > 0


def test_densities_are_in_the_units_of_the_data():
    """Standardising data and asking in their units changes log p by the logarithm of the scales only."""
    plain, scaled = flow(), flow(mean=2.0, std=5.0)
    x = points()
    torch.testing.assert_close(scaled(5 * x + 2)[0], plain(x)[0] - 2 * math.log(5.0))


def test_the_estimate_is_exact_for_diagonal_jacobians():
    class Diagonal(nn.Module):
        def forward(self, time, z):
            return torch.stack((z[:, 0].sin(), z[:, 1] ** 3, time * z[:, 2]), dim=1)

    module = flow(dim=3)
    module.block.field.velocity = Diagonal()
    field, z, time = module.block.field, points(dim=3), torch.linspace(0, 1, 64, dtype=torch.float64)
    packed = torch.cat((z, z.new_zeros(64, 1)), 1)
    signs = 2 * torch.randint(0, 2, (64, 3), generator=torch.Generator().manual_seed(0)) - 1
    exact = z[:, 0].cos() + 3 * z[:, 1] ** 2 + time
    for noise in ((), (signs.to(torch.int8),)):
        torch.testing.assert_close(field(time, packed, *noise)[:, -1], -exact)


@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
def test_the_estimate_is_unbiased(kind):
    """Log densities over 256 draws of the noise, one per solve."""
    module = flow(dim=3, trace="hutchinson", noise=kind, strength=2.0)
    x = points(1, 3)
    exact = module.eval()(x)[0]
    torch.manual_seed(0)
    with torch.no_grad():
        draws = module.train()(x.expand(256, -1))[0]
    assert float(draws.std()) > 0
    assert abs(float((draws.mean() - exact).detach())) < 3 * float(draws.std()) / 16


def test_noise_is_drawn_once_per_solve_and_not_at_all_for_exact_answers():
    module, x = flow(trace="hutchinson"), points(8)
    torch.manual_seed(0)
    first, again = module(x)[0], module(x)[0]
    assert not torch.equal(first, again)
    torch.manual_seed(0)
    assert torch.equal(module(x)[0], first)
    exact = flow().eval()(x)[0]
    state = torch.get_rng_state()
    assert torch.equal(module.eval()(x)[0], exact)
    assert torch.equal(torch.get_rng_state(), state)
    wide = flow(dim=12, trace="hutchinson").eval()
    assert torch.equal(wide(points(3, 12))[0], wide(points(3, 12))[0])


def test_hutchinson_trains_like_the_exact_trace_on_average():
    gradients = {}
    for trace in ("exact", "hutchinson"):
        module = flow(trace=trace)
        torch.manual_seed(0)
        (-module(points(1024))[0].mean()).backward()
        gradients[trace] = torch.cat([p.grad.flatten() for p in module.parameters()])
    a, b = gradients["exact"], gradients["hutchinson"]
    assert float((a - b).norm() / a.norm()) < 0.25
    assert float(torch.nn.functional.cosine_similarity(a, b, dim=0)) > 0.97


def test_gradients_are_those_of_differences():
    module, x = flow(integrate=IntegrateConfig(method="rk4", step=0.1, rtol=1e-6, atol=1e-6)), points(16)
    weight = module.block.field.velocity.layers[1].linear.weight
    direction = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(module(x)[0].mean(), weight)
    with torch.no_grad():
        sides = []
        for sign in (1, -1):
            weight.add_(sign * 1e-5 * direction)
            sides.append(float(module(x)[0].mean()))
            weight.sub_(sign * 1e-5 * direction)
    assert float((gradient * direction).sum()) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("kind", ["er", "local", "rnode", "steer"])
def test_flows_can_be_regularised(kind):
    module = flow(regularise=RegulariseConfig(kind=kind))
    torch.manual_seed(0)
    loss = module.block.policy.add_to(-module(points())[0].mean(), 0.0)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())


def test_a_point_alone_has_the_density_it_has_among_others():
    module = flow(strength=2.0).eval()
    torch.testing.assert_close(module(points())[0][3:4], module(points()[3:4])[0], rtol=1e-12, atol=1e-12)


def test_planar_velocities_by_hand():
    field = flow(kind="planar", width=3, hidden=4).block.field.velocity
    z, time = points(1), torch.tensor([0.4], dtype=torch.float64)
    raw = field.coefficients(time[:, None])[0].detach()
    w, u, gate, b = raw[:6].view(3, 2), raw[6:12], raw[12:18], raw[18:]
    u = (u * torch.sigmoid(gate)).view(3, 2)
    expected = sum(u[k] * torch.tanh(w[k] @ z[0] + b[k]) for k in range(3)) / 3
    torch.testing.assert_close(field(time, z)[0].detach(), expected)


def test_samples_follow_the_density():
    """Mean of log p over samples is minus the entropy; moments of a linear flow are known."""
    module = flow(mean=3.0, std=2.0, integrate=IntegrateConfig(rtol=1e-5, atol=1e-5))
    module.block.field.velocity = Linear(torch.tensor([[0.0, 0.5], [0.0, -0.4]]))
    drawn = module.eval().sample(20_000, torch.Generator().manual_seed(0))
    spread = torch.linalg.matrix_exp(module.block.field.velocity.matrix.detach()) * 2
    torch.testing.assert_close(drawn.T.cov(), spread @ spread.T, rtol=0.05, atol=0.05)
    assert float((drawn.mean(0) - 3).abs().max()) < 3 * float(spread.norm()) / 20_000**0.5
