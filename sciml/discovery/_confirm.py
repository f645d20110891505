"""The last word on a formula: what the observations themselves say of the equation that holds it.

The values that formulas are fitted to come from networks, whose errors are correlated from place to place. The noise of
the observations is not. So the leading formulas are put into the equation, the equation is integrated from the starts,
constants are fitted to the observations together with unknown scalars of the known part, and the description length of
those decides:

    Σ |u(c_d) − y_d|²/2σ² + k/2 log n + nodes log(alphabet)

What is left open of a number follows from the same fit, (Jᵀ J)⁻¹ with J the slopes of the misfit in units of the noise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import ode
from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.discovery._front import EVIDENCE
from sciml.discovery._postprocess import complexity
from sciml.discovery._simulate import method_for, rescaled, scaled, start_of, unscaled
from sciml.discovery._table_problem import TableProblem
from sciml.discovery._tree import evaluate

CANDIDATES = 3
"""The favourite of a component and the simpler formulas that are tried beside it."""
MAX_STEPS = 1000
"""Of a simulation; candidates that need more are on their way to infinity."""
_RTOL, _ATOL = 1e-5, 1e-7  # of the integration
_EXACT = (
    _RTOL / 0.01
) ** 2  # misfit, in units of a hundredth of the magnitude, below which it is the integration's own
_WORST = 1e3  # standard deviations that a simulation counts at most, also where it broke down


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
    """

    formulas: tuple[sp.Expr, ...]
    misfit: float
    length: float
    constants: tuple[tuple[Constant, ...], ...] = ()
    scalars: Mapping[str, Constant] = field(default_factory=dict)
    nice: tuple[sp.Expr, ...] | None = None


def confirm(
    problem: HasHiddenTerm, seen: Sequence[Observations], starts: Tensor, options: Sequence[Sequence[sp.Expr]],
    alphabet: int, scalars: Mapping[str, float] | None = None,
) -> Confirmed:  # fmt: skip
    """The simplest formulas, among those offered per field, within `EVIDENCE` of the best; without idle terms.

    A term whose factor has an interval that holds zero is left out, if the description without it is within `EVIDENCE`.

    Arguments:
        problem: gives the known part.
        seen: the observations.
        starts: initial states of the trajectories, ``trajectory channel *space``.
        options: formulas per field, the favourite first; the first field's are tried with the other favourites, then
            the next field's with what was chosen.
        alphabet: symbols a formula can be made of.
        scalars: first values of the unknowns of the known part, which are fitted too; None for the problem's guesses.
    """
    scalars = first_scalars(problem, len(seen)) | dict(scalars or {})
    chosen = [entries[0] for entries in options]
    best = _fit(problem, seen, starts, chosen, alphabet, scalars)
    for index, entries in enumerate(options):
        fits = [best]
        for entry in entries[1:]:
            tried = [*chosen[:index], entry, *chosen[index + 1 :]]
            fits.append(_fit(problem, seen, starts, tried, alphabet, scalars))
        least = min(one.length for one in fits)
        close = [one for one in fits if one.length <= least + EVIDENCE]
        best = min(close, key=lambda one: (sum(complexity(e) for e in one.formulas), one.length))
        chosen = list(best.formulas)
    while (fewer := _without_idle_term(best)) is not None:
        tried = _fit(problem, seen, starts, fewer, alphabet, scalars)
        if tried.length > best.length + EVIDENCE:
            break
        best = tried
    return best


def _without_idle_term(fit: Confirmed) -> list[sp.Expr] | None:
    """The formulas without the first term whose factor may as well be zero; None if every term is needed."""
    for index, (expr, constants) in enumerate(zip(fit.formulas, fit.constants, strict=True)):
        idle = {c.value for c in constants if c.low <= 0 <= c.high}
        for term in expr.args if isinstance(expr, sp.Add) else ():
            if float(term.as_coeff_Mul()[0]) in idle:
                return [*fit.formulas[:index], expr - term, *fit.formulas[index + 1 :]]
    return None


def simulate(
    problem: HasHiddenTerm, seen: Sequence[Observations], starts: Tensor, formulas: Sequence[sp.Expr],
    constants: Float[Tensor, "variant constant"],
) -> list[Float[Tensor, "variant point channel"]]:  # fmt: skip
    """Values of the equation at the observed places of every trajectory; NaN from where it broke down.

    All variants of the constants, and trajectories seen at the same times, are integrated as one batch.

    Arguments:
        problem, seen, starts: as for `confirm`.
        formulas: with the symbols `_c0`, `_c1`, … for their constants.
        constants: values of those and, after them, of `first_scalars`, one row per variant.
    """
    space, variants, levels = starts.ndim - 2, len(constants), problem.levels
    starts = scaled(levels, starts)
    largest = max(
        float(starts.abs().max()), *(float(scaled(levels, e.values).nan_to_num(0.0).abs().max()) for e in seen)
    )
    grids = [torch.unique(entry.coordinates[:, 0], return_inverse=True) for entry in seen]
    together = all(torch.equal(grid, grids[0][0]) for grid, _ in grids)
    alike = not space and len({method_for(grid) for grid, _ in grids}) == 1
    groups = [list(range(len(seen)))] if together or alike else [[k] for k in range(len(seen))]
    answers: dict[int, Tensor] = {}
    for group in groups:
        times = grids[group[0]][0]
        begin = times.new_zeros(1) if space else times[:1]
        asked = torch.cat([begin, times[times > begin]])
        when = asked if together or space else _stacked([grids[k][0] for k in group]).repeat_interleave(variants, 0)
        first = starts[group].repeat_interleave(variants, 0)
        with torch.no_grad():
            which = torch.tensor(group).repeat_interleave(variants)
            solved = ode.solve(
                _rate_of(problem, formulas, largest, len(seen)), first, when,
                args=(constants.repeat(len(group), 1), which), rtol=_RTOL, atol=_ATOL, method=method_for(asked),
                max_steps=MAX_STEPS,
            )  # fmt: skip
        values = unscaled(levels, solved.states.flatten(0, 1)).view_as(solved.states)
        states = values[:, 1:] if len(asked) > len(times) else values
        for place, k in enumerate(group):
            course, rows = states[place * variants : (place + 1) * variants], grids[k][1]
            answers[k] = _between(problem, course, rows, seen[k].coordinates[:, 1:]) if space else course[:, rows]
    return [answers[k] for k in range(len(seen))]


def _stacked(grids: Sequence[Tensor]) -> Float[Tensor, "trajectory time"]:
    """Times of several trajectories as rows, short ones filled up just beyond their ends."""
    most = max(map(len, grids))
    beyond = torch.arange(1, most + 1).double()
    tiny = [1e-6 * (grid[-1] - grid[0]) / most for grid in grids]
    return torch.stack([
        torch.cat([grid, grid[-1] + step * beyond[: most - len(grid)]])
        for grid, step in zip(grids, tiny, strict=True)
    ])  # fmt: skip


def _rate_of(
    problem: HasHiddenTerm, formulas: Sequence[sp.Expr], largest: float, trajectories: int
) -> Callable[..., Tensor]:
    equation, levels = problem.rate_equation, problem.levels
    columns = dict(zip(equation.hidden_inputs, equation.hidden_columns, strict=True))
    keys = list(first_scalars(problem, trajectories))

    def rate(time: Tensor, state: Tensor, constants: Tensor, which: Tensor) -> Tensor:
        count = constants.shape[1] - len(keys)

        def hidden(inputs: Tensor) -> Tensor:
            each = constants.repeat_interleave(len(inputs) // len(constants), 0)
            values = {name: inputs[:, column] for name, column in columns.items()}
            values |= {f"_c{i}": each[:, i] for i in range(count)}
            return torch.stack([evaluate(expr, values, inputs[:, 0]) for expr in formulas], dim=1)

        scalars = scalars_at(dict(zip(keys, constants[:, count:].unbind(1), strict=True)), which)
        driven = problem.drivers_at(which, time.expand(len(state)))
        rates = equation.rates(time, unscaled(levels, state), hidden, scalars, driven)
        return torch.where(state.abs() < 1e3 * largest, rescaled(levels, rates), torch.nan)

    return rate


def first_scalars(problem: HasHiddenTerm, trajectories: int) -> dict[str, float]:
    """First values of the known part's unknown scalars; ``a[1]``, ``a[2]``, … where each trajectory has its own."""
    each = problem.own if isinstance(problem, TableProblem) else {}
    shared = {name: value for name, value in problem.rate_equation.unknowns.items() if name not in each}
    return shared | {f"{name}[{k + 1}]": values[k] for name, values in each.items() for k in range(trajectories)}


def scalars_at(scalars: Mapping[str, Tensor], which: Tensor) -> dict[str, Tensor]:
    """Scalars by plain name at rows of trajectories `which`, from those of `first_scalars`, one value per row."""
    rows = {name: value for name, value in scalars.items() if not name.endswith("]")}
    for name in dict.fromkeys(key.partition("[")[0] for key in scalars if key.endswith("]")):
        each = torch.stack([value for key, value in scalars.items() if key.startswith(f"{name}[")], dim=1)
        rows[name] = each.gather(1, which[:, None])[:, 0]
    return rows


def exact_starts(problem: HasHiddenTerm, seen: Sequence[Observations], fitted: Tensor) -> Tensor:
    """Initial states: those known exactly, else `fitted` at the first time of each trajectory."""
    if problem.boundary:
        axes = _axes(problem)
        where = torch.stack([grid.flatten() for grid in torch.meshgrid(*axes, indexing="ij")], dim=1)
        where = torch.cat([torch.zeros_like(where[:, :1]), where], dim=1)
        size = [len(axis) for axis in axes]
        return torch.stack([start_of(problem, k, where)[0].T.reshape(-1, *size) for k in range(len(seen))])
    starts = []
    for k, entry in enumerate(seen):
        offset, factor = start_of(problem, k, entry.coordinates[:1])
        starts.append(offset[0] if bool((factor == 0).all()) else fitted[k])
    return torch.stack(starts)


def _axes(problem: HasHiddenTerm) -> tuple[Tensor, ...]:
    """The grid on which equations in space are simulated: that of the held-out states."""
    held = problem.held_out()
    assert held is not None and held.points
    return held.points


def _between(problem: HasHiddenTerm, states: Tensor, rows: Tensor, where: Tensor) -> Tensor:
    """Values between the points of the grid, by a product of cubic splines, ``variant point channel``."""
    values = states[:, rows]  # variant point channel *space
    kinds = list(problem.boundary.values())
    for axis, kind, x in zip(_axes(problem)[::-1], kinds[::-1], where.unbind(1)[::-1], strict=True):
        weights = spline_weights(axis.numpy(), x.numpy(), kind == "periodic")
        values = torch.einsum("vp...x,px->vp...", values, weights)
    return values


def spline_weights(grid: np.ndarray, x: np.ndarray, periodic: bool) -> Tensor:
    """What each grid value counts in the cubic spline at every x, ``point grid``."""
    from scipy.interpolate import CubicSpline  # these take seconds to load and are used by searches only

    unit = np.eye(len(grid))
    if not periodic:
        return torch.from_numpy(CubicSpline(grid, unit)(x))
    length = len(grid) * (grid[1] - grid[0])
    closed = CubicSpline(np.append(grid, grid[0] + length), np.concatenate([unit, unit[:1]]), bc_type="periodic")
    return torch.from_numpy(closed(grid[0] + (x - grid[0]) % length))


def _fit(
    problem: HasHiddenTerm, seen: Sequence[Observations], starts: Tensor, formulas: Sequence[sp.Expr], alphabet: int,
    scalars: Mapping[str, float],
) -> Confirmed:  # fmt: skip
    from scipy.optimize import least_squares
    from scipy.stats import chi2

    parts = [sorted(expr.atoms(sp.Float), key=str) for expr in formulas]
    count, shapes = 0, []
    for expr, part in zip(formulas, parts, strict=True):
        shapes.append(expr.xreplace({old: sp.Symbol(f"_c{count + i}") for i, old in enumerate(part)}))
        count += len(part)
    scales = [_scale(entry, problem.levels.offset) for entry in seen]

    def fault(numbers: np.ndarray) -> np.ndarray:
        formulas = simulate(problem, seen, starts, shapes, torch.from_numpy(np.atleast_2d(numbers)))
        parts = [((f - e.values) / s)[:, e.seen] for f, e, s in zip(formulas, seen, scales, strict=True)]
        return torch.cat(parts, 1).nan_to_num(_WORST, _WORST, -_WORST).clamp(-_WORST, _WORST).numpy()

    start = np.array([*(float(value) for part in parts for value in part), *scalars.values()])
    free, steps = len(start), 1e-4 * np.maximum(np.abs(start), 1e-4)

    def slopes(numbers: np.ndarray) -> np.ndarray:
        moved = fault(np.concatenate([numbers + np.diag(steps), numbers - np.diag(steps)]))
        return ((moved[:free] - moved[free:]) / (2 * steps[:, None])).T

    if free:
        solved = least_squares(lambda numbers: fault(numbers)[0], start,
                               slopes,  # pyright: ignore[reportArgumentType] (SciPy's default is a word)
                               x_scale=np.abs(start) + 1e-12,
                               ftol=1e-4, xtol=1e-5, max_nfev=12)  # fmt: skip
        numbers, residual, jacobian = solved.x, solved.fun, solved.jac
    else:
        numbers, residual, jacobian = start, fault(start)[0], np.zeros((1, 0))
    rows, misfit = len(residual), float(np.mean(residual**2))
    known = all(entry.sigma is not None and bool((entry.sigma > 0).all()) for entry in seen)
    price = rows * misfit / 2 if known else rows / 2 * np.log(max(misfit, _EXACT))
    precision = jacobian.T @ jacobian / (max(misfit, 1.0) if known else max(misfit, _EXACT))
    intervals = _told(numbers, precision)
    final = {sp.Symbol(f"_c{i}"): sp.Float(float(value)) for i, value in enumerate(numbers[:count])}
    formulas = tuple(shape.xreplace(final) for shape in shapes)
    nodes = sum(complexity(expr) for expr in formulas)
    length = float(price + free / 2 * np.log(rows) + nodes * np.log(alphabet))
    ends = np.cumsum([0, *map(len, parts)])
    constants = tuple(tuple(intervals[a:b]) for a, b in pairwise(ends))
    together = np.array([c.value if c.nice is None else c.nice for c in intervals]) - numbers
    nice = None
    if count and together[:count].any() and together @ precision @ together <= chi2.ppf(0.95, free):
        final = {sp.Symbol(f"_c{i}"): sp.Float(value) for i, value in enumerate((numbers + together)[:count])}
        nice = tuple(shape.xreplace(final) for shape in shapes)
    return Confirmed(formulas, misfit, length, constants, dict(zip(scalars, intervals[count:], strict=True)), nice)


def _told(numbers: np.ndarray, precision: np.ndarray) -> list[Constant]:
    """Numbers with their intervals; infinite ones where the data say nothing."""
    scale = np.sqrt(np.diag(precision))
    numbered = []
    solvable = bool(len(scale)) and bool((scale > 0).all())
    if solvable:
        values, vectors = np.linalg.eigh(precision / np.outer(scale, scale))
        spread = np.sqrt((vectors**2 / np.maximum(values, 1e-12)).sum(1)) / scale
    else:
        spread = np.full(len(numbers), np.inf)
    for value, width in zip(numbers, 1.96 * spread, strict=True):
        numbered.append(Constant(float(value), float(value - width), float(value + width), _nice(value, width)))
    return numbered


def _nice(value: float, width: float) -> float | None:
    """The shortest decimal within `width` of a value; None if two digits do not suffice or the interval holds zero."""
    if not np.isfinite(width) or abs(value) <= width:
        return None
    rounded = (float(f"{value:.{digits}g}") for digits in (1, 2))
    return next((number for number in rounded if abs(number - value) <= width), None)


def _scale(entry: Observations, offset: Tensor) -> Tensor:
    """The noise, or where that is not known a hundredth of the mean magnitude."""
    usual = 0.01 * (entry.values - offset).abs().nanmean(0)
    if entry.sigma is None:
        return usual
    return torch.where(entry.sigma > 0, entry.sigma, usual)
