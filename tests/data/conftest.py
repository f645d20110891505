"""The toy problem, its dataset made once, and copies of it that a test may damage."""

import shutil

import pytest
import torch

from sciml.core import registry
from sciml.data import generate, open_dataset
from sciml.testing import PROBLEMS

TOY = PROBLEMS / "periodic_advection"


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def toy():
    """The loaded toy problem."""
    return registry.find_problem(TOY)


@pytest.fixture
def variant(tmp_path):
    """Write a changed copy of the toy problem under another name and load it: ``variant(name, {old: new})``."""

    def make(name, changes=None, *, load=True):
        folder = tmp_path / "problems" / name
        folder.mkdir(parents=True)
        for file in ("__init__.py", "dataset.toml"):
            text = (TOY / file).read_text().replace('name="periodic_advection"', f'name="{name}"')
            for old, new in (changes or {}).items():
                text = text.replace(old, new)
            (folder / file).write_text(text)
        return registry.find_problem(folder) if load else folder

    return make


@pytest.fixture
def failing(variant):
    """A variant whose fast trajectories break down at frame 3."""
    return variant(
        "failing_advection",
        {
            "return Trajectory(states, torch.zeros(len(initial), dtype=torch.int64)": "fast = params['speed'] > 0.5\n"
            "        states[fast, 3:] = torch.nan\n"
            "        return Trajectory(states, fast.to(torch.int64)"
        },
    )


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A cache folder with the toy dataset in it; nobody changes it."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def dataset(home, toy):
    """The toy dataset, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        return generate(toy, "tiny")


@pytest.fixture(scope="session")
def lazy_dataset(home, toy, dataset):
    """The same files, read window by window."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(home))
        return open_dataset(toy, "tiny", in_memory=False)


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    """An empty cache folder, in use."""
    monkeypatch.setenv("SCIML_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def copied(home, dataset, empty_home, toy):
    """The toy dataset copied to a cache folder of its own, opened."""
    shutil.copytree(home, empty_home)
    return open_dataset(toy, "tiny")


@pytest.fixture
def files():
    """Bytes of every finished file of a dataset's folder, by name."""
    return lambda folder: {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix != ".lock"}
