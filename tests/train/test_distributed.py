import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sciml
from sciml.core.errors import ConfigError
from sciml.train import Group

SETTINGS = [
    "train.steps=20",
    "train.batch_size=8",
    "train.accumulate=2",
    "model.levels=2",
    "task.noise=0.05",
    "baselines=[]",
]


def run_in_two_processes(advection, out) -> Path:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "sciml", "run", str(advection), "--out", str(out)]
    done = subprocess.run(
        [*command, *(word for s in SETTINGS for word in ("--set", s))],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return out / "periodic_advection" / "sinenet-tiny-s0"


def test_two_processes_match_one_at_the_same_global_batch(tmp_path, advection):
    """20 steps with gloo: the same losses to 1e-5, the same weights to 1e-5 of their norm, one set of files."""
    one = sciml.run(advection, settings=SETTINGS, out=tmp_path / "one").folder
    two = run_in_two_processes(advection, tmp_path / "two")
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
