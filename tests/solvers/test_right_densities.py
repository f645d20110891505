"""Densities and moments with known right values: exact traces, kernels of any width, splines, unbiased moments."""

import math

import pytest
import torch
from torch.distributions import Normal

from sciml.core.capabilities import HasDensity
from sciml.core.errors import NumericsError
from sciml.core.problem import Field
from sciml.data import Statistics
from sciml.models import Flow, IntegrateConfig, SplineFlow
from sciml.solvers.baselines import KDEConfig, KDESolver, RealNVPSolver, SplineFlowSolver
from sciml.tasks.density import DensityContext, PointBatch, PointExamples, Points, drawn_mass, resolves
from sciml.tasks.paths import moment_errors


class Line(HasDensity):
    """Two humps at -3 and 3 with deviation 1/2."""

    shapes = ("humps",)

    def sample(self, shape, count, generator):
        side = 6.0 * torch.randint(2, (count,), generator=generator) - 3.0
        return (side + 0.5 * torch.randn(count, generator=generator))[:, None]

    def log_density(self, shape, points):
        humps = [Normal(centre, 0.5).log_prob(points[:, 0]) for centre in (-3.0, 3.0)]
        return torch.logsumexp(torch.stack(humps), 0) - math.log(2)


def _problem(kind, dims):
    fields = tuple(Field(name, name, "1", name) for name in "xyzw"[:dims])
    return kind(name="right", title="right", equation="", fields=fields, boundary={}, citation="")


LINE = _problem(Line, 1)


def _context(points):
    statistics = Statistics(points.mean(0), points.std(0, correction=0), torch.zeros(0), torch.ones(0))
    return DensityContext(statistics=statistics, count=len(points))


def _spots(count, seed):
    """Two spots of deviation 0.01, 141 apart; and the true log density."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.tensor([[-50.0, -50.0], [50.0, 50.0]])
    points = centres[torch.randint(2, (count,), generator=generator)] + 0.01 * torch.randn(
        count, 2, generator=generator
    )
    nearest = torch.cdist(points.double(), centres.double()).amin(1)
    true = -0.5 * (nearest / 0.01).square() - math.log(2 * math.pi * 1e-4) - math.log(2)
    return points, true


def test_the_trace_of_a_point_does_not_depend_on_noise_or_rows():
    torch.manual_seed(0)
    settings = {"width": 16, "integrate": IntegrateConfig(rtol=1e-7, atol=1e-7)}
    estimated, exact = (Flow(12, trace=trace, **settings).double() for trace in ("hutchinson", "exact"))
    exact.load_state_dict(estimated.state_dict())
    points = torch.randn(4, 12, dtype=torch.float64)
    copies = points[:1].repeat(6, 1)
    for module in (estimated, exact):
        module.eval()
    same = estimated(copies)[0]
    assert (same - same[0]).abs().max() < 1e-9
    torch.testing.assert_close(estimated(points)[0], exact(points)[0])
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(estimated(points[order])[0], estimated(points)[0][order], atol=1e-6, rtol=0)


def test_the_log_density_is_that_of_the_numerical_jacobian():
    torch.manual_seed(1)
    module = Flow(5, trace="hutchinson", width=8, integrate=IntegrateConfig(rtol=1e-12, atol=1e-12)).double().eval()
    base = torch.randn(1, 5, dtype=torch.float64)
    step = 1e-4 * torch.eye(5, dtype=torch.float64)
    jacobian = (module.push(base + step) - module.push(base - step)) / 2e-4  # rows: derivatives by components of base
    expected = Normal(0.0, 1.0).log_prob(base).sum() - torch.linalg.slogdet(jacobian).logabsdet
    assert module(module.push(base))[0].item() == pytest.approx(float(expected), abs=1e-6)


def test_kernels_find_a_width_far_below_the_spread_of_the_data():
    """Right: h = 0.005 with a negative log-likelihood of -5.62, 0.04 nat above the truth."""
    points, _ = _spots(2000, 0)
    unseen, true = _spots(2000, 1)
    solver = KDESolver()
    module = solver.build(_problem(Line, 2), solver.recipe("tiny").model, _context(points))
    solver.solve_closed_form(module, PointExamples(points))
    answer = solver.predict(module, Points(unseen)).mean.double()
    assert -5.75 < -float(answer.mean()) < -5.5
    assert 0.0 < float((true - answer).mean()) < 0.08
    assert 0.003 < float(module.bandwidth) * float(module.units.field_std[0]) < 0.008
    assert len(module.centres) == 2000
    axis = torch.linspace(-75, 75, 41)[:-1] + 0.5
    grid = solver.predict(module, Points(torch.cartesian_prod(axis, axis))).mean.double().exp().view(40, 40)
    assert not resolves(grid)
    mass = drawn_mass(lambda x: module(x), points, torch.Generator().manual_seed(0))
    assert mass == pytest.approx(1, abs=0.03)


def test_a_grid_that_resolves_a_density_is_taken_at_its_word():
    axis = torch.linspace(-4, 4, 60, dtype=torch.float64)
    bell = torch.exp(-0.5 * (axis[:, None].square() + axis.square())) / (2 * math.pi)
    assert resolves(bell)
    points = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    half = drawn_mass(lambda x: Normal(0.0, 1.0).log_prob(x).sum(1) - math.log(2), points, torch.Generator())
    assert half == pytest.approx(0.5, abs=0.03)


def test_points_that_repeat_are_no_draws_from_a_density():
    points = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)).repeat(5, 1)
    solver, apart = KDESolver(), torch.linspace(0, 1e-9, 200)[:, None]
    module = solver.build(_problem(Line, 2), KDEConfig(), _context(points))
    solver.solve_closed_form(module, PointExamples(points))  # exact copies are left out with their point
    assert float(module.bandwidth) > 0.05
    with pytest.raises(NumericsError, match=r"narrowest"):
        solver.solve_closed_form(module, PointExamples(points.double() + apart.double()))


def test_splines_bend_where_couplings_cannot():
    """Right: the truth needs 1.419 nat, the best Gaussian 2.531."""
    assert not RealNVPSolver().supports(LINE).ok
    assert "spline_flow" in RealNVPSolver().supports(LINE).reason
    solver = SplineFlowSolver()
    assert solver.supports(LINE).ok
    points = LINE.sample("humps", 2000, torch.Generator().manual_seed(0))
    unseen = LINE.sample("humps", 4000, torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    module = solver.build(LINE, solver.recipe("tiny").model, _context(points))
    optimiser = torch.optim.Adam(module.parameters(), lr=2e-2)
    for _ in range(300):
        optimiser.zero_grad()
        solver.loss(module, PointBatch(points)).backward()
        optimiser.step()
    truth = -float(LINE.log_density("humps", unseen).mean())
    assert truth == pytest.approx(1.419, abs=0.03)
    assert -float(solver.predict(module, Points(unseen)).mean.mean()) < truth + 0.05
    fine = torch.linspace(-12, 12, 20_001, dtype=torch.float64)[:, None]
    assert (module.double()(fine).exp().sum() * (fine[1] - fine[0])).item() == pytest.approx(1, abs=1e-3)
    draws = solver.sample(module.float(), 4000, torch.Generator().manual_seed(2))
    assert float((draws.abs() - 3).abs().mean()) == pytest.approx(0.5 * math.sqrt(2 / math.pi), abs=0.05)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_spline_flow_is_invertible_and_knows_its_volume(dim):
    torch.manual_seed(dim)
    module = SplineFlow(dim, couplings=3, bins=5, width=8).double()
    with torch.no_grad():
        start = torch.randn(6, dim, dtype=torch.float64)
        torch.testing.assert_close(module(start), Normal(0.0, 1.0).log_prob(start).sum(1))  # it begins as a Gaussian
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
        points = 3 * torch.randn(40, dim, dtype=torch.float64)
        points[0] = 5.0  # the end of the splines
        points[1] = -7.0  # beyond it
        z, volume = module.flow(points)
        torch.testing.assert_close(module.inverse(z), points, rtol=1e-7, atol=1e-7)
    for point, expected in zip(points[2:6], volume[2:6], strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x: module.flow(x[None])[0][0], point)
        torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("paths", [5, 20, 100])
@pytest.mark.parametrize("skewed", [False, True], ids=["normal", "lognormal"])
def test_moments_of_few_paths_prefer_the_true_diffusion(paths, skewed):
    """dx = g dW with g² = 0.09: errors of the true equation are zero on average, and its g² is the best one."""
    generator = torch.Generator().manual_seed(0)
    batches = 200_000 // paths
    noise = torch.randn(paths, batches, 1, generator=generator, dtype=torch.float64)
    noise = (noise.exp() - math.exp(0.5)) / math.sqrt((math.e - 1) * math.e) if skewed else noise
    mean, variance = torch.zeros(batches, 1).double(), torch.full((batches, 1), 0.09).double()
    tried = torch.linspace(0.04, 0.14, 41, dtype=torch.float64)
    errors = torch.stack(
        [torch.stack(moment_errors(g.sqrt() * noise, mean, variance)) / batches for g in tried]
    )  # g² mean-or-variance
    at_truth = errors[(tried - 0.09).abs().argmin()]
    assert at_truth.abs().max() < (3e-3 if skewed else 3e-4) * max(1, 20 / paths)
    if not skewed:
        assert float(tried[errors.sum(1).argmin()]) == pytest.approx(0.09, abs=0.0051)
        biased = [(g * noise.var(0) - 0.09).square().mean() + g * noise.mean(0).square().mean() for g in tried]
        assert float(tried[torch.stack(biased).argmin()]) < 0.0876 + (0.003 if paths == 100 else 0)
