"""Labels of the transforms, the stochastic equations and advection in four settings, against closed forms."""

import math
import sys

import numpy as np
import pytest
import torch

from sciml.core import registry, rng
from sciml.core.errors import UserError
from sciml.core.functions import Functions
from sciml.reference import FractonomialSpace, GivenSpace, LegendreSpace, karhunen_loeve, truncated_normal


def float64(values):
    return torch.tensor(values, dtype=torch.float64)


def line(lower, upper, count):
    return torch.linspace(lower, upper, count, dtype=torch.float64)[:, None]


def reference_of(name):
    return sys.modules[f"sciml_problems.{registry.problem(name).name}.reference"]


def given(problem, *functions, number=0):
    """These very functions as one input of a problem."""
    space = GivenSpace(problem.inputs[number].domain, functions)
    return Functions(space, torch.eye(len(functions), dtype=torch.float64))


# --- transforms


def test_legendre_coefficients_of_legendre_polynomials_are_known():
    """J_n{P_k} = 2/(2n+1) δ_nk."""
    problem = registry.problem("legendre_transform")
    space = LegendreSpace(problem.inputs[0].domain, size=20)
    values = problem.apply((Functions(space, torch.eye(20, dtype=torch.float64)),), problem.queries((20,))).values
    expected = (2 / (2 * torch.arange(20, dtype=torch.float64) + 1)).diag()
    torch.testing.assert_close(values[..., 0], expected, atol=1e-13, rtol=0)


def test_legendre_coefficients_of_an_exponential_are_bessel_functions():
    """∫ P_n e^x = 2 i_n(1), the modified spherical Bessel functions."""
    from scipy.special import spherical_in

    problem = registry.problem("legendre_transform")
    values = problem.apply((given(problem, lambda p: p[:, 0].exp()),), float64([[7.0], [0.0], [19.0]])).values[0, :, 0]
    np.testing.assert_allclose(values, [2 * spherical_in(n, 1.0) for n in (7, 0, 19)], atol=1e-13)


def test_the_legendre_transform_is_asked_for_whole_numbers():
    problem = registry.problem("legendre_transform")
    functions = problem.draw_functions("grf", 2, rng.generator(0))
    for query in ([[2.5]], [[20.0]]):
        with pytest.raises(UserError, match=r"n in \[0, 19\], whole numbers"):
            problem.apply(functions, float64(query))
    with pytest.raises(UserError, match="such as 20"):
        problem.queries((7,))


def test_fractional_derivatives_of_powers_are_powers():
    """D^α x² = 2 x^(2-α) / Γ(3-α); of a constant zero; linear in u."""
    problem = registry.problem("fractional_caputo")
    queries = problem.queries((6, 5))
    y, order = queries.unbind(1)
    functions = given(problem, lambda p: p[:, 0] ** 2, lambda p: torch.ones(len(p)).double(), lambda p: p[:, 0])
    square, constant, identity = problem.apply((functions,), queries).values[..., 0]
    torch.testing.assert_close(square, 2 * y ** (2 - order) / torch.lgamma(3 - order).exp(), atol=1e-9, rtol=0)
    assert constant.abs().max() < 1e-9
    torch.testing.assert_close(identity, y ** (1 - order) / torch.lgamma(2 - order).exp(), atol=1e-9, rtol=0)


def test_fractional_derivatives_of_fractonomials_are_finite_everywhere_and_agree_with_their_powers():
    problem = registry.problem("fractional_caputo")
    space = FractonomialSpace(problem.inputs[0].domain, order=0.9, size=3)
    queries = problem.queries((7, 9))
    values = problem.apply((Functions(space, torch.eye(3, dtype=torch.float64)),), queries).values[..., 0]
    y, order = queries.unbind(1)
    assert values.isfinite().all()
    first = math.gamma(1.9) * y ** (0.9 - order).clamp_min(0) / torch.lgamma(1.9 - order).exp()
    torch.testing.assert_close(values[0], first, atol=1e-11, rtol=0)
    at_top = order > 0.9 - 1e-12
    torch.testing.assert_close(values[0, at_top], torch.full((7,), math.gamma(1.9), dtype=torch.float64))


# --- stochastic equations


def test_paths_are_exponentials_of_integrals_of_the_rate():
    problem = registry.problem("stochastic_ode")
    modes = problem.draw_functions("exponential", 3, rng.generator(0))
    xi, times = float64([0.7, -1.2, 0.3, 2.0, -0.5]), line(0, 1, 9)
    queries = torch.cat((xi.expand(9, -1), times), dim=1)
    values = problem.apply(modes, queries).values[..., 0]
    fine = line(0, 1, 8 * 500 + 1)
    rate = sum(number * mode(fine) for number, mode in zip(xi, modes, strict=True))
    integral = torch.cumulative_trapezoid(rate, fine[:, 0], dim=1)[:, 499::500]
    torch.testing.assert_close(values[:, 1:], integral.exp(), atol=1e-5, rtol=0)
    assert (values[:, 0] == 1).all()
    still = torch.cat((torch.zeros(9, 5), times), dim=1)
    assert (problem.apply(modes, still).values == 1).all()


def test_the_modes_are_those_of_the_process_and_positive_at_the_start():
    problem = registry.problem("stochastic_ode")
    for space in problem.spaces:
        modes = problem.draw_functions(space, 4, rng.generator(1))
        start = torch.stack([mode(torch.zeros(1, 1)) for mode in modes])
        assert (start > 0).all()
        fine = line(0, 1, 4001)
        variances = torch.stack([torch.trapezoid(mode(fine).square(), fine[:, 0]) for mode in modes])
        assert (variances.diff(dim=0) < 0).all()
        assert (variances.sum(0) < 1).all()
        assert (variances.sum(0) > 0.8).all()


def test_the_mean_is_that_of_the_closed_form_and_of_many_paths():
    """E y = exp(σ²/2), σ² = 2 l t + 2 l² (e^(-t/l) - 1), with nearly all of it in five modes and all of it in many."""
    problem, reference = registry.problem("stochastic_ode_mean"), reference_of("stochastic_ode_mean")
    lengths, t = float64([1.0, 1.4, 2.0]), line(0, 1, 11)
    closed = torch.exp(lengths[:, None] * t[:, 0] + lengths[:, None] ** 2 * torch.expm1(-t[:, 0] / lengths[:, None]))

    def modes(count, size):
        space = LegendreSpace(problem.inputs[0].domain, size=size)
        return [Functions(space, part) for part in karhunen_loeve("exponential", lengths, count, size=size).unbind(1)]

    torch.testing.assert_close(reference.means(*modes(60, 160), queries=t), closed, atol=2e-6, rtol=0)
    five = problem.apply(tuple(modes(5, 48)), t).values[..., 0]
    torch.testing.assert_close(five, closed, atol=1.5e-3, rtol=0)
    xi = torch.randn(200_000, 5, generator=rng.generator(0), dtype=torch.float64)
    integrals = torch.stack([mode.integral(t[-1:])[1, 0] for mode in modes(5, 48)])
    sampled = torch.exp(xi @ integrals)
    assert abs(float(sampled.mean() - five[1, -1])) < 4 * float(sampled.std()) / 200_000**0.5


def test_random_numbers_of_queries_are_normal_and_cut():
    drawn = truncated_normal((100_000,), 4.0, rng.generator(0))
    assert drawn.abs().max() <= 4
    assert abs(float(drawn.mean())) < 0.02
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.01)
    for name in ("stochastic_ode", "stochastic_elliptic"):
        problem = registry.problem(name)
        assert problem.domain.contains(problem.scatter(1000, rng.generator(0))).all()


def test_a_uniform_medium_has_a_parabola_and_a_soft_one_a_larger():
    problem = registry.problem("stochastic_elliptic")
    one = given(problem, lambda p: torch.ones(len(p)).double())
    none = given(problem, lambda p: torch.zeros(len(p)).double())
    x = line(0, 1, 9)
    queries = torch.cat((float64([[0.8, 1, 1, 1, 1, 1, 1, 1]]).expand(9, -1), x), dim=1)
    values = problem.apply((one, *[none] * 7), queries).values[0]
    torch.testing.assert_close(values, math.exp(-0.8) * 5 * x * (1 - x), atol=1e-12, rtol=0)


def test_an_exponential_medium_has_its_closed_form():
    """b = ξ x: e^b s' = A - 10 x, both integrals elementary."""
    problem = registry.problem("stochastic_elliptic")
    slope, none = given(problem, lambda p: p[:, 0]), given(problem, lambda p: torch.zeros(len(p)).double())
    c, x = 1.5, line(0, 1, 9)
    queries = torch.cat((float64([[c, 0, 0, 0, 0, 0, 0, 0]]).expand(9, -1), x), dim=1)
    values = problem.apply((slope, *[none] * 7), queries).values[0]

    def integrals(y):
        e = torch.exp(-c * y)
        return (1 - e) / c, (1 - e * (1 + c * y)) / c**2

    (whole, moment), (part, first) = integrals(torch.ones(1).double()), integrals(x)
    torch.testing.assert_close(values, 10 * (moment / whole * part - first), atol=1e-12, rtol=0)


def test_labels_of_random_media_are_tight():
    problem = registry.problem("stochastic_elliptic")
    queries = problem.scatter(200, rng.generator(1))
    for space in problem.spaces:
        modes = problem.draw_functions(space, 6, rng.generator(0))
        solve = reference_of("stochastic_elliptic").solutions
        fine = solve(*modes, queries=queries, nodes=128)
        error = (solve(*modes, queries=queries) - fine).abs().max() / fine.abs().max()
        assert error < 1e-8, space


# --- advection in four settings


@pytest.fixture(scope="module")
def advected():
    problem = registry.problem("advection_operator")
    return problem, problem.draw_functions("grf", 3, rng.generator(0))


def test_the_first_setting_is_the_problem_of_its_own(advected):
    problem, (v,) = advected
    alone = registry.problem("advection")
    queries = problem.queries((5, 7))
    other = alone.draw_functions("grf", 3, rng.generator(0))
    torch.testing.assert_close(problem.apply((v,), queries).values[..., :1], alone.apply(other, queries).values)


def test_every_setting_starts_from_its_initial_state_and_keeps_its_inflow(advected):
    problem, (v,) = advected
    x, t = line(0, 1, 9)[:, 0], line(0, 1, 9)[:, 0]
    start = problem.apply((v,), torch.stack((torch.zeros(9).double(), x), dim=1)).values
    expected = [v(torch.sin(math.pi * x)[:, None] ** 2), x * v(x[:, None]), (x**2).expand(3, -1),
                torch.sin(2 * math.pi * x).expand(3, -1)]  # fmt: skip
    torch.testing.assert_close(start, torch.stack(expected, dim=2), atol=1e-9, rtol=0)
    left = problem.apply((v,), torch.stack((t, torch.zeros(9).double()), dim=1)).values
    right = problem.apply((v,), torch.stack((t, torch.ones(9).double()), dim=1)).values
    assert left[..., 1].abs().max() == 0
    torch.testing.assert_close(left[..., 2], torch.sin(math.pi * t).expand(3, -1), atol=1e-9, rtol=0)
    for periodic in (0, 3):
        torch.testing.assert_close(left[..., periodic], right[..., periodic], atol=1e-9, rtol=0)


def test_every_setting_satisfies_its_equation(advected):
    """s_t + a s_x = 0 by central differences of order 4, away from fronts and ends."""
    problem, (v,) = advected
    generator, h = rng.generator(3), 1e-3
    points = 0.05 + 0.9 * torch.rand(60, 2, generator=generator, dtype=torch.float64)
    points = points[(points[:, 0] - points[:, 1]).abs() > 0.15]  # the characteristic from the corner

    def derivative(axis):
        step = torch.zeros(2, dtype=torch.float64)
        step[axis] = h
        shifted = [problem.apply((v,), points + k * step).values for k in (-2, -1, 1, 2)]
        return (shifted[0] - 8 * shifted[1] + 8 * shifted[2] - shifted[3]) / (12 * h)

    x = points[:, 1:]
    velocity = torch.stack((torch.ones(3, len(x)), torch.ones(3, len(x)), 1 + v(x) / 10, 1 + (v(x) + v(1 - x)) / 20), 2)
    residual = derivative(0) + velocity * derivative(1)
    assert residual.abs().max() < 1e-5


def test_a_constant_velocity_moves_the_states_by_its_product_with_time():
    problem = registry.problem("advection_operator")
    two = given(problem, lambda p: torch.full((len(p),), 2.0).double())
    queries = problem.queries((6, 6))
    t, x = queries.unbind(1)
    values = problem.apply((two,), queries).values[0]
    torch.testing.assert_close(values[:, 3], torch.sin(2 * math.pi * (x - 1.2 * t)), atol=1e-10, rtol=0)
    expected = torch.where(x >= 1.2 * t, (x - 1.2 * t).square(), torch.sin(math.pi * (t - x / 1.2)))
    torch.testing.assert_close(values[:, 2], expected, atol=1e-10, rtol=0)


def test_a_velocity_that_changes_sign_is_refused():
    problem = registry.problem("advection_operator")
    steep = given(problem, lambda p: -12.0 * torch.ones(len(p)).double())
    with pytest.raises(UserError, match=r"velocity is not positive.*-0.1999"):
        problem.apply((steep,), problem.queries((3, 3)))


# --- flow


def test_vortices_of_one_wavenumber_only_decay():
    """u·∇ω = 0 for an eigenfunction of the Laplacian: ω decays as exp(-ν k² t), here at points of no lattice."""
    problem = registry.problem("vorticity_operator")
    two_pi = 2 * math.pi

    def vortices(p):
        y, x = p.unbind(1)
        return 3 * torch.cos(two_pi * x) * torch.sin(two_pi * y) + torch.cos(two_pi * (x + y) + 0.4)

    queries = torch.rand(40, 2, generator=rng.generator(0), dtype=torch.float64)
    values = problem.apply((given(problem, vortices),), queries).values[0, :, 0]
    decay = math.exp(-0.002 * 2 * two_pi**2 * 2.0)
    torch.testing.assert_close(values, decay * vortices(queries), atol=1e-10, rtol=0)


def test_the_vorticity_later_is_tight():
    problem = registry.problem("vorticity_operator")
    (drawn,), later = problem.draw_functions("grf", 2, rng.generator(0)), reference_of("vorticity_operator").later
    queries = problem.queries((16, 16))
    fine, standard = (later(drawn, queries, **more).values for more in ({"points": 96, "step_factor": 0.5}, {}))
    assert (standard - fine).norm() / fine.norm() < 1e-5
    whole = later(drawn.rows(slice(0, 1)), problem.queries((64, 64))).values
    assert whole.mean(1).abs().max() < 1e-12, "the mean of the vorticity stays zero"
    lattice_and_more = later(drawn, torch.cat((queries, queries[:3] * 0.9))).values
    torch.testing.assert_close(lattice_and_more[:, :256], standard, atol=1e-12, rtol=0)
