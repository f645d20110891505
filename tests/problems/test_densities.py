"""The densities: that samplers and formulas agree, that formulas integrate to one, symmetries, determinism."""

import importlib
import math

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.capabilities import HasDensity
from sciml.core.errors import UnknownNameError
from sciml.data import density_splits, read_card
from sciml.tasks.density import DensityCard

PROBLEM = registry.problem("densities")
equations = importlib.import_module("sciml_problems.densities.equations")
KNOWN = ("moons", "gaussians")


def draw(shape, count=20_000, seed=0):
    return PROBLEM.sample(shape, count, rng.generator(seed, shape))


def lattice(low, high, size):
    """Midpoints of a lattice over a square, and the area of a cell."""
    axis = low + (high - low) * (torch.arange(size, dtype=torch.float64) + 0.5) / size
    return torch.cartesian_prod(axis, axis), ((high - low) / size) ** 2


def test_it_offers_three_densities():
    assert isinstance(PROBLEM, HasDensity)
    assert PROBLEM.shapes == ("moons", "gaussians", "pinwheel")
    for shape in PROBLEM.shapes:
        points = draw(shape, 7)
        assert points.shape == (7, 2)
        assert points.dtype == torch.float64


@pytest.mark.parametrize("shape", PROBLEM.shapes)
def test_draws_are_a_function_of_the_generator(shape):
    assert torch.equal(draw(shape, 50), draw(shape, 50))
    assert not torch.equal(draw(shape, 50), draw(shape, 50, seed=1))


@pytest.mark.parametrize("shape", KNOWN)
def test_densities_integrate_to_one(shape):
    points, area = lattice(-6.0, 6.0, 400)
    assert float(PROBLEM.log_density(shape, points).exp().sum() * area) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", KNOWN)
def test_sampler_and_density_agree_in_every_cell(shape):
    """Counts in 24 x 24 cells against the integrated density: χ² within 5 standard deviations."""
    points, size, fine = draw(shape, 60_000), 24, 8
    low, high = -5.0, 5.0
    lattice_points, area = lattice(low, high, size * fine)
    expected = PROBLEM.log_density(shape, lattice_points).exp().view(size, fine, size, fine).sum((1, 3)) * area
    cells = ((points - low) / (high - low) * size).long()
    assert ((cells >= 0) & (cells < size)).all()
    counts = torch.bincount(cells[:, 0] * size + cells[:, 1], minlength=size**2).view(size, size)
    full = expected * len(points) >= 5
    deviation = (counts[full] - len(points) * expected[full]).square() / (len(points) * expected[full])
    freedom = int(full.sum())
    assert abs(float(deviation.sum()) - freedom) < 5 * math.sqrt(2 * freedom)
    assert counts[~full].sum() == pytest.approx(float(expected[~full].sum()) * len(points), rel=0.5, abs=10)


@pytest.mark.parametrize(("shape", "entropy"), [("moons", 1.00), ("gaussians", 2.83)])
def test_entropies_are_those_of_the_readme(shape, entropy):
    values = PROBLEM.log_density(shape, draw(shape))
    assert float(-values.mean()) == pytest.approx(entropy, abs=4 * float(values.std()) / math.sqrt(len(values)))


def test_the_quadrature_of_the_moons_is_exact_to_rounding():
    points = draw("moons", 300)
    fine = equations.moons_log_density(points, num_nodes=500)
    torch.testing.assert_close(PROBLEM.log_density("moons", points), fine, rtol=0, atol=1e-11)


def test_the_moons_are_each_other_turned_by_half_a_turn():
    """About (1/2, 1/4); the sampler's mean lies there."""
    points = draw("moons", 500)
    turned = torch.tensor([1.0, 0.5]).double() - points
    torch.testing.assert_close(PROBLEM.log_density("moons", turned), PROBLEM.log_density("moons", points))
    many = draw("moons")
    assert ((many.mean(0) - torch.tensor([0.5, 0.25])).abs() < 4 * many.std(0) / math.sqrt(len(many))).all()


def test_the_gaussians_are_the_mixture_they_claim_to_be():
    centres = [
        (2 * math.sqrt(2) * math.cos(k * math.pi / 4), 2 * math.sqrt(2) * math.sin(k * math.pi / 4)) for k in range(8)
    ]
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(8).double()),
        torch.distributions.Independent(torch.distributions.Normal(torch.tensor(centres).double(), 8**-0.5), 1),
    )
    points = draw("gaussians", 500)
    torch.testing.assert_close(PROBLEM.log_density("gaussians", points), mixture.log_prob(points), rtol=1e-6, atol=1e-6)


def test_far_away_the_logarithm_stays_finite():
    far = torch.tensor([[1e3, -1e3]]).double()
    assert all(PROBLEM.log_density(shape, far).isfinite().all() for shape in KNOWN)


def test_the_pinwheel_has_five_equal_blades_and_no_known_density():
    points = draw("pinwheel")
    assert PROBLEM.log_density("pinwheel", points) is None
    turn = 2 * math.pi / 5
    first = (
        points[:10_000] @ torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]).double()
    )
    second = points[10_000:]
    for moment in ((0, 0), (0, 1), (1, 1)):
        a, b = (cloud[:, moment[0]] * cloud[:, moment[1]] for cloud in (first, second))
        assert abs(float(a.mean() - b.mean())) < 4 * float(a.std()) * math.sqrt(2 / 10_000)
    # straightened, the blades are the Gaussians they are made of: radius 2 (1 ± 0.3)
    assert float(points.norm(dim=1).mean()) == pytest.approx(2 * math.hypot(1.0, 0.1 / math.sqrt(2)), abs=0.02)


def test_blades_bend_the_way_the_formula_says():
    """Turned back by 1/4 exp(f), points lie on five rays: the tangential coordinate is small at the right angle."""
    points = draw("pinwheel", 4000) / 2
    along = points.norm(dim=1)  # within 1 % of the coordinate along the blade
    angle = torch.atan2(points[:, 1], points[:, 0]) + 0.25 * along.exp()
    off = torch.remainder(angle + math.pi / 5, 2 * math.pi / 5) - math.pi / 5
    assert float((off * along).std()) == pytest.approx(0.1, rel=0.2)


def test_unknown_densities_list_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"unknown density 'moon'; expected one of: .*Did you mean 'moons'"):
        PROBLEM.sample("moon", 3, rng.generator(0))
    with pytest.raises(UnknownNameError, match="unknown density"):
        PROBLEM.log_density("moon", torch.zeros(1, 2))


@pytest.mark.parametrize("shape", PROBLEM.shapes)
def test_splits_are_drawn_apart(shape):
    splits = density_splits(PROBLEM, shape, read_card(PROBLEM).table("tiny", DensityCard))
    points = torch.cat(list(splits.values()))
    assert points.dtype == torch.float64
    assert len(points.unique(dim=0)) == len(points) == 4000
