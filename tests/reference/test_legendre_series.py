"""Legendre series, fractional derivatives and Karhunen-Loève modes against closed forms."""

import math

import numpy as np
import pytest
import torch

from sciml.core import rng
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import UnsupportedError, UserError
from sciml.core.functions import Functions
from sciml.reference import (
    ChebyshevSpace,
    FractonomialSpace,
    GaussianSpace,
    GivenSpace,
    Kernel,
    LegendreSpace,
    PowerSpace,
    caputo,
    evaluate_series,
    gauss,
    karhunen_loeve,
    legendre,
    legendre_integrals,
    legendre_series,
    legendre_slopes,
)

LINE = Domain((Coordinate("x", 0.0, 1.0),))
LONG = Domain((Coordinate("x", 1.0, 3.0),))


def float64(values):
    return torch.tensor(values, dtype=torch.float64)


def column(lower, upper, count):
    return torch.linspace(lower, upper, count, dtype=torch.float64)[:, None]


def test_legendre_polynomials_their_slopes_and_integrals_are_numpy_s():
    z = column(-1, 1, 13)[:, 0]
    for k in range(7):
        basis = np.polynomial.legendre.Legendre.basis(k)
        np.testing.assert_allclose(legendre(z, 7)[:, k], basis(z.numpy()), atol=1e-14)
        np.testing.assert_allclose(legendre_slopes(z, 7)[:, k], basis.deriv()(z.numpy()), atol=1e-13)
        np.testing.assert_allclose(legendre_integrals(z, 7)[:, k], basis.integ(lbnd=-1)(z.numpy()), atol=1e-14)
    assert legendre(z, 1).shape == legendre_slopes(z, 1).shape == legendre_integrals(z, 1).shape == (13, 1)


def test_a_series_is_the_function_it_was_made_of():
    z = gauss(30)[0]
    series = legendre_series(torch.stack((torch.exp(z), torch.sin(3 * z))))
    points = torch.stack((column(-1, 1, 9)[:, 0], column(-0.5, 0.3, 9)[:, 0]))
    values = evaluate_series(series, points)
    torch.testing.assert_close(
        values, torch.stack((torch.exp(points[0]), torch.sin(3 * points[1]))), atol=1e-11, rtol=0
    )


@pytest.mark.parametrize("space", [LegendreSpace(LONG, size=6), FractonomialSpace(LONG, order=0.7, size=6)])
def test_integrals_of_further_polynomials_are_exact(space):
    functions, points = space.draw(3, rng.generator(0)), column(1.0, 3.0, 11)
    nodes, weights = gauss(400)
    for i in range(1, 11):
        half = (float(points[i, 0]) - 1.0) / 2
        quadrature = functions((1.0 + half * (nodes + 1))[:, None]) @ weights * half
        torch.testing.assert_close(functions.integral(points)[:, i], quadrature, atol=2e-6, rtol=0)


def test_a_fractonomial_starts_like_a_power_and_has_jacobi_polynomials():
    from scipy.special import eval_jacobi

    space, x = FractonomialSpace(LINE, order=0.4, size=9), column(0, 1, 21)
    for n in range(9):
        expected = x[:, 0].numpy() ** 0.4 * eval_jacobi(n, -0.4, 0.4, 2 * x[:, 0].numpy() - 1)
        np.testing.assert_allclose(space.modes(x)[:, n], expected, atol=1e-9)
    with pytest.raises(UserError, match="order between 0 and 1"):
        FractonomialSpace(LINE, order=1.5)


def test_the_fractional_derivative_of_a_fractonomial_of_its_order_is_a_legendre_polynomial():
    """D^μ x^μ P_n^(-μ, μ)(2x - 1) = Γ(n+1+μ) / n! P_n(2x - 1)."""
    space, x = FractonomialSpace(LINE, order=0.6, size=8), column(0, 1, 17)
    each = Functions(space, torch.eye(8, dtype=torch.float64))
    values = caputo(each, x, torch.full((17,), 0.6, dtype=torch.float64))
    scale = float64([math.gamma(n + 1.6) / math.factorial(n) for n in range(8)])
    torch.testing.assert_close(values, (legendre(2 * x[:, 0] - 1, 8) * scale).T, atol=1e-8, rtol=0)


@pytest.mark.parametrize("domain", [LINE, LONG])
def test_the_fractional_derivative_of_a_power_is_a_power(domain):
    """D^α (x - a)^p = Γ(p+1)/Γ(p+1-α) (x - a)^(p-α), and that of a constant is zero."""
    extent = float(domain.extent)
    space = PowerSpace(domain, size=5)
    x = domain.place(column(0, 1, 8))
    orders = float64([0.1, 0.3, 0.5, 0.7, 0.9, 0.25, 0.5, 0.3])
    values = caputo(Functions(space, torch.eye(5, dtype=torch.float64)), x, orders)
    assert values[0].abs().max() < 1e-10
    for p in range(1, 5):
        distance = x[:, 0] - domain.lower
        expected = [math.gamma(p + 1) / math.gamma(p + 1 - a) * float(d) ** (p - a) / extent**p
                    for a, d in zip(orders.tolist(), distance, strict=True)]  # fmt: skip
        torch.testing.assert_close(values[p], float64(expected), atol=1e-10, rtol=1e-10)


def test_the_fractional_derivative_of_a_smooth_field_is_that_of_its_exponential():
    """D^α e^(cx) by its power series, and a Gaussian field against twice as fine a quadrature of the definition."""
    x, orders = column(0, 1, 6), float64([0.2, 0.5, 0.8, 0.5, 0.2, 0.8])
    space = GivenSpace(LINE, [lambda p: torch.exp(3 * p[:, 0])])
    values = caputo(Functions(space, torch.ones(1, 1).double()), x, orders)[0]
    expected = [sum(3.0**k * float(y) ** (k - a) / math.gamma(k + 1 - a) for k in range(1, 60))
                for y, a in zip(x[:, 0], orders.tolist(), strict=True)]  # fmt: skip
    torch.testing.assert_close(values, float64(expected), atol=1e-9, rtol=1e-9)
    field = GaussianSpace(LINE, Kernel("rbf", 0.2)).draw(2, rng.generator(0))
    halfway = caputo(field, float64([[0.5]]), float64([0.5]))
    # with τ = y - s² the integral has no singularity: D^½ u = 2/√π ∫_0^√y u'(y - s²) ds
    nodes, weights = gauss(200)
    s = math.sqrt(0.5) * (nodes + 1) / 2
    points, h = (0.5 - s.square())[:, None], 1.5e-5  # within the domain
    slopes = (8 * (field(points + h) - field(points - h)) - field(points + 2 * h) + field(points - 2 * h)) / (12 * h)
    direct = 2 / math.sqrt(math.pi) * slopes @ weights * math.sqrt(0.5) / 2
    torch.testing.assert_close(halfway[:, 0], direct, atol=1e-7, rtol=0)


def test_orders_of_derivatives_are_checked():
    functions = ChebyshevSpace(LINE, size=3).draw(1, rng.generator(0))
    with pytest.raises(UserError, match=r"not between 0 and 1.*got 1"):
        caputo(functions, column(0, 1, 2), float64([0.5, 1.0]))
    with pytest.raises(UserError, match="pointwise map"):
        caputo(functions.mapped(torch.exp), column(0, 1, 2), torch.full((2,), 0.5, dtype=torch.float64))


def modes_on(series, points):
    return series @ legendre(2 * points[:, 0] - 1, series.shape[-1]).T


@pytest.mark.parametrize("kernel", ["exponential", "rbf"])
def test_karhunen_loeve_modes_solve_their_integral_equation(kernel):
    """∫ k(t, t') √λ e(t') dt' = λ √λ e(t); orthogonal, with λ the squared norm."""
    lengths = float64([0.3, 1.0, 2.0])
    series = karhunen_loeve(kernel, lengths, 4)
    nodes, weights = gauss(400)
    unit, weights = (nodes + 1) / 2, weights / 2
    at = modes_on(series, unit[:, None])
    gram = torch.einsum("lip,ljp,p->lij", at, at, weights)
    variances = gram.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(gram, torch.diag_embed(variances), atol=1e-10, rtol=0)
    assert (variances.diff(dim=1) < 0).all()
    for i, length in enumerate(lengths.tolist()):
        applied = (Kernel(kernel, length)(unit[:, None] - unit) * weights) @ at[i].T
        torch.testing.assert_close(
            applied, at[i].T * variances[i], atol=2e-5 if kernel == "exponential" else 1e-9, rtol=0
        )
    assert (modes_on(series, torch.zeros(1, 1).double()) > 0).all()


def test_karhunen_loeve_modes_make_up_the_kernel():
    points = column(0, 1, 15)
    smooth = modes_on(karhunen_loeve("rbf", float64([0.2]), 25, size=64), points)[0]
    torch.testing.assert_close(smooth.T @ smooth, Kernel("rbf", 0.2)(points - points.T), atol=1e-9, rtol=0)
    rough = modes_on(karhunen_loeve("exponential", float64([1.0]), 60, size=160), points)[0]
    torch.testing.assert_close(rough.T @ rough, Kernel("exponential", 1.0)(points - points.T), atol=7e-3, rtol=0)
    # the variance that 60 modes leave out is largest at the ends, Σ_{n > 60} 4 / (n π)²
    torch.testing.assert_close(1 - rough[:, 0].square().sum(), float64(4 / (60 * math.pi**2)), rtol=0.02, atol=0)
    published = (modes_on(karhunen_loeve("exponential", float64([1.0]), 2), gauss(60)[0][:, None] / 2 + 0.5)
                 .square() @ gauss(60)[1])[0] / 2  # fmt: skip
    torch.testing.assert_close(published, float64([0.7388, 0.1380]), atol=1e-4, rtol=0)


def test_modes_that_are_not_known_are_refused():
    with pytest.raises(UnsupportedError, match="matern32"):
        karhunen_loeve("matern32", torch.ones(1), 3)
    with pytest.raises(UserError, match="positive lengths"):
        karhunen_loeve("rbf", torch.tensor([0.1, 0.0]), 3)
    with pytest.raises(UserError, match="two terms"):
        karhunen_loeve("rbf", torch.ones(1), 30)
