"""Our exports as The Well's own loader reads them."""

import re
import shutil

import pytest
import torch

from sciml.core import registry
from sciml.data import export, generate

loader = pytest.importorskip("the_well.data.datasets", reason="the package the_well is not installed")

FLOWS = ("kuramoto_sivashinsky_1d", "navier_stokes_smoke", "shallow_water_dam_break", "shallow_water_sphere")


@pytest.fixture
def exported(tmp_path):
    """A function: the dataset of a flow with three short trajectories, and the folder of its export."""

    def make(name):
        original = registry.problem(name)
        card = registry.card_path(original).read_text()
        folder = shutil.copytree(registry.folder_of(original), tmp_path / name)
        table = card.index("[presets.tiny.trajectories]")
        tiny = re.sub(r"frames = \d+", "frames = 4", card[table:], count=1)
        tiny = re.sub(r"train = \d+, valid = \d+, test = \d+", "train = 2, valid = 1, test = 1", tiny, count=1)
        (folder / "dataset.toml").write_text(card[:table] + tiny)
        dataset = generate(registry.find_problem(folder), "tiny")
        export(dataset, "well", tmp_path / "well")
        return dataset, tmp_path / "well"

    return make


@pytest.mark.parametrize("name", FLOWS)
def test_windows_parameters_and_boundaries_are_ours(name, exported):
    dataset, folder = exported(name)
    theirs = loader.WellDataset(
        path=str(folder / "data" / "train"), n_steps_input=2, n_steps_output=1, use_normalization=False
    )
    split = dataset.split("train")
    assert theirs.metadata.n_spatial_dims == len(dataset.grid.axes)
    assert theirs.metadata.spatial_resolution == dataset.grid.size
    assert [field for fields in theirs.metadata.field_names.values() for field in fields] == [
        entry.name for entry in dataset.problem.fields
    ]
    assert len(theirs) == len(split) * 2  # windows of three of four frames
    for window in range(len(theirs)):
        sample, first = divmod(window, 2)
        entry, states = theirs[window], split.states[sample].movedim(1, -1)
        assert torch.equal(entry["input_fields"], states[first : first + 2])
        assert torch.equal(entry["output_fields"], states[first + 2 : first + 3])
    kinds = [loader.BoundaryCondition[axis.boundary.upper()].value for axis in dataset.grid.axes]
    assert theirs[0]["boundary_conditions"].tolist() == [[kind, kind] for kind in kinds]
