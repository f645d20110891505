"""``--scheduler tcp://…``: the same numbers from a Dask cluster as from this machine."""

import os
import re
import subprocess
import sys

import pytest
import xarray

CLUSTER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def scheduler(tmp_path):
    """The address of a cluster of one worker, in processes of its own."""
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, script], text=True, env=dict(os.environ), **pipes) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


def test_a_cluster_makes_the_same_numbers(sciml, scheduler, advection, tmp_path, monkeypatch):
    """Every value of every shard. (A worker's profiler holds on to Python frames, which can move parts in the file.)"""
    made = {}
    for place in ("here", "cluster"):
        monkeypatch.setenv("SCIML_HOME", str(tmp_path / place))
        there = ["--scheduler", scheduler] if place == "cluster" else []
        answer = sciml("data", "generate", advection, "--json", *there)
        assert answer.code == 0, answer.err
        made[place] = {path.name: path for path in (tmp_path / place).rglob("*.nc")}
    assert made["here"].keys() == made["cluster"].keys()
    assert len(made["here"]) > 3
    for name, path in made["here"].items():
        with (
            xarray.open_dataset(path, engine="h5netcdf", decode_times=False) as here,
            xarray.open_dataset(made["cluster"][name], engine="h5netcdf", decode_times=False) as there,
        ):
            xarray.testing.assert_identical(here, there)


@pytest.mark.slow
def test_a_scheduler_that_is_not_there(refused, advection):
    message = refused("data", "generate", advection, "--scheduler", "tcp://127.0.0.1:9")
    assert re.search(r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'", message)


@pytest.mark.parametrize("address", ["tls://127.0.0.1:9", "nothing://x"])
def test_an_address_that_cannot_be_used_says_what_is_needed(refused, advection, address):
    message = refused("data", "generate", advection, "--scheduler", address)
    assert f"no Dask scheduler answers at '{address}'" in message
    assert ("distributed.comm.tls.ca-file" in message) == address.startswith("tls")
