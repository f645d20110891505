"""What every registered problem owes: tested by being there."""

import math

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.capabilities import Evolves, HasDerivedQuantities, HasDynamics, HasOutcome, capability_names
from sciml.core.forcing import check_forcing
from sciml.core.recorded import Imported
from sciml.core.status import Status
from sciml.data import PresetCard, read_card
from sciml.metrics import drift
from sciml.tasks import card_tables
from sciml.train import find_solver

NAMES = sorted(registry.problem_folders())


@pytest.fixture(params=NAMES)
def problem(request):
    return registry.problem(request.param)


@pytest.fixture
def evolving(problem):
    if not isinstance(problem, Evolves):
        pytest.skip(f"{problem.name} has no reference simulation")
    return problem


def make(problem, count=2, size=None, steps=2, dt=None):
    """`count` trajectories of the tiny preset, perhaps shorter, as the generator makes them."""
    card = read_card(problem).table("tiny", PresetCard)
    grid = problem.grid(size or card.grid)
    drawn, states = [], []
    for i in range(count):
        generator = rng.generator(7, i)
        params = problem.draw(generator)
        drawn.append(params)
        states.append(problem.initial(params, grid, generator))
    params = {name: torch.stack([d[name] for d in drawn]) for name in drawn[0]}
    times = (dt or card.dt) * torch.arange(steps + 1, dtype=torch.float64)
    return params, torch.stack(states), times, grid


def test_it_describes_itself(problem):
    assert problem.title
    assert problem.equation
    assert problem.citation
    assert capability_names(problem)
    for entry in (*problem.fields, *problem.parameters):
        assert entry.symbol and entry.units and entry.long_name, entry
    readme = (registry.folder_of(problem) / "README.md").read_text(encoding="utf-8")
    assert "not modelled" in readme.lower(), "the README must say what is not modelled"


def test_forced_dynamics_say_when_something_acts(problem):
    if not isinstance(problem, HasDynamics):
        pytest.skip(f"{problem.name} has no dynamics")
    check_forcing(problem)


def test_it_has_a_card_with_its_presets(evolving):
    card = read_card(evolving)
    assert set(evolving.presets) <= set(card.presets)  # further tables are for `task.data`
    assert card.licence
    assert card.not_modelled
    for name in card.presets:
        preset = card.table(name, PresetCard)
        grid = evolving.grid(preset.grid)
        assert grid.size == tuple(preset.grid)
        assert {axis.name: axis.boundary for axis in grid.axes} == dict(evolving.boundary)


def test_its_card_can_be_read_for_every_preset(problem):
    if isinstance(problem, Imported):
        pytest.skip(f"{problem.name} is imported data")
    card = read_card(problem)
    assert set(problem.presets) <= set(card.presets)
    assert card.licence
    assert card.not_modelled
    for preset in card.presets:
        assert card_tables(problem, preset), f"preset {preset} has no table that a task reads"


@pytest.mark.slow
def test_its_solver_answers_on_its_data(problem):
    """With the settings of its tiny recipe, on the first preset; nothing is trained."""
    solver = find_solver(problem.solver)
    recipe = solver.recipe("tiny")
    bench = solver.task.prepare(problem, problem.presets[0], recipe.task)
    rng.seed_everything(0)
    module = solver.build(problem, recipe.model, bench.context)
    if not solver.solve_closed_form(module, bench.examples):
        solver.initialise(module, bench.examples)
    prediction = solver.predict(module.eval(), bench.example)
    assert len(prediction.status)


def test_the_same_seed_gives_the_same_bits(evolving):
    (params_a, a, *_), (params_b, b, *_) = make(evolving), make(evolving)
    assert torch.equal(a, b)
    assert all(torch.equal(params_a[name], params_b[name]) for name in params_a)
    assert not torch.equal(a[0], a[1])


def test_parameters_lie_in_their_ranges(evolving):
    for i in range(50):
        for parameter, value in zip(evolving.parameters, evolving.draw(rng.generator(i)).values(), strict=True):
            assert parameter.low <= float(value) <= parameter.high


def test_the_reference_keeps_the_contract(evolving):
    """Shapes, float64, finite values, status per sample, first state equal to the initial one."""
    params, initial, times, grid = make(evolving)
    solved = evolving.simulate(params, initial, times, grid)
    assert solved.states.shape == (2, len(times), len(evolving.fields), *grid.size)
    assert solved.states.dtype == torch.float64
    assert solved.states.isfinite().all()
    assert solved.status.tolist() == [Status.OK, Status.OK]
    torch.testing.assert_close(solved.states[:, 0], initial, rtol=1e-9, atol=1e-9)
    assert (solved.states[:, -1] - initial).abs().max() > 1e-3, "nothing happens"


def test_rows_do_not_influence_each_other(evolving):
    params, initial, times, grid = make(evolving)
    together = evolving.simulate(params, initial, times, grid).states
    alone = evolving.simulate({name: value[1:] for name, value in params.items()}, initial[1:], times, grid).states
    scale = together.abs().max()
    assert (together[1:] - alone).abs().max() <= 1e-11 * scale


def test_invariants_hold_to_their_tolerance(evolving):
    params, initial, times, grid = make(evolving, steps=4)
    states = evolving.simulate(params, initial, times, grid).states
    for invariant in evolving.invariants:
        values = invariant.compute(states, params, grid)
        assert values.shape == states.shape[:2]
        worst = float(drift(values, dims="sample time").abs().max())
        assert worst <= invariant.tolerance, f"{invariant.name} drifts by {worst:.2e}"


def test_a_sample_that_breaks_down_is_a_status_not_an_exception(evolving):
    params, initial, times, grid = make(evolving)
    broken = initial.clone()
    broken[0] = math.nan
    solved = evolving.simulate(params, broken, times, grid)
    assert solved.status[0] == Status.DIVERGED
    assert solved.status[1] == Status.OK
    assert solved.states[1].isfinite().all()


def test_the_solver_it_names_applies(problem):
    solver = find_solver(problem.solver)
    assert solver.supports(problem).ok, solver.supports(problem).reason
    assert isinstance(problem, solver.task.capability)


def test_derived_quantities_keep_the_contract(problem):
    """A quantity per name and sample; rows apart; nothing from states that are not finite; names of their own."""
    if not isinstance(problem, HasDerivedQuantities):
        pytest.skip(f"{problem.name} has no derived quantities")
    params, initial, times, grid = make(problem, count=3, steps=4)
    states = problem.simulate(params, initial, times, grid).states
    values = problem.derived_values(times, states, params)
    names = [entry.name for entry in problem.derived_quantities]
    assert list(values) == names
    assert len({*names, *(entry.name for entry in (*problem.fields, *problem.parameters))}) == len(
        (*names, *problem.fields, *problem.parameters)
    )
    alone = problem.derived_values(times, states[1:2], {name: value[1:2] for name, value in params.items()})
    broken = problem.derived_values(times, torch.full_like(states, math.nan), params)
    for entry in problem.derived_quantities:
        assert entry.symbol and entry.units and entry.long_name, entry
        assert values[entry.name].shape == (3,)
        torch.testing.assert_close(alone[entry.name], values[entry.name][1:2], equal_nan=True, rtol=1e-12, atol=0)
        assert broken[entry.name].isnan().all()


def test_the_axes_of_its_outcome_are_two_of_its_parameters(problem):
    if not isinstance(problem, HasOutcome) or not problem.outcome_axes:
        pytest.skip(f"{problem.name} has no map of outcomes")
    assert len(set(problem.outcome_axes)) == 2
    assert set(problem.outcome_axes) <= {entry.name for entry in problem.parameters}
