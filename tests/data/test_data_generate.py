import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from sciml.core.errors import ConfigError, DataError, StorageError, UserError
from sciml.core.progress import LineProgress, SilentProgress
from sciml.core.registry import folder_of
from sciml.data import generate, make_layout, make_remotely, open_dataset

SLOW = {
    "height, width = grid.size\n": "height, width = grid.size\n"
    "        import os, time; time.sleep(float(os.environ.get('SECONDS_PER_SHARD', 0)))\n",
    "train = 10": "train = 32",
}
SCRIPT = """
import sys
from pathlib import Path
from sciml.core import registry
from sciml.data import generate

if __name__ == "__main__":
    generate(registry.find_problem(Path(sys.argv[1])), "tiny", workers=int(sys.argv[2]))
"""


class Recording(SilentProgress):
    """Remembers what was reported."""

    def __init__(self):
        self.tasks, self.done, self.notes, self.lines = [], 0, [], []

    @contextmanager
    def task(self, label, total, done=0):
        self.tasks.append((label, total, done))

        def advance(n=1, note=""):
            self.done += n
            self.notes.append(note)

        yield advance

    def log(self, message):
        self.lines.append(message)


def test_generating_again_does_nothing(copied, toy, files):
    before = {path: path.stat().st_mtime_ns for path in copied.folder.iterdir()}
    progress = Recording()
    generate(toy, "tiny", progress=progress)
    assert progress.tasks == []
    assert {path: path.stat().st_mtime_ns for path in copied.folder.iterdir()} == before


def test_only_what_is_missing_is_made(copied, toy, files):
    before = files(copied.folder)
    for name in ("train-0001.nc", "test-0001.nc", "statistics.json"):
        (copied.folder / name).unlink()
    (copied.folder / ".tmp-1-train-0001.nc").write_text("left by a killed run")
    progress = Recording()
    generate(toy, "tiny", progress=progress)
    assert progress.tasks == [("periodic_advection tiny", 18, 13)]
    assert progress.done == 5
    assert files(copied.folder) == before


def test_an_executor_of_the_caller_makes_the_same_bytes(toy, empty_home, dataset, files):
    with ThreadPoolExecutor(1) as executor:
        made = generate(toy, "tiny", executor=executor)
    assert files(made.folder) == files(dataset.folder)


def test_two_at_once_share_the_work_of_one(toy, empty_home, dataset, files):
    reports = [Recording(), Recording()]
    with ThreadPoolExecutor(2) as both:
        made = list(both.map(lambda progress: generate(toy, "tiny", progress=progress), reports))
    assert sorted(progress.done for progress in reports) == [0, 18]  # one made everything, the other waited
    assert files(made[0].folder) == files(made[1].folder) == files(dataset.folder)


def test_the_number_of_threads_is_put_back(variant, empty_home):
    problem = variant("counting_advection", {"height, width = grid.size\n": "height, width = grid.size\n"
                                             "        assert torch.get_num_threads() == 1\n"})  # fmt: skip
    torch.set_num_threads(2)
    try:
        generate(problem, "tiny")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_failures_are_stored_counted_and_reported(failing, empty_home):
    progress = Recording()
    dataset = generate(failing, "tiny", progress=progress)
    train = dataset.split("train")
    failures = len(train) - len(train.good)
    assert train.counts == {"ok": len(train.good), "diverged": failures}
    assert all(train.states[row, 3:].isnan().all() for row in range(10) if train.status[row])
    assert all(train.states[row, :3].isfinite().all() for row in range(10))
    total = sum(dataset.split(name).counts.get("diverged", 0) for name in ("train", "valid", "test"))
    assert progress.notes[-1] == f"{total} failed"
    assert re.search(rf"outcomes of the reference solver: .*'diverged': {total}", progress.lines[-1])


def test_a_solver_that_overlooks_its_own_breakdown_is_overruled(variant, empty_home):
    problem = variant(
        "careless_advection", {"return Trajectory(": "states[0, 5, 0, 1, 1] = torch.inf\n        return Trajectory("}
    )
    train = generate(problem, "tiny").split("train")
    assert train.status.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert train.states[0, 5:].isnan().all()
    assert train.states[0, :5].isfinite().all()


def test_a_solver_that_returns_another_shape_is_refused(variant, empty_home):
    problem = variant("short_advection", {"Trajectory(states,": "Trajectory(states[:, 1:],"})
    with pytest.raises(UserError, match=r"another shape.*got states \(4, 7, 2, 16, 12\).*\(4, 8, 2, 16, 12\)"):
        generate(problem, "tiny")


def test_a_worker_with_other_code_is_refused(copied, toy):
    layout = make_layout(toy, "tiny")
    with pytest.raises(DataError, match="another version of periodic_advection"):
        make_remotely(str(folder_of(toy)), "tiny", "0" * 64, str(layout.folder), layout.pieces("train")[0])


@pytest.mark.parametrize("pays", [True, False])
def test_idle_cores_are_used_where_the_first_shard_shows_that_they_pay(
    toy, empty_home, monkeypatch, files, dataset, pays
):
    pools = []

    def processes_of_none(workers):
        pools.append(workers)
        return ThreadPoolExecutor(workers)

    monkeypatch.setattr("sciml.data._making._POOL_PAYS", 0.0 if pays else 1e9)
    monkeypatch.setattr("sciml.data._making.usable_cores", lambda: 2)
    monkeypatch.setattr("sciml.data._making.processes", processes_of_none)
    assert files(generate(toy, "tiny", workers=0).folder) == files(dataset.layout.folder)
    assert pools == ([2] if pays else [])


def test_too_few_workers_are_refused(toy, empty_home):
    with pytest.raises(ConfigError, match="too few workers"):
        generate(toy, "tiny", workers=-1)


def test_an_interrupt_keeps_what_is_finished(toy, empty_home, dataset, files):
    class Impatient(Recording):
        @contextmanager
        def task(self, label, total, done=0):
            def advance(n=1, note=""):
                raise KeyboardInterrupt

            yield advance

    with pytest.raises(KeyboardInterrupt):
        generate(toy, "tiny", progress=Impatient())
    folder = next((empty_home / "datasets" / "periodic_advection").iterdir())
    assert [path.name for path in folder.glob("*.nc")] == ["train-0000.nc"]
    assert files(generate(toy, "tiny").folder) == files(dataset.folder)


@pytest.fixture
def slow(variant):
    """A variant whose shards take a while in other processes."""
    return variant("slow_advection", SLOW)


@pytest.fixture
def undisturbed(slow, files, tmp_path, monkeypatch, plain_h5netcdf):
    """What one process makes of it in one go."""
    with monkeypatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path / "undisturbed"))
        return files(generate(slow, "tiny").folder)


def start(problem, home, workers):
    """A process group that generates; its leader is the parent of the workers."""
    folder, root = folder_of(problem), str(Path(__file__).parents[2])
    script = folder.parent / "make.py"
    script.write_text(SCRIPT)
    changes = {"SCIML_HOME": str(home), "SECONDS_PER_SHARD": "0.25", "OMP_NUM_THREADS": "1"}
    changes["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, str(script), str(folder), str(workers)]
    return subprocess.Popen(
        command, env=os.environ | changes, start_new_session=True, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def shards(home):
    return sorted(path.name for path in home.glob("datasets/*/*/[a-z]*.nc"))


def alive(group):
    """Living processes of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, member = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it ended while we looked
            continue
        if int(member) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs the process table of Linux")


@needs_proc
def test_ctrl_c_stops_the_workers_and_one_alone_finishes(slow, tmp_path, monkeypatch, files, undisturbed):
    home = tmp_path / "interrupted"
    process = start(slow, home, 2)
    wait_for(lambda: len(shards(home)) >= 1)
    os.killpg(process.pid, signal.SIGINT)
    _, messages = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert messages.count("Traceback") == messages.count("KeyboardInterrupt") == 1, messages
    wait_for(lambda: not alive(process.pid), seconds=10)
    assert 1 <= len(shards(home)) < 11
    assert not list(home.glob("datasets/*/*/.tmp-*"))

    monkeypatch.setenv("SCIML_HOME", str(home))
    assert files(generate(slow, "tiny", workers=1).folder) == undisturbed


@pytest.mark.slow
@needs_proc
def test_killed_twice_and_resumed_equals_undisturbed(slow, tmp_path, monkeypatch, files, undisturbed):
    home = tmp_path / "killed"
    first = start(slow, home, 2)
    wait_for(lambda: len(shards(home)) >= 2)
    os.kill(first.pid, signal.SIGKILL)  # the parent alone: its workers must notice
    first.communicate()
    wait_for(lambda: not alive(first.pid), seconds=10)
    after_first = shards(home)

    second = start(slow, home, 1)
    wait_for(lambda: len(shards(home)) > len(after_first))
    monkeypatch.setenv("SCIML_HOME", str(home))
    with ThreadPoolExecutor(1) as waiting:
        third = waiting.submit(generate, slow, "tiny")  # waits for the lock of the second, and inherits its work
        time.sleep(0.3)
        os.killpg(second.pid, signal.SIGKILL)
        second.communicate()
        assert 2 <= len(after_first) < len(shards(home))
        assert files(third.result(timeout=60).folder) == undisturbed


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 192 kB, and a function that changes its mount options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")

    def mount(options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)

    result = mount("size=192k")
    if result.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {result.stderr.strip()}")
    yield folder, lambda options: mount(f"remount,{options}")
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_an_error_that_can_be_resumed(small_disk, toy, dataset, files, monkeypatch):
    folder, remount = small_disk
    monkeypatch.setenv("SCIML_HOME", str(folder))
    with pytest.raises(StorageError, match=r"no space left.*the same command resumes"):
        generate(toy, "tiny")
    place = next(folder.glob("datasets/*/*"))
    done = sorted(path.name for path in place.iterdir() if path.name != ".lock")
    assert done == ["train-0000.nc", "train-0001.nc", "train-0002.nc"]  # whole ones, and no temporaries
    assert remount("size=2m").returncode == 0
    assert files(generate(toy, "tiny").folder) == files(dataset.folder)


def test_a_read_only_cache_can_be_read_and_not_written(small_disk, toy, dataset, monkeypatch):
    folder, remount = small_disk
    monkeypatch.setenv("SCIML_HOME", str(folder))
    assert remount("size=2m").returncode == 0
    place = generate(toy, "tiny").folder
    assert remount("ro").returncode == 0
    try:
        assert torch.equal(generate(toy, "tiny").split("test").states, dataset.split("test").states)
        assert len(open_dataset(toy, "tiny", in_memory=False).split("train")) == 10
        assert remount("rw").returncode == 0
        (place / "test-0001.nc").unlink()
        assert remount("ro").returncode == 0
        with pytest.raises(StorageError, match="cannot write to"):
            generate(toy, "tiny")
        monkeypatch.setenv("SCIML_HOME", str(folder / "new"))
        with pytest.raises(StorageError, match="cannot write to"):
            generate(toy, "tiny")
    finally:
        assert remount("rw").returncode == 0


def test_progress_in_a_pipe_is_plain_lines(toy, empty_home, capsys):
    generate(toy, "tiny", progress=LineProgress(every=0.0))
    lines = capsys.readouterr().err.splitlines()
    assert "periodic_advection tiny: 4/18" in lines[0]
    assert "periodic_advection tiny: 18/18" in lines[-1]
