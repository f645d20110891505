"""The split of trajectories with parameters outside of their ranges: made, checked and counted like any other."""

import re
import shutil

import pytest
import torch
import xarray

from sciml.core import registry
from sciml.core.errors import UnknownNameError, UserError
from sciml.data import BEYOND, export, generate, info, make_layout, open_dataset, verify
from sciml.data.importing import ImportChoices, import_files


@pytest.fixture
def wider(rotation, tmp_path, empty_home):
    """The rotation with seven trajectories beyond its ranges."""
    folder = shutil.copytree(rotation, tmp_path / "plane_rotation")
    card = folder / "dataset.toml"
    card.write_text(card.read_text().replace("test = 6 }", "test = 6, beyond = 7 }"))
    return registry.find_problem(folder)


def test_a_preset_that_asks_for_it_has_such_a_split(wider, tmp_path):
    dataset = generate(wider, "tiny")
    split = dataset.split(BEYOND)
    assert len(split) == 7
    frequency, low, high = split.parameters[:, 0], 0.5, 1.5
    out = torch.maximum(low - frequency, frequency - high)
    assert ((out >= 0.1 - 1e-6) & (out <= 0.2 + 1e-6)).all()
    assert info(dataset)["splits"][BEYOND]["trajectories"] == 7
    checks = {check.name: check for check in verify(wider, "tiny")}
    assert all(check.ok for check in checks.values()), checks
    paths = export(dataset, "netcdf", tmp_path / "out")
    assert [path.name for path in paths] == ["train.nc", "valid.nc", "test.nc", "beyond.nc"]
    with xarray.open_dataset(paths[-1], engine="h5netcdf") as written:
        assert written.sizes["sample"] == 7


def test_the_other_splits_and_the_statistics_are_the_same(wider, rotation):
    with_it, without = generate(wider, "tiny"), generate(registry.find_problem(rotation), "tiny")
    for name in ("train", "valid", "test"):
        assert torch.equal(with_it.split(name).states, without.split(name).states)
    assert torch.equal(with_it.statistics.field_std, without.statistics.field_std)
    assert with_it.digest != without.digest


def test_data_that_lies_inside_is_found(wider, monkeypatch):
    monkeypatch.setattr(type(wider), "draw_beyond", type(wider).draw)
    generate(wider, "tiny")
    (check,) = [check for check in verify(wider, "tiny") if check.name == "parameters"]
    assert not check.ok and "should have one outside" in check.detail


def test_presets_without_it_keep_their_hash(rotation, monkeypatch):
    monkeypatch.setattr("sciml.data._layout.code_digest", lambda problem: "")  # code has a test of its own
    layout = make_layout(registry.find_problem(rotation), "tiny")
    assert layout.digest == "d5ef20715a7286481e644b809666f9a6231f4f53be11225ea9506fdd90a9768f"
    assert layout.splits == ("train", "valid", "test")
    with pytest.raises(UnknownNameError, match="beyond"):
        layout.size(BEYOND)


@pytest.mark.parametrize("form", ["well", "netcdf", "zarr"])
def test_it_comes_back_from_an_export(advection, tmp_path, form):
    if form == "zarr":
        pytest.importorskip("zarr")
    folder = shutil.copytree(advection, tmp_path / "periodic_advection")
    card = folder / "dataset.toml"
    card.write_text(re.sub(r"test = (\d+) }", r"test = \1, beyond = 3 }", card.read_text()))
    problem = registry.find_problem(folder)
    dataset = generate(problem, "tiny")
    paths = export(dataset, form, tmp_path / "out")
    imported = import_files([tmp_path / "out"], ImportChoices(name="back"), out=tmp_path / "back")
    again = open_dataset(imported, "tiny")
    for name in dataset.layout.splits:
        assert torch.equal(again.split(name).states[:], dataset.split(name).states[:])
    inside = torch.cat([dataset.split(name).parameters for name in ("train", "valid", "test")])
    for column, entry in enumerate(imported.parameters):
        assert (entry.low, entry.high) == pytest.approx(
            (float(inside[:, column].min()), float(inside[:, column].max()))
        )
    assert [check for check in verify(imported, "tiny") if not check.ok] == []
    with pytest.raises(UserError, match="cannot be trained on"):
        import_files(paths[1:], ImportChoices(name="part"), out=tmp_path / "part")
    with pytest.raises(UserError, match="cannot be trained on"):
        import_files([tmp_path / "out"], ImportChoices(name="anew", split=(0.5, 0.25, 0.25)), out=tmp_path / "anew")
