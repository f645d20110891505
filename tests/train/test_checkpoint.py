import pickle

import pytest
import torch
from torch import nn

from sciml.core import rng
from sciml.core.errors import CheckpointError
from sciml.train import Checkpoint, load_weights, save_weights

IDENTITY = {"problem": "a", "solver": "sinenet", "seed": 0}


def checkpoint(identity=IDENTITY):
    module = nn.Linear(2, 2)
    optimiser = torch.optim.AdamW(module.parameters())
    return Checkpoint(
        identity, 3, 1.0, [0.5, 2], module.state_dict(), {"optimiser": optimiser.state_dict()}, None, rng.state()
    )


def test_round_trip(tmp_path):
    saved = checkpoint()
    saved.save(tmp_path / "c.pt")
    loaded = Checkpoint.load(tmp_path / "c.pt", IDENTITY)
    assert loaded.step == 3
    assert torch.equal(loaded.model["weight"], saved.model["weight"])


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        Checkpoint.load(tmp_path / "c.pt", IDENTITY)


class Hostile:
    def __reduce__(self):
        return (open, ("/tmp/sciml-was-here", "w"))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_named_as_checkpoint_is_not_opened(tmp_path, monkeypatch, legacy):
    monkeypatch.chdir(tmp_path)
    if legacy:
        (tmp_path / "c.pt").write_bytes(pickle.dumps({"step": Hostile()}))
    else:
        torch.save({"step": Hostile()}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="not loaded"):
        Checkpoint.load(tmp_path / "c.pt", IDENTITY)


@pytest.mark.parametrize("size", [0, 1, 100, 1000])
def test_a_truncated_checkpoint_is_reported(tmp_path, size):
    checkpoint().save(tmp_path / "c.pt")
    (tmp_path / "c.pt").write_bytes((tmp_path / "c.pt").read_bytes()[:size])
    with pytest.raises(CheckpointError):
        Checkpoint.load(tmp_path / "c.pt", IDENTITY)


def test_another_file_of_tensors_is_not_a_checkpoint(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint of this program"):
        Checkpoint.load(tmp_path / "c.pt", IDENTITY)


def test_another_run_s_checkpoint_says_what_differs(tmp_path):
    checkpoint({**IDENTITY, "solver": "unet", "seed": 4}).save(tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="differs in seed, solver"):
        Checkpoint.load(tmp_path / "c.pt", IDENTITY)


def test_weights_round_trip(tmp_path):
    a, b = nn.Linear(2, 3), nn.Linear(2, 3)
    save_weights(a, tmp_path / "w.safetensors")
    load_weights(b, tmp_path / "w.safetensors")
    assert torch.equal(a.weight, b.weight)


@pytest.mark.parametrize(
    ("other", "words"), [(nn.Linear(3, 3), "do not fit"), (nn.Linear(2, 3, bias=False), "another module"),
                         (nn.Sequential(nn.Linear(2, 3)), "another module")]
)  # fmt: skip
def test_weights_of_another_module_are_refused(tmp_path, other, words):
    save_weights(nn.Linear(2, 3), tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=words):
        load_weights(other, tmp_path / "w.safetensors")


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 100, pickle.dumps({"a": 1})])
def test_a_file_that_is_no_safetensors_is_reported(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        load_weights(nn.Linear(2, 3), tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match="no weights at"):
        load_weights(nn.Linear(2, 3), tmp_path / "none.safetensors")


def test_weights_that_share_one_storage_come_back(tmp_path):
    """As those of an LSTM on a GPU, where cuDNN wants them side by side."""

    def side_by_side():
        module, flat = torch.nn.Linear(2, 3), torch.randn(9)
        module.weight, module.bias = torch.nn.Parameter(flat[:6].view(3, 2)), torch.nn.Parameter(flat[6:])
        return module

    a, b = side_by_side(), side_by_side()
    save_weights(a, tmp_path / "w.safetensors")
    load_weights(b, tmp_path / "w.safetensors")
    assert torch.equal(a.weight, b.weight)
    assert torch.equal(a.bias, b.bias)
