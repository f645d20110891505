"""Whether a formula found is the true one: the same terms, the same constants, the same values elsewhere."""

from dataclasses import dataclass

import numpy as np
import sympy as sp
from jaxtyping import Float

from sciml.discovery._postprocess import expanded, structure, terms_of
from sciml.discovery._tree import evaluate


@dataclass(frozen=True)
class Match:
    """A comparison with the truth.

    Arguments:
        same: whether both have the same terms, constants aside.
        missing, extra: terms of the truth that are not there, and terms that should not be.
        coefficient_error: largest relative error of a constant; None unless the terms are the same.
        error: relative L2 error on the rows given.
        wide_error: the same on a box twice as wide, where impostors show.
    """

    same: bool
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    coefficient_error: float | None
    error: float
    wide_error: float


def compare(
    expr: sp.Expr,
    truth: sp.Expr,
    table: Float[np.ndarray, "row column"],
    names: tuple[str, ...],
    tolerance: float = 1e-3,
) -> Match:
    """Compare two formulas on a table; terms below `tolerance` of the root mean square of the truth do not count."""
    values = {name: table[:, i] for i, name in enumerate(names)}
    true_values = evaluate(truth, values, table[:, 0])
    size = float(np.sqrt(np.mean(true_values**2))) or 1.0
    terms, true = (_terms(e, values, table, tolerance * size) for e in (expr, truth))
    missing = tuple(str(term) for key, term in true.items() if key not in terms)
    extra = tuple(str(term) for key, term in terms.items() if key not in true)
    same = not missing and not extra
    middle, half = (table.max(0) + table.min(0)) / 2, (table.max(0) - table.min(0)) / 2
    wide = middle + half * np.random.default_rng(0).uniform(-2, 2, size=(1000, table.shape[1]))
    positive = (table > 0).all(0)
    wide = np.where(positive, np.maximum(wide, table.min(0) / 2), wide)  # a temperature or a population stays one
    return Match(
        same,
        missing,
        extra,
        max((_constant_error(terms[key], true[key]) for key in true), default=0.0) if same else None,
        _relative(evaluate(expr, values, table[:, 0]), true_values),
        _relative(*(evaluate(e, dict(zip(names, wide.T, strict=True)), wide[:, 0]) for e in (expr, truth))),
    )


def _terms(expr: sp.Expr, values: dict[str, np.ndarray], table: np.ndarray, least: float) -> dict[sp.Expr, sp.Expr]:
    """Terms that count, by their structure."""
    floating = expanded(sp.sympify(expr))
    kept = {}
    for term in terms_of(floating):
        if np.sqrt(np.mean(evaluate(term, values, table[:, 0]) ** 2)) >= least:
            kept[_shape(term)] = term
    return kept


def _shape(term: sp.Expr) -> sp.Expr:
    """A term without its leading number, inner floating-point constants made one symbol."""
    return structure(term.as_coeff_Mul()[1])


def _constant_error(ours: sp.Expr, true: sp.Expr) -> float:
    pairs = [(ours.as_coeff_Mul()[0], true.as_coeff_Mul()[0])]
    inner = [sorted(map(float, e.as_coeff_Mul()[1].atoms(sp.Float))) for e in (ours, true)]
    pairs += list(zip(*inner, strict=False))
    return max(abs(float(a) - float(b)) / max(abs(float(b)), 1e-300) for a, b in pairs)


def _relative(ours: np.ndarray, true: np.ndarray) -> float:
    usable = np.isfinite(true)
    with np.errstate(all="ignore"):
        error = np.linalg.norm((ours - true)[usable]) / (np.linalg.norm(true[usable]) or 1.0)
    return float(error) if np.isfinite(error) else float("inf")
