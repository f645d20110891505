"""What every registered solver owes: tested by being there, on the first problem that fits its tiny recipe."""

import contextlib
from functools import cache
from itertools import chain

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.config import override
from sciml.core.errors import ConfigError, UnknownNameError, UserError
from sciml.core.status import Status
from sciml.core.types import Prediction
from sciml.study import maps_tensors
from sciml.testing import small_problem, trial_of
from sciml.testing._problems import benches_for
from sciml.testing._process import GENERATOR, process_state
from sciml.testing._trial import one_of_each_task
from sciml.train import (
    Examples,
    count_parameters,
    load_weights,
    match_parameters,
    registered_solvers,
    save_weights,
)

SOLVERS = registered_solvers()


@pytest.fixture(params=sorted(SOLVERS))
def solver(request):
    return SOLVERS[request.param]


@pytest.fixture
def trial(solver):
    return trial_of(solver.key)


def alike(first, second, rtol=1e-4):
    """Compare predicted means, relative to the size of the whole answer."""
    scale = max(float(first.abs().nan_to_num().max()), 1e-30)
    torch.testing.assert_close(first, second, rtol=rtol, atol=0.1 * rtol * scale, equal_nan=True)


def uncoupled(solver):
    if solver.coupled:
        pytest.skip(f"the samples of {solver.key} are coupled: {solver.coupled}")


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


def test_it_says_why_it_does_not_support_a_problem(solver):
    supports = [solver.supports(small_problem(name)) for name in ("periodic_advection", "plane_rotation", "short_rod")]
    assert all(support.ok or support.reason for support in supports)
    assert not all(support.ok for support in supports), "no method applies with space, without, and to a statement"


def test_it_asks_a_problem_for_what_its_task_needs(solver):
    """Whatever it supports has the capability of its task, else preparing would fail after the table said yes."""
    for subject in registry.problems().values():
        if solver.supports(subject).ok:
            assert isinstance(subject, solver.task.capability), subject.name


def test_a_preset_is_checked_before_data_is_made(solver, trial):
    """As every run does; what does not fit the problem is said by a UserError, and nothing else happens."""
    with contextlib.suppress(UserError):
        solver.check_preset(trial.bench.problem, "tiny", trial.recipe.model, trial.recipe.task)


def test_the_same_seed_builds_the_same_module(trial):
    first, second = (trial.build(seed=3).state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_examples_keep_the_contract(trial):
    """Batches can be cut into the shares of processes, and are functions of indices and generator."""
    assert isinstance(trial.bench.examples, Examples)
    first, again = trial.batch(), trial.batch()
    assert len(first) == 4
    cut = first.rows(slice(1, 3)).to("cpu")
    assert len(cut) == 2
    for name, value in vars(first).items():
        if torch.is_tensor(value):
            assert torch.equal(value, getattr(again, name)), name


def test_the_loss_has_finite_gradients(solver, trial):
    module = trial.build()
    parameters = [p for p in module.parameters() if p.requires_grad]
    if not parameters:
        pytest.skip(f"{solver.key} has no parameters")
    for along in (0.0, 1.0):
        loss = solver.loss(module, trial.batch(), along)
        assert loss.ndim == 0
        assert loss.isfinite()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)


def test_predictions_keep_the_contract(trial):
    """A row of single precision per sample, a status for each, no gradients; counts for the batch or for each."""
    for inputs, count in ((trial.bench.example, 1), (trial.asked, 4)):
        prediction = trial.predict(inputs)
        assert isinstance(prediction, Prediction)
        assert len(prediction.mean) == count
        assert prediction.mean.dtype == torch.float32
        assert not prediction.mean.requires_grad
        assert prediction.status is not None
        assert prediction.status.shape == prediction.mean.shape[:1]
        if "evaluations" in prediction.stats:
            assert torch.as_tensor(prediction.stats["evaluations"]).numel() in (1, len(prediction.mean))


def test_an_answer_can_be_described(trial):
    """As named arrays of which at least one has every sample."""
    labelled = trial.task.describe(trial.asked, trial.answered, trial.bench.problem, trial.bench.context)
    assert labelled.sizes["sample"] == 4
    assert set(labelled["status"].dims) == {"sample"}
    assert labelled["status"].attrs["flag_meanings"].split()[0] == "ok"
    for name, axis in labelled.coords.items():
        assert axis.dtype.kind != "f" or "units" in axis.attrs, f"axis {name} has no units"


@pytest.mark.parametrize(
    "rows", [[2, 0, 3, 1], [1], [0, 1, 2], [3, 3, 1, 3, 1]], ids=["reordered", "alone", "split", "repeated"]
)
def test_a_prediction_does_not_depend_on_the_other_rows(solver, trial, rows):
    uncoupled(solver)
    together, chosen = trial.answered, trial.predict(trial.task.rows(trial.asked, torch.tensor(rows)))
    alike(together.mean[rows], chosen.mean)
    assert torch.equal(together.status[rows], chosen.status)


def test_more_questions_do_not_change_an_answer(solver, trial):
    """The values at the old times, when a time is asked for between any two; the first steps of a longer rollout."""
    uncoupled(solver)
    if trial.refined is None:
        pytest.skip(f"the task {trial.task.key} asks for everything at once")
    _, old, more = trial.refined
    alike(trial.answered.mean, more.mean[:, old], rtol=1e-3)


def test_asking_for_less_gives_the_beginning_of_the_answer(trial):
    """A rollout of one step is a step; a trajectory at fewer times is the same trajectory."""
    asked, whole = (trial.asked, trial.answered) if trial.refined is None else trial.refined[::2]
    shorter = trial.task.shorten(asked)
    if shorter is None:
        pytest.skip(f"the task {trial.task.key} asks for everything at once")
    less, kept = shorter
    alike(whole.mean[:, kept], trial.predict(less).mean, rtol=1e-3)


def test_the_same_inputs_give_the_same_prediction(trial):
    torch.rand(3)  # the global generator is no part of it
    assert torch.equal(trial.answered.mean, trial.predict(trial.asked).mean)


def test_inputs_that_are_not_finite_are_a_status_of_their_own_sample(solver, trial):
    uncoupled(solver)
    inputs = trial.inputs()
    name, values = next((n, v) for n, v in inputs._asdict().items() if torch.is_tensor(v) and v.is_floating_point()
                        and v.ndim > 1)  # fmt: skip
    broken = values.clone()
    broken[0] = torch.nan
    prediction = trial.predict(inputs._replace(**{name: broken}))
    if prediction.mean[0].isfinite().all():
        pytest.skip(f"{solver.key} does not look at {name} of this sample")
    assert prediction.status[0] != Status.OK
    assert (prediction.status[1:] == Status.OK).all()
    assert prediction.mean[1:].isfinite().all()


def test_a_module_built_from_files_gives_the_same_answer(solver, trial, tmp_path):
    """As `load_run` does it: recipe and context out of JSON, weights out of a file."""
    recipe = type(trial.recipe).model_validate_json(trial.recipe.model_dump_json())
    context = type(trial.bench.context).model_validate_json(trial.bench.context.model_dump_json())
    save_weights(trial.module, tmp_path / "w.safetensors")
    rng.seed_everything(1)
    loaded = solver.build(trial.bench.problem, recipe.model, context)
    load_weights(loaded, tmp_path / "w.safetensors")
    assert torch.equal(solver.predict(loaded.eval(), trial.asked).mean, trial.answered.mean)


@pytest.mark.parametrize("key", one_of_each_task())
def test_an_exported_program_gives_the_module_s_answer(key):
    """Where the task gives arguments that the module maps to one tensor; at a batch size it was not traced with."""
    trial = trial_of(key)
    arguments = trial.task.arguments(trial.inputs(2))
    if arguments is None:
        pytest.skip(f"predicting for the task {trial.task.key} is more than one pass through a network")
    module = trial.solver.program(trial.module)
    if module is None or not maps_tensors(module, arguments):
        pytest.skip(f"the module of {key} integrates")
    with torch.no_grad():
        batch = torch.export.Dim("batch", min=1)
        program = torch.export.export(module, arguments, dynamic_shapes=tuple({0: batch} for _ in arguments)).module()
        three = tuple(torch.cat([value, value[:1]]) for value in arguments)
        alike(module(*three), program(*three))


def test_building_training_and_predicting_leave_the_process_alone(solver, trial):
    """Only building a module and a loss may draw, from torch's global generator."""
    trial.module  # noqa: B018 (whatever is made once is made before)
    before = process_state()

    def changed(*allowed):
        after = process_state()
        return [name for name in before if name not in allowed and before[name] != after[name]]

    trial.predict(trial.inputs())
    assert not changed()
    module = solver.build(trial.bench.problem, trial.recipe.model, trial.bench.context)
    assert not changed(GENERATOR)
    if any(p.requires_grad for p in module.parameters()):
        solver.loss(module, trial.batch(), 0.5).backward()
    assert not changed(GENERATOR)


def test_its_knob_sets_its_size(solver, trial):
    """No neighbouring value of the knob comes nearer to the size that is asked for."""
    if solver.knob is None:
        pytest.skip(f"{solver.key} has no size")
    problem, context, knob, tiny = trial.bench.problem, trial.bench.context, solver.knob, trial.recipe.model

    @cache
    def size(value):
        with torch.device("meta"):
            return count_parameters(solver.build(problem, tiny.model_copy(update={knob.name: value}), context))

    smallest, largest = size(knob.low), size(knob.high)
    for factor in (0.7, 3.0):
        wanted = min(max(smallest, round(factor * size(getattr(tiny, knob.name)))), largest)
        matched = match_parameters(solver, problem, tiny, context, wanted)
        value = getattr(matched, knob.name)
        assert matched == tiny.model_copy(update={knob.name: value})
        distance = abs(size(value) - wanted)
        near = [value - 1, value + 1] if isinstance(knob.low, int) else [0.99 * value, 1.01 * value]
        for other in near:
            if knob.low <= other <= knob.high:
                assert distance <= abs(size(other) - wanted)
        assert distance <= 0.15 * wanted, f"{wanted:,} asked, {size(value):,} built"


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_larger_recipes_can_be_built(solver, trial, preset):
    """Without memory, at their own size, on a problem that fits them, on a grid that is as fine as they need."""
    recipe = solver.recipe(preset)
    for bench in chain(
        (trial.bench,), benches_for(solver, solver.recipe("tiny"))
    ):  # the later ones take minutes to make
        context = bench.context
        for _ in range(4):
            try:
                with torch.device("meta"):
                    module = solver.build(bench.problem, recipe.model, context)
            except UserError:
                if not trial.task.grid_of(context):
                    break
                size = tuple(2 * points for points in context.grid.size)
                context = context.model_copy(update={"grid": bench.problem.grid(size)})
            else:
                assert solver.knob is None or count_parameters(module) > 0
                return
    pytest.fail(f"no problem fits the {preset} recipe of {solver.key}")
