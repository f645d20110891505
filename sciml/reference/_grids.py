"""Grids of problems on periodic boxes, and the finer ones that solvers compute on."""

import math
from collections.abc import Sequence

from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.problem import Parameter, is_possible, possible_words
from sciml.core.types import Axis, Grid, Params

_NAMES = "zyx"


def periodic_grid(size: Sequence[int], extents: Sequence[float], *, smallest: int, units: str = "1") -> Grid:
    """The periodic box from 0 to `extents` with `size` points per axis.

    Arguments:
        size: points per axis, z, y, x (as many as there are extents); they need not be equal.
        extents: length of the box per axis.
        smallest: fewest points per axis that hold the initial states.
        units: of the coordinates.

    Raises: UserError for another number of axes, or too few points.
    """
    if len(size) != len(extents) or min(size, default=0) < smallest:
        points = ", ".join(str(2 * smallest) for _ in extents)
        raise UserError(
            f"this problem needs a grid of {len(extents)} axes that holds its initial states",
            got=tuple(size),
            expected=f"{len(extents)} numbers of points, each at least {smallest}",
            fix=f"Set grid = [{points}] in the preset of the card.",
        )
    names = _NAMES[-len(extents) :]
    return Grid(
        tuple(Axis(name, n, 0.0, extent, units=units) for name, n, extent in zip(names, size, extents, strict=True))
    )


def finer_grid(grid: Grid, *, factor: float, least: int = 1) -> Grid:
    """The same box on an even number of points per axis: `factor` times as many, and no fewer than `least`.

    With 1.5 a solver that drops what the 2/3 rule drops keeps every mode along the axes of the given grid.
    """
    return Grid(
        tuple(
            Axis(a.name, max(least, 2 * math.ceil(factor * a.size / 2)), a.lower, a.upper, a.boundary, a.units)
            for a in grid.axes
        )
    )


def check_grid(grid: Grid, expected: Grid) -> None:
    """Raise UserError for another grid than the one that a problem has on as many points."""
    if grid != expected:
        raise UserError(
            "this is not a grid of the problem",
            got=_words(grid),
            expected=_words(expected),
            fix="Take the grid from the problem: problem.grid(size).",
        )


def check_initial(initial: Tensor, channels: int, size: Sequence[int], names: str) -> None:
    """Raise UserError for initial fields that are not ``batch channel *space`` on a grid of `size` points.

    Arguments:
        initial: the fields.
        channels: how many there are.
        size: points per axis.
        names: what they are, in their order.
    """
    if initial.ndim != 2 + len(size) or initial.shape[1] != channels or tuple(initial.shape[2:]) != tuple(size):
        raise UserError(
            "the initial fields do not fit the grid",
            got=f"shape {tuple(initial.shape)}",
            expected=f"(batch, {', '.join(map(str, (channels, *size)))}) for {names}",
        )


def check_possible(parameters: Sequence[Parameter], params: Params) -> None:
    """Raise UserError for parameters of rows that are physically impossible: viscosity that drives, depth below zero.

    Arguments:
        parameters: those of the problem.
        params: their values, one per row; what is not finite is left to the status, what is missing not asked.
    """
    for entry in parameters:
        values = params.get(entry.name)
        if values is None or bool(is_possible(entry, values).all()):
            continue
        row = int((~is_possible(entry, values)).flatten().nonzero()[0])
        raise UserError(
            f"the {entry.long_name} cannot have this value",
            got=f"{entry.name} = {float(values.flatten()[row]):.6g} in row {row}",
            expected=possible_words(entry),
        )


def _words(grid: Grid) -> str:
    return "; ".join(
        f"{a.name}: {a.size} points from {a.lower:g} to {a.upper:g} {a.units}, {a.boundary}" for a in grid.axes
    )
