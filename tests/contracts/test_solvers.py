"""What every registered solver owes: tested by being there."""

import dataclasses

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.config import override
from sciml.core.errors import ConfigError, UnknownNameError
from sciml.core.types import Prediction
from sciml.study import schema  # noqa: F401 (the record's types must import)
from sciml.train import Spec, count_parameters, load_weights, match_parameters, save_weights

SOLVERS = registry.solvers()


@pytest.fixture(params=sorted(SOLVERS))
def solver(request):
    return SOLVERS[request.param]


@pytest.fixture
def problem(solver, advection):
    subject = registry.problem(advection)
    support = solver.supports(subject)
    if not support.ok:
        pytest.skip(f"{solver.key} does not support the fixture problem: {support.reason}")
    return subject


@pytest.fixture
def recipe(solver):
    """The tiny recipe, fitted to the fixture's 16 x 12 points."""
    fitting = {"levels": 2, "modes": 4}
    recipe = solver.recipe("tiny")
    return override(recipe, [f"model.{name}={value}" for name, value in fitting.items() if name in dict(recipe.model)])


@pytest.fixture
def task(solver, problem, recipe):
    return solver.task.prepare(problem, "tiny", recipe.task)


def build(solver, task, recipe, seed=0):
    rng.seed_everything(seed)
    return solver.build(task.problem, Spec(recipe.model, task.grid, recipe.task.history, task.statistics))


def batch(task, count=4):
    return task.examples.batch(torch.arange(count), rng.generator(0))


@pytest.mark.parametrize("preset", ["tiny", "small", "paper"])
def test_recipes_are_typed_and_survive_json(solver, preset):
    recipe = solver.recipe(preset)
    again = type(recipe).model_validate_json(recipe.model_dump_json())
    assert again == recipe
    assert type(again.model) is type(recipe.model)
    assert set(recipe.baselines) <= set(SOLVERS)
    assert solver.title
    assert solver.citation


def test_unknown_presets_and_keys_are_refused(solver):
    with pytest.raises(UnknownNameError, match="tiny"):
        solver.recipe("tinny")
    with pytest.raises(ConfigError, match=r"Did you mean 'train\.steps'"):
        override(solver.recipe("tiny"), ["train.stepz=3"])


def test_it_says_why_it_does_not_support_a_problem(solver, advection):
    one_dimensional = dataclasses.replace(registry.problem(advection), boundary={"x": "periodic"})
    support = solver.supports(one_dimensional)
    assert support.ok or support.reason


def test_the_same_seed_builds_the_same_module(solver, task, recipe):
    first, second = (build(solver, task, recipe, seed=3).state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_loss_has_finite_gradients(solver, task, recipe):
    module = build(solver, task, recipe)
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        pytest.skip(f"{solver.key} has no parameters")
    loss = solver.loss(module, batch(task))
    loss.backward()
    assert loss.ndim == 0
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)


def test_predictions_keep_the_contract(solver, task, recipe):
    prediction = solver.predict(build(solver, task, recipe), task.sample())
    assert isinstance(prediction, Prediction)
    assert prediction.mean.dtype == torch.float32
    assert not prediction.mean.requires_grad
    assert prediction.status is not None


def test_a_row_of_a_batch_equals_a_batch_of_one(solver, task, recipe):
    module = build(solver, task, recipe)
    rows = batch(task)
    window = type(task.sample())
    together = solver.predict(module, window(rows.inputs, rows.parameters, rows.stride, 3)).mean
    alone = solver.predict(module, window(rows.inputs[1:2], rows.parameters[1:2], rows.stride[1:2], 3)).mean
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_weights_survive_a_file(solver, task, recipe, tmp_path):
    module, other = build(solver, task, recipe, seed=0), build(solver, task, recipe, seed=1)
    save_weights(module, tmp_path / "w.safetensors")
    load_weights(other, tmp_path / "w.safetensors")
    a, b = (solver.predict(m, task.sample()).mean for m in (module, other))
    assert torch.equal(a, b)


def test_a_rollout_of_one_step_is_a_one_step_prediction(solver, task, recipe):
    module, sample = build(solver, task, recipe), task.sample()
    once = solver.predict(module, sample).mean
    torch.testing.assert_close(solver.predict(module, sample._replace(steps=3)).mean[:, :1], once)


def test_its_knob_sets_its_size(solver, task, recipe):
    if solver.knob is None:
        pytest.skip(f"{solver.key} has no size")
    spec = Spec(recipe.model, task.grid, recipe.task.history, task.statistics)
    for wanted in (60_000, 200_000):
        model = match_parameters(solver, task.problem, spec, wanted)
        got = count_parameters(solver.build(task.problem, dataclasses.replace(spec, model=model)))
        assert abs(got - wanted) <= 0.06 * wanted, f"{wanted:,} asked, {got:,} built"


def test_the_paper_recipe_is_valid(solver, task):
    """Built at its own size without memory, and trained one step at a reduced width."""
    recipe = solver.recipe("paper")
    if solver.knob is None:
        pytest.skip(f"{solver.key} has no size")
    shallow = registry.problem("shallow_water")
    spec = Spec(recipe.model, shallow.grid((128, 128)), recipe.task.history, task.statistics)
    with torch.device("meta"):
        assert count_parameters(solver.build(shallow, spec)) > 1_000_000
    reduced = {"width": 4, "waves": 3, "levels": 2, "modes": 4}
    small = recipe.model.model_copy(
        update={name: value for name, value in reduced.items() if name in dict(recipe.model)}
    )
    module = solver.build(task.problem, Spec(small, task.grid, recipe.task.history, task.statistics))
    examples = solver.task.prepare(task.problem, "tiny", recipe.task).examples
    loss = solver.loss(module, examples.batch(torch.arange(2), rng.generator(0)))
    loss.backward()
    assert loss.isfinite()
