import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sciml
from sciml.core.errors import ConfigError
from sciml.train import Group, current_group, local_device, process_group

SETTINGS = [
    "train.steps=10",
    "train.batch_size=8",
    "train.accumulate=2",
    "model.levels=2",
    "task.noise=0.05",
    "baselines=[]",
]


def start_by_torchrun(words, free_port):
    """As the documentation says."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "sciml", *words]
    return [subprocess.Popen(launcher, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)]


def start_both(words, free_port):
    """What torchrun does, without a process that only starts and waits for the two."""
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port)}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "sciml", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]


@pytest.fixture
def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("start", [start_both, pytest.param(start_by_torchrun, marks=pytest.mark.slow)])
def test_two_processes_match_one_at_the_same_global_batch(tmp_path, advection, free_port, start):
    """10 steps with gloo: the same losses to 1e-5, the same weights to 1e-5 of their norm, one set of files."""
    one = sciml.run(advection, settings=SETTINGS, out=tmp_path / "one").folder
    words = ["run", str(advection), "--out", str(tmp_path / "two"), *(w for s in SETTINGS for w in ("--set", s))]
    processes = start(words, free_port)
    errors = [process.communicate(timeout=240)[1] for process in processes]
    assert not any(process.returncode for process in processes), errors
    two = tmp_path / "two" / "periodic_advection" / "sinenet-tiny-s0"
    logs = [json.loads((folder / "log.jsonl").read_text()) for folder in (one, two)]
    for key in ("loss", "validation"):
        assert abs(logs[0][key] - logs[1][key]) <= 1e-5 * abs(logs[0][key])
    a, b = (
        torch.cat([value.flatten().double() for value in load_file(folder / "model.safetensors").values()])
        for folder in (one, two)
    )
    assert (a - b).norm() <= 1e-5 * a.norm()
    assert sorted(p.name for p in one.iterdir()) == sorted(p.name for p in two.iterdir())


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(ConfigError, match="a multiple of 3"):
        Group(1, 3).share(8)
    assert Group(1, 4).share(8) == slice(2, 4)


@pytest.fixture
def ranks(monkeypatch):
    """``ranks(local=1, size=2, cards=2)``: this process as torchrun would start it, on a machine with so many GPUs.

    What is asked of torch is noted instead of done, since there may be no GPU here.
    """
    asked = []

    def take(local, size, cards):
        for name, value in {"RANK": local, "LOCAL_RANK": local, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "set_device", lambda device: asked.append(("set_device", str(device))))
        note = lambda backend, **more: asked.append((backend, {k: str(v) for k, v in more.items()}))
        monkeypatch.setattr(torch.distributed, "init_process_group", note)
        monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: asked.append(("left", {})))
        return asked

    return take


@pytest.mark.parametrize(
    ("local", "cards", "device", "backend"),
    [(0, 2, "cuda:0", "nccl"), (1, 2, "cuda:1", "nccl"), (1, 1, "cuda:0", "gloo"), (3, 4, "cuda:3", "nccl")],
)
def test_every_process_takes_a_card_of_its_own(ranks, local, cards, device, backend):
    asked = ranks(local, max(2, cards), cards)
    taken = local_device(torch.device("cuda"))
    assert str(taken) == device
    with process_group(taken):
        pass
    assert asked[0] == ("set_device", device)
    assert asked[1] == (backend, {"device_id": device} if backend == "nccl" else {})
    assert asked[2:] == [("left", {}), ("set_device", "0")]


def test_a_process_alone_and_one_on_the_cpu_keep_their_device(ranks, monkeypatch):
    asked = ranks(1, 2, 2)
    assert local_device(torch.device("cpu")) == torch.device("cpu")
    with process_group(torch.device("cpu")):
        pass
    assert [entry[0] for entry in asked] == ["gloo", "left"]
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert local_device(torch.device("cuda", 1)) == torch.device("cuda", 1)


def test_a_rank_that_is_no_number_is_refused(ranks, monkeypatch):
    ranks(1, 2, 2)
    monkeypatch.setenv("LOCAL_RANK", "first")
    with pytest.raises(ConfigError, match="LOCAL_RANK"):
        local_device(torch.device("cuda"))


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is no number"),
        ({"WORLD_SIZE": "2"}, "2 processes that WORLD_SIZE speaks of cannot be joined.*RANK expected.*torchrun"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "MASTER_ADDR expected"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "door"}, "cannot be joined"),
    ],
)
def test_an_environment_that_is_not_that_of_torchrun_is_refused(monkeypatch, environment, words):
    """As a cluster leaves it in a shell."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=words), process_group(torch.device("cpu")):
        pass


def test_what_is_sent_lies_where_the_backend_takes_it(monkeypatch):
    """Numbers of the CPU are sent from the device of the group, and come back to where they were."""
    sent = []
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda value: sent.append(value.device.type))
    monkeypatch.setattr(torch.distributed, "broadcast", lambda value, source: sent.append(value.device.type))
    monkeypatch.setattr(torch.distributed, "broadcast_object_list", lambda v, s, device: sent.append(device.type))
    monkeypatch.setattr(torch.distributed, "barrier", lambda device_ids: sent.append(device_ids))
    group = Group(1, 2, torch.device("meta"))  # a device that is everywhere
    for call in (lambda: group.any(True), lambda: group.broadcast(1.0)):
        with pytest.raises((RuntimeError, NotImplementedError)):  # the number cannot be read from there
            call()
    with pytest.raises(NotImplementedError):
        group.mean(torch.tensor(3.0))
    group.share_path(Path)
    group.wait()
    assert sent == ["meta", "meta", "meta", "meta", None]
    assert current_group().size == 1
