"""Numbers that vary by time, and time steps that differ between trajectories."""

import foreign_files
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import xarray

from sciml.core.errors import DataError, UnknownNameError
from sciml.data import ImportChoices, Windows, export, import_arrays, import_files, info, open_dataset, verify
from sciml.train import find_solver

DIMS = ("sample", "time", "x")
STEPS = np.array([0.1, 0.1, 0.2, 0.4, 0.2, 0.1])


def driven(samples=6, **more) -> xarray.Dataset:
    """A field on x, a heating per sample and time, a day length per time; values say where they belong."""
    heating = 100 * np.arange(samples)[:, None] + np.arange(5.0)
    return xarray.Dataset(
        {
            "T": (DIMS, foreign_files.numbers(samples, 5, 8), {"units": "K"}),
            "heating": (("sample", "time"), heating, {"units": "W", "long_name": "heating power"}),
            "day": ("time", 10.0 + np.arange(5)),
            "size": ("sample", np.linspace(1, 2, samples), {"units": "m"}),
            **more,
        },
        {"x": ("x", np.arange(8.0)), "time": ("time", 0.5 * np.arange(5), {"units": "s"})},
    )


def imported(source, **choices):
    """The dataset and what was said of it."""
    plans = []
    problem = import_arrays(source, ImportChoices(**choices), announce=plans.append)
    return open_dataset(problem, "tiny"), "\n".join(plans[0].words())


def test_numbers_by_time_are_forcings_of_their_trajectory():
    dataset, words = imported(driven(), split=(0.5, 0.2, 0.3))
    assert "forcing: heating [W] 0 to 504, by time" in words
    assert [(f.name, f.units, f.low, f.high) for f in dataset.problem.forcings] == [
        ("heating", "W", 0.0, 504.0),
        ("day", "1", 10.0, 14.0),
    ]
    assert [p.name for p in dataset.problem.parameters] == ["size"]
    for name in ("train", "valid", "test"):
        split = dataset.split(name)
        sample = torch.round((split.parameters[:, 0] - 1) * 5)
        assert torch.equal(split.forcings[:, :, 0], 100 * sample[:, None] + torch.arange(5.0))
        assert torch.equal(split.forcings[:, :, 1], 10 + torch.arange(5.0).expand(len(split), 5))
    heating = dataset.split("train").forcings[..., 0].double()
    assert float(dataset.statistics.forcing_mean[0]) == pytest.approx(float(heating.mean()), rel=1e-6)
    assert float(dataset.statistics.forcing_std[0]) == pytest.approx(float(heating.std(correction=0)), rel=1e-6)
    assert all(check.ok for check in verify(dataset.problem, "tiny"))
    assert info(dataset)["forcings"]["heating"]["units"] == "W"


def test_windows_carry_the_forcing_from_their_last_frame_on():
    split = imported(driven())[0].split("train")
    windows = Windows(split, history=2, horizon=1, strides=(1, 2))
    sample, start, stride = windows.locate(torch.arange(len(windows)))
    moments = start + stride, start + 2 * stride
    expected = torch.stack([split.forcings[sample, moment] for moment in moments], dim=1)
    assert torch.equal(windows.batch(torch.arange(len(windows))).forcing, expected)


def test_pieces_of_trajectories_keep_their_part():
    dataset, _ = imported(driven(3), cut=2)
    for name in ("train", "valid", "test"):
        first = dataset.split(name).forcings[:, 0, 0] % 100
        assert set(first.tolist()) <= {0.0, 2.0}
        assert torch.equal(dataset.split(name).forcings[:, 1, 0] % 100, first + 1)


def test_which_forcings_are_taken_is_the_users_choice():
    assert [f.name for f in imported(driven(), forcings=("day",))[0].problem.forcings] == ["day"]
    assert not imported(driven(), forcings=("none",))[0].problem.forcings
    with pytest.raises(UnknownNameError, match=r"forcing of this dataset 'heat'.*Did you mean 'heating'"):
        imported(driven(), forcings=("heat",))
    with pytest.raises(DataError, match="forcing 'day' is not finite at every time; got 1 gaps"):
        imported(driven(day=("time", np.array([1, 2, np.nan, 4, 5]))))


def test_arrays_and_tables_have_them_too():
    source = driven()
    arrays = {name: entry.values for name, entry in source.items()} | {"t": source["time"].values, "x": np.arange(8.0)}
    dataset, _ = imported(arrays, dims=DIMS, name="arrays")
    assert {f.name for f in dataset.problem.forcings} == {"heating", "day"}
    frame = source.to_dataframe().reset_index()
    assert isinstance(frame, pd.DataFrame)
    from_table, _ = imported(frame, name="table")
    assert {f.name for f in from_table.problem.forcings} == {"heating", "day"}
    assert [f.name for f in from_table.problem.fields] == ["T"]
    order = [[f.name for f in one.problem.forcings].index("heating") for one in (dataset, from_table)]
    for name in ("train", "test"):
        one, two = (d.split(name).forcings[..., i] for d, i in zip((dataset, from_table), order, strict=True))
        assert torch.equal(one, two)
    words = imported(arrays | {"odd": np.arange(7.0)}, dims=DIMS, name="odd")[1]
    assert "odd has as many numbers as there are neither samples nor frames (7): left out" in words


def stepped(steps=STEPS, **units) -> dict[str, np.ndarray]:
    """Arrays with a row of times for each sample."""
    values = foreign_files.numbers(len(steps), 5, 8)
    return {"u": values, "t": steps[:, None] * np.arange(5), "x": np.arange(8.0)}


def test_a_time_step_per_trajectory_is_a_parameter():
    dataset, words = imported(stepped(), units={"time": "s"}, dims=DIMS)
    assert "time: 5 frames, 0.1 to 0.4 s apart" in words
    assert "the time step differs between trajectories, 0.1 to 0.4: the parameter dt" in words
    (step,) = dataset.problem.parameters
    assert dataset.problem.time_step == step.name == "dt"
    assert (step.units, step.low, step.high) == ("s", 0.1, 0.4)
    assert dataset.card.dt == 1.0
    stored = np.concatenate([dataset.split(name).parameters[:, 0] for name in ("train", "valid", "test")])
    np.testing.assert_allclose(np.sort(stored), np.sort(STEPS), rtol=1e-6)
    assert all(check.ok for check in verify(dataset.problem, "tiny"))
    alike, words = imported(stepped(np.full(6, 0.1)), dims=DIMS, name="alike")
    assert alike.card.dt == pytest.approx(0.1)
    assert alike.problem.time_step is None
    forced, _ = imported(stepped(), dims=DIMS, dt=0.3, name="forced")
    assert (forced.card.dt, forced.problem.time_step) == (0.3, None)


def test_files_may_have_another_time_step_each(tmp_path):
    for number, step in enumerate((0.1, 0.1, 0.3)):
        source = driven(2).assign_coords(time=("time", 7.0 + step * np.arange(5), {"units": "s"}))
        source.to_netcdf(tmp_path / f"{number}.nc", engine="h5netcdf")
    problem = import_files(sorted(tmp_path.glob("*.nc")), ImportChoices(seed=1))
    assert problem.time_step == "dt"
    assert [p.name for p in problem.parameters] == ["size", "dt"]
    other = driven(2).assign_coords(time=("time", 0.1 * np.arange(5), {"units": "h"}))
    other.to_netcdf(tmp_path / "3.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"the times of .*3\.nc have other units .*; got h; expected s"):
        import_files(sorted(tmp_path.glob("*.nc")))


def test_the_well_and_pdearena_with_a_row_of_times_per_sample(tmp_path):
    path = foreign_files.well(tmp_path)
    with h5py.File(path, "a") as file:
        del file["dimensions/time"]
        file["dimensions/time"] = np.array([0.5, 0.5, 1.0, 2.0])[:, None] * np.arange(8)
    smoke = foreign_files.smoke(tmp_path)
    with h5py.File(smoke, "a") as file:
        del file["train/t"]
        file["train/t"] = (1.0 + np.arange(5.0))[:, None] * np.arange(7)
    for file, steps in ((path, (0.5, 2.0)), (smoke, (1.0, 5.0))):
        problem = import_files([file])
        step = next(p for p in problem.parameters if p.name == problem.time_step)
        assert (step.low, step.high) == steps


def test_the_solver_by_default_reads_what_there_is():
    few = driven().isel(x=slice(0, 6))
    for name, choices, key in (("few", {}, "dilresnet"), ("alone", {"forcings": ("none",)}, "linear")):
        problem = imported(few, name=name, **choices)[0].problem
        assert problem.solver == key
        assert find_solver(key).supports(problem).ok


def test_rows_that_do_not_fit_the_fields_are_named(tmp_path):
    for place, values in (("scalars/forcing", np.arange(9.0)), ("dimensions/time", np.ones((3, 1)) * np.arange(8))):
        path = foreign_files.well(tmp_path)
        with h5py.File(path, "a") as file:
            attributes = dict(file[place].attrs)
            del file[place]
            file[place] = values
            file[place].attrs.update(attributes)
        with pytest.raises(DataError, match=f"'{place.split('/')[1]}' in .* has another size than the fields; got "):
            import_files([path])


def test_times_that_stand_still_or_decrease_are_refused():
    still = stepped(np.array([0.1, 0.1, 0.0, 0.1, 0.1, 0.1]))
    with pytest.raises(DataError, match="'time' of sample 2 of this call is not strictly monotonic"):
        imported(still, dims=DIMS)
    back = stepped(np.array([0.1, 0.1, 0.1, -0.1, 0.1, 0.1]))
    with pytest.raises(DataError, match="the times of sample 3 of this call decrease; got from"):
        imported(back, dims=DIMS)
    uneven = stepped()
    uneven["t"][4, 2] += 0.05
    with pytest.raises(DataError, match="'time' of sample 4 of this call is not evenly spaced"):
        imported(uneven, dims=DIMS)
    with pytest.raises(DataError, match=r"the times 't' .* do not fit the fields; got \(4, 5\); expected \(6, 5\)"):
        imported(stepped() | {"t": stepped()["t"][:4]}, dims=DIMS)


@pytest.mark.parametrize("format", ["well", "netcdf", "zarr"])
def test_export_and_import_are_inverse(tmp_path, format):
    source = driven().drop_vars("time").assign(t=(("sample", "time"), STEPS[:, None] * np.arange(5), {"units": "s"}))
    first, _ = imported(source)
    export(first, format, tmp_path / "out")
    problem = import_files([tmp_path / "out"], ImportChoices(name="again"))
    again = open_dataset(problem, "tiny")
    assert problem.time_step == first.problem.time_step == "dt"
    assert problem.fields == first.problem.fields
    assert [p.name for p in problem.parameters] == [p.name for p in first.problem.parameters]
    assert [(f.name, f.units, f.long_name) for f in problem.forcings] == [
        (f.name, f.units, f.long_name) for f in first.problem.forcings
    ]
    for name in ("train", "valid", "test"):
        assert torch.equal(first.split(name).states, again.split(name).states)
        assert torch.equal(first.split(name).forcings, again.split(name).forcings)
        assert torch.equal(first.split(name).parameters, again.split(name).parameters)
    if format == "well":
        with h5py.File(next((tmp_path / "out").rglob("*train*/*.hdf5"))) as file:
            steps = first.split("train").parameters[:, 1].numpy()
            np.testing.assert_allclose(file["dimensions/time"][()], steps[:, None] * np.arange(5), rtol=1e-6)
            assert bool(file["scalars/heating"].attrs["time_varying"])
