"""Rate laws that no short sum of products holds: one term that saturates, switches, decays, swings or has a modulus.

    y ≈ c₀ y_k s(x; c) + Σ c_i (products of at most two columns)

with s(x; c) = xⁿ/(c + xⁿ) (Michaelis and Menten, Holling, Hill), |x| x, |x|, √x, exp(c x), sin c x or cos c x, for
every column x and factor y_k, one or another column. The number c inside is scanned, and fitted afterwards. A sum of
products follows any of them within a range, and is told from them only by its longer description.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import sympy as sp

from sciml.discovery._postprocess import Candidate
from sciml.discovery._spec import SearchSpec, SymbolicProblem
from sciml.discovery._tree import evaluate

SHAPES = ("div", "abs", "sqrt", "exp")
"""Operators that shapes are made of where nobody chose. Waves follow any curve, and are tried where they are asked."""
WAVES = ("sin", "cos")
WIDEST = 3
"""Columns up to which shapes are tried: their number grows with the square."""
COMPANIONS = 3
"""Most products beside the shape."""
_ORDERS = (1, 2, 3, 4)
_HALVES = np.geomspace(0.15, 6.0, 9)  # of the median: where a saturation is half of its limit
_RATES = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])  # exponents per standard deviation
_WAVES = np.geomspace(1.0, 12.0, 10)  # wavenumbers times the range
_INDEPENDENT = 1e-6  # share of a shape that the products beside it must leave


class Shape(NamedTuple):
    """One term without its factor.

    Fields:
        kind: what it is, whatever its column and its number.
        expr: with its number.
    """

    kind: str
    expr: sp.Expr


def shape_candidates(problem: SymbolicProblem, spec: SearchSpec, library: Sequence[sp.Expr]) -> list[Candidate]:
    """The best formula of each size with one shape of each kind, the products beside it from the library.

    Arguments:
        problem: the table.
        spec: its `shapes` are what they may be made of.
        library: of sparse regression.
    """
    if not spec.shapes or len(problem.names) > WIDEST:
        return []
    rows, _ = problem.split_equations(spec.held_out)
    shapes = [s for s in _shapes(problem, spec.shapes) if np.isfinite(_values(problem, [s.expr])).all()]
    beside = [term for term in library if _degree(term) <= 2]
    if not shapes:
        return []
    G = problem.seen_by(_values(problem, [s.expr for s in shapes]))[rows]
    B = problem.seen_by(_values(problem, beside))[rows]
    y = problem.target[rows]
    kinds: dict[str, list[int]] = {}
    for at, shape in enumerate(shapes):
        kinds.setdefault(shape.kind, []).append(at)
    best: dict[int, dict[str, tuple[float, tuple[int, ...], int]]] = {}
    for size in range(min(COMPANIONS, len(beside)) + 1):
        of_size = best.setdefault(size, {})
        for chosen in combinations(range(len(beside)), size):
            losses = _losses(B[:, chosen], G, y)
            for kind, members in kinds.items():
                at = members[int(np.argmin(losses[members]))]
                if losses[at] < of_size.get(kind, (np.inf,))[0]:
                    of_size[kind] = (float(losses[at]), chosen, at)
    candidates = []
    for of_size in best.values():
        for _, chosen, at in of_size.values():
            terms = [*(beside[i] for i in chosen), shapes[at].expr]
            theta = np.column_stack([B[:, chosen], G[:, at]])
            numbers = np.linalg.lstsq(theta, y, rcond=None)[0]
            expr = sp.Add(*(sp.Float(float(c)) * t for c, t in zip(numbers, terms, strict=True)))
            candidates.append(Candidate(expr, str(expr), spec.seeds[0], len(expr.atoms(sp.Float))))
    return candidates


def _losses(beside: np.ndarray, shapes: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared misfit that every shape leaves together with some products; infinite where these hold the shape."""
    if beside.shape[1]:
        basis = np.linalg.qr(beside)[0]
        sizes = (shapes**2).sum(0)
        y, shapes = y - basis @ (basis.T @ y), shapes - basis @ (basis.T @ shapes)
    else:
        sizes = (shapes**2).sum(0)
    left = (shapes**2).sum(0)
    usable = left > _INDEPENDENT * sizes
    return np.where(usable, y @ y - (shapes.T @ y) ** 2 / np.where(usable, left, 1.0), np.inf)


def _values(problem: SymbolicProblem, terms: Sequence[sp.Expr]) -> np.ndarray:
    by_name = {name: problem.X[:, i] for i, name in enumerate(problem.names)}
    with np.errstate(all="ignore"):
        return np.stack([evaluate(term, by_name, problem.X[:, 0]) for term in terms], axis=1)


def _degree(term: sp.Expr) -> float:
    symbols = sorted(term.free_symbols, key=str)
    if not symbols:
        return 0
    return sp.Poly(term, *symbols).total_degree() if term.is_polynomial(*symbols) else np.inf


def _shapes(problem: SymbolicProblem, operators: Sequence[str]) -> Iterator[Shape]:
    """Every shape of every column, times one or another column."""
    symbols = [sp.Symbol(name) for name in problem.names]
    for x, values in zip(symbols, problem.X.T, strict=True):
        for shape in _of_one(x, values, operators):
            yield shape
            yield from (Shape(shape.kind, other * shape.expr) for other in symbols if other != x)


def _of_one(x: sp.Symbol, values: np.ndarray, operators: Sequence[str]) -> Iterator[Shape]:
    """Shapes of one column, with numbers that suit its values."""
    low, high, usual = float(values.min()), float(values.max()), float(np.median(np.abs(values)))
    spread = float(values.std())
    if not (spread > 0 and usual > 0):
        return
    if "div" in operators:
        for order in _ORDERS:
            for half in usual * _HALVES:
                if (order % 2 == 0 or low > -half / 2) and half < 2 * max(high, -low):
                    yield Shape(f"hill {order}", x**order / (sp.Float(float(half**order)) + x**order))
    if "abs" in operators and low < -0.1 * usual and high > 0.1 * usual:
        yield Shape("drag", x * sp.Abs(x))
        yield Shape("abs", sp.Abs(x))
    if "sqrt" in operators and low > 0:
        yield Shape("sqrt", sp.sqrt(x))
    if "exp" in operators:
        yield from (Shape("exp", sp.exp(sp.Float(float(c)) * x)) for c in _RATES / spread)
    waves: dict[str, Callable[[sp.Expr], sp.Expr]] = {"sin": sp.sin, "cos": sp.cos}
    for name in waves.keys() & set(operators):
        yield from (Shape(name, waves[name](sp.Float(float(c)) * x)) for c in _WAVES / (high - low))
