"""The equation with formulas for its hidden part, integrated to where it was observed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import sympy as sp
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import ode
from sciml.core.capabilities import HasHiddenTerm, Observations
from sciml.discovery._simulate import method_for, rescaled, scaled, start_of, unscaled
from sciml.discovery._table_problem import TableProblem
from sciml.discovery._tree import evaluate

MAX_STEPS = 1000
_LEAST_STEPS, _STEPS = 200, 5
"""Of a simulation at most, and without space this many and so many for every time that was observed: what was seen well
enough for a law to be found varies little between two points. Candidates that need more end in infinity."""
RTOL = 1e-5
_ATOL = 1e-7  # of the integration


def simulate(
    problem: HasHiddenTerm, seen: Sequence[Observations], starts: Float[Tensor, "variant trajectory channel *space"],
    formulas: Sequence[sp.Expr], constants: Float[Tensor, "variant constant"],
) -> list[Float[Tensor, "variant point channel"]]:  # fmt: skip
    """Values of the equation at the observed places of every trajectory; NaN from where it broke down.

    All variants, and trajectories seen at the same times, are integrated as one batch.

    Arguments:
        problem, seen: as for `confirm`.
        starts: initial states.
        formulas: with the symbols `_c0`, `_c1`, … for their constants.
        constants: values of those and, after them, of `first_scalars`, one row per variant.
    """
    space, variants, levels = starts.ndim - 3, len(constants), problem.levels
    starts = scaled(levels, starts.flatten(0, 1)).view_as(starts)
    largest = largest_of(problem, seen)
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
        first = starts[:, group].transpose(0, 1).flatten(0, 1)
        with torch.no_grad():
            which = torch.tensor(group).repeat_interleave(variants)
            solved = ode.solve(
                rate_of(problem, formulas, largest, len(seen)), first, when,
                args=(constants.repeat(len(group), 1), which), rtol=RTOL, atol=_ATOL, method=method_for(asked),
                max_steps=MAX_STEPS if space else min(MAX_STEPS, _LEAST_STEPS + _STEPS * len(asked)),
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


def largest_of(problem: HasHiddenTerm, seen: Sequence[Observations]) -> float:
    """The largest observed magnitude, scaled, and one at least."""
    return max(1.0, *(float(scaled(problem.levels, e.values).nan_to_num(0.0).abs().max()) for e in seen))


def rate_of(
    problem: HasHiddenTerm, formulas: Sequence[sp.Expr], largest: float, trajectories: int
) -> Callable[..., Tensor]:
    """Rates of scaled states, ``rate(time, state, constants, which)``; NaN far outside of what was observed."""
    equation, levels = problem.rate_equation, problem.levels
    columns = dict(zip(equation.hidden_inputs, equation.hidden_columns, strict=True))
    keys = list(first_scalars(problem, trajectories))
    if not problem.boundary:
        return _plain_rate(problem, formulas, largest, keys)

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


def _plain_rate(
    problem: HasHiddenTerm, formulas: Sequence[sp.Expr], largest: float, keys: Sequence[str]
) -> Callable[..., Tensor]:
    """`rate_of` where there is no space: known and hidden part are one formula per field, walked once a call."""
    equation, levels, limit = problem.rate_equation, problem.levels, 1e3 * largest
    whole = [known + formula for known, formula in zip(equation.known_terms, formulas, strict=True)]
    sources = [(name, column.channel) for name, column in zip(equation.inputs, equation.columns, strict=True)]

    def rate(time: Tensor, state: Tensor, constants: Tensor, which: Tensor) -> Tensor:
        numbers, times = constants.unbind(1), time.expand(len(state))
        count = len(numbers) - len(keys)
        channels = (*unscaled(levels, state).unbind(1), *problem.drivers_at(which, times).unbind(1))
        values = {name: channels[channel] for name, channel in sources} | {"t": times}
        values |= {f"_c{i}": numbers[i] for i in range(count)}
        if keys:
            values |= scalars_at(dict(zip(keys, numbers[count:], strict=True)), which)
        rates = torch.stack([evaluate(expr, values, times) for expr in whole], dim=1)
        return torch.where(state.abs() < limit, rescaled(levels, rates), torch.nan)

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
