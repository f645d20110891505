"""Formulas against observations: unknown scalars, intervals, equations in the plane, steps that were kept."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch

from sciml.core import registry
from sciml.core.capabilities import Observations
from sciml.core.clock import Clock
from sciml.core.statement import Unknown
from sciml.discovery import (
    Component,
    SearchSpec,
    Steps,
    SymbolicFront,
    SymbolicProblem,
    confirm,
    engine,
    exact_starts,
    formula_units,
    parse_formula,
    remarks,
    spline_weights,
    try_formulas,
)
from sciml.solvers.discovery import Surfaces
from sciml.tasks.discovery import DiscoveryConfig, dense_places, observe, true_values


def with_unknown(problem):
    class WithUnknown(type(problem)):
        def hidden_statement(self, trajectory=0):
            statement = problem.hidden_statement(trajectory)
            known = {name: value for name, value in statement.parameters.items() if name != "alpha"}
            return replace(statement, parameters=known, unknowns=(Unknown("alpha", 1.0),))

    return WithUnknown(**{name: getattr(problem, name) for name in problem.__dataclass_fields__})


def test_unknown_scalars_are_fitted_with_the_constants():
    problem = with_unknown(registry.problem("lotka_volterra"))
    seen = observe(problem, DiscoveryConfig())
    starts = exact_starts(problem, seen, torch.zeros(3, 2))
    options = [[parse_formula("-0.8*x*y")], [parse_formula("0.7*x*y")]]
    decided = confirm(problem, seen, starts, options, alphabet=7, scalars={"alpha": 1.1})
    assert decided.misfit < 1.5
    alpha = decided.scalars["alpha"]
    assert alpha.low < 1.3 < alpha.high
    assert alpha.nice == 1.3
    ((beta,), (gamma,)) = decided.constants
    assert (beta.nice, gamma.nice) == (-0.9, 0.8)
    assert [str(expr) for expr in decided.nice] == ["-0.9*x*y", "0.8*x*y"]
    ahead = try_formulas(problem, decided.nice, {"alpha": 1.3})
    assert ahead.error < 1e-4


@pytest.mark.parametrize("idle", ["0.01*x**2", pytest.param("0.5*exp(x - 300)", marks=pytest.mark.slow)])
def test_a_term_that_the_observations_do_not_feel_is_left_out(idle):
    """Its factor may as well be zero, or anything."""
    problem = registry.problem("lotka_volterra")
    seen = observe(problem, DiscoveryConfig())
    starts = exact_starts(problem, seen, torch.zeros(3, 2))
    rich = parse_formula("-0.9*x*y") + parse_formula(idle)
    decided = confirm(problem, seen, starts, [[rich], [parse_formula("0.8*x*y")]], alphabet=7)
    assert not isinstance(decided.formulas[0], sp.Add)
    ((beta,), (gamma,)) = decided.constants
    assert (beta.nice, gamma.nice) == (-0.9, 0.8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["burgers", "advection_diffusion_hidden"])
def test_the_observations_of_a_field_decide_its_constants(name):
    problem = registry.find_problem(name)
    seen = observe(problem, DiscoveryConfig())
    (truth,) = problem.rate_equation.hidden_terms
    wrong = sp.expand(truth * 1.0).xreplace(
        {v: sp.Float(0.8 * float(v)) for v in sp.expand(truth * 1.0).atoms(sp.Float)}
    )
    starts = exact_starts(problem, seen, torch.zeros(1, 1))
    decided = confirm(problem, seen, starts, [[wrong]], alphabet=8)
    assert decided.misfit < 1.4
    for interval, number in zip(decided.constants[0], sorted(wrong.atoms(sp.Float), key=str), strict=True):
        assert interval.low - 0.02 < float(number) / 0.8 < interval.high + 0.02
    assert try_formulas(problem, decided.formulas, {}).error < 0.02


def test_splines_between_points_of_a_periodic_grid():
    grid, x = np.arange(32) / 32, np.array([0.01, 0.5, 0.99, 1.0])
    between = spline_weights(grid, x, True) @ torch.from_numpy(np.sin(2 * np.pi * grid))
    np.testing.assert_allclose(between, np.sin(2 * np.pi * x), atol=1e-5)
    straight = spline_weights(grid, x[:2], False) @ torch.from_numpy(grid**3)
    np.testing.assert_allclose(straight, x[:2] ** 3, atol=1e-12)


def test_the_clock_of_crowded_times_and_of_even_ones():
    assert Clock.of(torch.linspace(0, 3, 10)).even
    assert Clock.of(torch.rand(100, generator=torch.Generator().manual_seed(0))).even
    times = 0.2 * (torch.linspace(0, 7.6, 25, dtype=torch.float64).expm1())
    clock = Clock.of(times)
    assert clock.pace == pytest.approx(0.2)
    torch.testing.assert_close(clock.position(times), torch.linspace(0, 1, 25, dtype=torch.float64))
    torch.testing.assert_close(clock.time(clock.position(times)), times)
    step = 1e-6 * times[1:-1]
    slope = (clock.position(times[1:-1] + step) - clock.position(times[1:-1] - step)) / (2 * step)
    torch.testing.assert_close(clock.speed(times[1:-1]), slope, rtol=1e-6, atol=0)


def test_surfaces_have_the_derivatives_of_what_they_smooth():
    """Many exact points of the truth: the surface and its slopes come out, and the known start is kept."""
    problem = registry.problem("burgers")
    seen = observe(problem, DiscoveryConfig(points=300, noise=0.0))
    surfaces = Surfaces(problem, seen)
    surfaces.smooth()
    places = dense_places(seen, 60)
    inputs, hidden = true_values(problem, places)
    derivatives, remainder = surfaces.remainder(places)
    assert float((derivatives[:, 0] - inputs[:, 0]).norm() / inputs[:, 0].norm()) < 0.01
    assert float((derivatives[:, 1] - inputs[:, 1]).norm() / inputs[:, 1].norm()) < 0.05
    assert float((remainder - hidden).norm() / hidden.norm()) < 0.25
    start = places._replace(coordinates=places.coordinates * torch.tensor([0.0, 1.0]))
    true = problem.reference_trajectory(0, start.coordinates)
    torch.testing.assert_close(surfaces.fields(start), true, rtol=0, atol=1e-12)


def test_units_are_checked_where_a_problem_has_them():
    problem = registry.problem("advection_diffusion_hidden")
    verdict = formula_units(problem, 0, parse_formula("2.1*c - 2.5*c**2 + 0.5*c_x"))
    assert verdict.ok
    assert set(verdict.constants.values()) == {"s^-1", "kg^-1 m^3 s^-1", "m s^-1"}
    assert not formula_units(problem, 0, parse_formula("c")).ok
    assert formula_units(registry.problem("lotka_volterra"), 0, parse_formula("x*y")) is None
    growth = parse_formula("2.1*c")
    front, units = SymbolicFront(("c",), ()), formula_units(problem, 0, growth)
    component = Component("concentration", front, growth, None, None, units=units)
    assert remarks(component) == ["units fit, with 2.1 in s^-1"]


def test_finished_searches_are_taken_and_damaged_ones_made_again(tmp_path):
    said = []
    steps = Steps(tmp_path / "steps", said.append)
    x = np.linspace(0.5, 3, 30)[:, None]
    searches = []

    def search():
        searches.append(1)
        return engine("sparse").fit(SymbolicProblem(x, 2 * x[:, 0] ** 2, ("x",)), SearchSpec(degree=2))

    first = steps.front("prey", search)
    assert steps.front("prey", search).to_dict() == first.to_dict()
    assert len(searches) == 1
    path = tmp_path / "steps" / "front-prey.json"
    path.write_text(path.read_text()[:-20])
    assert steps.front("prey", search).to_dict() == first.to_dict()
    assert len(searches) == 2
    assert "front-prey.json is damaged" in said[-1]


def test_observations_without_noise_size_still_have_intervals():
    problem = registry.problem("lotka_volterra")
    seen = tuple(Observations(e.coordinates, e.values, None) for e in observe(problem, DiscoveryConfig()))
    starts = exact_starts(problem, seen, torch.zeros(3, 2))
    decided = confirm(problem, seen, starts, [[parse_formula("-0.8*x*y")], [parse_formula("0.9*x*y")]], alphabet=7)
    ((beta,), _) = decided.constants
    assert beta.low < -0.9 < beta.high
    assert beta.high - beta.low < 0.01
