"""Whether data can tell candidate terms apart, said before any formula.

On a single trajectory of an autonomous equation the visited states are a curve, on which the hidden term may be any
smooth function of time: many formulas agree there and nowhere else. On several curves, or on the field of an equation
in space, the candidate terms' columns Θ on the visited states tell: their rank, and which of them run parallel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from jaxtyping import Float

from sciml.core.formulas import parse_formula
from sciml.discovery._sparse import library_values

COLLINEAR = 0.98
"""Correlation of two terms on the visited states from which on they count as the same."""
NEGLIGIBLE = 1e-3
"""Singular values below this share of the largest do not count for the rank, unless the noise is larger."""


@dataclass(frozen=True)
class Identifiability:
    """What the visited states allow to be told apart.

    Arguments:
        identifiable: whether a formula may be looked for.
        reasons: why not, in words; empty if it may.
        terms: the candidate terms.
        rank: numerical rank of their columns, scaled to norm one.
        condition: largest over smallest singular value.
        collinear: pairs of terms and their correlation, where that is at least `COLLINEAR`.
        curves: trajectories that were seen.
        notes: what else should be known.
    """

    identifiable: bool
    reasons: tuple[str, ...]
    terms: tuple[str, ...]
    rank: int
    condition: float
    collinear: tuple[tuple[str, str, float], ...]
    curves: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """Plain data."""
        return {**vars(self), "condition": self.condition if np.isfinite(self.condition) else None}

    def words(self) -> str:
        """One paragraph for people."""
        head = "identifiable" if self.identifiable else "NOT identifiable: " + "; ".join(self.reasons)
        tail = f"rank {self.rank} of {len(self.terms)} candidate terms, condition {self.condition:.3g}"
        return "\n".join([f"{head} ({tail})", *self.notes])


def identify(
    inputs: Float[np.ndarray, "row input"], names: tuple[str, ...], library: tuple[str, ...], *, curves: int,
    space: int = 0, noise: float = 0.0, notes: tuple[str, ...] = (),
) -> Identifiability:  # fmt: skip
    """Look at the candidate terms on visited states.

    Terms that are all monomials below some degrees span the same functions whatever the zero and the unit of their
    inputs, so they are looked at on centred and scaled inputs: the verdict is the same in °C and in K. Other terms are
    taken as they are.

    Arguments:
        inputs: hidden inputs at visited places, one column per name.
        names: of the hidden inputs.
        library: candidate terms, as formulas.
        curves: trajectories the places are on.
        space: axes in space; with one, even a single trajectory visits a surface of inputs.
        noise: share of noise in the data, below which differences mean nothing.
        notes: to be kept.
    """
    terms = tuple(parse_formula(term, names) for term in library)
    constant = [
        name for name, column in zip(names, inputs.T, strict=True) if np.ptp(column) <= 1e-9 * np.abs(column).max()
    ]
    if _is_closed(terms, names):
        inputs = (inputs - inputs.mean(0)) / np.where(inputs.std(0) > 0, inputs.std(0), 1.0)
    theta = library_values(terms, inputs, names)
    norms = np.linalg.norm(theta, axis=0)
    singular = np.linalg.svd(theta / np.where(norms > 0, norms, 1.0), compute_uv=False)
    rank = int((singular > max(NEGLIGIBLE, noise / 10) * singular[0]).sum())
    pairs = _collinear(theta, library)
    reasons = []
    if curves < 2 and len(names) > 1 and not space:
        reasons.append(
            f"one trajectory is a curve in the {len(names)}-dimensional space of {', '.join(names)}, on which the "
            "hidden term may be any function of time; observe more initial conditions"
        )
    if pairs:
        shown = ", ".join(f"{a} ~ {b} ({value:.3f})" for a, b, value in pairs[:4])
        reasons.append(f"on the visited states terms run parallel: {shown}")
    if rank < len(terms):
        reasons.append(f"only {rank} of {len(terms)} candidate terms are independent above the noise")
    if constant:
        reasons.append(f"{', '.join(constant)} never changes")
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else float("inf")
    return Identifiability(not reasons, tuple(reasons), library, rank, condition, pairs, curves, notes)


def _is_closed(terms: Sequence[sp.Expr], names: Sequence[str]) -> bool:
    """Whether the terms are monomials and hold every divisor of each of them."""
    symbols = [sp.Symbol(name) for name in names]
    powers = set()
    for term in terms:
        poly = term.as_poly(*symbols) if term.is_polynomial(*symbols) else None
        if poly is None or len(poly.monoms()) != 1:
            return False
        powers.add(tuple(poly.monoms()[0]))
    return all(
        (*power[:i], power[i] - 1, *power[i + 1 :]) in powers
        for power in powers for i in range(len(names)) if power[i]
    )  # fmt: skip


def _collinear(theta: np.ndarray, library: tuple[str, ...]) -> tuple[tuple[str, str, float], ...]:
    """Pairs that are linear functions of each other on the rows: |correlation|, constants left out."""
    varying = [j for j in range(theta.shape[1]) if theta[:, j].std() > 1e-12 * np.abs(theta[:, j]).max()]
    pairs = []
    for k, i in enumerate(varying):
        for j in varying[k + 1 :]:
            value = float(abs(np.corrcoef(theta[:, i], theta[:, j])[0, 1]))
            if value >= COLLINEAR:
                pairs.append((library[i], library[j], value))
    return tuple(sorted(pairs, key=lambda pair: -pair[2]))
