"""The equation with formulas for its hidden part, integrated to where it was observed, with all that may vary at once.

Constants of formulas act on each other: of a x − b x at 300 K only a − b is felt, and a million-fold offset of x makes
of one number the difference of two. They are therefore moved along directions whose effects on the rates are of the
order of the rates themselves and do not overlap, c = c₀ + D z.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.discovery._observed_course import largest_of, rate_of, simulate
from sciml.discovery._simulate import scaled, start_of

_WORST = 1e3  # standard deviations that a simulation counts at most, also where it broke down
_STEP = 1e-3  # of a difference quotient: the share of the rates, or of a field's spread, by which something is moved
_UNFELT = 1e-9  # share of the largest effect on the rates below which a direction of constants does nothing
_ROUNDS = 15
_SMALL = 1e-4  # relative fall of the misfit that ends a fit
_PATIENCE, _BEATEN = 3, 5.0  # rounds after which a fit whose misfit is so many times that of a rival ends


@dataclass(frozen=True)
class Shot:
    """An equation fitted to its observations.

    Arguments:
        numbers: constants of the formulas, then unknown scalars.
        starts: initial states.
        residual: misfits in units of the noise, one row per field seen at a point.
        channel: to which field each belongs.
        spread: covariance of the numbers for residuals of variance one, all starts free; infinite on the diagonal
            where the observations feel nothing of a number.
        free: how many numbers the observations feel.
        varied: how many numbers and starts were fitted.
    """

    numbers: Float[np.ndarray, " number"]
    starts: Float[Tensor, "trajectory channel *space"]
    residual: Float[np.ndarray, " row"]
    channel: Float[np.ndarray, " row"]
    spread: Float[np.ndarray, "number number"]
    free: int
    varied: int


def free_starts(problem: HasHiddenTerm, seen: Sequence[Observations]) -> Bool[Tensor, " trajectory"]:
    """Trajectories whose start is not known exactly."""
    if problem.boundary:
        return torch.zeros(len(seen), dtype=torch.bool)
    return torch.tensor([bool((start_of(problem, k, e.coordinates[:1])[1] != 0).any()) for k, e in enumerate(seen)])


def shoot(
    problem: HasHiddenTerm, seen: Sequence[Observations], starts: Tensor, formulas: Sequence[sp.Expr],
    numbers: Float[np.ndarray, " number"], noise: Sequence[Tensor], rival: float = np.inf,
) -> Shot:  # fmt: skip
    """Fit numbers, and starts that nobody knows, to the observations by the method of Levenberg and Marquardt.

    Arguments:
        problem, seen: as for `confirm`.
        starts: first guesses of the initial states.
        formulas: with the symbols `_c0`, `_c1`, … for their constants.
        numbers: first guesses of those and, after them, of the unknown scalars.
        noise: standard deviations, in the shape of each trajectory's values.
        rival: sum of squares of an equation that this one must beat; far above it the fit ends early.
    """
    aim = _Aim(problem, tuple(seen), starts, tuple(formulas), numbers, tuple(noise))
    place = np.zeros(aim.width)
    residual, slopes = aim.at(place)
    cost, damping = float(residual @ residual), 1e-3
    for count in range(_ROUNDS if aim.width else 0):
        if count >= _PATIENCE and cost > _BEATEN * rival:
            break
        normal, gradient = slopes.T @ slopes, slopes.T @ residual
        damped = normal + damping * np.diag(np.maximum(np.diag(normal), 1e-12 * max(np.trace(normal), 1e-300)))
        move = -np.linalg.lstsq(damped, gradient, rcond=None)[0]
        expected = -float(gradient @ move)
        if not np.isfinite(move).all() or expected <= _SMALL * cost:
            break
        tried, tried_slopes = aim.at(place + move)
        lower = float(tried @ tried)
        if lower < cost:
            ended = cost - lower < _SMALL * cost
            place, residual, slopes, cost, damping = place + move, tried, tried_slopes, lower, damping / 5
            if ended:
                break
        else:
            damping *= 10
            if damping > 1e6:
                break
    return aim.shot(place, residual, slopes)


class _Aim:
    """Residuals and slopes over the directions of the numbers and the starts that are free, in scaled units."""

    def __init__(
        self, problem: HasHiddenTerm, seen: tuple[Observations, ...], starts: Tensor, formulas: tuple[sp.Expr, ...],
        numbers: np.ndarray, noise: tuple[Tensor, ...],
    ) -> None:  # fmt: skip
        self.problem, self.seen, self.starts, self.formulas, self.noise = problem, seen, starts, formulas, noise
        self.first = numbers
        self.directions = self._directions()
        self.free = free_starts(problem, seen)
        self.fields = len(problem.fields)
        self.width = self.directions.shape[1] + int(self.free.sum()) * self.fields

    def at(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals, and their slopes by central differences; starts of all trajectories are moved at once."""
        n, c = self.directions.shape[1], self.fields if bool(self.free.any()) else 0
        moves = np.zeros((1 + 2 * (n + c), n))
        moves[1 : 1 + n], moves[1 + n : 1 + 2 * n] = _STEP * np.eye(n), -_STEP * np.eye(n)
        numbers = torch.from_numpy(self.first + (place[:n] + moves) @ self.directions.T)
        starts = self._starts(place).expand(len(moves), *self.starts.shape).clone()
        for i in range(c):
            step = _STEP * float(self.problem.levels.scale[i])
            starts[1 + 2 * n + i, :, i] += step * self.free
            starts[1 + 2 * n + c + i, :, i] -= step * self.free
        paths = simulate(self.problem, self.seen, starts, self.formulas, numbers)
        rows, blocks = [], []
        ends = np.cumsum(self.free.numpy()) * c
        for k, (values, entry, noise) in enumerate(zip(paths, self.seen, self.noise, strict=True)):
            away = ((values - entry.values) / noise)[:, entry.seen]
            away = away.nan_to_num(_WORST, _WORST, -_WORST).clamp(-_WORST, _WORST).numpy()
            slopes = np.zeros((away.shape[1], self.width))
            slopes[:, :n] = ((away[1 : 1 + n] - away[1 + n : 1 + 2 * n]) / (2 * _STEP)).T
            if self.free[k]:
                at = n + int(ends[k]) - c
                up, down = away[1 + 2 * n : 1 + 2 * n + c], away[1 + 2 * n + c :]
                slopes[:, at : at + c] = ((up - down) / (2 * _STEP)).T
            rows.append(away[0])
            blocks.append(slopes)
        return np.concatenate(rows), np.concatenate(blocks)

    def shot(self, place: np.ndarray, residual: np.ndarray, slopes: np.ndarray) -> Shot:
        """What was fitted, with the covariance that the slopes leave."""
        n = self.directions.shape[1]
        spread = np.full((len(self.first), len(self.first)), 0.0)
        felt = self._felt()
        if n:
            scale = np.linalg.norm(slopes, axis=0)
            scale = np.where(scale > 0, scale, 1.0)
            inverse = np.linalg.pinv((slopes / scale).T @ (slopes / scale), rcond=1e-12, hermitian=True)
            inverse = inverse / np.outer(scale, scale)
            spread = self.directions @ inverse[:n, :n] @ self.directions.T
            felt &= ~((np.abs(self.directions) > 0) & (np.linalg.norm(slopes[:, :n], axis=0) == 0)).any(1)
        spread[~felt, ~felt] = np.inf
        channel = torch.cat([torch.arange(self.fields).expand_as(e.values)[e.seen] for e in self.seen]).numpy()
        numbers = self.first + self.directions @ place[:n]
        return Shot(numbers, self._starts(place), residual, channel, spread, n, self.width)

    def _starts(self, place: np.ndarray) -> Tensor:
        starts = self.starts.clone()
        if bool(self.free.any()):
            moved = torch.from_numpy(place[self.directions.shape[1] :]).view(-1, self.fields)
            starts[self.free] += moved * self.problem.levels.scale
        return starts

    def _felt(self) -> np.ndarray:
        """Numbers that have an effect on the rates of their own."""
        return self._own

    def _directions(self) -> Float[np.ndarray, "number direction"]:
        """Directions of the numbers that change the observed rates by their own size, each in another way."""
        count = len(self.first)
        self._own = np.ones(count, dtype=bool)
        if not count:
            return np.zeros((0, 0))
        if self.problem.boundary:  # rates need fields as a whole there
            return np.diag(np.maximum(np.abs(self.first), 1e-4))
        steps = 1e-6 * np.where(self.first != 0, np.abs(self.first), 1.0)
        effects, usual = self._effects(steps)
        norms = np.linalg.norm(effects, axis=0)
        norms = np.where(norms > 0, norms, 1.0)
        _, sizes, right = np.linalg.svd(effects / norms, full_matrices=False)
        kept = sizes > _UNFELT * sizes[0]
        self._own = (right[~kept] ** 2).sum(0) < 1e-6
        return (right[kept].T / norms[:, None]) / sizes[kept] * usual

    def _effects(self, steps: np.ndarray) -> tuple[np.ndarray, float]:
        """What steps of the numbers do to the scaled rates where the state was observed, and the size of these."""
        rate = rate_of(self.problem, self.formulas, largest_of(self.problem, self.seen), len(self.seen))
        moves = np.concatenate([np.diag(steps), -np.diag(steps), np.zeros((1, len(steps)))])
        columns, sizes = [], []
        for k, entry in enumerate(self.seen):
            whole = entry.seen.all(1)
            states, times = scaled(self.problem.levels, entry.values[whole]), entry.coordinates[whole, 0]
            table = torch.from_numpy(self.first + moves).repeat_interleave(len(states), 0)
            which = torch.full((len(table),), k)
            slopes = rate(times.repeat(len(moves)), states.repeat(len(moves), 1), table, which).nan_to_num(
                0.0, 0.0, 0.0
            )
            rates = slopes.numpy().reshape(len(moves), -1)
            columns.append(((rates[: len(steps)] - rates[len(steps) : -1]) / (2 * steps[:, None])).T)
            sizes.append(rates[-1])
        effects, usual = np.concatenate(columns), float(np.linalg.norm(np.concatenate(sizes)))
        return effects, usual or 1.0
