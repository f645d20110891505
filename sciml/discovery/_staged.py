"""Few terms of a library first, and a search over all formulas only where those do not settle it."""

import numpy as np

from sciml.core.types import Support
from sciml.discovery._engine import SymbolicEngine
from sciml.discovery._front import SymbolicFront
from sciml.discovery._operon import OperonEngine
from sciml.discovery._postprocess import Candidate, process
from sciml.discovery._sparse import SparseEngine, make_library
from sciml.discovery._spec import BINARY, UNARY, SearchSpec, SymbolicProblem

SETTLED = 1.5
"""Misfit, in units of the noise, up to which a short formula leaves nothing to look for."""
EXACT = 1e-7
"""The same as a share of what is to be explained, where there is next to no noise."""
SHORT = 3
"""Numbers that a short formula has at most."""
SPARSE = 3
"""Terms of the library per number of a formula: more numbers follow any curve, whatever its law."""


class StagedEngine(SymbolicEngine):
    """Sparse regression answers in a second where the library holds the truth. Where no formula of at most three terms
    explains the observations to their noise, quotients and functions are looked for too, and both compete."""

    key = "auto"
    title = "Sparse, then Operon"
    citation = f"{SparseEngine.citation}; {OperonEngine.citation}"
    capabilities = frozenset({"pareto", "deterministic", "functions"})
    operators = frozenset({*BINARY, *UNARY})

    def available(self) -> Support:
        """Always; without pyoperon it is sparse regression alone."""
        return Support(True)

    def candidates(self, problem: SymbolicProblem, spec: SearchSpec) -> list[Candidate]:
        """Those of sparse regression, and of Operon if they do not do."""
        sparse, operon = SparseEngine(), OperonEngine()
        candidates = sparse.candidates(problem, spec)
        if settles(problem, spec, candidates) or not operon.available().ok:
            return candidates
        return [*candidates, *operon.candidates(problem, spec)]


def settles(problem: SymbolicProblem, spec: SearchSpec, candidates: list[Candidate]) -> bool:
    """Whether the favourite among some formulas is short and leaves nothing but noise."""
    few = min(SHORT, len(make_library(problem.names, spec)) // SPARSE)
    short = [one for one in candidates if one.engine_complexity <= few]
    if not short:
        return False
    entries = process(short, problem, spec, SparseEngine.key)
    best = SymbolicFront.of(problem.names, entries, spec.selection).best()
    size, noise = float(np.mean(problem.target**2)), 1.0
    if problem.weak is None:
        noise = 0.0 if problem.sigma is None or isinstance(problem.sigma, np.ndarray) else float(problem.sigma) ** 2
    left = max(best.loss_train, best.loss_heldout)
    return left <= max(SETTLED * noise, EXACT * size)
