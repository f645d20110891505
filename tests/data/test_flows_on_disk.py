"""Every flow of the registry: its data passes all checks, and comes back equal from The Well's layout."""

import re
import shutil

import h5py
import pytest
import torch

from sciml.core import registry
from sciml.core.capabilities import Evolves
from sciml.data import export, generate, open_dataset, verify
from sciml.data.importing import ImportChoices, import_files

FLOWS = sorted(name for name, entry in registry.problems().items() if isinstance(entry, Evolves) and entry.boundary)


@pytest.fixture
def short(tmp_path, empty_home):
    """The problem of a name with a card of three trajectories and three frames, and one more beyond the ranges."""

    def make(name):
        original = registry.problem(name)
        card = registry.card_path(original).read_text()
        folder = shutil.copytree(registry.folder_of(original), tmp_path / name)
        table = card.index("[presets.tiny.trajectories]")
        tiny = re.sub(r"frames = \d+", "frames = 3", card[table:], count=1)
        tiny = re.sub(
            r"train = \d+, valid = \d+, test = \d+(, beyond = \d+)?",
            "train = 1, valid = 1, test = 1, beyond = 1",
            tiny,
            count=1,
        )
        (folder / "dataset.toml").write_text(card[:table] + tiny)
        return registry.find_problem(folder)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
def test_flows_are_verified_and_come_back_from_the_well(name, short, tmp_path):
    problem = short(name)
    dataset = generate(problem, "tiny")
    assert [check for check in verify(problem, "tiny") if not check.ok] == []
    export(dataset, "well", tmp_path / "well")
    with h5py.File(next((tmp_path / "well").rglob("*.hdf5"))) as file:
        assert file.attrs["grid_type"] == ("equiangular" if name == "shallow_water_sphere" else "cartesian")
    imported = import_files([tmp_path / "well"], ImportChoices(name="back"), out=tmp_path / "back")
    again = open_dataset(imported, "tiny")
    assert [(entry.name, entry.units) for entry in imported.fields] == [(e.name, e.units) for e in problem.fields]
    assert dict(imported.boundary) == dict(problem.boundary)
    assert again.grid.dims == dataset.grid.dims
    for one, other in zip(again.grid.axes, dataset.grid.axes, strict=True):
        torch.testing.assert_close(one.points(), other.points(), rtol=1e-6, atol=1e-6)
        assert (one.units, one.boundary) == (other.units, other.boundary)
    assert [check for check in verify(imported, "tiny") if not check.ok] == []
    order = [[entry.name for entry in imported.parameters].index(entry.name) for entry in problem.parameters]
    for split in ("train", "valid", "test", "beyond"):
        ours, theirs = dataset.split(split), again.split(split)
        assert torch.equal(theirs.states[:], ours.states[:])
        torch.testing.assert_close(theirs.parameters[:, order], ours.parameters, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", FLOWS)
def test_parameters_of_flows_vary_and_condition_the_forecasters(name):
    problem = registry.problem(name)
    varying = [entry for entry in problem.parameters if entry.low < entry.high]
    assert varying
    draws = [problem.draw(torch.Generator().manual_seed(seed)) for seed in range(4)]
    for entry in varying:
        values = [float(draw[entry.name]) for draw in draws]
        assert len(set(values)) == len(values)
        assert all(entry.low <= value <= entry.high for value in values)
