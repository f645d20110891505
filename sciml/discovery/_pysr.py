"""PySR in a process of its own, for machines that have Julia.

PySR starts Julia when it is imported and wants to be imported before torch, so it never is in this process: a worker
gets the table as JSON and answers with the equations.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from sciml.core.errors import NumericsError
from sciml.core.formulas import FormulaError, parse_formula
from sciml.core.types import Support
from sciml.discovery._algebra import replaced
from sciml.discovery._engine import EngineUnavailable, SymbolicEngine
from sciml.discovery._postprocess import Candidate
from sciml.discovery._spec import BINARY, UNARY, SearchSpec, SymbolicProblem

WORKER = Path(__file__).with_name("_pysr_worker.py")
REQUEST, RESULT = "request.json", "result.json"
_BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "^"}
_SECONDS = 3600
_FIX = "Install Julia 1.10 or newer (https://julialang.org) and put it on PATH, or use the engine 'operon' or 'sparse'."


class PySREngine(SymbolicEngine):
    """Evolution on islands in Julia, deterministic (serial, one search per seed)."""

    key = "pysr"
    title = "PySR"
    citation = (
        "M. Cranmer, Interpretable machine learning for science with PySR and SymbolicRegression.jl, arXiv 2305.01582"
    )
    capabilities = frozenset({"pareto", "deterministic", "units", "weights", "functions", "nesting"})
    operators = frozenset({*BINARY, *UNARY})

    def available(self) -> Support:
        """Whether pysr is installed and a Julia is found, without importing either."""
        if importlib.util.find_spec("pysr") is None:
            return Support(False, "pysr is not installed; `python -m pip install pysr`")
        if not _julia():
            return Support(False, "PySR needs Julia, and none was found. " + _FIX)
        return Support(True)

    def candidates(self, problem: SymbolicProblem, spec: SearchSpec) -> list[Candidate]:
        """The hall of fame of every seed. Raises EngineUnavailable when the worker cannot start Julia."""
        candidates: list[Candidate] = []
        names = [f"x{i}" for i in range(len(problem.names))]
        back = {sp.Symbol(alias): sp.Symbol(name) for alias, name in zip(names, problem.names, strict=True)}
        for seed in spec.seeds:
            answer = _ask(pysr_request(problem, spec, seed))
            for row in answer["equations"]:
                try:
                    expr = replaced(parse_formula(str(row["equation"]), names), back)
                except FormulaError:
                    continue
                candidates.append(Candidate(expr, str(row["equation"]), seed, int(row["complexity"])))
        return candidates


def pysr_request(problem: SymbolicProblem, spec: SearchSpec, seed: int) -> dict[str, Any]:  # Any: JSON
    """What the worker is asked: the rows that are not held out, and the arguments of ``PySRRegressor``."""
    rows, _ = problem.split(spec.held_out)
    unary = [name for name in spec.operators if name in UNARY]
    banned = [name for name in spec.no_nesting if name in unary]
    arguments: dict[str, Any] = {
        "niterations": spec.generations,
        "population_size": max(10, spec.population // 10),
        "populations": 10,
        "maxsize": max(7, 2 * spec.max_complexity),
        "maxdepth": spec.max_depth,
        "binary_operators": [_BINARY[name] for name in spec.operators if name in BINARY],
        "unary_operators": unary,
        "nested_constraints": {outer: dict.fromkeys(banned, 0) for outer in banned} or None,
        "random_state": seed,
        "deterministic": True,
        "parallelism": "serial",
        "progress": False,
        "verbosity": 0,
        "temp_equation_file": True,
    }
    per_row = problem.sigma is not None and np.ndim(problem.sigma) > 0
    if problem.units:
        arguments["dimensional_constraint_penalty"] = 1000.0
    return {
        "X": problem.X[rows].tolist(),
        "y": problem.y[rows].tolist(),
        "weights": (problem.weight[rows] ** 2).tolist() if per_row else None,
        "X_units": list(problem.units[:-1]) or None,
        "y_units": problem.units[-1] if problem.units else None,
        "arguments": arguments,
    }


def _julia() -> bool:
    executable = os.environ.get("PYTHON_JULIAPKG_EXE", "")
    managed = Path(sys.prefix) / "julia_env" / "pyjuliapkg" / "install" / "bin"
    return bool(shutil.which("julia") or (executable and Path(executable).exists()) or any(managed.glob("julia*")))


def _ask(question: dict[str, Any]) -> dict[str, Any]:
    environment = {**os.environ, "PYTHON_JULIACALL_HANDLE_SIGNALS": "yes", "PYTHON_JULIACALL_THREADS": "auto"}
    environment.setdefault("PYTHON_JULIAPKG_OFFLINE", "yes")
    with tempfile.TemporaryDirectory(prefix="sciml-pysr-") as folder:
        (Path(folder) / REQUEST).write_text(json.dumps(question), encoding="utf-8")
        command = [sys.executable, "-P", str(WORKER), folder]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise NumericsError(f"PySR did not finish within {_SECONDS} s; ask for fewer generations") from None
        try:
            answer = json.loads((Path(folder) / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            answer = {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    if "error" in answer:
        raise EngineUnavailable(f"PySR did not run: {answer['error']}", fix=_FIX)
    return answer
