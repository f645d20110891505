"""The last word on a formula: what the observations themselves say of the equation that holds it.

The values that formulas are fitted to come from networks, whose errors are correlated from place to place. The noise of
the observations is not. So the leading formulas are put into the equation, the equation is integrated from the starts,
constants are fitted to the observations, and the description length of those decides:

    Σ |u(c_d) − y_d|²/2σ² + k/2 log n + nodes log(alphabet)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from scipy.optimize import least_squares
from torch import Tensor

from sciml import ode
from sciml.core.problem import HasHiddenTerm, Observations, Problem
from sciml.solvers.discovery._front import EVIDENCE
from sciml.solvers.discovery._postprocess import complexity
from sciml.solvers.discovery._tree import evaluate

CANDIDATES = 3
"""The favourite of a component and the simpler formulas that are tried beside it."""
_WORST = 1e3  # standard deviations that a simulation counts at most, also where it broke down


@dataclass(frozen=True)
class Confirmed:
    """Formulas whose constants were fitted to the observations.

    Arguments:
        formulas: one per field.
        misfit: mean squared misfit in units of the noise where that is known (1 is perfect), else of its own estimate.
        length: the description length.
    """

    formulas: tuple[sp.Expr, ...]
    misfit: float
    length: float


def confirm(
    problem: Problem, seen: Sequence[Observations], starts: Tensor, options: Sequence[Sequence[sp.Expr]],
    alphabet: int,
) -> Confirmed:  # fmt: skip
    """The simplest formulas, among those offered per field, within `EVIDENCE` of the best.

    Arguments:
        problem: gives the known part.
        seen: the observations.
        starts: initial states of the trajectories, ``trajectory channel *space``.
        options: formulas per field, the favourite first; the first field's are tried with the other favourites, then
            the next field's with what was chosen.
        alphabet: symbols a formula can be made of.
    """
    chosen = [entries[0] for entries in options]
    best = _fit(problem, seen, starts, chosen, alphabet)
    for index, entries in enumerate(options):
        found = [best]
        for entry in entries[1:]:
            found.append(_fit(problem, seen, starts, [*chosen[:index], entry, *chosen[index + 1 :]], alphabet))
        least = min(one.length for one in found)
        close = [one for one in found if one.length <= least + EVIDENCE]
        best = min(close, key=lambda one: (sum(complexity(e) for e in one.formulas), one.length))
        chosen = list(best.formulas)
    return best


def simulate(
    problem: Problem, seen: Sequence[Observations], starts: Tensor, formulas: Sequence[sp.Expr],
    constants: Float[Tensor, "variant constant"],
) -> list[Float[Tensor, "variant point channel"]]:  # fmt: skip
    """Values of the equation at the observed places of every trajectory; NaN from where it broke down.

    All variants of the constants, and trajectories seen at the same times, are integrated as one batch.

    Arguments:
        problem, seen, starts: as for `confirm`.
        formulas: with the symbols `_c0`, `_c1`, … for their constants.
        constants: values of those, one row per variant.
    """
    space, variants = starts.ndim - 2, len(constants)
    grids = [torch.unique(entry.coordinates[:, 0], return_inverse=True) for entry in seen]
    together = all(torch.equal(grid, grids[0][0]) for grid, _ in grids)
    groups = [list(range(len(seen)))] if together else [[k] for k in range(len(seen))]
    answers: dict[int, Tensor] = {}
    for group in groups:
        times = grids[group[0]][0]
        begin = times.new_zeros(1) if space else times[:1]
        asked = torch.cat([begin, times[times > begin]])
        first = starts[group].repeat_interleave(variants, 0)
        with torch.no_grad():
            solved = ode.solve(
                _rate_of(problem, formulas, space, float(starts.abs().max())), first, asked,
                args=(constants.repeat(len(group), 1),), rtol=1e-6, atol=1e-8, method="tsit5", max_steps=4000,
            )  # fmt: skip
        states = solved.states[:, 1:] if len(asked) > len(times) else solved.states
        for place, k in enumerate(group):
            own, rows = states[place * variants : (place + 1) * variants], grids[k][1]
            answers[k] = _between(problem, own, rows, seen[k].coordinates[:, 1]) if space else own[:, rows]
    return [answers[k] for k in range(len(seen))]


def _rate_of(problem: Problem, formulas: Sequence[sp.Expr], space: int, largest: float) -> Callable[..., Tensor]:
    assert isinstance(problem, HasHiddenTerm)
    which = {name: problem.inputs.index(name) for name in problem.hidden_inputs}

    def rate(time: Tensor, state: Tensor, constants: Tensor) -> Tensor:
        inputs = problem.spread(state)
        points = inputs[..., 0].numel() // len(inputs)
        flat = inputs.flatten(0, -2)
        values = {name: flat[:, column] for name, column in which.items()}
        each = constants.repeat_interleave(points, 0)
        values |= {f"_c{i}": each[:, i] for i in range(each.shape[1])}
        hidden = torch.stack([evaluate(expr, values, flat[:, 0]) for expr in formulas], dim=1)
        found = problem.known(time.repeat_interleave(points), flat, {}) + hidden
        found = found.view(*inputs.shape[:-1], -1).movedim(-1, 1)
        return torch.where(state.abs() < 1e3 * largest, found, torch.nan)

    return rate


def exact_starts(problem: Problem, seen: Sequence[Observations], fitted: Tensor) -> Tensor:
    """Initial states: those known exactly, else `fitted` at the first time of each trajectory."""
    assert isinstance(problem, HasHiddenTerm)
    if problem.boundary:
        held = problem.held_out()
        assert held is not None and held.points is not None
        where = torch.stack([torch.zeros_like(held.points), held.points], dim=1)
        return torch.stack([problem.ansatz(k, where)[0].T for k in range(len(seen))])
    found = []
    for k, entry in enumerate(seen):
        offset, factor = problem.ansatz(k, entry.coordinates[:1])
        found.append(offset[0] if bool((factor == 0).all()) else fitted[k])
    return torch.stack(found)


def _between(problem: Problem, states: Tensor, rows: Tensor, x: Tensor) -> Tensor:
    """Values between the points of the grid, by splines, ``variant point channel``."""
    assert isinstance(problem, HasHiddenTerm)
    held = problem.held_out()
    assert held is not None and held.points is not None
    grid = held.points.numpy()
    found = np.full((len(states), len(rows), states.shape[2]), np.nan)
    for i, (row, place) in enumerate(zip(rows.tolist(), x.tolist(), strict=True)):
        state = states[:, row].numpy()
        fine = np.isfinite(state).all((1, 2))
        if fine.any():
            found[fine, i] = CubicSpline(grid, state[fine], axis=2)(place)
    return torch.from_numpy(found)


def _fit(
    problem: Problem, seen: Sequence[Observations], starts: Tensor, formulas: Sequence[sp.Expr], alphabet: int
) -> Confirmed:
    constants = [sorted(expr.atoms(sp.Float), key=str) for expr in formulas]
    count, shapes = 0, []
    for expr, part in zip(formulas, constants, strict=True):
        shapes.append(expr.xreplace({old: sp.Symbol(f"_c{count + i}") for i, old in enumerate(part)}))
        count += len(part)
    scales = [_scale(entry) for entry in seen]

    def fault(numbers: np.ndarray) -> np.ndarray:
        found = simulate(problem, seen, starts, shapes, torch.from_numpy(np.atleast_2d(numbers)))
        parts = [((f - e.values) / s).flatten(1) for f, e, s in zip(found, seen, scales, strict=True)]
        return torch.cat(parts, 1).nan_to_num(_WORST, _WORST, -_WORST).clamp(-_WORST, _WORST).numpy()

    start = np.array([float(value) for part in constants for value in part])
    steps = 1e-4 * np.maximum(np.abs(start), 1e-4)

    def slopes(numbers: np.ndarray) -> np.ndarray:
        moved = fault(np.concatenate([numbers + np.diag(steps), numbers - np.diag(steps)]))
        return ((moved[:count] - moved[count:]) / (2 * steps[:, None])).T

    if count:
        solved = least_squares(lambda numbers: fault(numbers)[0], start, slopes, x_scale=np.abs(start) + 1e-12,
                               ftol=1e-5, xtol=1e-6, max_nfev=20)  # fmt: skip
        numbers, residual = solved.x, solved.fun
    else:
        numbers, residual = start, fault(start)[0]
    rows, misfit = len(residual), float(np.mean(residual**2))
    known = all(entry.sigma is not None and bool((entry.sigma > 0).all()) for entry in seen)
    price = rows * misfit / 2 if known else rows / 2 * np.log(max(misfit, 1e-12))
    final = {sp.Symbol(f"_c{i}"): sp.Float(float(value)) for i, value in enumerate(numbers)}
    found = tuple(shape.xreplace(final) for shape in shapes)
    nodes = sum(complexity(expr) for expr in found)
    return Confirmed(found, misfit, float(price + count / 2 * np.log(rows) + nodes * np.log(alphabet)))


def _scale(entry: Observations) -> Tensor:
    """The noise, or where that is not known a hundredth of the mean magnitude."""
    usual = 0.01 * entry.values.abs().mean(0)
    if entry.sigma is None:
        return usual
    return torch.where(entry.sigma > 0, entry.sigma, usual)
