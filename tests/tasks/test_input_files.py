"""Files of inputs that say something else than the run was trained with: refused by name, or put in order."""

import numpy as np
import pytest
import xarray

from sciml.core.errors import DataError
from sciml.data import netcdf_bytes
from sciml.tasks import keep_sample_labels
from sciml.testing import answer_file, trial_of


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


def test_units_are_those_of_the_problem_or_refused(forecaster, frames, tmp_path):
    grams = frames.assign(a=(frames["a"].dims, 1e3 * frames["a"].values, {"units": "g m-3"}))
    with pytest.raises(DataError, match=r"'a' in .* does not have the units .* got 'g m-3'; expected 'kg m-3'"):
        answer(forecaster, grams, tmp_path)
    hours = frames.assign_coords(time=("time", frames["time"].values, {"units": "h"}))
    with pytest.raises(DataError, match=r"'time' in .* does not have the units"):
        answer(forecaster, hours, tmp_path)
    spaced = frames.assign(a=(frames["a"].dims, frames["a"].values, {"units": " kg  m-3 "}))
    xarray.testing.assert_identical(answer(forecaster, spaced, tmp_path), answer(forecaster, frames, tmp_path))


def test_a_variable_that_nothing_reads_is_refused_with_the_nearest_name(forecaster, frames, tmp_path):
    with pytest.raises(DataError, match=r"nothing is predicted from; got sped.*Did you mean 'speed'\?"):
        answer(forecaster, frames.assign(sped=1.0), tmp_path)


def test_times_that_single_precision_cannot_hold_are_refused(tmp_path):
    trial = trial_of("linear_ode")
    source = trial.task.write_inputs(trial.asked, trial.bench.problem, trial.bench.context)
    times = 1.5e6 + 0.3 * np.arange(source.sizes["time"])
    with pytest.raises(DataError, match="too far from zero for their distances"):
        answer(trial, source.assign_coords(time=("time", times)), tmp_path)


def test_labels_of_samples_are_kept(forecaster, frames, tmp_path):
    labels = [f"case {i}" for i in range(frames.sizes["sample"])]
    path = tmp_path / "frames.nc"
    path.write_bytes(netcdf_bytes(frames.assign_coords(sample=labels)))
    unlabelled = answer(forecaster, frames, tmp_path)
    assert keep_sample_labels(path, unlabelled)["sample"].values.tolist() == labels
    path.write_bytes(netcdf_bytes(frames))
    assert keep_sample_labels(path, unlabelled) is unlabelled
