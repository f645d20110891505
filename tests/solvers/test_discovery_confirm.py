"""Formulas against observations: unknown scalars, intervals, equations in the plane, steps that were kept."""

import numpy as np
import pytest
import sympy as sp
import torch

from sciml.core import registry
from sciml.core.capabilities import Observations
from sciml.solvers.discovery import (
    Component,
    Kept,
    SearchSpec,
    SymbolicFront,
    SymbolicProblem,
    engine,
    parse_formula,
)
from sciml.solvers.discovery._confirm import _spline_weights, confirm, exact_starts
from sciml.solvers.discovery._discover import _units, try_formulas
from sciml.solvers.discovery._surface import Surfaces
from sciml.study import remarks
from sciml.study._discover import _digest, _folder
from sciml.tasks.discovery import Clock, DiscoveryConfig, dense_places, observe, true_values


def with_unknown(problem):
    class WithUnknown(type(problem)):
        def known(self, time, inputs, scalars):
            return torch.stack([scalars["alpha"] * inputs[..., 0], -1.8 * inputs[..., 1]], dim=-1)

    fields = {name: getattr(problem, name) for name in problem.__dataclass_fields__}
    return WithUnknown(**fields | {"unknowns": {"alpha": 1.0}})


def test_unknown_scalars_are_fitted_with_the_constants():
    problem = with_unknown(registry.problem("lotka_volterra_hidden"))
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
    problem = registry.problem("lotka_volterra_hidden")
    seen = observe(problem, DiscoveryConfig())
    starts = exact_starts(problem, seen, torch.zeros(3, 2))
    rich = parse_formula("-0.9*x*y") + parse_formula(idle)
    decided = confirm(problem, seen, starts, [[rich], [parse_formula("0.8*x*y")]], alphabet=7)
    assert not isinstance(decided.formulas[0], sp.Add)
    ((beta,), (gamma,)) = decided.constants
    assert (beta.nice, gamma.nice) == (-0.9, 0.8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["burgers_hidden", "advection_diffusion_hidden"])
def test_the_observations_of_a_field_decide_its_constants(name):
    problem = registry.problem(name)
    seen = observe(problem, DiscoveryConfig())
    truth = parse_formula(problem.hidden_formulas()[0], problem.hidden_inputs)
    wrong = sp.expand(truth * 1.0).xreplace(
        {v: sp.Float(0.8 * float(v)) for v in sp.expand(truth * 1.0).atoms(sp.Float)}
    )
    starts = exact_starts(problem, seen, torch.zeros(1, 1))
    decided = confirm(problem, seen, starts, [[wrong]], alphabet=8)
    assert decided.misfit < 1.4
    for found, number in zip(decided.constants[0], sorted(wrong.atoms(sp.Float), key=str), strict=True):
        assert found.low - 0.02 < float(number) / 0.8 < found.high + 0.02
    assert try_formulas(problem, decided.formulas, {}).error < 0.02


def test_splines_between_points_of_a_periodic_grid():
    grid, x = np.arange(32) / 32, np.array([0.01, 0.5, 0.99, 1.0])
    found = _spline_weights(grid, x, True) @ torch.from_numpy(np.sin(2 * np.pi * grid))
    np.testing.assert_allclose(found, np.sin(2 * np.pi * x), atol=1e-5)
    straight = _spline_weights(grid, x[:2], False) @ torch.from_numpy(grid**3)
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
    problem = registry.problem("burgers_hidden")
    seen = observe(problem, DiscoveryConfig(points=300, noise=0.0))
    surfaces = Surfaces(problem, seen)
    surfaces.smooth()
    places = dense_places(seen, 60)
    inputs, hidden = true_values(problem, places)
    found, remainder = surfaces.remainder(places)
    assert float((found[:, 0] - inputs[:, 0]).norm() / inputs[:, 0].norm()) < 0.01
    assert float((found[:, 1] - inputs[:, 1]).norm() / inputs[:, 1].norm()) < 0.05
    assert float((remainder - hidden).norm() / hidden.norm()) < 0.25
    start = places._replace(coordinates=places.coordinates * torch.tensor([0.0, 1.0]))
    true = problem.reference(0, start.coordinates)[:, :1]
    torch.testing.assert_close(surfaces.fields(start), true, rtol=0, atol=1e-12)


def test_units_are_checked_where_a_problem_has_them():
    problem = registry.problem("advection_diffusion_hidden")
    verdict = _units(problem, 0, parse_formula("2.1*c - 2.5*c**2 + 0.5*c_x"))
    assert verdict.ok
    assert set(verdict.constants.values()) == {"s^-1", "kg^-1 m^3 s^-1", "m s^-1"}
    assert not _units(problem, 0, parse_formula("c")).ok
    assert _units(registry.problem("lotka_volterra_hidden"), 0, parse_formula("x*y")) is None
    growth = parse_formula("2.1*c")
    front, units = SymbolicFront(("c",), ()), _units(problem, 0, growth)
    component = Component("concentration", front, growth, None, None, units=units)
    assert remarks(component) == ["units fit, with 2.1 in s^-1"]


def test_finished_steps_are_taken_and_damaged_ones_made_again(tmp_path):
    said = []
    kept = Kept(tmp_path / "steps", said.append)
    module, calls = torch.nn.Linear(2, 1), []

    def fit():
        calls.append(1)
        with torch.no_grad():
            module.weight.fill_(float(len(calls)))

    kept.fitted(module, fit)
    module = torch.nn.Linear(2, 1)
    kept.fitted(module, fit)
    assert (len(calls), float(module.weight.detach()[0, 0])) == (1, 1.0)
    path = tmp_path / "steps" / "measured.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    kept.fitted(module, fit)
    assert len(calls) == 2
    assert "damaged" in said[-1]

    x = np.linspace(0.5, 3, 30)[:, None]
    searches = []

    def search():
        searches.append(1)
        return engine("sparse").fit(SymbolicProblem(x, 2 * x[:, 0] ** 2, ("x",)), SearchSpec(degree=2))

    first = kept.front("prey", search)
    assert kept.front("prey", search).to_dict() == first.to_dict()
    assert len(searches) == 1
    path = tmp_path / "steps" / "front-prey.json"
    path.write_text(path.read_text()[:-20])
    assert kept.front("prey", search).to_dict() == first.to_dict()
    assert len(searches) == 2
    assert "front-prey.json is damaged" in said[-1]


def test_the_same_settings_go_on_in_the_folder_that_was_stopped(tmp_path):
    problem = registry.problem("lotka_volterra_hidden")
    task = DiscoveryConfig()
    asked = _digest(problem, task, seed=0)
    assert asked == _digest(problem, task, seed=0)
    assert asked != _digest(problem, task, seed=1)
    assert asked != _digest(problem, DiscoveryConfig(draw=1), seed=0)
    folder = _folder(tmp_path, "discover", asked)
    (folder / "steps" / asked).mkdir(parents=True)
    assert _folder(tmp_path, "discover", "other") != folder
    assert _folder(tmp_path, "discover", asked) == folder
    (folder / "discovery.json").write_text("{}")
    assert _folder(tmp_path, "discover", asked) != folder


def test_observations_without_noise_size_still_have_intervals():
    problem = registry.problem("lotka_volterra_hidden")
    seen = tuple(Observations(e.coordinates, e.values, None) for e in observe(problem, DiscoveryConfig()))
    starts = exact_starts(problem, seen, torch.zeros(3, 2))
    decided = confirm(problem, seen, starts, [[parse_formula("-0.8*x*y")], [parse_formula("0.9*x*y")]], alphabet=7)
    ((beta,), _) = decided.constants
    assert beta.low < -0.9 < beta.high
    assert beta.high - beta.low < 0.01
