"""What every registered solver owes: tested by being there, on a problem that it supports."""

import dataclasses

import pytest
import torch
from solver_cases import CASES, problem_for, rows

from sciml.core import registry, rng
from sciml.core.capabilities import Evolves
from sciml.core.config import override
from sciml.core.errors import ConfigError, UnknownNameError
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.data import read_card
from sciml.study import schema  # noqa: F401 (the record's types must import)
from sciml.train import Examples, Spec, count_parameters, load_weights, match_parameters, save_weights

SOLVERS = registry.solvers()


@pytest.fixture(params=sorted(SOLVERS))
def solver(request):
    return SOLVERS[request.param]


@pytest.fixture
def case(solver):
    return CASES[solver.task.key]


@pytest.fixture
def recipe(solver):
    """The tiny recipe, fitted to the few points of the fixture with space."""
    fitting = {"levels": 2, "modes": 4} if solver.task.key == "forecast" else {}
    recipe = solver.recipe("tiny")
    return override(recipe, [f"model.{name}={value}" for name, value in fitting.items() if name in dict(recipe.model)])


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """The task of a solver on its problem, prepared once per session."""
    home, found = tmp_path_factory.mktemp("contracts"), {}

    def prepare(solver, config):
        key = (solver.task.key, problem_for(solver).name, config.model_dump_json())
        if key not in found:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SCIML_HOME", str(home))
                found[key] = solver.task.prepare(problem_for(solver), "tiny", config)
        return found[key]

    return prepare


@pytest.fixture
def task(solver, recipe, prepared):
    return prepared(solver, recipe.task)


def build(solver, task, recipe, seed=0):
    rng.seed_everything(seed)
    return solver.build(task.problem, spec_of(task, recipe))


def spec_of(task, recipe):
    return Spec(recipe.model, recipe.task, task.grid, task.statistics)


def batch(task, count=4):
    return task.examples.batch(torch.arange(count) % len(task.examples), rng.generator(0))


@pytest.mark.parametrize("preset", ["tiny", "small", "paper"])
def test_recipes_are_typed_and_survive_json(solver, preset):
    recipe = solver.recipe(preset)
    again = type(recipe).model_validate_json(recipe.model_dump_json())
    assert again == recipe
    assert type(again.model) is type(recipe.model)
    assert type(recipe.task) is solver.task.config
    assert set(recipe.baselines) <= set(SOLVERS)
    assert all(SOLVERS[key].task is solver.task for key in recipe.baselines)
    assert solver.title
    assert solver.citation


def test_unknown_presets_and_keys_are_refused(solver):
    with pytest.raises(UnknownNameError, match="tiny"):
        solver.recipe("tinny")
    with pytest.raises(ConfigError, match=r"Did you mean 'train\.steps'"):
        override(solver.recipe("tiny"), ["train.stepz=3"])


def test_it_says_why_it_does_not_support_a_problem(solver, advection, rotation):
    with_space, without = registry.problem(advection), registry.problem(rotation)
    one_dimensional = dataclasses.replace(with_space, boundary={"x": "periodic"})
    supports = [solver.supports(subject) for subject in (with_space, one_dimensional, without)]
    assert all(support.ok or support.reason for support in supports)
    assert not all(support.ok for support in supports), "no method applies both with space and without"


def test_it_asks_a_problem_for_what_its_task_needs(solver):
    """Whatever it supports has the capability of its task, else preparing would fail after the table said yes."""
    for subject in registry.problems().values():
        if solver.supports(subject).ok:
            assert isinstance(subject, solver.task.capability), subject.name


def test_the_same_seed_builds_the_same_module(solver, task, recipe):
    first, second = (build(solver, task, recipe, seed=3).state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_examples_keep_the_contract(solver, task):
    """Batches can be cut into the shares of processes, and are functions of indices and generator."""
    assert isinstance(task.examples, Examples)
    first, again = batch(task), batch(task)
    assert len(first) == 4
    cut = first.rows(slice(1, 3)).to("cpu")
    assert len(cut) == 2
    for name, value in vars(first).items():
        if torch.is_tensor(value):
            assert torch.equal(value, getattr(again, name)), name


def test_the_loss_has_finite_gradients(solver, task, recipe):
    module = build(solver, task, recipe)
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        pytest.skip(f"{solver.key} has no parameters")
    for along in (0.0, 1.0):
        loss = solver.loss(module, batch(task), along)
        assert loss.ndim == 0
        assert loss.isfinite()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)


def test_predictions_keep_the_contract(solver, case, task, recipe):
    module = build(solver, task, recipe)
    for inputs in (task.sample(), case.inputs(task, batch(task))):
        prediction = solver.predict(module, inputs)
        assert isinstance(prediction, Prediction)
        assert prediction.mean.shape == case.shape(task, inputs)
        assert prediction.mean.dtype == torch.float32
        assert not prediction.mean.requires_grad
        assert prediction.status is not None
        assert prediction.status.shape == prediction.mean.shape[:1]
        if "evaluations" in prediction.stats:
            assert torch.as_tensor(prediction.stats["evaluations"]).numel() in (1, len(prediction.mean))


def test_a_row_of_a_batch_equals_a_batch_of_one(solver, case, task, recipe):
    if solver.coupled:
        pytest.skip(f"the samples of {solver.key} are coupled: {solver.coupled}")
    module, inputs = build(solver, task, recipe), case.inputs(task, batch(task))
    together = solver.predict(module, inputs).mean
    alone = solver.predict(module, rows(inputs, slice(1, 2))).mean
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_the_same_inputs_give_the_same_prediction(solver, case, task, recipe):
    module, inputs = build(solver, task, recipe), case.inputs(task, batch(task))
    first = solver.predict(module, inputs).mean
    torch.rand(3)  # the global generator is no part of it
    assert torch.equal(first, solver.predict(module, inputs).mean)


def test_inputs_that_are_not_finite_are_a_status_of_their_own_sample(solver, case, task, recipe):
    if solver.coupled:
        pytest.skip(f"the samples of {solver.key} are coupled: {solver.coupled}")
    module, inputs = build(solver, task, recipe), case.inputs(task, batch(task))
    name, values = next((n, v) for n, v in inputs._asdict().items() if torch.is_tensor(v) and v.ndim > 1)
    broken = values.clone()
    broken[0] = torch.nan
    prediction = solver.predict(module, inputs._replace(**{name: broken}))
    if prediction.mean[0].isfinite().all():
        pytest.skip(f"{solver.key} does not look at {name} of this sample")
    assert prediction.status[0] != Status.OK
    assert (prediction.status[1:] == Status.OK).all()
    assert prediction.mean[1:].isfinite().all()


def test_weights_survive_a_file(solver, task, recipe, tmp_path):
    module, other = build(solver, task, recipe, seed=0), build(solver, task, recipe, seed=1)
    save_weights(module, tmp_path / "w.safetensors")
    load_weights(other, tmp_path / "w.safetensors")
    a, b = (solver.predict(m, task.sample()).mean for m in (module, other))
    assert torch.equal(a, b)


def test_asking_for_less_gives_the_beginning_of_the_answer(solver, case, task, recipe):
    """A rollout of one step is a step; a trajectory at fewer times is the same trajectory."""
    module, inputs = build(solver, task, recipe), case.inputs(task, batch(task))
    shorter = case.shortened(inputs)
    if shorter is None:
        pytest.skip(f"the task {solver.task.key} asks for everything at once")
    once, part = shorter
    whole = solver.predict(module, inputs).mean[:, part]
    torch.testing.assert_close(
        solver.predict(module, once).mean, whole, rtol=1e-3, atol=1e-4 * float(whole.abs().max())
    )


def test_its_knob_sets_its_size(solver, task, recipe):
    """No neighbouring value of the knob comes nearer to the size that is asked for."""
    if solver.knob is None:
        pytest.skip(f"{solver.key} has no size")
    spec, knob = spec_of(task, recipe), solver.knob

    def size(model):
        with torch.device("meta"):
            return count_parameters(solver.build(task.problem, dataclasses.replace(spec, model=model)))

    smallest, largest = (size(recipe.model.model_copy(update={knob.name: end})) for end in (knob.low, knob.high))
    for factor in (0.7, 3.0):
        wanted = min(max(smallest, round(factor * size(recipe.model))), largest)
        found = match_parameters(solver, task.problem, spec, wanted)
        distance, value = abs(size(found) - wanted), getattr(found, knob.name)
        near = [value - 1, value + 1] if isinstance(knob.low, int) else [0.99 * value, 1.01 * value]
        for other in near:
            if knob.low <= other <= knob.high:
                assert distance <= abs(size(found.model_copy(update={knob.name: other})) - wanted)
        assert distance <= 0.15 * wanted, f"{wanted:,} asked, {size(found):,} built"


def test_the_paper_recipe_is_valid(solver, case, task, prepared):
    """Built at its own size without memory, and trained one step at a reduced width."""
    recipe, tiny = solver.recipe("paper"), solver.recipe("tiny")
    if solver.knob is None:
        pytest.skip(f"{solver.key} has no size")
    subject, grid = task.problem, task.grid
    if isinstance(subject, Evolves) and subject.boundary:
        subject = registry.problem("shallow_water")
        grid = subject.grid(read_card(subject).preset("paper").grid)
    with torch.device("meta"):
        full, small = (
            count_parameters(solver.build(subject, Spec(r.model, r.task, grid, task.statistics)))
            for r in (recipe, tiny)
        )
    assert full >= max(small if case.paper_is_larger else 1, case.paper_size)
    model = recipe.model.model_copy(update={name: v for name, v in case.reduced.items() if name in dict(recipe.model)})
    config = case.fitting(recipe.task, task)
    own = prepared(solver, config)
    module = solver.build(own.problem, Spec(model, config, own.grid, own.statistics))
    loss = solver.loss(module, own.examples.batch(torch.arange(2), rng.generator(0)), 0.0)
    loss.backward()
    assert loss.isfinite()
