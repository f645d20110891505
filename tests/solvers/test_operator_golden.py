"""Operator networks and their baselines give the numbers they gave before."""

import importlib.util
import json
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "golden_operators", Path(__file__).parent.parent / "golden" / "operators.py"
)
golden = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(golden)


def test_every_module_has_a_golden_output():
    assert set(golden.MODELS) == set(json.loads(golden.FILE.read_text()))


@pytest.mark.parametrize("key", sorted(golden.MODELS))
def test_golden_output(key):
    assert golden.output(key) == pytest.approx(json.loads(golden.FILE.read_text())[key], rel=1e-7, abs=1e-9)
