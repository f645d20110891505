"""scikit-learn without a second look at settings that are ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def known_settings() -> Iterator[None]:
    """Have scikit-learn take settings as they are, in this thread: looking at them takes a third of growing a tree."""
    from sklearn import config_context

    with config_context(skip_parameter_validation=True):
        yield
