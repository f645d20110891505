from dataclasses import replace

import numpy as np
import pytest
import torch

from sciml.core import registry, rng
from sciml.core.capabilities import HasHiddenTerm, ObservationPlan
from sciml.core.statement import Unknown
from sciml.discovery import compare, confirm, exact_starts, forecast, identify, parse_formula
from sciml.models import StackedMLP
from sciml.solvers.discovery import UPINN, Places, UPINNConfig, steps_of
from sciml.study import make_discovery_request, run
from sciml.tasks.discovery import (
    DISCOVERY,
    DiscoveryConfig,
    ObservationExamples,
    Visited,
    dense_places,
    hidden_errors,
    observe,
    true_values,
)
from sciml.train import find_solver

SMALL = UPINNConfig(members=2, width=8, hidden_width=6, collocation=20, adam=3)
NAMES = [name for name, problem in registry.problems().items() if isinstance(problem, HasHiddenTerm)]


@pytest.fixture(params=NAMES)
def problem(request):
    return registry.find_problem(request.param)


@pytest.fixture
def lotka():
    return registry.problem("lotka_volterra")


def small(problem, seed=0, **changes):
    config = SMALL.model_copy(update=changes)
    return UPINN(problem, config, observe(problem, DiscoveryConfig()), seed)


def test_stacked_derivatives_agree_with_autograd():
    net = StackedMLP(3, 2, 2, width=5, layers=3, generator=rng.generator(0))
    x = torch.rand(3, 4, 2, dtype=torch.float64, requires_grad=True)
    jet = net.jet(x, second=(0, 1))
    assert torch.equal(jet.value, net(x))
    for channel in range(2):
        (slopes,) = torch.autograd.grad(net(x)[..., channel].sum(), x, create_graph=True)
        for axis in range(2):
            torch.testing.assert_close(jet.first[axis][..., channel], slopes[..., axis])
        for axis in range(2):
            (bends,) = torch.autograd.grad(slopes[..., axis].sum(), x, retain_graph=True)
            torch.testing.assert_close(jet.second[axis][..., channel], bends[..., axis])


def test_members_do_not_see_each_other():
    net = StackedMLP(2, 1, 1, width=4, layers=2, generator=rng.generator(0))
    x = torch.rand(2, 3, 1, dtype=torch.float64)
    before = net(x)
    changed = x.clone()
    changed[0] += 1
    assert torch.equal(net(changed)[1], before[1])


def test_the_state_obeys_its_conditions_to_the_bit(problem):
    module = small(problem)
    dims = 1 + len(problem.boundary)
    start = torch.zeros(5, dims, dtype=torch.float64)
    start[:, 1:] = torch.linspace(-1, 1, 5)[:, None]
    places = Visited(torch.zeros(5, dtype=torch.int64), start)
    state, _ = module.anywhere(places)
    true = problem.reference_trajectory(0, start)
    torch.testing.assert_close(state, true.expand_as(state), rtol=1e-12, atol=1e-12)


def test_derivatives_of_the_constrained_state_agree_with_differences(problem):
    module = small(problem)
    points = dense_places(observe(problem, DiscoveryConfig()), 40)
    inner = points.coordinates[3:20]
    lower, upper = module.scales.lower, module.scales.upper
    inner = lower + 0.1 * (upper - lower) + 0.8 * (inner - lower)
    rows, step = torch.zeros(len(inner), dtype=torch.int64), 1e-5

    def moved(axis, by):
        shifted = inner.clone()
        shifted[:, axis] += by
        return module.anywhere(Visited(rows, shifted))[0]

    every = inner.expand(module.count, -1, -1)
    _, rate, inputs = module.at(Places(problem, every, module.scales, bends=module.bends))
    torch.testing.assert_close(rate[:, 0], (moved(0, step) - moved(0, -step)) / (2 * step), rtol=1e-5, atol=1e-6)
    for axis, letter in enumerate(problem.boundary, start=1):
        symbol = problem.fields[0].symbol
        place = problem.rate_equation.inputs.index(f"{symbol}_{letter}")
        slope = (moved(axis, step) - moved(axis, -step)) / (2 * step)
        torch.testing.assert_close(inputs[:, 0, :, place : place + 1], slope, rtol=1e-5, atol=1e-6)
        place, wide = problem.rate_equation.inputs.index(f"{symbol}_{letter * 2}"), 1e-3
        bend = (moved(axis, wide) - 2 * moved(axis, 0.0) + moved(axis, -wide)) / wide**2
        torch.testing.assert_close(inputs[:, 0, :, place : place + 1], bend, rtol=1e-4, atol=1e-4)


def test_the_true_hidden_term_leaves_no_residual(problem):
    """The equation of the docstring, the known and the hidden part and the reference agree."""
    seen = observe(problem, DiscoveryConfig())
    points = dense_places(seen, 40).coordinates[5:30]
    step = 1e-4
    inside = points.clone()
    inside[:, 0] = inside[:, 0].clamp(0.1, float(seen[0].coordinates[:, 0].max()) - 0.1)

    def at(by):
        shifted = inside.clone()
        shifted[:, 0] += by
        return problem.reference_trajectory(0, shifted)

    rate = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
    inputs, equation = problem.reference_inputs(0, inside), problem.rate_equation
    explained = equation.known(inside[:, 0], inputs) + equation.hidden(inputs)
    torch.testing.assert_close(rate, explained, rtol=1e-6, atol=1e-6)


def test_gradients_reach_both_networks_and_the_sign_is_that_of_the_hidden_term(lotka):
    """With residual u' − K − F the network F itself, not −F, must grow towards the hidden term."""
    module = small(lotka)
    module.loss().backward()
    for network in (module.surrogate, module.hidden):
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    _, rate, inputs = module.at(module.inner)
    expected = rate - module.known(module.inner.coordinates[..., 0], inputs) - module.term(inputs)
    torch.testing.assert_close(module.residual() * module.scales.rate, expected)


def test_a_change_of_units_leaves_the_loss(lotka):
    """Populations in thousands, with the known part rewritten: the same non-dimensional loss."""
    module, factor = small(lotka), 1000.0

    class Scaled(type(lotka)):
        def hidden_statement(self, trajectory=0):
            """The same rates: the known part is linear, the hidden one is not asked."""
            statement = lotka.hidden_statement(trajectory)
            starts = [replace(condition, value=factor * condition.value) for condition in statement.conditions]
            return replace(statement, conditions=tuple(starts))

        def observations(self, plan, generator):
            measured = lotka.observations(plan, generator)
            return tuple(type(e)(e.coordinates, factor * e.values, factor * e.sigma) for e in measured)

    fields = {name: getattr(lotka, name) for name in lotka.__dataclass_fields__}
    scaled = Scaled(**fields)
    other = UPINN(scaled, SMALL, observe(scaled, DiscoveryConfig()), 0)
    torch.testing.assert_close(other.loss(), module.loss(), rtol=1e-10, atol=0)


def test_unknown_scalars_have_gradients_and_are_reported(lotka):
    class WithUnknown(type(lotka)):
        def hidden_statement(self, trajectory=0):
            statement = lotka.hidden_statement(trajectory)
            known = {name: value for name, value in statement.parameters.items() if name != "alpha"}
            return replace(statement, parameters=known, unknowns=(Unknown("alpha", 1.0),))

    fields = {name: getattr(lotka, name) for name in lotka.__dataclass_fields__}
    module = UPINN(WithUnknown(**fields), SMALL, observe(lotka, DiscoveryConfig()), 0)
    assert module.found_scalars() == {"alpha": 1.0}
    module.loss().backward()
    assert (module.scalars.grad.abs() > 0).all()


def test_training_lowers_the_loss_and_repeats(lotka):
    losses = []
    for _ in range(2):
        module = small(lotka, adam=30)
        before, rule = module.loss().item(), steps_of(module, 35)
        whole = ObservationExamples(observe(lotka, DiscoveryConfig())).whole
        for step in range(35):
            rule.step(whole, step / 35)
        losses.append(module.loss().item())
        assert losses[-1] < before / 5
    assert losses[0] == losses[1]


def test_the_true_term_forecasts_the_held_out_trajectory(problem):
    held = problem.held_out()
    solved = forecast(problem, problem.rate_equation.hidden, held)
    assert float((solved.states[0] - held.states).norm() / held.states.norm()) < 2e-5


def test_a_forecast_that_breaks_down_has_a_status(lotka):
    solved = forecast(lotka, lambda inputs: 50 * inputs**2, lotka.held_out())
    assert int(solved.status[0]) != 0


@pytest.mark.parametrize(("count", "flagged"), [(1, True), (3, False)])
def test_one_trajectory_is_called_not_identifiable(lotka, count, flagged):
    times = torch.linspace(0, 3, 61, dtype=torch.float64)[:, None]
    states = torch.cat([lotka.reference_trajectory(k, times) for k in range(count)]).numpy()
    report = identify(states, ("x", "y"), lotka.hidden.library, curves=count)
    assert report.identifiable is not flagged
    assert ("NOT identifiable" in report.words()) is flagged
    assert not flagged or any("one trajectory" in reason for reason in report.reasons)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 273.15), (1e-9, 0.0), (1.0, 1e5)])
def test_the_verdict_does_not_depend_on_units(lotka, scale, offset):
    times = torch.linspace(0, 3, 61, dtype=torch.float64)[:, None]
    states = torch.cat([lotka.reference_trajectory(k, times) for k in range(3)]).numpy()
    plain, other = (
        identify(values, ("x", "y"), lotka.hidden.library, curves=3) for values in (states, offset + scale * states)
    )
    assert plain.identifiable
    assert (other.rank, other.reasons) == (plain.rank, plain.reasons)
    assert other.condition == pytest.approx(plain.condition, rel=1e-6)


def test_parallel_terms_are_named():
    x = np.linspace(1, 3, 50)
    inputs = np.stack([x, 2 * x + 0.01 * np.sin(9 * x)], axis=1)
    assert identify(inputs, ("x", "y"), ("1", "x", "y"), curves=2).identifiable, "without noise the wiggle tells them"
    report = identify(inputs, ("x", "y"), ("1", "x", "y"), curves=2, noise=0.01)
    assert not report.identifiable
    assert report.relations == ("x - 0.5*y is constant",)
    assert report.collinear[0][:2] == ("x", "y")
    assert report.collinear[0][2] > 0.98


def test_a_column_that_never_changes_is_named():
    inputs = np.stack([np.linspace(0, 1, 50), np.ones(50)], axis=1)
    report = identify(inputs, ("x", "y"), ("x", "y", "x*y"), curves=3)
    assert not report.identifiable
    assert "y never changes" in report.reasons


def test_the_sparse_grid_of_burgers_is_identifiable():
    burgers = registry.problem("burgers")
    places = dense_places(observe(burgers, DiscoveryConfig()), 100)
    inputs, _ = true_values(burgers, places)
    assert identify(inputs[:, :2].numpy(), ("u", "u_x"), burgers.hidden.library, curves=1, space=1).identifiable


def test_columns_of_a_problem_are_fields_and_derivatives():
    assert [tuple(c) for c in registry.problem("burgers").rate_equation.columns] == [(0, 0, 0), (0, 1, 1), (0, 2, 1)]


def test_without_a_formula_nothing_is_answered(discovered):
    details = discovered("lotka_volterra", trajectories=1).conclusion.details
    assert details["components"] == {}
    assert details["forecast"] is None
    assert not details["identifiability"]["identifiable"]


def assert_found(record, *, coefficients=0.03, forecast=0.03):
    """The formulas have the terms of the truth and its constants, and the equation with them forecasts."""
    details = record.conclusion.details
    for component in details["components"].values():
        assert component["match"]["same"], component["chosen"]
        assert component["match"]["coefficient_error"] < coefficients
    assert details["forecast"]["relative_l2"] < forecast


@pytest.mark.parametrize("draw", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_the_baselines_find_the_product(lotka, draw, discovered):
    """Sparse regression after a spline is right too where its library holds the truth: it is an honest baseline."""
    assert_found(discovered("lotka_volterra", draw=draw))
    solver = find_solver("sindy")
    prepared = DISCOVERY.prepare(lotka, "tiny", DiscoveryConfig(draw=draw))
    recipe = solver.recipe("tiny")
    module = solver.build(lotka, recipe.model, prepared.context)
    solver.solve_closed_form(module, prepared.examples)
    assert prepared.examine(solver, module).metrics["hidden/relative_l2"] < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("draw", range(3))
def test_the_hidden_interaction_is_found(draw, discovered):
    """Ten noisy points on each of three trajectories: both terms below 3 %, the formulas, the forecast.

    The error of UPINN is below 0.6 times that of the spline on the same data.
    """
    record = discovered("lotka_volterra", "upinn", engine="operon", seed=draw, draw=draw)
    spline = discovered("lotka_volterra", draw=draw)
    errors = record.metrics["test"]
    assert record.conclusion.details["identifiability"]["identifiable"]
    for key in ("hidden/prey", "hidden/predator"):
        assert errors[key] < 0.03
    assert errors["hidden/relative_l2"] < 0.6 * spline.metrics["test"]["hidden/relative_l2"]
    assert_found(record)


@pytest.mark.slow
@pytest.mark.parametrize("draw", range(2))
def test_the_hidden_advection_is_found_from_a_hundred_noisy_points(draw, discovered):
    record = discovered("burgers", "upinn", engine="operon", seed=draw, draw=draw)
    assert list(record.conclusion.details["components"]) == ["u"]
    assert_found(record)


@pytest.mark.slow
@pytest.mark.parametrize("draw", range(2))
def test_the_rate_law_is_found_among_products(draw, discovered):
    assert_found(discovered("arrhenius_hidden", engine="operon", draw=draw), forecast=0.01)


@pytest.mark.slow
def test_one_published_trajectory_is_flagged_and_still_fitted(tmp_path):
    """The bounds are those of the published case, 10 % of the hidden terms and 1 % of the state.

    They are of the method and not of a budget: the recipe ends before L-BFGS has converged on one trajectory, and how
    far it comes by then is a matter of the seed. With 2000 iterations more all seeds come to one error, which is
    asserted as well; nothing in it could come from a lucky start.
    """
    errors = []
    for seed in range(3):
        out = {"settings": ["task.trajectories=1", "task.noise=0.0", "train.steps=4900"], "out": tmp_path / str(seed)}
        options = {"solver": "upinn", "seed": seed} | out
        request = make_discovery_request("lotka_volterra", options, engine="sparse", compare=False)
        record = run(request).record
        assert not record.conclusion.details["identifiability"]["identifiable"]
        assert record.conclusion.details["components"] == {}
        assert record.metrics["test"]["state/relative_l2"] < 0.01
        errors.append(record.metrics["test"]["hidden/relative_l2"])
    assert max(errors) < 0.1
    assert max(errors) < 1.2 * min(errors)


def test_the_observations_decide_between_formulas(lotka):
    """A term that only the error of the measured values asks for is dropped, and constants come right."""
    seen = observe(lotka, DiscoveryConfig())
    starts = exact_starts(lotka, seen, torch.zeros(3, 2))
    texts = (("-0.89*x*y + 0.01*y", "-0.93*x*y", "-1.3*x"), ("0.81*x*y",))
    options = [[parse_formula(text) for text in entry] for entry in texts]
    decided = confirm(lotka, seen, starts, options, alphabet=7)
    assert decided.misfit < 1.5
    for expr, truth in zip(decided.formulas, lotka.rate_equation.hidden_terms, strict=True):
        match = compare(expr, truth, np.random.default_rng(0).uniform(1, 3, (50, 2)), ("x", "y"))
        assert match.same
        assert match.coefficient_error < 0.005


def test_more_trajectories_than_there_are_is_an_error(lotka):
    from sciml.core.errors import UserError

    with pytest.raises(UserError, match="1 to 3"):
        lotka.observations(ObservationPlan(4, 10, 0.0), rng.generator(0))


def test_errors_of_parts_are_combined_without_empty_ones(problem):
    places = dense_places(observe(problem, DiscoveryConfig()), 30)
    _, hidden = true_values(problem, places)
    scores = hidden_errors(problem, 1.1 * hidden, hidden)
    assert scores["hidden/relative_l2"] == pytest.approx(0.1)
