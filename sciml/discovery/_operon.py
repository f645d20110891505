"""Genetic programming with fitted constants, by pyoperon."""

import importlib.util
from typing import Any

import numpy as np
import sympy as sp

from sciml.core.formulas import FormulaError, parse_formula
from sciml.core.types import Support
from sciml.discovery._algebra import replaced
from sciml.discovery._engine import SymbolicEngine
from sciml.discovery._postprocess import Candidate
from sciml.discovery._spec import BINARY, UNARY, SearchSpec, SymbolicProblem

_DIALECT = {"inv": "div"}
_LM_ITERATIONS = 5
_SECONDS = 600  # a guard only: the budget is in generations


class OperonEngine(SymbolicEngine):
    """Trees evolved for error and length at once (NSGA-II), constants by Levenberg-Marquardt, one search per seed.

    The search computes in float32. Rows cannot be weighted: the error per row enters when constants are refitted and
    formulas are scored, not in the search.
    """

    key = "operon"
    title = "Operon"
    citation = (
        "B. Burlacu, G. Kronberger, M. Kommenda, Operon C++: an efficient genetic programming framework for symbolic "
        "regression, GECCO 2020 Companion. doi:10.1145/3377929.3398099"
    )
    capabilities = frozenset({"pareto", "deterministic", "functions"})
    operators = frozenset({*BINARY, *UNARY})

    def available(self) -> Support:
        """Whether pyoperon is installed."""
        if importlib.util.find_spec("pyoperon") is None:
            return Support(False, "pyoperon is not installed; `python -m pip install pyoperon`")
        return Support(True)

    def candidates(self, problem: SymbolicProblem, spec: SearchSpec) -> list[Candidate]:
        """The fronts of all seeds."""
        from pyoperon.sklearn import SymbolicRegressor

        rows, _ = problem.split(spec.held_out)
        X, y = np.ascontiguousarray(problem.X[rows]), np.ascontiguousarray(problem.y[rows])
        aliases = [f"X{i}" for i in range(X.shape[1])]
        back = {sp.Symbol(alias): sp.Symbol(name) for alias, name in zip(aliases, problem.names, strict=True)}
        candidates: list[Candidate] = []
        for seed in spec.seeds:
            regressor = SymbolicRegressor(random_state=seed, **arguments(problem, spec))
            regressor.fit(X, y)
            for model in regressor.pareto_front_:
                raw = regressor.get_model_string(model["tree"], 12, aliases)
                try:
                    expr = replaced(parse_formula(raw, aliases), back)
                except FormulaError:  # a constant that overflowed
                    continue
                candidates.append(Candidate(expr, raw, seed, int(model["length"])))
        return candidates


def arguments(problem: SymbolicProblem, spec: SearchSpec) -> dict[str, Any]:  # Any: keyword arguments of Operon
    """The regressor's own arguments, all but the seed."""
    symbols = dict.fromkeys(_DIALECT.get(name, name) for name in spec.operators)
    sigma = float(np.std(problem.y)) * 0.01 if problem.sigma is None else float(np.mean(problem.sigma))
    return {
        "allowed_symbols": ",".join((*symbols, "constant", "variable")),
        "objectives": ["r2", "length"],
        "optimizer": "lm",
        "optimizer_iterations": _LM_ITERATIONS,
        "max_length": spec.max_complexity,
        "max_depth": spec.max_depth,
        "generations": spec.generations,
        "population_size": spec.population,
        "n_threads": spec.threads,
        "uncertainty": [sigma],
        "max_time": _SECONDS,
    }
