"""Files of inputs that say something else than the run was trained with: refused by name, or put in order."""

import numpy as np
import pytest
import torch
import xarray

from sciml.core.errors import DataError, InputWarning, UserError
from sciml.data import netcdf_bytes
from sciml.solvers.baselines import KernelRidgeSolver
from sciml.tasks import keep_sample_labels
from sciml.testing import answer_file, small_problem, trial_of


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        return trial_of("persistence")


@pytest.fixture
def frames(forecaster):
    bench = forecaster.bench
    return forecaster.task.write_inputs(forecaster.asked, bench.problem, bench.context)


def answer(trial, source, folder):
    return answer_file(trial, source, folder).labelled


def test_frames_from_north_to_south_give_the_answer_of_south_to_north(forecaster, frames, tmp_path):
    usual, turned = (
        answer(forecaster, dataset, tmp_path) for dataset in (frames, frames.isel(y=slice(None, None, -1)))
    )
    xarray.testing.assert_identical(usual, turned)
    assert usual["y"].attrs["units"] == "m"
    (tmp_path / "turned.nc").write_bytes(netcdf_bytes(frames.isel(y=slice(None, None, -1))))
    bench = forecaster.bench
    with pytest.warns(InputWarning, match="the points of 'y' in .* are put in increasing order"):
        forecaster.task.read_inputs(tmp_path / "turned.nc", bench.problem, bench.context, None)


def test_another_resolution_is_refused_and_resampled_by_request(forecaster, frames, tmp_path):
    bench = forecaster.bench
    coarse = frames.isel(x=slice(None, None, 2))
    with pytest.raises(DataError, match=r"wrong shape; got .*x 6; expected .*x 12\. .*--resample"):
        answer(forecaster, coarse, tmp_path)
    fine = forecaster.task.resample(coarse, bench.context, "coarse.nc")
    np.testing.assert_allclose(fine["a"].values[..., ::2], frames["a"].values[..., ::2], rtol=1e-6)
    middle = (frames["a"].values[..., 10] + frames["a"].values[..., 0]) / 2  # across the periodic end
    np.testing.assert_allclose(fine["a"].values[..., 11], middle, rtol=1e-6)
    turned = forecaster.task.resample(coarse.isel(x=slice(None, None, -1)), bench.context, "turned.nc")
    xarray.testing.assert_allclose(turned, fine)
    assert answer(forecaster, fine, tmp_path).sizes["x"] == 12
    with pytest.raises(DataError, match=r"'x' in crop.nc do not cover the domain of the run; got 6 points"):
        forecaster.task.resample(frames.isel(x=slice(0, 6)), bench.context, "crop.nc")
    with pytest.raises(DataError, match="no coordinate 'x'"):
        forecaster.task.resample(frames.drop_vars("x"), bench.context, "bare.nc")


def test_a_crop_with_as_many_points_is_refused(forecaster, frames, tmp_path):
    crop = frames.assign_coords(x=0.4 + 0.2 * frames["x"], y=0.4 + 0.2 * frames["y"])
    with pytest.raises(DataError, match=r"the coordinate 'y' of .* is not that of the run; got 16 points from 0.4 to"):
        answer(forecaster, crop, tmp_path)


def test_coordinates_may_be_left_out(forecaster, frames, tmp_path):
    bare = answer(forecaster, frames.drop_vars(["x", "y", "time"]), tmp_path)
    np.testing.assert_array_equal(bare["a"], answer(forecaster, frames, tmp_path)["a"])


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.01, 2.0])
def test_another_step_is_refused_however_small_it_is(forecaster, frames, tmp_path, factor):
    bench = forecaster.bench
    fast = bench.context.model_copy(update={"dt": 1e-9})
    times = factor * 1e-9 * np.arange(frames.sizes["time"])
    path = tmp_path / "frames.nc"
    path.write_bytes(netcdf_bytes(frames.assign_coords(time=("time", times))))
    with pytest.raises(DataError, match="another time step"):
        forecaster.task.read_inputs(path, bench.problem, fast, None)


def test_other_units_are_converted_with_a_word_or_refused(forecaster, frames, tmp_path):
    bench, path = forecaster.bench, tmp_path / "frames.nc"
    grams = frames.assign(a=(frames["a"].dims, 1e3 * frames["a"].values.astype("f8"), {"units": "g m-3"}))
    path.write_bytes(netcdf_bytes(grams))
    with pytest.warns(InputWarning, match=r"'a' in .* is converted from g m-3 to kg m-3"):
        converted = forecaster.task.read_inputs(path, bench.problem, bench.context, None)
    torch.testing.assert_close(converted.states, forecaster.asked.states, rtol=1e-7, atol=0)
    degrees = frames.assign(a=(frames["a"].dims, frames["a"].values, {"units": "degC"}))
    with pytest.raises(DataError, match=r"'a' in .* does not have the units .* got 'degC'; expected 'kg m-3'"):
        answer(forecaster, degrees, tmp_path)
    hours = frames.assign_coords(time=("time", frames["time"].values, {"units": "h"}))
    with pytest.raises(DataError, match="another time step"):
        answer(forecaster, hours, tmp_path)
    hours = frames.assign_coords(time=("time", frames["time"].values / 3600, {"units": "hours since 2000-01-01"}))
    xarray.testing.assert_allclose(answer(forecaster, hours, tmp_path), answer(forecaster, frames, tmp_path))
    spaced = frames.assign(a=(frames["a"].dims, frames["a"].values, {"units": " kg  m-3 "}))
    xarray.testing.assert_identical(answer(forecaster, spaced, tmp_path), answer(forecaster, frames, tmp_path))


def test_a_variable_that_nothing_reads_is_refused_with_the_nearest_name(forecaster, frames, tmp_path):
    with pytest.raises(DataError, match=r"nothing is predicted from; got sped.*Did you mean 'speed'\?"):
        answer(forecaster, frames.assign(sped=1.0), tmp_path)


@pytest.mark.parametrize("solver", ["linear_ode", "neural_ode", "gru", "neural_sde"])
def test_times_far_from_zero_are_counted_from_the_first_one(solver, tmp_path):
    """What does not depend on the clock answers as it does near zero, and the answer has the times of the question."""
    trial = trial_of(solver)
    source = trial.task.write_inputs(trial.asked, trial.bench.problem, trial.bench.context)
    step = float(source["time"][1] - source["time"][0])
    near, far = (origin + step * np.arange(source.sizes["time"]) for origin in (0.0, 1.5e6))
    there, here = (answer(trial, source.assign_coords(time=("time", times)), tmp_path) for times in (far, near))
    np.testing.assert_allclose(there["time"].values, far, rtol=0, atol=1e-6 * step + 1e-9)
    for name in here.data_vars:
        np.testing.assert_allclose(there[name].values, here[name].values, rtol=1e-4, atol=1e-5)


def test_a_regression_on_parameters_refuses_another_start_and_another_clock(tmp_path):
    """Its trajectories begin as those of the training did: with the state that follows from the parameters."""
    solver, problem = KernelRidgeSolver(), small_problem("warm_tank")
    recipe = solver.recipe("tiny")
    bench = solver.task.prepare(problem, "tiny", recipe.task)
    module = solver.build(problem, recipe.model, bench.context)
    assert solver.solve_closed_form(module, bench.examples)
    asked = solver.task.inputs(bench.examples.batch(torch.arange(4), torch.Generator()))
    assert (solver.predict(module, asked).status == 0).all()
    other = asked.state.clone()
    other[2, 1] = 0.75
    with pytest.raises(UserError, match=r"fuel = 0.75 in sample 2; expected 0.8 for its parameters"):
        solver.predict(module, asked._replace(state=other))
    for later in (asked._replace(times=asked.times + 3), asked._replace(origin=1.5e6)):
        with pytest.raises(UserError, match=r"a first state at time .*; expected a first state at time 0"):
            solver.predict(module, later)


def test_one_start_for_each_set_of_parameters_is_the_only_one_whatever_is_read():
    """The problem makes starts from the parameters alone: another one within all that was seen is refused as well."""
    solver, problem = KernelRidgeSolver(), small_problem("warm_tank")
    recipe = solver.recipe("tiny")
    bench = solver.task.prepare(problem, "tiny", recipe.task)
    assert bench.context.starts.stated
    context = type(bench.context).model_validate(bench.context.model_dump(mode="json"))
    module = solver.build(problem, recipe.model.model_copy(update={"use_start": True}), context)
    assert solver.solve_closed_form(module, bench.examples)
    asked = solver.task.inputs(bench.examples.batch(torch.arange(4), torch.Generator()))
    assert (solver.predict(module, asked).status == 0).all()
    beyond = asked._replace(state=asked.state + 0.01, parameters=10 * asked.parameters)
    for other in (asked._replace(state=asked.state + 0.01), beyond):
        with pytest.raises(UserError, match=r"in sample 0; expected .* for its parameters"):
            solver.predict(module, other)


def test_a_regression_that_reads_the_start_answers_alike_whenever_it_begins(tmp_path):
    trial = trial_of("kernel_ridge")
    later = trial.predict(trial.asked._replace(times=trial.asked.times + 3)).mean
    torch.testing.assert_close(later, trial.answered.mean)
    moved = trial.predict(trial.asked._replace(state=trial.asked.state.flip(1))).mean
    assert not torch.allclose(moved[:, -1], trial.answered.mean[:, -1], rtol=1e-2)


def test_labels_of_samples_are_kept(forecaster, frames, tmp_path):
    labels = [f"case {i}" for i in range(frames.sizes["sample"])]
    path = tmp_path / "frames.nc"
    path.write_bytes(netcdf_bytes(frames.assign_coords(sample=labels)))
    unlabelled = answer(forecaster, frames, tmp_path)
    assert keep_sample_labels(path, unlabelled)["sample"].values.tolist() == labels
    path.write_bytes(netcdf_bytes(frames))
    assert keep_sample_labels(path, unlabelled) is unlabelled


def test_rows_of_a_sequence_share_its_label(tmp_path):
    """A table with a row for every time of two cases, named in the order in which they come."""
    path = tmp_path / "signals.csv"
    path.write_text("case,time,force\nzeta,0,1\nzeta,1,2\nalpha,0,3\nalpha,1,4\nalpha,2,5\n")
    answer = xarray.Dataset({"x": (("sample", "time"), np.zeros((2, 2)))})
    assert keep_sample_labels(path, answer)["sample"].values.tolist() == ["zeta", "alpha"]
    assert keep_sample_labels(path, answer.isel(sample=[0])).equals(answer.isel(sample=[0]))
