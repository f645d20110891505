"""Fixtures of the contract tests, for use with ``pytest --pyargs sciml.testing``."""

import pytest

from sciml.testing._fixtures import one_thread as one_thread
from sciml.testing._fixtures import shared_cache as shared_cache
from sciml.testing._fixtures import timed_briefly as timed_briefly


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of tests that take seconds."""
    config.addinivalue_line("markers", "slow: minutes-long science checks")
