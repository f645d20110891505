"""Problems without spatial axes go through generating, checking, describing and exporting like any other."""

import h5py
import pytest
import torch
import xarray

from sciml.core import registry
from sciml.core.errors import ConfigError, UnsupportedError
from sciml.data import Windows, export, generate, info, open_dataset, verify


@pytest.fixture
def spaceless(rotation, empty_home):
    return generate(registry.find_problem(rotation), "tiny")


def test_states_have_no_space_and_are_the_exact_ones(spaceless):
    split = spaceless.split("train")
    assert spaceless.grid.axes == ()
    assert split.states.shape == (12, 17, 2)
    angle = split.parameters[:, 0, None] * spaceless.layout.times.float()
    x, y = split.states[:, :1, 0], split.states[:, :1, 1]
    torch.testing.assert_close(split.states[:, :, 0], x * angle.cos() - y * angle.sin(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(spaceless.statistics.field_std, split.states.std((0, 1), correction=0))


def test_windows_are_the_same_from_memory_and_from_disk(spaceless):
    lazy = open_dataset(spaceless.problem, "tiny", in_memory=False)
    rows = torch.arange(0, 12 * 13, 7)
    a, b = (Windows(d.split("train"), 2, 3).batch(rows) for d in (spaceless, lazy))
    assert a.inputs.shape == (len(rows), 2, 2)
    assert torch.equal(a.inputs, b.inputs)
    assert torch.equal(a.targets, b.targets)


def test_it_is_verified(spaceless):
    checks = verify(spaceless.problem, "tiny")
    assert all(check.ok for check in checks), checks
    assert {"invariant radius", "reproduced", "labels"} <= {check.name for check in checks}


def test_damage_is_found(spaceless):
    path = spaceless.folder / "test-0000.nc"
    with h5py.File(path, "a") as file:
        file["x"][0, 3] += 1.0
    failed = [check.name for check in verify(spaceless.problem, "tiny") if not check.ok]
    assert "content" in failed


def test_it_is_described(spaceless):
    found = info(spaceless)
    assert found["splits"]["train"]["trajectories"] == 12
    assert found["grid"] == {}


@pytest.mark.parametrize(("format", "engine"), [("netcdf", "h5netcdf"), ("zarr", "zarr")])
def test_it_is_exported(spaceless, tmp_path, format, engine):
    if format == "zarr":
        pytest.importorskip("zarr")
    paths = export(spaceless, format, tmp_path / "out")
    with xarray.open_dataset(paths[0], engine=engine, **({"consolidated": False} if format == "zarr" else {})) as data:
        assert data["x"].dims == ("sample", "time")
        assert data["x"].attrs["units"] == "m"
        torch.testing.assert_close(torch.tensor(data["y"].values), spaceless.split("train").states[:, :, 1])


def test_the_well_cannot_hold_it(spaceless, tmp_path):
    with pytest.raises(UnsupportedError, match="has no space"):
        export(spaceless, "well", tmp_path / "out")


def test_a_card_with_another_grid_than_the_problem_s_is_refused(rotation, tmp_path):
    folder = tmp_path / "gridded_rotation"
    folder.mkdir()
    code = (rotation / "__init__.py").read_text()
    (folder / "__init__.py").write_text(code.replace('name="plane_rotation"', 'name="gridded_rotation"'))
    (folder / "dataset.toml").write_text((rotation / "dataset.toml").read_text().replace("grid = []", "grid = [4]"))
    with pytest.raises(ConfigError, match="key grid: the problem has another grid"):
        generate(registry.find_problem(folder), "tiny")
