"""What every test gets: one torch thread, its own cache folder, the same loaded problems, no network, no waiting."""

import gc
import json
import os
import re
import signal
import socket
import sys
from itertools import count
from pathlib import Path

import hypothesis
import kept_handles
import pytest
import torch
import typed_calls  # before anything of the package

from sciml.core.paths import atomic_write
from sciml.data import PairShards, TrajectoryShards
from sciml.testing import PROBLEMS

hypothesis.settings.register_profile("unhurried", deadline=None)  # a busy machine is no fault of a function
hypothesis.settings.load_profile("unhurried")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script, for our children too
    signal.signal(signal.SIGINT, signal.default_int_handler)

kept_handles.keep()

gc.disable()  # while a million objects are imported and collected that all stay


def pytest_runtest_setup(item):
    global _own_data
    _own_data = bool(_DATA_TESTS & set(item.path.parts))
    typed_calls.begin_test()


def pytest_collection_finish():
    gc.freeze()
    gc.set_threshold(700, 10, 50)  # all objects are looked through less often: it takes a fifth of a second
    gc.enable()


def pytest_sessionfinish():
    gc.collect()
    gc.freeze()  # what is left is looked through five times by pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _in_haste():
    """Predictions are timed once, not for seconds; nothing waits for the disk, for no test cuts the power; no
    further processes are started of one's own accord, since other tests run on the other cores."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("tasks._cost", "tools.cost._latency"):
            patch.setattr(f"sciml.{module}.PATIENCE", 0.0)
            patch.setattr(f"sciml.{module}.FEWEST", 1)
        for module in ("data._making", "study._beside"):
            patch.setattr(f"sciml.{module}.usable_cores", lambda: 1)
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def plain_h5netcdf():
    """For a test that compares the bytes of files with those that other processes write."""
    with kept_handles.let_go():
        yield


@pytest.fixture(scope="session")
def _new_folder(tmp_path_factory):
    """A function: a path of its own in the folder of this session. pytest's would look through all the others first."""
    base, number = tmp_path_factory.getbasetemp(), count()
    return lambda name: base / f"{next(number)}-{name[:30]}"


@pytest.fixture
def tmp_path(request, _new_folder):
    """As pytest's own."""
    path = _new_folder(re.sub(r"\W", "_", request.node.name))
    path.mkdir(mode=0o700)
    return path


@pytest.fixture(autouse=True)
def _own_cache(_new_folder, monkeypatch):
    monkeypatch.setenv("SCIML_HOME", str(_new_folder("home")))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # for the processes a test starts
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # they share what the first of them compiles


class _Problems:
    """The modules of loaded problems; all modules are looked through only when their number has changed."""

    def __init__(self):
        self.known, self.count = {}, 0

    def learn(self):
        if len(sys.modules) != self.count:
            self.known = {name: module for name, module in sys.modules.items() if name.startswith("sciml_problems.")}
            self.count = len(sys.modules)

    def put_back(self):
        replaced = {
            name.split(".")[1] for name, module in self.known.items() if sys.modules.get(name, module) is not module
        }
        if replaced:
            for name in [name for name in sys.modules if name.split(".")[:1] == ["sciml_problems"]]:
                if name.split(".")[1:2] and name.split(".")[1] in replaced:
                    del sys.modules[name]
            sys.modules.update({name: module for name, module in self.known.items() if name.split(".")[1] in replaced})


@pytest.fixture(scope="session")
def _problems():
    return _Problems()


@pytest.fixture(autouse=True)
def _same_problems(_problems):
    """Put problem modules back that a test replaced by a copy of their folder: fixtures of a session hold instances."""
    _problems.learn()
    yield
    _problems.put_back()


_DATA_TESTS = {"contracts", "data", "problems", "reference"}
"""Folders whose tests make their data, be it the same as before."""


_own_data = False
"""Whether the test at work makes its data."""


@pytest.fixture(autouse=True, scope="session")
def _data_made_once(tmp_path_factory):
    """Every test has a cache of its own; a shard that another one has made, here or in the process beside this one, is
    copied into it rather than made again. A shard is known by what the product's cache keeps it by."""
    base = tmp_path_factory.getbasetemp()
    known = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shards"
    known.mkdir(exist_ok=True)

    def once(make, digest_of):
        def copied(self, piece):
            if _own_data:
                return make(self, piece)
            shard, path = known / f"{digest_of(self)}-{piece.first}-{piece.count}-{piece.filename}", self.path(piece)
            if not shard.exists():
                statuses = make(self, piece)
                with atomic_write(shard) as temporary:
                    temporary.write_bytes(json.dumps(statuses).encode() + b"\n" + path.read_bytes())
                return statuses
            statuses, content = shard.read_bytes().split(b"\n", 1)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return json.loads(statuses)

        return copied

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrajectoryShards, "make", once(TrajectoryShards.make, lambda shards: shards.layout.digest))
        patch.setattr(PairShards, "make", once(PairShards.make, lambda shards: shards.digest))
        yield


@pytest.fixture
def figures():
    """For tests that look at figures of pages; see `_figures_left_blank`."""


@pytest.fixture(autouse=True)
def _figures_left_blank(request, monkeypatch):
    """Figures are painted, but measured and written as SVG only for tests that look at them: on most pages of tests
    nobody does, and it takes half of a short run."""
    if "figures" in request.fixturenames or {"docs", "draw", "report"} & set(request.path.parts):
        return
    blank = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
    monkeypatch.setattr("sciml.draw._svg._lay_out", lambda canvas, axes: None)
    monkeypatch.setattr("sciml.draw._films._animated", lambda frames: b"")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda canvas, buffer, **options: buffer.write(blank))


@pytest.fixture
def spreads():
    """For tests of the spread of Gaussian processes; see `_few_parts`."""


@pytest.fixture(autouse=True)
def _few_parts(request, monkeypatch):
    """Gaussian processes take their spread from five parts left out, as those of many cases do; from twenty parts of
    few cases only for tests that ask for it."""
    if "spreads" not in request.fixturenames:
        monkeypatch.setattr("sciml.solvers.baselines._gaussian_process._folds", lambda count: 5)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    connect = socket.socket.connect

    def local_only(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture
def advection() -> Path:
    """The folder of a small real problem: advection on a periodic box, solved exactly."""
    return PROBLEMS / "periodic_advection"


@pytest.fixture
def rotation() -> Path:
    """The folder of a small real problem without space: rotation in the plane, solved exactly."""
    return PROBLEMS / "plane_rotation"


@pytest.fixture
def discovered(tmp_path):
    """A function: run a solver without baselines and name the hidden term it measured; the run's record."""
    from sciml.study import make_discovery_request, run

    def discover(problem, solver="spline_derivative", *, engine="sparse", seed=0, out=None, **task):
        settings = [f"task.{name}={value}" for name, value in task.items()]
        options = {"solver": solver, "seed": seed, "settings": settings, "out": out or tmp_path / "runs"}
        return run(make_discovery_request(problem, options, engine=engine, compare=False)).record

    return discover
