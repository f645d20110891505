import os
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml.core.errors import ConfigError, DataError, UnknownNameError
from sciml.core.rng import derive
from sciml.data import Windows, generate, open_dataset

NUM_FRAMES = 8


@st.composite
def shapes(draw):
    history, horizon = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    longest = (NUM_FRAMES - 1) // (history + horizon - 1)
    strides = draw(st.lists(st.integers(1, longest), min_size=1, max_size=3, unique=True))
    return history, horizon, strides


@settings(max_examples=40, deadline=None)
@given(shape=shapes(), lazy=st.booleans())
def test_windows_are_the_stored_frames_all_of_them_once(dataset, lazy_dataset, shape, lazy):
    history, horizon, strides = shape
    split = (lazy_dataset if lazy else dataset).split("valid")
    truth = dataset.split("valid").states
    windows = Windows(split, history, horizon, strides)
    expected = {
        (sample, start, stride)
        for stride in strides
        for sample in range(len(truth))
        for start in range(NUM_FRAMES)
        if start + (history + horizon - 1) * stride < NUM_FRAMES
    }
    indices = torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))
    places = torch.stack(windows.locate(indices), dim=1).tolist()
    assert len(windows) == len(expected)
    assert set(map(tuple, places)) == expected
    batch = windows.batch(indices)
    assert batch.inputs.shape == (len(windows), history, 2, 16, 12)
    for row, (sample, start, stride) in enumerate(places):
        frames = truth[sample, start::stride][: history + horizon]
        assert torch.equal(batch.inputs[row], frames[:history])
        assert torch.equal(batch.targets[row], frames[history:])
        assert batch.stride[row] == stride
        assert torch.equal(batch.parameters[row], split.parameters[sample])


@pytest.mark.parametrize("index", [-1, 10**9])
def test_windows_outside_the_range_are_refused(dataset, index):
    windows = Windows(dataset.split("train"), 2, 1)
    with pytest.raises(IndexError, match=r"\[0, 60\)"):
        windows.batch(torch.tensor([0, index]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, 1), "history 8, horizon 1, stride 1 is longer.*got 9 frames; expected at most 8"),
        ((2, 2, (1, 3)), "stride 3 is longer"),
        ((0, 1), "history >= 1"),
        ((1, 0), "horizon >= 1"),
        ((1, 1, ()), "distinct strides"),
        ((1, 1, (1, 1)), "distinct strides"),
        ((1, 1, (0,)), "strides >= 1"),
    ],
)
def test_impossible_windows_are_refused(dataset, arguments, message):
    with pytest.raises(ConfigError, match=message):
        Windows(dataset.split("train"), *arguments)


def test_an_empty_batch_is_a_batch(dataset, lazy_dataset):
    for source in (dataset, lazy_dataset):
        batch = Windows(source.split("train"), 2, 1).batch(torch.zeros(0, dtype=torch.int64))
        assert len(batch) == 0
        assert batch.targets.shape == (0, 1, 2, 16, 12)


def test_a_lazy_split_equals_one_in_memory(dataset, lazy_dataset):
    for name in ("train", "valid", "test"):
        one, other = dataset.split(name), lazy_dataset.split(name)
        assert torch.equal(one.states, other.states)
        assert torch.equal(one.parameters, other.parameters)
        assert one.counts == other.counts == {"ok": len(one)}
    with pytest.raises(UnknownNameError, match=r"unknown split 'vald'.*'valid'"):
        dataset.split("vald")


def test_big_splits_stay_on_disk(dataset, home, toy, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(home))
    monkeypatch.setattr("sciml.data._dataset.MEMORY_LIMIT", 4 * 10 * 8 * 2 * 16 * 12)  # the bytes of the training split
    opened = open_dataset(toy, "tiny")
    kinds = {name: type(opened.split(name).frames).__name__ for name in ("train", "valid")}
    assert kinds == {"train": "ShardFrames", "valid": "MemoryFrames"}


def test_file_handles_are_never_pickled_nor_inherited(lazy_dataset, monkeypatch):
    frames = pickle.loads(pickle.dumps(lazy_dataset.split("train").frames))
    arguments = (torch.tensor([0, 9]), torch.tensor([0, 3]), torch.tensor([1, 2]), 3)
    here = frames.read(*arguments)
    handles = dict(frames.open_files)
    assert len(handles) == 2
    content = pickle.dumps(frames)
    assert b"h5py" not in content
    assert torch.equal(pickle.loads(content).read(*arguments), here)
    monkeypatch.setattr(os, "getpid", lambda: -1)  # what a forked loader process would see
    assert torch.equal(frames.read(*arguments), here)
    assert all(frames.open_files[key][0] is not handle[0] for key, handle in handles.items())


def test_only_so_many_files_stay_open(lazy_dataset, monkeypatch):
    monkeypatch.setattr("sciml.data._frames._OPEN_FILES", 1)
    frames = pickle.loads(pickle.dumps(lazy_dataset.split("train").frames))
    every = (torch.arange(10), torch.zeros(10, dtype=torch.int64), torch.ones(10, dtype=torch.int64), 8)
    assert torch.equal(frames.read(*every), lazy_dataset.split("train").states)
    assert len(frames.open_files) == 1


def test_a_file_damaged_after_opening_is_noticed_on_first_use(copied, toy):
    lazy = open_dataset(toy, "tiny", in_memory=False)
    windows = Windows(lazy.split("train"), 1, 1)
    (copied.folder / "train-0000.nc").write_text("gone")
    with pytest.raises(DataError, match=r"train-0000.nc"):
        windows.batch(torch.tensor([0]))


def test_failed_trajectories_make_no_windows(failing, empty_home):
    split = generate(failing, "tiny").split("train")
    assert 0 < len(split.good) < len(split) == 10
    sample, _, _ = Windows(split, 1, 1).locate(torch.arange(len(split.good) * 7))
    assert set(sample.tolist()) == set(split.good.tolist())
    assert Windows(split, 1, 1).batch(torch.arange(len(split.good) * 7)).inputs.isfinite().all()


def test_a_split_without_successes_has_no_windows(variant, empty_home):
    problem = variant("doomed_advection", {"torch.zeros(len(initial), dtype=torch.int64)": "torch.ones(len(initial))"
                                           ".long() * (times[-1] > 0).long()"})  # fmt: skip
    with pytest.raises(DataError, match=r"no trajectory of the training split.*succeeded"):
        generate(problem, "tiny")


def test_splits_share_no_trajectory(dataset):
    starts = torch.cat([dataset.split(name).states[:, 0].flatten(1) for name in ("train", "valid", "test")])
    distances = torch.cdist(starts, starts) + 1e9 * torch.eye(len(starts))
    assert distances.min() > 0.1
    seeds = {derive(0, "periodic_advection", split, i) for split in ("train", "valid", "test") for i in range(100)}
    assert len(seeds) == 300
