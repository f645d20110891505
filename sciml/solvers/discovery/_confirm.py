"""The last word on a formula: what the observations themselves say of the equation that holds it.

The values that formulas are fitted to come from networks, whose errors are correlated from place to place. The noise of
the observations is not. So the leading formulas are put into the equation, the equation is integrated from the starts,
constants are fitted to the observations, and the description length of those decides:

    Σ |u(c_d) − y_d|²/2σ² + k/2 log n + nodes log(alphabet)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from scipy.interpolate import CubicSpline
from scipy.optimize import least_squares
from torch import Tensor

from sciml import ode
from sciml.core.problem import HasHiddenTerm, Observations, Problem
from sciml.solvers.discovery._front import EVIDENCE
from sciml.solvers.discovery._postprocess import complexity
from sciml.solvers.discovery._tree import evaluate

CANDIDATES = 3
"""Formulas per component that are tried, best description length first."""
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
    problem: Problem, seen: Sequence[Observations], starts: Tensor, formulas: Sequence[sp.Expr]
) -> list[Tensor]:
    """Values of the equation at the observed places, per trajectory ``point channel``; NaN from where it broke down."""
    assert isinstance(problem, HasHiddenTerm)
    which = {name: problem.inputs.index(name) for name in problem.hidden_inputs}
    space = starts.ndim - 2
    limit = 1e3 * starts.abs().max()

    def rate(time: Tensor, state: Tensor) -> Tensor:
        inputs = problem.spread(state)
        flat = inputs.flatten(0, -2)
        each = time.view(-1, *[1] * space).expand(inputs.shape[:-1]).flatten()
        values = {name: flat[:, column] for name, column in which.items()}
        hidden = torch.stack([evaluate(expr, values, flat[:, 0]) for expr in formulas], dim=1)
        found = (problem.known(each, flat, {}) + hidden).view(*inputs.shape[:-1], -1).movedim(-1, 1)
        return torch.where(state.abs() < limit, found, torch.nan)

    answers = []
    for entry, start in zip(seen, starts, strict=True):
        times, back = torch.unique(entry.coordinates[:, 0], return_inverse=True)
        begin = 0.0 if space else float(times[0])
        grid = torch.cat([times.new_tensor([begin]), times[times > begin]])
        with torch.no_grad():
            states = ode.solve(rate, start[None], grid, rtol=1e-5, atol=1e-7, method="tsit5", max_steps=4000).states[0]
        states = states[1:] if len(grid) > len(times) else states
        answers.append(states[back] if not space else _between(problem, states, back, entry.coordinates[:, 1]))
    return answers


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


def _between(problem: HasHiddenTerm, states: Tensor, rows: Tensor, x: Tensor) -> Tensor:
    """Values between the points of the grid, by splines."""
    held = problem.held_out()
    assert held is not None and held.points is not None
    grid, found = held.points.numpy(), []
    for row, place in zip(rows.tolist(), x.tolist(), strict=True):
        state = states[row].numpy()
        fine = np.isfinite(state).all()
        found.append(CubicSpline(grid, state.T)(place) if fine else np.full(len(state), np.nan))
    return torch.from_numpy(np.stack(found))


def _fit(
    problem: Problem, seen: Sequence[Observations], starts: Tensor, formulas: Sequence[sp.Expr], alphabet: int
) -> Confirmed:
    constants = [sorted(expr.atoms(sp.Float), key=str) for expr in formulas]
    sizes = [len(part) for part in constants]
    scales = [_scale(entry) for entry in seen]

    def filled(numbers: np.ndarray) -> list[sp.Expr]:
        pieces = np.split(numbers, np.cumsum(sizes)[:-1])
        return [
            expr.xreplace({old: sp.Float(float(new)) for old, new in zip(part, piece, strict=True)})
            for expr, part, piece in zip(formulas, constants, pieces, strict=True)
        ]

    def fault(numbers: np.ndarray) -> np.ndarray:
        found = simulate(problem, seen, starts, filled(numbers))
        parts = [((f - e.values) / s).flatten() for f, e, s in zip(found, seen, scales, strict=True)]
        return torch.cat(parts).nan_to_num(_WORST, _WORST, -_WORST).clamp(-_WORST, _WORST).numpy()

    start = np.array([float(value) for part in constants for value in part])
    if len(start):
        solved = least_squares(fault, start, method="trf", x_scale=np.abs(start) + 1e-12, diff_step=1e-4, ftol=1e-4,
                               xtol=1e-5, max_nfev=6)  # fmt: skip
        numbers, residual = solved.x, solved.fun
    else:
        numbers, residual = start, fault(start)
    rows, misfit = len(residual), float(np.mean(residual**2))
    known = all(entry.sigma is not None and bool((entry.sigma > 0).all()) for entry in seen)
    price = rows * misfit / 2 if known else rows / 2 * np.log(max(misfit, 1e-12))
    found = tuple(filled(numbers))
    nodes = sum(complexity(expr) for expr in found)
    return Confirmed(found, misfit, float(price + len(start) / 2 * np.log(rows) + nodes * np.log(alphabet)))


def _scale(entry: Observations) -> Tensor:
    """The noise, or where that is not known a hundredth of the mean magnitude."""
    usual = 0.01 * entry.values.abs().mean(0)
    if entry.sigma is None:
        return usual
    return torch.where(entry.sigma > 0, entry.sigma, usual)
