"""What every contract test gets: one torch thread, a cache folder of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Two tests beside each other do not take each other's cores, and sums come out the same everywhere."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def timed_briefly() -> Iterator[None]:
    """Predictions are timed once, not for seconds: how long they take is no result of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sciml.tasks._cost.PATIENCE", 0.0)
        patch.setattr("sciml.tasks._cost.FEWEST", 1)
        yield


@pytest.fixture(autouse=True, scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for the whole session, so that data is made once; the user's own is left alone."""
    before, home = os.environ.get("SCIML_HOME"), tmp_path_factory.mktemp("home")
    os.environ["SCIML_HOME"] = str(home)
    yield home
    if before is None:
        del os.environ["SCIML_HOME"]
    else:
        os.environ["SCIML_HOME"] = before
