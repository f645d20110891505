"""Sparse regression on a library of candidate terms.

    y ≈ Θ(X) ξ,  few ξ ≠ 0

The front is the path of supports that sequentially thresholded least squares and its relaxed form (SR3) pass through
as the threshold rises, and that backward elimination passes through as terms are dropped one by one.
"""

from itertools import combinations_with_replacement

import numpy as np
import sympy as sp
from jaxtyping import Bool, Float

from sciml.core.errors import DataError
from sciml.core.formulas import parse_formula
from sciml.core.types import Support
from sciml.discovery._dimensions import check_units
from sciml.discovery._engine import SymbolicEngine
from sciml.discovery._postprocess import Candidate
from sciml.discovery._shapes import shape_candidates
from sciml.discovery._spec import BINARY, SearchSpec, SymbolicProblem
from sciml.discovery._tree import evaluate

THRESHOLDS = np.geomspace(1e-4, 1.0, 25)
"""In units of the largest coefficient of normalised columns."""
LONGEST = 10
"""Terms of the longest formula."""
PER_SIZE = 3
"""Formulas of as many terms that are looked at."""


def make_library(names: tuple[str, ...], spec: SearchSpec) -> tuple[sp.Expr, ...]:
    """The candidate terms: those of ``spec.library``, or all monomials up to ``spec.degree`` with the constant."""
    if spec.library:
        return tuple(dict.fromkeys(parse_formula(term, names) for term in spec.library))
    symbols = [sp.Symbol(name) for name in names]
    powers = (combinations_with_replacement(symbols, degree) for degree in range(spec.degree + 1))
    return tuple(sp.Mul(*parts) for group in powers for parts in group)


def _possible_terms(library: tuple[sp.Expr, ...], problem: SymbolicProblem) -> tuple[sp.Expr, ...]:
    """The terms that can have the units of the target with some factor, if any can."""
    if not problem.units:
        return library
    units = dict(zip(problem.names, problem.units[:-1], strict=True))
    return tuple(t for t in library if check_units(sp.Float(2.0) * t, units, problem.units[-1]).ok) or library


def library_values(
    library: tuple[sp.Expr, ...], X: Float[np.ndarray, "row column"], names: tuple[str, ...]
) -> Float[np.ndarray, "row term"]:
    """One column per term."""
    values = {name: X[:, i] for i, name in enumerate(names)}
    return np.stack([evaluate(term, values, X[:, 0]) for term in library], axis=1)


def stlsq(theta: Float[np.ndarray, "row term"], y: Float[np.ndarray, " row"], threshold: float,
          rounds: int = 20) -> Float[np.ndarray, " term"]:  # fmt: skip
    """Least squares on the terms whose coefficient stays at or above `threshold`, repeated until none falls below.

    Reference: Brunton, Proctor, Kutz, PNAS 113 (2016) 3932. doi:10.1073/pnas.1517384113
    """
    kept, coefficients = np.ones(theta.shape[1], dtype=bool), np.zeros(theta.shape[1])
    for _ in range(rounds):
        coefficients[:] = 0
        coefficients[kept] = np.linalg.lstsq(theta[:, kept], y, rcond=None)[0]
        now = np.abs(coefficients) >= threshold
        if (now == kept).all() or not now.any():
            break
        kept = now
    return coefficients * (np.abs(coefficients) >= threshold)


def sr3(theta: Float[np.ndarray, "row term"], y: Float[np.ndarray, " row"], threshold: float, kappa: float = 1.0,
        rounds: int = 50) -> Float[np.ndarray, " term"]:  # fmt: skip
    """min ½|y − Θ w|² + λ|u|₀ + κ/2 |w − u|² by alternation; u is w cut off at the threshold sqrt(2 λ/κ).

    Columns are expected to be of unit norm. Reference: Zheng et al., IEEE Access 7 (2019) 1404.
    doi:10.1109/ACCESS.2018.2886528
    """
    system = np.linalg.inv(theta.T @ theta + kappa * np.eye(theta.shape[1]))
    right, u = theta.T @ y, np.linalg.lstsq(theta, y, rcond=None)[0]
    for _ in range(rounds):
        w = system @ (right + kappa * u)
        new = w * (np.abs(w) >= threshold)
        if np.allclose(new, u, rtol=1e-10, atol=0):
            break
        u = new
    return u


def support_path(theta: Float[np.ndarray, "row term"], y: Float[np.ndarray, " row"]) -> list[Bool[np.ndarray, " term"]]:
    """Distinct supports, large ones first, that thresholds and backward elimination pass through."""
    norms = np.linalg.norm(theta, axis=0)
    scaled = theta / np.where(norms > 0, norms, 1.0)
    full = np.linalg.lstsq(scaled, y, rcond=None)[0]
    largest = float(np.abs(full).max()) or 1.0
    supports = {tuple(np.abs(method(scaled, y, t * largest)) > 0) for t in THRESHOLDS for method in (stlsq, sr3)}
    kept = norms > 0
    while kept.any():
        supports.add(tuple(kept))
        losses = {i: _loss_without(scaled, y, kept, i) for i in np.flatnonzero(kept).tolist()}
        kept = kept.copy()
        kept[min(losses, key=losses.__getitem__)] = False
    supports |= set(_forward(scaled, y, norms > 0))
    usable = [np.array(support) for support in supports if any(support)]
    return sorted(usable, key=lambda support: (-int(support.sum()), tuple(~support)))


def _forward(theta: np.ndarray, y: np.ndarray, usable: np.ndarray) -> list[tuple[bool, ...]]:
    """Supports that grow by the term that explains most of what is left (orthogonal matching pursuit).

    Where terms depend on each other exactly, dropping them one by one may keep a long formula for a short one.
    """
    kept, paths = np.zeros(theta.shape[1], dtype=bool), []
    rest = y
    for _ in range(min(int(usable.sum()), LONGEST)):
        gains = np.where(usable & ~kept, np.abs(theta.T @ rest), -1.0)
        kept = kept.copy()
        kept[int(np.argmax(gains))] = True
        paths.append(tuple(kept.tolist()))
        rest = y - theta[:, kept] @ np.linalg.lstsq(theta[:, kept], y, rcond=None)[0]
    return paths


def _lower_degrees(library: tuple[sp.Expr, ...]) -> list[Bool[np.ndarray, " term"]]:
    """Which terms have at most degree one, two, …, below the largest there is; nothing where a term has no degree.

    Far from zero T and T**2 run parallel, and a path through all terms may well keep the higher one.
    """
    symbols = sorted(set().union(*(term.free_symbols for term in library)), key=str)
    if not symbols or not all(term.is_polynomial(*symbols) for term in library):
        return []
    degrees = np.array([sp.Poly(term, *symbols).total_degree() for term in library])
    return [degrees <= degree for degree in range(1, int(degrees.max()))]


def _best_of_each_size(
    theta: np.ndarray, y: np.ndarray, supports: list[Bool[np.ndarray, " term"]], count: int = PER_SIZE
) -> list[Bool[np.ndarray, " term"]]:
    """The `count` supports of least error among those with as many terms; none is longer than makes a formula."""
    kept: list[Bool[np.ndarray, " term"]] = []
    longest = max(LONGEST, min(int(support.sum()) for support in supports))
    for size in sorted({int(support.sum()) for support in supports}, reverse=True):
        same = [support for support in supports if int(support.sum()) == size <= longest]
        losses = [np.sum((y - theta[:, s] @ np.linalg.lstsq(theta[:, s], y, rcond=None)[0]) ** 2) for s in same]
        kept += [same[i] for i in np.argsort(losses, kind="stable")[:count]]
    return kept


def _supports(theta: np.ndarray, y: np.ndarray, library: tuple[sp.Expr, ...]) -> list[Bool[np.ndarray, " term"]]:
    """Those of the path through all terms, and the best of each size among terms of lower degree."""
    chosen = _best_of_each_size(theta, y, support_path(theta, y))
    seen = {support.tobytes() for support in chosen}
    for terms in _lower_degrees(library):
        columns = np.where(terms, theta, 0.0)
        if not columns.any():
            continue
        for support in _best_of_each_size(columns, y, support_path(columns, y), 1):
            if (support & ~terms).any() or support.tobytes() in seen:
                continue
            seen.add(support.tobytes())
            chosen.append(support)
    return chosen


def _loss_without(theta: np.ndarray, y: np.ndarray, kept: np.ndarray, term: int) -> float:
    rest = kept.copy()
    rest[term] = False
    if not rest.any():
        return float((y**2).sum())
    return float(((y - theta[:, rest] @ np.linalg.lstsq(theta[:, rest], y, rcond=None)[0]) ** 2).sum())


class SparseEngine(SymbolicEngine):
    """Few terms of a library, linear in their coefficients; the same table gives the same answer, whatever the seed."""

    key = "sparse"
    title = "Sparse regression"
    citation = (
        "S. L. Brunton, J. L. Proctor, J. N. Kutz, Discovering governing equations from data by sparse identification "
        "of nonlinear dynamical systems, PNAS 113 (2016) 3932-3937. doi:10.1073/pnas.1517384113"
    )
    capabilities = frozenset({"pareto", "deterministic", "weights"})
    operators = frozenset(BINARY)

    def available(self) -> Support:
        """Always: it needs nothing beyond numpy."""
        return Support(True)

    def candidates(self, problem: SymbolicProblem, spec: SearchSpec) -> list[Candidate]:
        """A formula per support of the path, and those with one term of another shape."""
        library = _possible_terms(make_library(problem.names, spec), problem)
        rows, _ = problem.split_equations(spec.held_out)
        theta = library_values(library, problem.X, problem.names)
        broken = [str(term) for term, column in zip(library, theta.T, strict=True) if not np.isfinite(column).all()]
        if broken:
            raise DataError(f"the candidate term {broken[0]} has no finite value on the data")
        theta, y = problem.seen_by(theta)[rows], problem.target[rows]
        candidates = []
        for support in _supports(theta, y, library):
            fitted = np.linalg.lstsq(theta[:, support], y, rcond=None)[0]
            chosen = [term for term, kept in zip(library, support, strict=True) if kept]
            expr = sp.Add(*(sp.Float(float(c)) * term for c, term in zip(fitted, chosen, strict=True)))
            candidates.append(Candidate(expr, str(expr), spec.seeds[0], len(chosen)))
        return [*candidates, *shape_candidates(problem, spec, library)]
