import dataclasses
import json
import re

import h5py
import pytest
import torch

from sciml.core.errors import UnknownNameError
from sciml.data import generate, info, load_shard, make_layout, save_shard, verify

NAMES = ["files", "content", "labels", "finite", "splits", "parameters", "invariant mass", "invariant energy",
         "reproduced", "statistics"]  # fmt: skip


def failed(toy, seed=0):
    return {check.name: check.detail for check in verify(toy, "tiny", seed=seed) if not check.ok}


def test_a_sound_dataset_passes_every_check(copied, toy):
    checks = verify(toy, "tiny")
    assert [check.name for check in checks] == NAMES
    assert all(check.ok for check in checks), checks
    assert len({check.detail for check in verify(toy, "tiny", seed=1)} ^ {check.detail for check in checks}) == 2


def test_failed_trajectories_are_no_fault(failing, empty_home):
    generate(failing, "tiny")
    checks = verify(failing, "tiny")
    assert all(check.ok for check in checks), checks
    assert "diverged" in next(check.detail for check in checks if check.name == "finite")


def rewrite(folder, toy, split, change):
    """Store changed content under a valid checksum, as a faulty generator would."""
    layout = make_layout(toy, "tiny")
    piece = layout.pieces(split)[0]
    save_shard(layout, piece, change(load_shard(layout, piece)))


def states(change):
    def apply(shard):
        new = shard.states.clone()
        change(new)
        return dataclasses.replace(shard, states=new)

    return apply


def nan(new):
    new[1, 4, 0, 2, 3] = torch.nan


def grow(new):
    new *= torch.linspace(1, 1.001, 8)[:, None, None, None]


@pytest.mark.parametrize(
    ("split", "change", "expected", "words"),
    [
        ("valid", states(nan), "finite", "valid trajectory 1 has status ok and values that are not finite"),
        ("valid", states(nan), "invariant mass", "drift nan"),
        (
            "valid",
            states(lambda new: new[2].copy_(new[0])),
            "splits",
            "valid trajectory 2 is valid trajectory 0",
        ),
        ("valid", states(grow), "invariant energy", "drift 2.0e-03"),
        (
            "valid",
            lambda shard: dataclasses.replace(shard, parameters=shard.parameters + 1),
            "parameters",
            r"has speed = .*outside \[0.2, 0.8\] \(and 2 more\)",
        ),
        ("train", states(lambda new: new.mul_(2)), "statistics", "differ from the stored"),
    ],
)
def test_faulty_content_is_found(copied, toy, split, change, expected, words):
    rewrite(copied.folder, toy, split, change)
    found = failed(toy)
    assert expected in found
    assert re.search(words, found[expected])


def test_a_trajectory_that_cannot_be_reproduced_is_found(copied, toy):
    for split in ("train", "valid", "test"):
        layout = make_layout(toy, "tiny")
        for piece in layout.pieces(split):
            shard = load_shard(layout, piece)
            save_shard(layout, piece, dataclasses.replace(shard, states=shard.states * (1 + 1e-4)))
    assert "relative difference 1.0e-04" in failed(toy)["reproduced"]


def test_the_same_trajectory_in_two_splits_is_found(copied, toy):
    layout = make_layout(toy, "tiny")
    stolen = load_shard(layout, layout.pieces("train")[1]).states[3]
    rewrite(copied.folder, toy, "test", states(lambda new: new[0].copy_(stolen)))
    assert failed(toy)["splits"] == "test trajectory 0 is train trajectory 7"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file["a"].attrs.modify("units", "furlong"), "units of 'a' are 'furlong', expected 'kg m-3'"),
        (lambda file: file["x"].__setitem__(3, 9.0), "coordinate 'x' is not the one of the card"),
    ],
)
def test_wrong_labels_are_found(copied, toy, change, words):
    with h5py.File(copied.folder / "test-0001.nc", "r+") as file:
        change(file)
    found = failed(toy)
    assert list(found) == ["labels"]
    assert words in found["labels"]


def test_missing_and_damaged_files_are_checks_not_exceptions(copied, toy):
    (copied.folder / "train-0000.nc").unlink()
    (copied.folder / "test-0001.nc").write_text("no")
    found = failed(toy)
    assert set(found) == {"files", "content", "reproduced", "statistics"}
    assert found["files"].startswith("5 of 6 shards")
    assert "test-0001.nc" in found["content"]


def test_nothing_generated_fails_every_check_of_files(toy, empty_home):
    assert [check.name for check in verify(toy, "tiny")] == ["files"]  # of the rest there is nothing to be said
    assert failed(toy)["files"].startswith("0 of 6 shards")
    with pytest.raises(UnknownNameError):
        verify(toy, "nope")


def test_info_is_plain_data(dataset):
    content = json.loads(json.dumps(info(dataset)))
    assert content["splits"]["train"]["status"] == {"ok": 10}
    assert content["splits"]["test"]["shards"] == 2
    assert content["bytes"] == sum(path.stat().st_size for path in dataset.folder.glob("*.nc"))
    assert content["grid"] == {"y": 16, "x": 12}
    assert content["fields"]["b"] == {
        "units": "kg m-3",
        "mean": pytest.approx(3.0),
        "std": pytest.approx(float(dataset.statistics.field_std[1])),
    }


def test_cases_may_start_alike_and_differ_by_their_parameters(copied, toy):
    """A study of one initial state over a range of parameters is sound; the same case twice is not."""

    def alike(shard, parameters):
        times = torch.linspace(1.0, 1.1, shard.states.shape[1])[None, :, None, None, None]
        scale = parameters[:, :1, None, None, None] ** (times - 1.0)  # moves by its parameter
        states = (shard.states[:1, :1] * scale).to(shard.states)
        return dataclasses.replace(shard, states=states, parameters=parameters)

    rewrite(copied.folder, toy, "valid", lambda shard: alike(shard, shard.parameters))
    assert "splits" not in failed(toy)
    rewrite(copied.folder, toy, "valid", lambda shard: alike(shard, shard.parameters[:1].expand_as(shard.parameters)))
    assert "begins like" in failed(toy)["splits"]
