"""PySR's adapter without Julia: what it asks, how it reads answers, what it says when it cannot run.

The stub below stands in for the package ``pysr``. It searches nothing; no result here is one of PySR.
"""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from sciml.discovery import (
    EngineUnavailable,
    SearchSpec,
    SymbolicProblem,
    compare,
    engine,
    parse_formula,
    pysr_request,
)

STUB = '''
"""A stub of pysr for tests of the wire format: it answers with equations that are written down here."""
__version__ = "stub"
class _Table:
    def to_dict(self, kind):
        return [
            {"complexity": 1, "loss": 2.0, "equation": "-4.1"},
            {"complexity": 5, "loss": 0.1, "equation": "(x0 * x1) * -0.88"},
            {"complexity": 9, "loss": 0.1, "equation": "square(x0) * inv(x1) ^ 0.001"},
        ]
class PySRRegressor:
    def __init__(self, **arguments):
        assert arguments["deterministic"] and arguments["parallelism"] == "serial", arguments
    def fit(self, X, y, weights=None, X_units=None, y_units=None):
        assert X.ndim == 2 and y.ndim == 1
        self.equations_ = _Table()
'''

JULIACALL = '''
"""A stub of juliacall, enough for pysr to be imported and a regressor to be constructed; nothing can be fitted."""
from unittest.mock import MagicMock
Main = MagicMock()
Main.VERSION = MagicMock(major=1, minor=10, patch=4)
Main.VERSION.__str__ = lambda self: "1.10.4"
AnyValue = type("AnyValue", (), {})
VectorValue = type("VectorValue", (), {})
convert = MagicMock()
JuliaError = type("JuliaError", (Exception,), {})
'''


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    X = random.uniform(0.3, 4, (100, 2))
    return SymbolicProblem(X, -0.9 * X[:, 0] * X[:, 1] + 0.01 * random.normal(size=100), ("prey", "predator"))


def test_without_julia_it_says_what_to_install(problem, monkeypatch):
    monkeypatch.setattr("sciml.discovery._pysr._julia", lambda: False)
    support = engine("pysr").available()
    assert not support.ok
    with pytest.raises(EngineUnavailable, match=r"Julia.*engine 'operon'"):
        engine("pysr").fit(problem)


def test_without_pysr_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install pysr" in engine("pysr").available().reason


def test_the_request_carries_the_settings(problem):
    spec = SearchSpec(operators=("add", "mul", "pow", "exp"), generations=7, max_depth=4)
    asked = json.loads(json.dumps(pysr_request(problem, spec, seed=3)))
    arguments = asked["arguments"]
    assert arguments["binary_operators"] == ["+", "*", "^"]
    assert arguments["unary_operators"] == ["exp"]
    assert arguments["nested_constraints"] == {"exp": {"exp": 0}}
    assert (arguments["niterations"], arguments["maxdepth"], arguments["random_state"]) == (7, 4, 3)
    assert len(asked["X"]) == len(asked["y"]) == 80
    assert asked["weights"] is None


def stub_on_path(tmp_path, monkeypatch, text):
    (tmp_path / "pysr").mkdir()
    (tmp_path / "pysr" / "__init__.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("sciml.discovery._pysr._julia", lambda: True)


def test_the_wire_format_with_a_stub(problem, tmp_path, monkeypatch):
    stub_on_path(tmp_path, monkeypatch, STUB)
    front = engine("pysr").fit(problem, SearchSpec(seeds=(0,)))
    best = front.best()
    assert best.engine == "pysr"
    assert best.engine_complexity == 5
    match = compare(best.expr, parse_formula("-0.9*prey*predator"), problem.X, problem.names)
    assert match.same
    assert match.coefficient_error < 0.01, "constants are fitted again"


def test_a_worker_that_fails_is_reported_in_words(problem, tmp_path, monkeypatch):
    stub_on_path(tmp_path, monkeypatch, "raise RuntimeError('could not find Julia 1.10.3 - 1.11')")
    with pytest.raises(EngineUnavailable, match=r"could not find Julia.*Install Julia"):
        engine("pysr").fit(problem, SearchSpec(seeds=(0,)))


def test_the_real_constructor_takes_the_arguments(problem, tmp_path):
    """The installed pysr, imported over a stub of juliacall: argument names only, nothing is searched."""
    (tmp_path / "juliacall.py").write_text(JULIACALL)
    spec = SearchSpec(operators=("add", "mul", "exp"))
    asked = pysr_request(problem, spec, seed=0)["arguments"]
    code = (
        "import sys, json, warnings; warnings.simplefilter('ignore')\n"
        "import juliacall, pysr\n"
        "made = pysr.PySRRegressor(**json.loads(sys.argv[1]))\n"
        "print(made.random_state, made.parallelism)"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PYTHON_JULIACALL_HANDLE_SIGNALS": "yes", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(asked)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["0", "serial"], done.stderr


@pytest.mark.julia
def test_a_real_search(problem):
    support = engine("pysr").available()
    if not support.ok:
        pytest.skip(support.reason)
    best = engine("pysr").fit(problem, SearchSpec(seeds=(0,), generations=5)).best()
    assert compare(best.expr, parse_formula("-0.9*prey*predator"), problem.X, problem.names).same
