"""What every registered task owes, and solvers to files: an input is read or refused, labels mean something."""

import numpy as np
import pytest
import torch

from sciml.core import rng
from sciml.core.errors import DataError, UserError
from sciml.data import netcdf_bytes
from sciml.testing import answer_file, answer_or_refusal, by_label, small_problem, trial_of
from sciml.testing._files import file_answer, input_file
from sciml.train import registered_solvers, registered_tasks

TASKS, SOLVERS = registered_tasks(), registered_solvers()


@pytest.fixture(params=sorted(TASKS))
def trial(request):
    """Of a solver of the task, one with a network if there is any."""
    keys = [key for key, solver in SOLVERS.items() if solver.task.key == request.param]
    if not keys:
        pytest.skip(f"no solver has the task {request.param}")
    return trial_of(next((key for key in keys if SOLVERS[key].knob is not None), keys[0]))


@pytest.fixture(params=sorted(SOLVERS))
def any_trial(request):
    return trial_of(request.param)


def test_it_describes_itself(trial):
    task, bench = trial.task, trial.bench
    assert task.title
    assert isinstance(bench.context, task.context)
    assert isinstance(bench.settings, task.config)
    assert {"hash", "card"} <= set(bench.dataset)
    assert len({metric.key for metric in task.metrics}) == len(task.metrics)


def test_inputs_survive_a_file(trial):
    """What is written is read back as the same question, to which the answer is the same."""
    labelled = trial.task.describe(trial.asked, trial.answered, trial.bench.problem, trial.bench.context)
    again = file_answer(trial)
    shared = {name: slice(0, size) for name, size in labelled.sizes.items()}
    by_label(labelled, again.labelled.isel({name: rows for name, rows in shared.items() if name == "time"}))


def test_any_order_of_dimensions_gives_the_same_answer(trial, tmp_path):
    source = input_file(trial)
    by_label(file_answer(trial).labelled,
             answer_file(trial, source.transpose(*list(source.dims)[::-1]), tmp_path).labelled)  # fmt: skip


def test_a_reversed_axis_gives_the_same_answer_by_label_or_is_refused(trial, tmp_path):
    source = input_file(trial)
    expected = file_answer(trial).labelled
    for name in source.indexes:
        answer = answer_or_refusal(trial, source.isel({name: slice(None, None, -1)}), tmp_path)
        if not isinstance(answer, UserError):
            by_label(expected, answer.labelled)


def test_other_units_give_the_same_answer_or_are_refused(trial, tmp_path):
    source = input_file(trial)
    expected = file_answer(trial).labelled
    for name, variable in source.variables.items():
        if "units" not in variable.attrs:
            continue
        units = {**variable.attrs, "units": f"1e-3 {variable.attrs['units']}"}
        changed = source.assign({name: (variable.dims, 1e3 * variable.values, units)})
        answer = answer_or_refusal(trial, changed, tmp_path)
        if isinstance(answer, UserError):
            assert str(name) in str(answer), "the refusal does not name the variable"
        else:
            by_label(expected, answer.labelled)


def test_missing_units_are_those_of_the_problem(trial, tmp_path):
    source = input_file(trial)
    bare = source.copy()
    for variable in bare.variables.values():
        variable.attrs.pop("units", None)
    by_label(file_answer(trial).labelled, answer_file(trial, bare, tmp_path).labelled)


def test_an_unknown_variable_is_refused_by_name(trial, tmp_path):
    with pytest.raises(DataError, match="stray_variable"):
        answer_file(trial, input_file(trial).assign(stray_variable=3.0), tmp_path)
    with pytest.raises(DataError, match="stray_axis"):
        answer_file(trial, input_file(trial).assign_coords(stray_axis=("stray_axis", [1.0, 2.0])), tmp_path)


def test_large_times_keep_their_differences(trial, tmp_path):
    """An offset of a million on the times of a file costs rounding only: the answer has the labels of the question."""
    source = input_file(trial)
    if "time" not in source.coords or "time" not in source.indexes:
        pytest.skip(f"files of the task {trial.task.key} have no times")
    times = source["time"].values - source["time"].values[0]
    if trial.task.refine(trial.inputs()) is not None and "sample" in source.dims:
        times = times if _fixed_step(trial) else 0.83 * times
    near, far = (source.assign_coords(time=("time", times + offset, source["time"].attrs)) for offset in (0.0, 1e6))
    answers = [answer_file(trial, dataset, tmp_path).labelled for dataset in (near, far)]
    np.testing.assert_allclose(answers[1]["time"].values - 1e6, answers[0]["time"].values, atol=1e-6)


def _fixed_step(trial):
    """Whether the distance of a file's times is given by the data."""
    return trial.task.shorten(trial.inputs()) is None and trial.task.grid_of(trial.bench.context) != ()


def test_every_input_is_read_or_refused(any_trial, tmp_path):
    """A changed variable changes the answer, unless the solver says in words why it cannot."""
    trial, problem = any_trial, any_trial.bench.problem
    samples = 4 if hasattr(trial.recipe.model, "trees") else 2  # those of trees are answered in steps
    source = input_file(trial, samples)
    expected = file_answer(trial, samples)
    unread, ignored = trial.solver.unread_variables(problem), []
    for name, variable in source.variables.items():
        if name in unread:
            continue
        same = []
        for values in _others(variable):
            changed = source.assign({name: (variable.dims, values, variable.attrs)})
            answer = answer_or_refusal(trial, changed, tmp_path)
            if not isinstance(answer, UserError):
                same.append(_same(trial, expected, answer, name))
            if False in same:
                break  # it is read; further values would show no more
        if same and all(same):
            ignored.append(name)
    for name, value in source.attrs.items():
        if _same(trial, expected, answer_file(trial, source.assign_attrs({name: value + 1}), tmp_path), name):
            ignored.append(name)
    assert not ignored, f"{trial.solver.key} does not read {', '.join(map(str, ignored))}"


def _others(variable):
    """Values moved a little, and those of the other samples."""
    values = variable.values
    if values.dtype.kind in "iu":
        yield values + 1
    else:
        finite = values[np.isfinite(values)]
        yield (1.02 * values + 0.01 * np.abs(finite).max(initial=0.1)).astype(values.dtype)
    if "sample" in variable.dims:
        yield np.roll(values, 1, axis=variable.dims.index("sample"))


def _same(trial, first, second, name):
    """Whether neither the answer nor its labels moved; over time its end counts, for its start may repeat an input."""
    if name in first.labelled.coords and not first.labelled[name].equals(second.labelled[name]):
        return False
    means = first.prediction.mean, second.prediction.mean
    if trial.task.refine(trial.asked) is not None:
        means = means[0][:, -1], means[1][:, -1]
    return torch.equal(*means)


def _moved(source):
    """The points of a file a million units away, in double precision."""
    return source.assign(
        {name: (v.dims, v.values.astype(float) + 1e6, v.attrs) for name, v in source.data_vars.items()}
    )


TWINS = (("near_moons", "", "far_moons", ""), ("far_rod", "near", "far_rod", "far"))
"""Problems and cases that differ by an offset of a million on their coordinates."""


def _applies(solver, name):
    problem = small_problem(name)
    return isinstance(problem, solver.task.capability) and solver.supports(problem).ok


@pytest.mark.parametrize(
    ("key", "twin"),
    [(key, twin) for key in sorted(SOLVERS) for twin in TWINS if _applies(SOLVERS[key], twin[0])],
    ids=lambda value: value if isinstance(value, str) else value[2],
)
def test_large_coordinates_cost_rounding_only(key, twin, tmp_path):
    """Points a million units away, and a solver built for data that lie there: the answer near the origin."""
    solver, answers, inputs, source = SOLVERS[key], [], None, None
    recipe = solver.recipe("tiny")
    for name, case in (twin[:2], twin[2:]):
        settings = recipe.task.model_copy(update={"case": case}) if case else recipe.task
        bench = solver.task.prepare(small_problem(name), "tiny", settings)
        rng.seed_everything(0)
        module = solver.build(bench.problem, recipe.model, bench.context)
        if not solver.solve_closed_form(module, bench.examples):
            solver.initialise(module, bench.examples)
        if inputs is None:
            inputs = solver.task.inputs(bench.examples.batch(torch.arange(4), rng.generator(0)))
            source = solver.task.write_inputs(inputs, bench.problem, bench.context)
        else:
            path = tmp_path / "far.nc"
            path.write_bytes(netcdf_bytes(_moved(source)))
            inputs = solver.task.read_inputs(path, bench.problem, bench.context, None)
        answers.append(solver.predict(module.eval(), inputs).mean)
    near, far = answers
    torch.testing.assert_close(near, far, rtol=1e-3, atol=1e-3 * float(near.abs().max()))
