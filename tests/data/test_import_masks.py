"""Masks of imported data: recognised, stated, stored; left out of the statistics."""

import json

import foreign_files
import h5netcdf
import numpy as np
import pytest
import torch
import xarray

from sciml.core.errors import ConfigError, DataError, UnknownNameError
from sciml.core.recorded import Recording
from sciml.data import ImportChoices, export, import_arrays, import_files, info, open_dataset, verify

LAND = np.zeros((6, 8), dtype=bool)
LAND[1:3, 2:5] = True
DIMS = ("sample", "time", "y", "x")


def ocean(samples=6, land=LAND, **more) -> xarray.Dataset:
    """Two fields on (y, x), NaN on land in every frame."""
    axes = {"y": ("y", np.arange(6.0)), "x": ("x", np.arange(8.0)), "time": ("time", 0.5 * np.arange(5))}
    fields = {
        name: (DIMS, np.where(land, np.nan, foreign_files.numbers(samples, 5, 6, 8, seed=seed)))
        for seed, name in enumerate(("u", "v"))
    }
    return xarray.Dataset(fields | more, axes)


def imported(source, **choices):
    """The dataset and what was said of it."""
    plans = []
    problem = import_arrays(source, ImportChoices(**choices), announce=plans.append)
    return open_dataset(problem, "tiny"), "\n".join(plans[0].words())


def mask_of(dataset) -> np.ndarray:
    assert dataset.active is not None
    return ~dataset.active.numpy()


def test_cells_that_are_nan_in_every_frame_are_a_mask():
    dataset, words = imported(ocean())
    np.testing.assert_array_equal(mask_of(dataset), LAND)
    assert "6 of 48 cells are masked since they are NaN in every frame (--mask none" in words
    for name in ("train", "valid", "test"):
        split = dataset.split(name)
        assert len(split.good) == len(split)
        np.testing.assert_array_equal(split.states.isnan().numpy(), np.broadcast_to(LAND, split.states.shape))
    assert all(check.ok for check in verify(dataset.problem, "small"))
    assert info(dataset)["active"] == "42 of 48 cells"


def test_statistics_are_those_of_the_active_cells():
    dataset, _ = imported(ocean())
    values = dataset.split("train").states.double().numpy()[..., ~LAND]
    np.testing.assert_allclose(dataset.statistics.field_mean, values.mean((0, 1, 3)), rtol=1e-6)
    np.testing.assert_allclose(dataset.statistics.field_std, values.std((0, 1, 3)), rtol=1e-6)


def test_values_under_a_stated_mask_change_nothing():
    land = ("y", "x"), LAND.astype("i4")
    datasets = []
    for name, junk in (("zeros", 0.0), ("large", 1e30), ("infinite", np.inf)):
        source = ocean(land=False & LAND).where(~LAND, other=junk).assign(land_mask=land)
        datasets.append(imported(source, mask="land_mask=1", name=name)[0])
    first = datasets[0]
    np.testing.assert_array_equal(mask_of(first), LAND)
    for other in datasets[1:]:
        assert torch.equal(first.split("train").states.nan_to_num(9), other.split("train").states.nan_to_num(9))
        assert torch.equal(first.statistics.field_std, other.statistics.field_std)


@pytest.mark.parametrize(
    ("values", "choice"),
    [
        (LAND, "wet=1"),
        (~LAND, "wet=0"),
        (np.where(LAND, np.nan, 1000.0), "wet=nan"),
        (LAND * 3, "wet"),  # it follows from the gaps of the fields
        (~LAND, "wet"),
    ],
)
def test_a_mask_by_value(values, choice):
    dataset, _ = imported(ocean(wet=(("y", "x"), values)), mask=choice)
    np.testing.assert_array_equal(mask_of(dataset), LAND)


def test_a_mask_is_stored_along_our_axes_from_low_to_high():
    source = ocean(wet=(("y", "x"), ~LAND)).transpose("sample", "time", "x", "y").isel(y=slice(None, None, -1))
    for choices in ({}, {"mask": "wet=0"}):
        np.testing.assert_array_equal(mask_of(imported(source, **choices)[0]), LAND)


def test_gaps_that_come_and_go_are_broken_trajectories_unless_any_is_said():
    source = ocean(10)
    source["u"].values[3, 2:, 5, 7] = np.nan
    dataset, _ = imported(source, name="auto")
    np.testing.assert_array_equal(mask_of(dataset), LAND)
    assert sum(dataset.split(name).counts.get("diverged", 0) for name in ("train", "valid", "test")) == 1
    dataset, _ = imported(source, mask="any", name="every")
    assert mask_of(dataset).sum() == 7
    assert mask_of(dataset)[5, 7]
    assert all(dataset.split(name).counts == {"ok": len(dataset.split(name))} for name in ("train", "valid", "test"))


def test_a_field_that_is_no_mask_is_left_out_with_a_word():
    land_mask = (("y", "x"), np.ones((6, 8)))
    dataset, words = imported(ocean(land=False & LAND, lsm=land_mask))
    assert dataset.active is None
    assert "lsm (y 6, x 8) is neither a field over time nor a number per sample: left out" in words


def test_arrays_without_names_take_a_mask():
    arrays = {name: entry.values for name, entry in ocean(land=False & LAND).items()} | {"land": LAND}
    arrays |= {"t": np.arange(5.0), "x": np.arange(8.0), "y": np.arange(6.0)}
    dataset, _ = imported(arrays, dims=DIMS, mask="land=1")
    np.testing.assert_array_equal(mask_of(dataset), LAND)
    with pytest.raises(DataError, match=r"the mask 'land' .* another shape .*got \(8, 6\); expected y 6, x 8"):
        imported(arrays | {"land": LAND.T}, dims=DIMS, mask="land=1")


def test_impossible_masks_are_refused():
    def refused(source, match, error=DataError, **choices):
        with pytest.raises(error, match=match):
            imported(source, **choices)

    wet = (("y", "x"), np.where(LAND, 0, 1))
    dry = ocean(land=False & LAND, wet=wet)
    refused(
        dry,
        r"not clear which cells the mask 'wet' leaves out; got values 0, 1; .*--mask wet=0 or --mask wet=1",
        mask="wet",
    )
    refused(dry, "no cell of the mask 'wet' has the value 7; got 0, 1", mask="wet=7")
    refused(dry, "mask of this dataset 'wett'.*[Dd]id you mean 'wet'", UnknownNameError, mask="wett=1")
    everything = ocean(wet=(("y", "x"), np.zeros((6, 8))))
    refused(everything, "the mask leaves no cell; got all 48 cells are masked", mask="wet=0")
    line = ocean(wet=("y", np.zeros(6)))
    refused(line, "the mask 'wet' does not lie on the grid of the fields; got y 6; expected y 6, x 8", mask="wet=1")
    moving = ocean(ice=(("time", "y", "x"), np.zeros((5, 6, 8))))
    refused(moving, "the mask 'ice' .* differs by time; .*--mask any", mask="ice=0")
    apart = ocean()
    apart["v"] = apart["v"].fillna(0.0)
    refused(apart, "on different parts of the grid; got u: NaN at 6 cells, v: NaN at 0 cells.*--mask any")
    moved = ocean()
    for row in range(6):
        moved["u"].values[row] = np.where(np.roll(LAND, row, 1), np.nan, 1.0)
        moved["v"].values[row] = moved["u"].values[row]
    refused(moved, "cells without values differ between the trajectories; got 6 cells are NaN .*--mask any")
    dataset, _ = imported(apart, mask="any")
    np.testing.assert_array_equal(mask_of(dataset), LAND)
    refused(ocean(), "no trajectory of split 'train' is finite throughout.*--mask any", mask="none")
    taken = ocean(active=(("sample",), np.arange(6.0)))
    refused(taken, "the name 'active' is that of the mask here.*--rename active=NEW")


def test_files_with_different_masks_do_not_belong_together(tmp_path):
    for number, row in enumerate((0, 0, 1)):
        wet = np.ones((6, 8), dtype="i4")
        wet[row] = 0
        ocean(3, land=False & LAND, wet=(("y", "x"), wet)).to_netcdf(tmp_path / f"{number}.nc", engine="h5netcdf")
    with pytest.raises(DataError, match="the files have different masks"):
        import_files(sorted(tmp_path.glob("*.nc")), ImportChoices(mask="wet=0"))


@pytest.mark.parametrize("format", ["well", "netcdf", "zarr"])
def test_export_and_import_are_inverse(tmp_path, format):
    first, _ = imported(ocean())
    export(first, format, tmp_path / "out")
    again = open_dataset(import_files([tmp_path / "out"], ImportChoices(name="again")), "tiny")
    assert torch.equal(again.active, first.active)
    assert again.problem.fields == first.problem.fields
    for name in ("train", "valid", "test"):
        assert torch.equal(first.split(name).states.nan_to_num(9), again.split(name).states.nan_to_num(9))
    assert torch.equal(first.statistics.field_mean, again.statistics.field_mean)


def test_files_say_by_cf_what_is_masked(tmp_path):
    dataset, _ = imported(ocean())
    export(dataset, "netcdf", tmp_path)
    for path in (tmp_path / "train.nc", dataset.folder / "train-0000.nc"):
        with h5netcdf.File(path) as file:
            assert file["active"].dimensions == ("y", "x")
            assert file["active"].attrs["flag_meanings"] == "inactive active"
            assert file["u"].attrs["ancillary_variables"] == "active"
            assert np.isnan(file["u"].attrs["_FillValue"])


def test_a_shard_with_another_mask_is_damaged():
    dataset, _ = imported(ocean())
    described = json.loads((dataset.folder / "problem.json").read_text())
    described["active"] = "ff" * 6
    (dataset.folder / "problem.json").write_text(json.dumps(described))
    changed = open_dataset(Recording.model_validate(described).problem(dataset.folder), "tiny")
    with pytest.raises(DataError, match="has another mask than the dataset"):
        _ = changed.split("train").states
    with pytest.raises(ConfigError, match="do not agree"):
        Recording.model_validate(described | {"active": "ff"})
