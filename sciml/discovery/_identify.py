"""Whether data can tell candidate terms apart, said before any formula.

On a single trajectory of an autonomous equation the visited states are a curve, on which the hidden term may be any
smooth function of time: many formulas agree there and nowhere else. On several curves, or on the field of an equation
in space, the candidate terms' columns Θ on the visited states tell: their rank, and which of them run parallel.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from jaxtyping import Float

from sciml.core.formulas import parse_formula
from sciml.discovery._algebra import symbol_names
from sciml.discovery._sparse import library_values

COLLINEAR = 0.98
"""Correlation of two terms on the visited states from which on they are named where terms are not independent."""
NEGLIGIBLE = 1e-4
"""Singular values of columns of norm one below this never count for the rank: smooth curves have such errors."""
SAME = " is constant"
RELATION = 3.0
"""How many times the noise a sum of columns may vary and still count as constant."""
CONSTANT = 0.2
"""Share of what each of its terms varies by that a sum may vary by: the noise of jagged curves is about their size."""


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
        relations: sums of columns that are constant, in words.
        different: how many terms say something of their own, given those.
    """

    identifiable: bool
    reasons: tuple[str, ...]
    terms: tuple[str, ...]
    rank: int
    condition: float
    collinear: tuple[tuple[str, str, float], ...]
    curves: int
    notes: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    different: int | None = None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """Plain data."""
        return {**vars(self), "condition": self.condition if np.isfinite(self.condition) else None}

    def words(self) -> str:
        """One paragraph for people."""
        head = "identifiable" if self.identifiable else "NOT identifiable: " + "; ".join(self.reasons)
        tail = (
            f"rank {self.rank} of {self.different or len(self.terms)} candidate terms, condition {self.condition:.3g}"
        )
        return "\n".join([f"{head} ({tail})", *self.notes])


def identify(
    inputs: Float[np.ndarray, "row input"], names: tuple[str, ...], library: tuple[str, ...], *, curves: int,
    space: int = 0, noise: float = 0.0, points: int | None = None, notes: tuple[str, ...] = (),
    errors: Float[np.ndarray, " input"] | None = None,
    observed: Sequence[Float[np.ndarray, "row input"]] | None = None,
) -> Identifiability:  # fmt: skip
    """Look at the candidate terms on visited states.

    Columns are centred and scaled, and monomials below some degrees are made of centred and scaled inputs, since they
    span the same functions whatever the zero and the unit of their inputs: the verdict is the same in °C and in K. A
    combination of terms counts if it varies by more than the noise lets it, `noise` over the root of the number of
    points per term. Where a sum of inputs is constant on all that was visited, terms made of one input fewer say the
    same, and those are looked at.

    Arguments:
        inputs: hidden inputs at visited places, one column per name.
        names: of the hidden inputs.
        library: candidate terms, as formulas.
        curves: trajectories the places are on.
        space: axes in space; with one, even a single trajectory visits a surface of inputs.
        noise: share of noise in the data, below which differences mean nothing.
        points: number of observations; None for as many as there are places.
        notes: to be kept.
        errors: standard deviations of the inputs, to tell sums that are constant; None for `noise` of their spread.
        observed: measured inputs of every trajectory in order of time, NaN where there is none; None for `inputs`.
    """
    terms = tuple(parse_formula(term, names) for term in library)
    constant = [
        name for name, column in zip(names, inputs.T, strict=True) if np.ptp(column) <= 1e-9 * np.abs(column).max()
    ]
    blur = max(noise, NEGLIGIBLE) * inputs.std(0) if errors is None else np.maximum(errors, NEGLIGIBLE * inputs.std(0))
    relations, spare = ((), ()) if constant or space else find_relations(inputs, names, blur, observed)
    twins = [words for words in relations if len(symbol_names(parse_formula(words.removesuffix(SAME)))) == 2]
    if twins:  # a formula of the one would be as short as one of the other
        spare = ()
    kept = [i for i, term in enumerate(terms) if not symbol_names(term) & set(spare)]
    rank, singular, theta = _rank([terms[i] for i in kept], names, inputs, noise, points or len(inputs))
    pairs = _collinear(theta, tuple(library[i] for i in kept)) if rank < len(kept) else ()
    reasons = []
    if curves < 2 and len(names) > 1 and not space:
        reasons.append(
            f"one trajectory is a curve in the {len(names)}-dimensional space of {', '.join(names)}, on which the "
            "hidden term may be any function of time; observe more initial conditions"
        )
    if rank < len(kept):
        shown = ", ".join(f"{a} ~ {b} ({value:.3f})" for a, b, value in pairs[:4])
        reasons.append(f"only {rank} of {len(kept)} candidate terms are independent above the noise"
                       + (f"; on the visited states terms run parallel: {shown}" if shown else ""))  # fmt: skip
    if constant:
        reasons.append(f"{', '.join(constant)} never changes")
    reasons += [f"{words}, so one of the two says what the other does; leave one out of what the hidden part may "
                "depend on (--hidden)" for words in twins]  # fmt: skip
    notes = (*(f"{words} on all that was visited, so formulas that differ by multiples of it are the same there; the "
               "shortest is given" for words in relations if words not in twins), *notes)  # fmt: skip
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else float("inf")
    return Identifiability(
        not reasons, tuple(reasons), library, rank, condition, pairs, curves, notes, relations, len(kept)
    )


def _rank(
    terms: Sequence[sp.Expr], names: tuple[str, ...], inputs: np.ndarray, noise: float, points: int
) -> tuple[int, np.ndarray, np.ndarray]:
    """How many combinations of terms vary by more than the noise lets them, singular values, and the columns."""
    if _is_closed(terms, names):
        inputs = (inputs - inputs.mean(0)) / np.where(inputs.std(0) > 0, inputs.std(0), 1.0)
    theta = library_values(tuple(terms), inputs, names)
    free = [j for j, term in enumerate(terms) if not term.free_symbols]
    moved = theta - theta.mean(0) if free else theta.copy()  # without a constant term nothing absorbs the mean
    moved[:, free] = theta[:, free]
    norms = np.linalg.norm(moved, axis=0)
    singular = np.linalg.svd(moved / np.where(norms > 0, norms, 1.0), compute_uv=False)
    least = max(NEGLIGIBLE, 3 * noise / np.sqrt(max(1.0, points / len(terms))))
    return int((singular > least).sum()), singular, theta


def find_relations(
    inputs: Float[np.ndarray, "row input"], names: Sequence[str], errors: Float[np.ndarray, " input"],
    observed: Sequence[Float[np.ndarray, "row input"]] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:  # fmt: skip
    """Sums of columns that are constant up to their errors, in words, and a column per sum that the others give.

    What such a sum varies by is little beside what its terms vary by, and noise: it does not remember from one
    observation to the next. Two random walks have a sum of least variance too, which is neither.

    Arguments:
        inputs: visited values.
        names: of the columns.
        errors: standard deviations of the columns.
        observed: as for `identify`.
    """
    relations: list[str] = []
    spare: list[str] = []
    series = [rows[np.isfinite(rows).all(1)] for rows in observed or [inputs]]
    values, rest = np.concatenate(series), list(range(len(names)))
    while len(rest) > 1 and len(values) > len(rest):
        centred, scale = values[:, rest] - values[:, rest].mean(0), errors[rest]
        _, sizes, right = np.linalg.svd(centred / scale / np.sqrt(len(values)), full_matrices=False)
        if sizes[-1] > RELATION or sizes[-2] <= RELATION:
            break
        factors = right[-1] / scale
        factors = factors / factors[np.argmax(np.abs(right[-1]))]
        width = RELATION * scale / max(sizes[-2], 1e-300) * np.abs(factors).max() / scale.min()
        taking = np.abs(right[-1]) > 0.05
        sums = [rows[:, rest] @ factors for rows in series]
        noise = None if observed is None else factors * scale
        if taking.sum() < 2 or not _is_constant(sums, (factors * centred.std(0))[taking], noise):
            break
        numbers = [_short(f, w) for f, w in zip(factors[taking], width[taking], strict=True)]
        chosen = [rest[i] for i in np.flatnonzero(taking)]
        sign = float(np.sign(numbers[0]))
        shown = " + ".join(f"{sign * n:.4g}*{names[c]}" for n, c in zip(numbers, chosen, strict=True))
        relations.append(re.sub(r"\b1\*", "", shown).replace("+ -", "- ") + SAME)
        spare.append(names[chosen[-1]])
        rest.remove(chosen[-1])
    return tuple(relations), tuple(spare)


def _is_constant(sums: Sequence[np.ndarray], terms: np.ndarray, noise: np.ndarray | None) -> bool:
    """Whether a sum of columns varies little beside each of its terms, noise aside, and from one row to the next like
    independent noise, where it is one of observations.

    Arguments:
        sums: its values on every trajectory.
        terms: standard deviations of its terms.
        noise: and of their noise; None for values that have none, such as those of smooth curves.
    """
    least = float(np.abs(terms).min())
    variance = float(np.concatenate(sums).var())
    if variance <= (RELATION * NEGLIGIBLE * least) ** 2:
        return True
    if noise is None:
        return variance <= (CONSTANT * least) ** 2
    return variance - float(noise @ noise) <= (CONSTANT * least) ** 2 and is_white(sums)


def is_white(series: Sequence[Float[np.ndarray, " row"]], errors: float = 2.0) -> bool:
    """Whether successive values differ by as much as independent ones do: von Neumann's ratio is about two.

    Arguments:
        series: values of every trajectory in order of time.
        errors: standard errors that the ratio may lie below two.

    Reference: J. von Neumann, Annals of Mathematical Statistics 12 (1941) 367-395. doi:10.1214/aoms/1177731677
    """
    values = np.concatenate(series)
    steps = np.concatenate([np.diff(one) for one in series])
    variance = float(np.mean((values - values.mean()) ** 2))
    return bool(len(steps) and np.mean(steps**2) >= (2 - 2 * errors / np.sqrt(len(steps))) * variance)


def _short(factor: float, width: float) -> float:
    """A whole number or half of one within `width`, else the factor itself."""
    half = round(2 * factor) / 2
    return half if half and abs(half - factor) <= max(width, 0.02 * abs(factor)) else factor


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
