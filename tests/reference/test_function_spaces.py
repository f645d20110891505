"""Function spaces: covariances, integrals, draws, distances, against closed forms."""

import math

import pytest
import torch

from sciml.core import rng
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import UnknownNameError, UnsupportedError, UserError
from sciml.reference import (
    ChebyshevSpace,
    CosineSpace,
    FourierSpace,
    GaussianSpace,
    GivenSpace,
    Kernel,
    LegendreSpace,
    PowerSpace,
    wasserstein2,
)

LINE = Domain((Coordinate("x", 0.0, 1.0),))
LONG = Domain((Coordinate("t", -1.0, 2.5),))
KERNELS = ["rbf", "exponential", "matern32", "matern52"]


def columns(lower, upper, count):
    return torch.linspace(lower, upper, count, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("name", KERNELS)
def test_the_integral_of_a_kernel_is_its_integral(name):
    kernel = Kernel(name, 0.3)
    nodes = columns(0.0, 0.8, 20001)[:, 0]
    trapezoid = torch.cumulative_trapezoid(kernel(nodes), nodes)
    torch.testing.assert_close(kernel.integral(nodes[1:]), trapezoid, atol=1e-8, rtol=0)
    torch.testing.assert_close(kernel.integral(-nodes), -kernel.integral(nodes))
    assert float(kernel(torch.zeros(()))) == 1.0


@pytest.mark.parametrize(("name", "tolerance"), [("rbf", 1e-6), ("exponential", 0.02), ("matern32", 1e-3),
                                                 ("matern52", 1e-4)])  # fmt: skip
def test_a_gaussian_space_has_the_covariance_of_its_kernel(name, tolerance):
    kernel = Kernel(name, 0.2)
    points = columns(0.0, 1.0, 57)
    space = GaussianSpace(LINE, kernel, variance=2.0)
    torch.testing.assert_close(space.covariance(points), 2 * kernel(points - points.T), atol=2 * tolerance, rtol=0)


def test_draws_have_it_too():
    """Within 5 % for 10,000 of them; the diagonal is one."""
    points = columns(0.0, 1.0, 11)
    values = GaussianSpace(LINE, Kernel("rbf", 0.2)).draw(10_000, rng.generator(0))(points)
    sample = values.T @ values / len(values)
    torch.testing.assert_close(sample, Kernel("rbf", 0.2)(points - points.T), atol=0.05, rtol=0)
    torch.testing.assert_close(sample.diag(), torch.ones(11, dtype=torch.float64), atol=0.05, rtol=0)


def test_a_smooth_field_has_few_modes_and_none_that_are_rounding():
    space = GaussianSpace(LINE, Kernel("rbf", 0.2))
    assert 15 <= space.num_modes <= 30
    assert GaussianSpace(LINE, Kernel("rbf", 0.2), modes=5).num_modes == 5
    assert space.modes(columns(0.0, 1.0, 101)).isfinite().all()


SPACES = {
    **{name: GaussianSpace(LONG, Kernel(name, 0.5)) for name in KERNELS},
    "chebyshev": ChebyshevSpace(LONG, size=9),
    "power": PowerSpace(LONG, size=9),
    "fourier": FourierSpace(LONG, size=6),
}


@pytest.mark.parametrize("name", SPACES)
def test_integrals_of_draws_are_exact(name):
    """Against Gauss's quadrature on pieces between the kinks, from the lower end of the domain."""
    functions = SPACES[name].draw(3, rng.generator(1))
    points = columns(-1.0, 2.5, 71)
    fine = columns(-1.0, 2.5, 70 * 400 + 1)
    trapezoid = torch.cumulative_trapezoid(functions(fine), fine[:, 0], dim=1)[:, 399::400]
    integral = functions.integral(points)
    assert integral[:, 0].abs().max() < 1e-12
    torch.testing.assert_close(integral[:, 1:], trapezoid, atol=2e-6, rtol=0)


def test_a_draw_is_one_function_on_every_grid():
    functions = GaussianSpace(LINE, Kernel("rbf", 0.2)).draw(4, rng.generator(3))
    torch.testing.assert_close(
        functions(columns(0, 1, 101))[:, ::10], functions(columns(0, 1, 11)), rtol=0, atol=1e-10
    )  # the sum over nodes cancels
    torch.testing.assert_close(functions.rows(slice(1, 3))(columns(0, 1, 5)), functions(columns(0, 1, 5))[1:3])


def test_polynomials_are_those_of_their_names():
    z = columns(-1.0, 2.5, 8)
    xi = (z[:, 0] + 1) / 3.5
    torch.testing.assert_close(ChebyshevSpace(LONG, size=4).modes(z)[:, 3], 4 * (2 * xi - 1) ** 3 - 3 * (2 * xi - 1))
    torch.testing.assert_close(PowerSpace(LONG, size=4).modes(z)[:, 3], xi**3)
    drawn = ChebyshevSpace(LONG, size=20, bound=0.5).coefficients(1000, rng.generator(0))
    assert drawn.shape == (1000, 20)
    assert drawn.abs().max() <= 0.5
    assert abs(float(drawn.var()) - 0.25 / 3) < 2e-3


def test_given_functions_come_in_turn():
    space = GivenSpace(LINE, [lambda x: x[:, 0], lambda x: torch.sin(x[:, 0])], [lambda x: x[:, 0] ** 2 / 2] * 2)
    points = columns(0, 1, 4)
    values = space.draw(3, rng.generator(0))(points)
    torch.testing.assert_close(values, torch.stack([points[:, 0], torch.sin(points[:, 0]), points[:, 0]]))


def test_a_cosine_field_has_its_spectrum_and_no_flux_through_faces():
    box = Domain((Coordinate("y", 0.0, 1.0), Coordinate("x", 0.0, 2.0)))
    space = CosineSpace(box, size=3, inverse_length=3.0, exponent=2.0)
    lines = [(torch.arange(64, dtype=torch.float64) + 0.5) / 64 * length for length in (1.0, 2.0)]
    points = torch.cartesian_prod(*lines)
    modes = space.modes(points)
    gram = modes.T @ modes * (2.0 / len(points))  # the integral of products, exact for cosines at midpoints
    expected = sorted(
        ((math.pi**2 * (i * i + j * j / 4) + 9.0) ** -2.0 / 2.0 for i in range(3) for j in range(3)), reverse=True
    )
    torch.testing.assert_close(gram, 2.0 * torch.tensor(expected, dtype=torch.float64).diag(), atol=1e-12, rtol=1e-10)
    step = 1e-5
    at_face = torch.tensor([[0.3, 0.0], [0.3, step]], dtype=torch.float64)
    assert (space.modes(at_face).diff(dim=0) / step).abs().max() < 1e-4


def test_a_periodic_field_is_periodic_and_has_its_variance():
    space = FourierSpace(LINE, size=32)
    ends = space.modes(torch.tensor([[0.0], [1.0]], dtype=torch.float64))
    torch.testing.assert_close(ends[0], ends[1])
    k = 2 * math.pi * torch.arange(1, 33, dtype=torch.float64)
    torch.testing.assert_close(ends[0].square().sum(), (2 * 625 * (k**2 + 25) ** -2).sum())


def test_a_periodic_field_on_a_square_is_isotropic_and_has_one_wave_of_every_pair():
    square = Domain((Coordinate("y", 0.0, 1.0, periodic=True), Coordinate("x", 0.0, 1.0, periodic=True)))
    space = FourierSpace(square, size=2, inverse_length=3.0, exponent=2.0, amplitude=5.0)
    points = torch.cartesian_prod(*[torch.arange(8, dtype=torch.float64) / 8] * 2)
    modes = space.modes(points)
    assert modes.shape[1] == 2 * 12, "half of the 24 waves that are not constant, a cosine and a sine each"
    gram = modes.T @ modes / len(points)
    torch.testing.assert_close(gram, gram.diag().diag(), atol=1e-12, rtol=0)
    numbers = torch.arange(-2, 3, dtype=torch.float64)
    squares = (2 * math.pi) ** 2 * (numbers[:, None] ** 2 + numbers**2).flatten()
    variances = 25 * (squares[squares > 0] + 9) ** -2.0
    torch.testing.assert_close(modes.square().sum(1), variances.sum().expand(64))
    ordered = gram.diag().sort().values
    torch.testing.assert_close(ordered, variances.sort().values, msg="a pair ±n is a cosine and a sine of its variance")
    with pytest.raises(UnsupportedError, match="no closed form"):
        space.integrals(points)


def test_the_distance_of_gaussian_fields_is_that_of_closed_forms():
    one, two = torch.eye(3, dtype=torch.float64), 4 * torch.eye(3, dtype=torch.float64)
    assert wasserstein2(one, two) == pytest.approx(1.0)
    basis = torch.linalg.qr(torch.randn(5, 5, generator=rng.generator(0), dtype=torch.float64)).Q
    a, b = torch.tensor([1.0, 2, 3, 4, 5]).double(), torch.tensor([2.0, 2, 1, 9, 4]).double()
    commuting = [basis @ values.diag() @ basis.T for values in (a, b)]
    assert wasserstein2(*commuting) == pytest.approx(math.sqrt(float((a.sqrt() - b.sqrt()).square().sum()) / 5))
    points = columns(0, 1, 40)
    covariances = [GaussianSpace(LINE, Kernel("rbf", length)).covariance(points) for length in (0.1, 0.2, 0.5)]
    assert wasserstein2(covariances[0], covariances[0]) < 1e-6
    assert wasserstein2(covariances[0], covariances[2]) > wasserstein2(covariances[1], covariances[2]) > 0.1


def test_wrong_spaces_are_refused():
    square = Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 1.0)))
    with pytest.raises(UserError, match="interval"):
        GaussianSpace(square, Kernel("rbf", 0.1))
    with pytest.raises(UnknownNameError, match="matern52"):
        Kernel("matern53", 0.1)
    with pytest.raises(UserError, match="not positive"):
        Kernel("rbf", 0.0)
    with pytest.raises(UserError, match="integral each"):
        GivenSpace(LINE, [torch.sin], [torch.cos, torch.sin])


@pytest.mark.parametrize("space", [ChebyshevSpace, PowerSpace, LegendreSpace])
@pytest.mark.parametrize("size", [0, -3, True])
def test_a_space_of_no_terms_is_refused(space, size):
    with pytest.raises(UserError, match="size of a function space"):
        space(LINE, size=size)


@pytest.mark.parametrize("settings", [{"nodes": 1}, {"modes": 0}, {"variance": 0.0}, {"variance": math.inf}])
def test_a_gaussian_space_of_no_modes_is_refused(settings):
    with pytest.raises(UserError, match="of a function space"):
        GaussianSpace(LINE, Kernel("rbf", 0.1), **settings)


@pytest.mark.parametrize(("name", "length"), [("rbf", 1e-3), ("exponential", 0.01), ("matern32", 1e-3)])
def test_a_length_that_the_nodes_do_not_resolve_is_refused(name, length):
    with pytest.raises(UserError, match="not resolved by its nodes"):
        GaussianSpace(LINE, Kernel(name, length))


@pytest.mark.parametrize("name", ["rbf", "exponential", "matern32", "matern52"])
def test_the_shortest_length_that_is_taken_keeps_the_variance(name):
    """What is missing between the nodes is at most what is said."""
    points = columns(0, 1, 397)
    for length in (0.2, 0.1, 0.05, 0.02, 0.01, 0.005):
        try:
            space = GaussianSpace(LINE, Kernel(name, length))
        except UserError:
            return
        assert 0.9 < float(space.covariance(points).diag().min()) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("points", "match"),
    [
        (torch.tensor([[0.5], [2.0]]), "outside of its domain"),
        (torch.tensor([[float("nan")]]), "outside of its domain"),
        (torch.rand(3, 2), "another number of coordinates"),
        (torch.rand(3), "another number of coordinates"),
    ],
)
def test_a_function_is_not_asked_for_where_it_is_not(points, match):
    """A polynomial goes on, a Gaussian field fades: neither is what was drawn."""
    for space in (ChebyshevSpace(LINE, size=4), GaussianSpace(LINE, Kernel("rbf", 0.2))):
        draw = space.draw(2, rng.generator(0))
        for ask in (draw, draw.integral):
            with pytest.raises(UserError, match=match):
                ask(points)
    assert draw(torch.tensor([[1.0 + 1e-8]], dtype=torch.float64)).isfinite().all()


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (-torch.eye(3), "no variance is negative"),
        (torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), "symmetric"),
        (torch.full((3, 3), float("nan")), "not finite"),
        (torch.eye(4), "not on one grid"),
        (torch.ones(3, 2), "not on one grid"),
    ],
)
def test_what_is_no_covariance_has_no_distance(other, match):
    for pair in ((torch.eye(3), other), (other, torch.eye(3))):
        with pytest.raises(UserError, match=match):
            wasserstein2(*pair)
