"""Flow and kernels: densities that integrate to one, in the coordinates of the data."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from sciml.core.capabilities import HasDensity
from sciml.core.errors import ConfigError
from sciml.core.problem import Field
from sciml.data import Statistics
from sciml.solvers.baselines import KDEConfig, KDESolver, RealNVPConfig, RealNVPSolver
from sciml.tasks.density import DensityContext, PointBatch, PointExamples, Points
from sciml.train import load_weights, save_weights


class Plane(HasDensity):
    """Points on two arcs, far from the origin and of different scales along the axes."""

    shapes = ("arcs",)

    def sample(self, shape, count, generator):
        angle = math.pi * torch.rand(count, generator=generator)
        side = torch.randint(2, (count,), generator=generator) * 2 - 1
        points = torch.stack((torch.cos(angle) + 0.5 * side, side * (torch.sin(angle) - 0.25)), dim=1)
        noisy = points + 0.1 * torch.randn(count, 2, generator=generator)
        return torch.tensor([10.0, -3.0]) + noisy * torch.tensor([5.0, 0.2])

    def log_density(self, shape, points):
        return None


PROBLEM = Plane(
    name="plane",
    title="plane",
    equation="",
    fields=(Field("x", "x", "1", "x"), Field("y", "y", "1", "y")),
    boundary={},
    citation="",
)


FLOW, KERNELS = RealNVPConfig(couplings=6, width=16), KDEConfig(centres=600, bandwidths=8)


@pytest.fixture(scope="module")
def points():
    return PROBLEM.sample("arcs", 1000, torch.Generator().manual_seed(0))


def build(solver, model, points):
    torch.manual_seed(0)
    statistics = Statistics(points.mean(0), points.std(0), torch.zeros(0), torch.ones(0))
    return solver.build(PROBLEM, model, DensityContext(statistics=statistics))


@pytest.fixture(scope="module")
def flow(points):
    """A flow after a few steps of training."""
    solver = RealNVPSolver()
    module = build(solver, FLOW, points)
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(120):
        optimiser.zero_grad()
        solver.loss(module, PointBatch(points)).backward()
        optimiser.step()
    return solver, module


@pytest.fixture(scope="module")
def kernels(points):
    solver = KDESolver()
    module = build(solver, KERNELS, points)
    assert solver.solve_closed_form(module, PointExamples(points)) is True
    return solver, module


@pytest.fixture(params=["flow", "kernels"])
def fitted(request):
    return request.getfixturevalue(request.param)


def test_the_density_integrates_to_one(fitted, points):
    solver, module = fitted
    low, high = points.mean(0) - 5 * points.std(0), points.mean(0) + 5 * points.std(0)
    size = 200
    x, y = (torch.linspace(float(a), float(b), size) for a, b in zip(low, high, strict=True))
    everywhere = torch.cartesian_prod(x, y)
    density = solver.predict(module, Points(everywhere)).mean.double().exp()
    assert abs(float(density.sum() * (x[1] - x[0]) * (y[1] - y[0])) - 1) < 1e-2


def test_it_is_better_than_a_gaussian_on_points_it_has_not_seen(fitted, points):
    solver, module = fitted
    unseen = PROBLEM.sample("arcs", 2000, torch.Generator().manual_seed(1))
    gaussian = MultivariateNormal(points.mean(0), torch.from_numpy(points.numpy()).T.cov()).log_prob(unseen).mean()
    prediction = solver.predict(module, Points(unseen))
    assert prediction.mean.shape == (2000,)
    assert prediction.mean.dtype == torch.float32
    assert (prediction.status == 0).all()
    assert prediction.mean.mean() > gaussian + 0.4


def test_draws_come_from_the_density(fitted):
    """The mean of log p over draws is minus the entropy, which quadrature gives independently."""
    solver, module = fitted
    draws = solver.sample(module, 10_000, torch.Generator().manual_seed(0))
    assert torch.equal(draws, solver.sample(module, 10_000, torch.Generator().manual_seed(0)))
    mean, std = draws.mean(0), draws.std(0)
    x, y = (torch.linspace(float(m - 5 * s), float(m + 5 * s), 200) for m, s in zip(mean, std, strict=True))
    log_density = solver.predict(module, Points(torch.cartesian_prod(x, y))).mean.double()
    cell = float((x[1] - x[0]) * (y[1] - y[0]))
    entropy = -float((log_density.exp() * log_density).sum() * cell)
    assert abs(float(solver.predict(module, Points(draws)).mean.double().mean()) + entropy) < 0.05


def test_far_away_it_is_small_but_finite(fitted):
    solver, module = fitted
    prediction = solver.predict(module, Points(torch.tensor([[1e3, 1e3], [10.0, -3.0]])))
    assert prediction.mean.isfinite().all()
    assert prediction.mean[0] < prediction.mean[1] - 100


def test_points_do_not_influence_each_other(fitted, points):
    solver, module = fitted
    together = solver.predict(module, Points(points[:5])).mean
    torch.testing.assert_close(solver.predict(module, Points(points[3:4])).mean, together[3:4])


def test_weights_survive_a_file(fitted, points, tmp_path):
    solver, module = fitted
    save_weights(module, tmp_path / "w.safetensors")
    model = (
        KDEConfig(centres=600, bandwidths=8) if isinstance(solver, KDESolver) else RealNVPConfig(couplings=6, width=16)
    )
    other = build(solver, model, points)
    load_weights(other, tmp_path / "w.safetensors")
    assert torch.equal(solver.predict(other, Points(points)).mean, solver.predict(module, Points(points)).mean)


def test_the_flow_is_invertible(flow, points):
    _, module = flow
    with torch.no_grad():
        z, _ = module.flow(points)
        torch.testing.assert_close(module.inverse(z), points, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(module.flow(module.inverse(z))[0], z, rtol=1e-5, atol=1e-5)


def test_its_volume_is_that_of_the_jacobian(flow, points):
    _, module = flow
    module = module.double()
    try:
        some = points[:8].double()
        _, log_det = module.flow(some)
        for point, value in zip(some, log_det, strict=True):
            jacobian = torch.autograd.functional.jacobian(lambda x: module.flow(x[None])[0][0], point)
            expected = torch.linalg.slogdet(jacobian).logabsdet + module.units.log_volume()
            torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)
    finally:
        module.float()


def test_every_component_is_moved_and_the_flow_begins_as_the_gaussian_of_the_data(points):
    module = build(RealNVPSolver(), RealNVPConfig(couplings=2, width=8), points)
    normal = MultivariateNormal(points.mean(0), points.std(0).square().diag())
    torch.testing.assert_close(module(points), normal.log_prob(points), rtol=1e-4, atol=1e-4)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    z, _ = module.flow(points)
    assert ((z - module.units.standardise(points)).abs().amax(0) > 0.05).all()


def test_the_flow_learns_in_more_dimensions():
    """Three components, one of them a function of another: the flow finds the narrow direction."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1000, 3, generator=generator)
    x[:, 2] = x[:, 0] ** 2 + 0.1 * x[:, 1]
    solver, module = RealNVPSolver(), build(RealNVPSolver(), RealNVPConfig(couplings=4, width=16), x)
    before = solver.loss(module, PointBatch(x)).detach()
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        solver.loss(module, PointBatch(x)).backward()
        optimiser.step()
    assert solver.loss(module, PointBatch(x)) < before - 0.7


def test_the_kernels_are_those_of_scikit_learn(kernels, points):
    from sklearn.neighbors import KernelDensity

    _, module = kernels
    centres = module.units.standardise(points)[torch.linspace(0, 999, 600).long()]
    reference = KernelDensity(bandwidth=float(module.bandwidth)).fit(centres.numpy())
    unseen = PROBLEM.sample("arcs", 50, torch.Generator().manual_seed(2))
    expected = torch.from_numpy(reference.score_samples(module.units.standardise(unseen).numpy()))
    torch.testing.assert_close(module(unseen).double(), expected - module.units.log_volume(), rtol=1e-4, atol=1e-4)


def test_the_width_is_the_one_that_predicts_best(points):
    """Against a leave-one-out score computed here, within a step of the widths tried."""
    solver, module = KDESolver(), build(KDESolver(), KDEConfig(centres=400, bandwidths=12), points)
    solver.solve_closed_form(module, PointExamples(points))
    x = module.units.standardise(points)[torch.linspace(0, 999, 400).long()].double()
    squares = torch.cdist(x, x).square().fill_diagonal_(torch.inf)
    widths = torch.logspace(math.log10(0.02), 0, 12, dtype=torch.float64)
    scores = torch.stack([torch.logsumexp(-squares / (2 * h * h), 1).mean() - 2 * h.log() for h in widths])
    best = int(scores.argmax())
    chosen = int((widths - module.bandwidth.double()).abs().argmin())
    assert 0 < best < 11
    assert abs(chosen - best) <= 1


def test_kernels_want_a_positive_width():
    from sciml.core.config import override

    with pytest.raises(ConfigError, match="narrowest"):
        override(KDESolver().recipe("tiny"), ["model.narrowest=0"])


def test_before_the_fit_the_kernels_are_one_gaussian(points):
    module = build(KDESolver(), KDEConfig(), points)
    normal = MultivariateNormal(points.mean(0), points.std(0).square().diag())
    torch.testing.assert_close(module(points), normal.log_prob(points), rtol=1e-4, atol=1e-4)
