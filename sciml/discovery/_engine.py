"""Symbolic regression behind one interface."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np
import sympy as sp

from sciml.core.errors import DataError, UnsupportedError, UserError
from sciml.core.types import Support
from sciml.discovery._dimensions import check_units
from sciml.discovery._front import SymbolicFront
from sciml.discovery._postprocess import Candidate, complexity, process
from sciml.discovery._spec import SearchSpec, SymbolicProblem


class EngineUnavailable(UserError):
    """A search engine that cannot run on this machine; the message says what to install."""


class SymbolicEngine(ABC):
    """A way to look for formulas: `candidates` differs, everything after it is shared."""

    key: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    capabilities: ClassVar[frozenset[str]]
    """Of: pareto, deterministic, units, weights, functions (beyond a library), nesting."""
    operators: ClassVar[frozenset[str]]
    """Canonical names of the operators it knows."""

    @abstractmethod
    def available(self) -> Support:
        """Whether it can run here, and why not; nothing heavy is imported to find out."""

    @abstractmethod
    def candidates(self, problem: SymbolicProblem, spec: SearchSpec) -> list[Candidate]:
        """Raw formulas for the rows that are not held out, from every seed of `spec`."""

    def fit(self, problem: SymbolicProblem, spec: SearchSpec | None = None) -> SymbolicFront:
        """The front of formulas for a table.

        Raises: EngineUnavailable, UnsupportedError for an operator it does not know, DataError for a bad table.
        """
        spec = spec or SearchSpec()
        if not (support := self.available()).ok:
            raise EngineUnavailable(f"the symbolic engine {self.key!r} cannot run here: {support.reason}")
        strange = [name for name in spec.operators if name not in self.operators]
        if strange:
            raise UnsupportedError(f"the symbolic engine {self.key!r} has no operator {strange[0]!r}",
                                   expected=f"some of: {', '.join(sorted(self.operators))}")  # fmt: skip
        if float(np.ptp(problem.y)) <= 1e-12 * float(np.abs(problem.y).max()):
            constant = Candidate(sp.Float(float(problem.y.mean())), "constant", spec.seeds[0], 1)
            entries = process([constant], problem, spec, self.key)
            return SymbolicFront.of(problem.names, entries, spec.selection)
        inner = _logarithmic(problem) if spec.target_transform == "log" else problem
        entries = process(_possible(self.candidates(inner, spec), problem), inner, spec, self.key)
        front = SymbolicFront.of(problem.names, entries, spec.selection)
        return front.mapped(sp.exp, complexity) if spec.target_transform == "log" else front


def _possible(candidates: list[Candidate], problem: SymbolicProblem) -> list[Candidate]:
    """Those whose units can be those of the target, if any can."""
    if not problem.units:
        return candidates
    units = dict(zip(problem.names, problem.units[:-1], strict=True))
    fitting = [one for one in candidates if check_units(one.expr, units, problem.units[-1]).ok]
    return fitting or candidates


def _logarithmic(problem: SymbolicProblem) -> SymbolicProblem:
    """The table with log(y) as its target and the error that follows, σ / y."""
    if not (problem.y > 0).all():
        raise DataError("the logarithm of the target was asked for, but not all values are positive",
                        got=f"{int((problem.y <= 0).sum())} of {len(problem.y)} at or below zero",
                        fix="Use target_transform='none'.")  # fmt: skip
    sigma = None if problem.sigma is None else np.asarray(problem.sigma) / problem.y
    return replace(problem, y=np.log(problem.y), sigma=sigma, weak=None)
