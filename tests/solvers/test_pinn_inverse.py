"""Unknown numbers, convection and periodic time: cases whose answers are known on paper, solved in a few steps."""

import math

import numpy as np
import pytest
import sympy as sp
import torch

import sciml
from sciml.core.domain import Condition, Coordinate, Domain, dirichlet, initial
from sciml.core.scales import Scales
from sciml.core.statement import Statement, Unknown, forced
from sciml.solvers.pinn import PINN, PINNConfig

X, Y, T = sp.symbols("x y t")
SMALL = ("model.width=6", "train.steps=30")
GAS, TEMPERATURE, TRUE_A = 8.314, 343, 7.8e8
DAYS = np.array([1, 250, 500, 750, 1000, 1500, 2000])
MEASURED = [1000, 666.85, 499.70, 399.55, 332.85, 249.53, 199.57]


def rod(*conditions, **more):
    """u'' = 0 on [0, 1], or another equation."""
    u = sp.Function("u")(X)
    return Statement(
        **{
            "domain": Domain((Coordinate("x", 0.0, 1.0),)),
            "fields": ("u",),
            "equations": (u.diff(X, 2),),
            "conditions": conditions,
        }
        | more
    )


def slope(**more):
    """u'' = u, u(1) = 0, u'(0) = C: u = -C sinh(1 - x) / cosh 1."""
    u = sp.Function("u")(X)
    conditions = Condition("u", "x", "upper", 0), Condition("u", "x", "lower", sp.Symbol("C"), 1)
    return rod(*conditions, equations=(u.diff(X, 2) - u,), unknowns=(Unknown("C", 1.0),), **more)


def decay(energy, scale=None):
    """D' = -A exp(-E/RT) D² over 2000 days; the search starts nine decades below A."""
    field, rate = sp.Function("D")(T), math.exp(-energy / (GAS * TEMPERATURE))
    return Statement(
        domain=Domain((Coordinate("t", 0.0, 2000.0, units="d"),), time="t"),
        fields=("D",),
        equations=(field.diff(T) + sp.Symbol("A") * rate * field**2,),
        unknowns=(Unknown("A", 1.0, scale=scale),),
    )


def test_a_convective_face():
    u = sp.Function("u")(X)
    found = sciml.solve(rod(Condition("u", "x", "lower", 1), Condition("u", "x", "upper", -2 * u, 1)), settings=SMALL)
    np.testing.assert_allclose(found(x=[0.5, 1.0])["u"], [2 / 3, 1 / 3], atol=1e-5)


def test_two_convective_faces_in_the_plane():
    """Δu = 0 for u = cos x cosh y with u_n + 1.5 u given at the upper faces, and no flow at y = 0."""
    u, exact, h = sp.Function("u")(X, Y), sp.cos(X) * sp.cosh(Y), sp.Rational(3, 2)

    def convective(axis, symbol):
        return Condition("u", axis, "upper", (exact.diff(symbol) + h * exact).subs(symbol, 1) - h * u, 1)

    plate = Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 1.0))),
        fields=("u",),
        equations=(forced(u.diff(X, 2) + u.diff(Y, 2), {"u": exact}),),
        conditions=(
            Condition("u", "x", "lower", exact.subs(X, 0)),
            Condition("u", "y", "lower", 0, 1),
            convective("x", X),
            convective("y", Y),
        ),
        solution={"u": exact},
    )
    found = sciml.solve(plate, settings=(*SMALL, "task.points=100", "task.face_points=12"))
    assert found.metrics["error/relative_l2"] < 1e-4
    assert found.metrics["condition/rms"] < 1e-3


def test_an_unknown_number_of_a_condition_with_its_uncertainty():
    """Four values rounded to 1e-3 give C = 2.00 ± 0.01; ∂u/∂C = -sinh(1 - x)/cosh 1 gives its standard deviation."""
    x = np.array([0.0, 0.25, 0.5, 0.75])
    seen = {"x": x, "u": [-1.523, -1.066, -0.675, -0.327]}
    found = sciml.solve(slope(), observations=seen, sigma=0.01, settings=SMALL)
    number = found.unknowns["C"]
    assert number.value == pytest.approx(2.0, abs=0.01)
    expected = 0.01 / np.linalg.norm(np.sinh(1 - x) / np.cosh(1))
    assert number.sigma == pytest.approx(expected, rel=0.02)
    assert found.trusted
    assert "error/relative_l2" not in found.metrics
    by_misfit = sciml.solve(slope(), observations=seen, settings=SMALL).unknowns["C"]
    assert by_misfit.sigma == pytest.approx(0.033 * number.sigma, rel=0.3)  # roundings, of 1e-3/√12 = 2.9e-4 each


def test_two_unknown_numbers_have_the_covariance_of_linear_regression():
    """u = B cosh x + C sinh x: σ² (JᵀJ)⁻¹ with columns cosh and sinh."""
    u = sp.Function("u")(X)
    ends = Condition("u", "x", "lower", sp.Symbol("B")), Condition("u", "x", "lower", sp.Symbol("C"), 1)
    statement = rod(*ends, equations=(u.diff(X, 2) - u,), unknowns=(Unknown("C", 0.0), Unknown("B", 0.0)))
    x = np.linspace(0, 1, 8)
    found = sciml.solve(
        statement, observations={"x": x, "u": 3 * np.cosh(x) - 2 * np.sinh(x)}, sigma=0.05, settings=SMALL
    )
    columns = np.stack([np.sinh(x), np.cosh(x)], axis=1)
    expected = 0.05**2 * np.linalg.inv(columns.T @ columns)
    np.testing.assert_allclose(found.covariance, expected, rtol=0.05)
    assert [found.unknowns[name].value for name in ("B", "C")] == pytest.approx([3, -2], abs=0.02)


def noisy_heat(seed):
    """A diffusivity of 0.1 from 30 values with errors of 0.02, and the standard deviation by hand: ∂u/∂D = -π² t u."""
    u = sp.Function("u")(X, T)
    statement = Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(u.diff(T) - sp.Symbol("D") * u.diff(X, 2),),
        conditions=(*dirichlet("u", "x"), *initial("u", sp.sin(sp.pi * X))),
        unknowns=(Unknown("D", 0.2),),
    )
    random = np.random.default_rng(seed)
    x, t = random.random(30), random.random(30)
    exact = np.exp(-(np.pi**2) * t / 10) * np.sin(np.pi * x)
    seen = {"x": x, "t": t, "u": exact + 0.02 * random.standard_normal(30)}
    settings = ("model.width=8", "train.steps=30", "task.points=150")
    found = sciml.solve(statement, observations=seen, sigma=0.02, seed=seed, settings=settings)
    return found.unknowns["D"], 0.02 / np.linalg.norm(np.pi**2 * t * exact)


def test_a_diffusivity_has_the_uncertainty_of_its_sensitivity():
    number, expected = noisy_heat(0)
    assert number.sigma == pytest.approx(expected, rel=0.05)  # measured over eight seeds: 0.98 to 1.02 of it
    assert abs(number.value - 0.1) < 3 * number.sigma


@pytest.mark.slow
def test_true_values_lie_within_their_standard_deviations():
    """Over eight draws of the errors (D - 0.1)/sigma is of order one: measured 0.81."""
    numbers = [noisy_heat(seed)[0] for seed in range(8)]
    pulls = np.array([(number.value - 0.1) / number.sigma for number in numbers])
    assert 0.4 < np.sqrt((pulls**2).mean()) < 1.7
    assert np.abs(pulls).max() < 3


def test_observations_count_by_their_standard_deviation():
    """One value 20 % off with a hundred times the error moves C by less than its standard deviation."""
    x = np.linspace(0, 0.9, 6)
    u = -2 * np.sinh(1 - x) / np.cosh(1)
    sigma = np.full(6, 1e-3)
    u[0], sigma[0] = 1.2 * u[0], 0.3
    found = sciml.solve(slope(), observations={"x": x, "u": u, "sigma_u": sigma}, settings=SMALL)
    number = found.unknowns["C"]
    assert abs(number.value - 2) < 2 * number.sigma < 0.01
    assert sciml.solve(slope(), observations={"x": x, "u": u}, settings=SMALL).unknowns["C"].value > 2.05


@pytest.mark.parametrize("energy", [9.58e4, 1.11e5])
def test_a_rate_constant_of_any_size_is_found(energy):
    """From measurements that fall from 1000 to 200, or to 981 only."""
    rate = TRUE_A * math.exp(-energy / (GAS * TEMPERATURE))
    seen = MEASURED if energy < 1e5 else 1000 / (1 + 1000 * rate * (DAYS - 1))
    found = sciml.solve(decay(energy), observations={"t": DAYS, "D": seen}, settings=SMALL)
    assert found.unknowns["A"].value == pytest.approx(TRUE_A, rel=0.02)
    assert found.unknowns["A"].sigma < 0.02 * TRUE_A
    assert found.trusted


def test_data_that_are_met_without_the_equation_are_told():
    """Searched in steps of 1 the number stays where it started; whoever reads the result is told that."""
    seen = {"t": DAYS, "D": 1000 / (1 + 9.7e-6 * (DAYS - 1))}
    found = sciml.solve(decay(1.11e5, scale=1.0), observations=seen, settings=(*SMALL, "model.weigh.soft=1e4"))
    assert abs(found.unknowns["A"].value / TRUE_A - 1) > 0.5
    assert not found.trusted
    assert found.unknowns["A"].sigma is None
    assert "Not met: the equation" in found.words[-1]
    assert "followed without the equation, so the numbers above are not found" in found.words[-1]
    assert found.metrics["residual/relative"] > 0.3


def test_an_equation_that_does_not_describe_the_data_is_told():
    seen = {"t": DAYS, "D": 1000 * np.cos(DAYS / 300)}
    found = sciml.solve(decay(9.58e4), observations=seen, settings=SMALL)
    assert not found.trusted
    assert found.words[-1].startswith("Not met:")


def test_a_solution_that_returns_after_one_period():
    """y'' + 0.2 y' + 4 y = cos t: y = (3 cos t + 0.2 sin t)/9.04."""
    y = sp.Function("y")(T)
    driven = Statement(
        domain=Domain((Coordinate("t", 0.0, 2 * math.pi, periodic=True),)),
        fields=("y",),
        equations=(y.diff(T, 2) + y.diff(T) / 5 + 4 * y - sp.cos(T),),
    )
    found = sciml.solve(driven, settings=SMALL)
    t = np.linspace(0, 2 * math.pi, 9)
    np.testing.assert_allclose(found(t=t)["y"], (3 * np.cos(t) + 0.2 * np.sin(t)) / 9.04, atol=1e-5)


def test_scales_change_the_units_of_the_search_and_nothing_else():
    """With weights in their own units a scaled network is the network of the statement."""
    scales = Scales(fields={"D": 1000.0}, unknowns={"A": 2e8}, equations=(0.5,))
    torch.manual_seed(0)
    plain = PINN(PINNConfig(width=4), decay(9.58e4))
    torch.manual_seed(0)
    scaled = PINN(PINNConfig(width=4), decay(9.58e4), scales)
    points = torch.linspace(0, 2000, 5, dtype=torch.float64)[:, None]
    torch.testing.assert_close(scaled(points), 1000 * plain(points))
    torch.testing.assert_close(scaled.jet(points, ("", "t"))["t"], 1000 * plain.jet(points, ("", "t"))["t"])
    assert float(scaled.numbers()["A"].detach()) == pytest.approx(1.0)
    assert set(scaled.state_dict()) == set(plain.state_dict())
