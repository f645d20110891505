"""``--scheduler tcp://…``: the same files from a Dask cluster as from this machine."""

import os
import re
import subprocess
import sys

import pytest

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


def test_a_cluster_makes_the_same_files(sciml, scheduler, advection, tmp_path, monkeypatch):
    made = {}
    for where in ("here", "cluster"):
        monkeypatch.setenv("SCIML_HOME", str(tmp_path / where))
        answer = sciml(
            "data", "generate", advection, "--json", *(["--scheduler", scheduler] if where == "cluster" else [])
        )
        assert answer.code == 0, answer.err
        made[where] = {path.name: path.read_bytes() for path in (tmp_path / where).rglob("*.nc")}
    assert made["here"] == made["cluster"]
    assert len(made["here"]) > 3


@pytest.mark.slow
def test_a_scheduler_that_is_not_there(refused, advection):
    message = refused("data", "generate", advection, "--scheduler", "tcp://127.0.0.1:9")
    assert re.search(r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'", message)
