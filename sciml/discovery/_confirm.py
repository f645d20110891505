"""The last word on a formula: what the observations themselves say of the equation that holds it.

The values that formulas are fitted to come from networks, whose errors are correlated from place to place. The noise of
the observations is not. So the leading formulas are put into the equation, the equation is integrated from the starts,
constants are fitted to the observations together with unknown scalars of the known part, and the description length of
those decides:

    Σ |u(c_d) − y_d|²/2σ² + k/2 log n + nodes log(alphabet)

What is left open of a number follows from the same fit, (Jᵀ J)⁻¹ with J the slopes of the misfit in units of the noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.discovery._front import EVIDENCE
from sciml.discovery._identify import is_white
from sciml.discovery._observed_course import RTOL, first_scalars
from sciml.discovery._postprocess import alike, complexity
from sciml.discovery._shoot import Shot, shoot

CANDIDATES = 3
"""The favourite of a component and the simpler formulas that are tried beside it."""
SWEEPS = 2
"""Times that the formulas of all fields are chosen: a wrong one of the first spoils the choice of the second."""
NO_BETTER = 0.8
"""Share of its misfit that a sweep leaves where no formula was wrong, and none is tried again beside the others."""
TREND = 3.0
"""Standard errors by which residuals must resemble their neighbours to be no noise."""
UNSEEN = 0.3
"""Misfit, in units of the noise, below which residuals may be rounding or the integration's own."""
EXACT = 3 * RTOL
"""Share of a field's spread below which a misfit is the integration's own."""


@dataclass(frozen=True)
class Constant:
    """A number that was fitted to the observations.

    Arguments:
        value: the best.
        low, high: ends of its 95 % interval, all other numbers free; infinite where the data say nothing of it.
        nice: the shortest decimal in the interval; None if it has more than two digits or the interval holds zero.
    """

    value: float
    low: float
    high: float
    nice: float | None

    def words(self) -> str:
        """Value, interval and nice candidate."""
        nice = "" if self.nice is None else f"; {self.nice:g} would do"
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g}{nice})"


@dataclass(frozen=True)
class Confirmed:
    """Formulas whose constants were fitted to the observations.

    Arguments:
        formulas: one per field.
        misfit: mean squared misfit in units of the noise where that is known (1 is perfect), else of its own estimate.
        length: the description length.
        constants: of each formula, in the order of their symbols' text.
        scalars: the unknowns of the known part.
        nice: the formulas with every nice candidate put in, if the data allow all of them at once.
        starts: initial states of the trajectories, fitted where nobody knows them exactly.
        rivals: other formulas per field that the observations allow as well, within `EVIDENCE` of the description.
        trends: fields whose residuals follow each other along time, as errors of an equation do and noise does not.
    """

    formulas: tuple[sp.Expr, ...]
    misfit: float
    length: float
    constants: tuple[tuple[Constant, ...], ...] = ()
    scalars: Mapping[str, Constant] = field(default_factory=dict)
    nice: tuple[sp.Expr, ...] | None = None
    starts: Tensor | None = None
    rivals: tuple[tuple[sp.Expr, ...], ...] = ()
    trends: tuple[int, ...] = ()


def confirm(
    problem: HasHiddenTerm, seen: Sequence[Observations], starts: Tensor, options: Sequence[Sequence[sp.Expr]],
    alphabet: int, scalars: Mapping[str, float] | None = None, noise: Tensor | None = None,
) -> Confirmed:  # fmt: skip
    """The simplest formulas, among those offered per field, within `EVIDENCE` of the best; without idle terms.

    A term whose factor has an interval that holds zero is left out, if the description without it is within `EVIDENCE`.

    Arguments:
        problem: gives the known part.
        seen: the observations.
        starts: initial states of the trajectories, ``trajectory channel *space``; first guesses of those not known.
        options: formulas per field, the favourite first; the first field's are tried with the other favourites, then
            the next field's with what was chosen.
        alphabet: symbols a formula can be made of.
        scalars: first values of the unknowns of the known part, which are fitted too; None for the problem's guesses.
        noise: standard deviation of every field as smooth curves leave it, for observations that do not say theirs.
    """
    scalars = first_scalars(problem, len(seen)) | dict(scalars or {})
    chosen = [entries[0] for entries in options]
    best = _fit(problem, seen, starts, chosen, alphabet, scalars, noise)
    rivals: list[tuple[sp.Expr, ...]] = [()] * len(options)
    for _ in range(SWEEPS):
        before, misfit = list(best.formulas), best.misfit
        for index, entries in enumerate(options):
            fits = [best]
            for entry in entries:
                if alike(entry, best.formulas[index]):
                    continue
                tried, rival = [*chosen[:index], entry, *chosen[index + 1 :]], min(one.misfit for one in fits)
                fits.append(_fit(problem, seen, starts, tried, alphabet, scalars, noise, rival=rival))
            least = min(one.length for one in fits)
            close = [one for one in fits if one.length <= least + EVIDENCE]
            best = min(close, key=lambda one: (sum(complexity(e) for e in one.formulas), one.length))
            rivals[index] = tuple(one.formulas[index] for one in close if one is not best)
            chosen = list(best.formulas)
        same = all(alike(a, b) for a, b in zip(before, chosen, strict=True))
        if len(options) == 1 or same or best.misfit > NO_BETTER * misfit:
            break
    best = _fit(problem, seen, _present(best.starts), best.formulas, alphabet, _values(best), noise, final=True)
    while (fewer := _without_idle_term(best)) is not None:
        tried = _fit(problem, seen, _present(best.starts), fewer, alphabet, _values(best), noise, final=True)
        if tried.length > best.length + EVIDENCE:
            break
        best = tried
    others = tuple(
        tuple(one for one in ties if not alike(one, expr)) for ties, expr in zip(rivals, best.formulas, strict=True)
    )
    return replace(best, rivals=others)


def _values(fit: Confirmed) -> dict[str, float]:
    return {name: number.value for name, number in fit.scalars.items()}


def _present(starts: Tensor | None) -> Tensor:
    assert starts is not None
    return starts


def _without_idle_term(fit: Confirmed) -> list[sp.Expr] | None:
    """The formulas without the first term whose factor may as well be zero; None if every term is needed."""
    for index, (expr, constants) in enumerate(zip(fit.formulas, fit.constants, strict=True)):
        idle = {c.value for c in constants if c.low <= 0 <= c.high}
        for term in expr.args if isinstance(expr, sp.Add) else ():
            if float(term.as_coeff_Mul()[0]) in idle:
                return [*fit.formulas[:index], expr - term, *fit.formulas[index + 1 :]]
    return None


def _fit(
    problem: HasHiddenTerm, seen: Sequence[Observations], starts: Tensor, formulas: Sequence[sp.Expr], alphabet: int,
    scalars: Mapping[str, float], noise: Tensor | None, *, rival: float = np.inf, final: bool = False,
) -> Confirmed:  # fmt: skip
    """One choice of formulas, fitted; `final` weighs fields by the noise that the fit leaves, if nobody says it."""
    parts = [sorted(expr.atoms(sp.Float), key=str) for expr in formulas]
    count, shapes = 0, []
    for expr, part in zip(formulas, parts, strict=True):
        shapes.append(expr.xreplace({old: sp.Symbol(f"_c{count + i}") for i, old in enumerate(part)}))
        count += len(part)
    first = np.array([*(float(value) for part in parts for value in part), *scalars.values()])
    known = all(entry.sigma is not None and bool((entry.sigma > 0).all()) for entry in seen)
    scales = [_scale(problem, entry, noise) for entry in seen]
    shot = shoot(problem, seen, starts, shapes, first, scales, rival * sum(int(e.seen.sum()) for e in seen))
    misfit, price = float(np.mean(shot.residual**2)), len(shot.residual) / 2 * float(np.mean(shot.residual**2))
    visible = [float(np.mean(shot.residual[shot.channel == c] ** 2)) > UNSEEN for c in range(len(problem.fields))]
    if not known:
        price = _price(problem, seen, shot, scales)
        variances = _variances(shot, len(problem.fields))
        if (
            final and not problem.boundary and len(variances) > 1
        ):  # fields whose noise is another than was thought count anew
            anew = [scale * torch.from_numpy(variances).clamp(min=1e-12).sqrt() for scale in scales]
            again = shoot(problem, seen, shot.starts, shapes, shot.numbers, [_least(problem, one) for one in anew])
            shot = again if np.isfinite(again.residual).all() else shot
    intervals = _told(shot, known)
    fitted = {sp.Symbol(f"_c{i}"): sp.Float(float(value)) for i, value in enumerate(shot.numbers[:count])}
    formulas = tuple(shape.xreplace(fitted) for shape in shapes)
    nodes = sum(complexity(expr) for expr in formulas)
    length = float(price + shot.free / 2 * np.log(len(shot.residual)) + nodes * np.log(alphabet))
    ends = np.cumsum([0, *map(len, parts)])
    constants = tuple(tuple(intervals[a:b]) for a, b in pairwise(ends))
    nice = _all_nice(shot, intervals, count, known)
    rounded = None
    if nice is not None:
        fitted = {sp.Symbol(f"_c{i}"): sp.Float(value) for i, value in enumerate(nice)}
        rounded = tuple(shape.xreplace(fitted) for shape in shapes)
    named = dict(zip(scalars, intervals[count:], strict=True))
    trends = tuple(c for c in _trends(problem, seen, shot) if visible[c])
    return Confirmed(formulas, misfit, length, constants, named, rounded, shot.starts, trends=trends)


def _trends(problem: HasHiddenTerm, seen: Sequence[Observations], shot: Shot) -> tuple[int, ...]:
    """Fields whose residuals, trajectory by trajectory, resemble their neighbours in time."""
    if problem.boundary:
        return ()
    ends = np.cumsum([int(entry.seen.sum()) for entry in seen])[:-1]
    parts = list(zip(np.split(shot.residual, ends), np.split(shot.channel, ends), strict=True))
    return tuple(
        c
        for c in range(len(problem.fields))
        if not is_white([residual[channel == c] for residual, channel in parts], TREND)
    )


def _variances(shot: Shot, fields: int) -> Float[np.ndarray, " field"]:
    """Mean squared residual of every field, freed from what fitting took away."""
    left = max(1e-3, 1 - shot.varied / len(shot.residual))
    return np.array([np.mean(shot.residual[shot.channel == c] ** 2) / left for c in range(fields)])


def _price(problem: HasHiddenTerm, seen: Sequence[Observations], shot: Shot, scales: Sequence[Tensor]) -> float:
    """Nat of the residuals where each field has a noise that nobody knows."""
    total = 0.0
    for c in range(len(problem.fields)):
        rows = shot.residual[shot.channel == c]
        usual = float(torch.cat([scale[:, c] for scale in scales]).median())
        least = (EXACT * float(problem.levels.scale[c]) / usual) ** 2
        total += len(rows) / 2 * float(np.log(max(float(np.mean(rows**2)), least)))
    return total


def _variance(shot: Shot, known: bool) -> float:
    """Of the residuals: at least one where the noise is known, and as it is where it is not."""
    variance = float(shot.residual @ shot.residual) / max(1, len(shot.residual) - shot.varied)
    return max(variance, 1.0) if known else variance


def _all_nice(shot: Shot, intervals: Sequence[Constant], count: int, known: bool) -> np.ndarray | None:
    """The constants with every nice candidate put in; None if there is none or the data do not allow all at once."""
    from scipy.stats import chi2

    together = np.array([c.value if c.nice is None else c.nice for c in intervals]) - shot.numbers
    if not count or not together[:count].any() or not np.isfinite(np.diag(shot.spread)).all():
        return None
    inverse = np.linalg.pinv(shot.spread * _variance(shot, known), rcond=1e-14, hermitian=True)
    allowed = together @ inverse @ together <= chi2.ppf(0.95, max(1, shot.free))
    return (shot.numbers + together)[:count] if allowed else None


def _told(shot: Shot, known: bool) -> list[Constant]:
    """Numbers with their intervals; infinite ones where the data say nothing."""
    from scipy.stats import t as student

    rest = len(shot.residual) - shot.varied
    times = 1.96 if known or rest < 1 else float(student.ppf(0.975, rest))
    widths = times * np.sqrt(np.diag(shot.spread) * _variance(shot, known))
    return [
        Constant(float(value), float(value - width), float(value + width), _nice(value, width))
        for value, width in zip(shot.numbers, widths, strict=True)
    ]


def _nice(value: float, width: float) -> float | None:
    """The shortest decimal within `width` of a value; None if two digits do not suffice or the interval holds zero."""
    if not np.isfinite(width) or abs(value) <= width:
        return None
    rounded = (float(f"{value:.{digits}g}") for digits in (1, 2))
    return next((number for number in rounded if abs(number - value) <= width), None)


def _scale(problem: HasHiddenTerm, entry: Observations, noise: Tensor | None) -> Tensor:
    """The noise of every value, or where that is not known `noise`, or a hundredth of the mean magnitude."""
    usual = 0.01 * (entry.values - problem.levels.offset).abs().nanmean(0) if noise is None else noise
    sigma = usual if entry.sigma is None else torch.where(entry.sigma > 0, entry.sigma, usual)
    return _least(problem, sigma.expand_as(entry.values))


def _least(problem: HasHiddenTerm, sigma: Tensor) -> Tensor:
    """Not below what integration leaves."""
    return sigma.clamp(min=EXACT * problem.levels.scale)
