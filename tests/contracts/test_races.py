"""Every race runs as far as its peers are installed."""

import importlib

import pytest

from benchmarks.__main__ import names

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", names())
def test_a_race_has_rows(name):
    try:
        rows = list(importlib.import_module(f"benchmarks.{name}").race(quick=True))
    except ModuleNotFoundError as absent:
        pytest.skip(f"{absent.name} is not installed")
    assert rows
    assert all(row.ours_s > 0 for row in rows)
