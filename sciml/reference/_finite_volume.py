"""What finite-volume schemes share: limiters, ghost cells, states on both sides of a face, blocks of cells."""

from collections.abc import Callable, Sequence
from itertools import permutations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from sciml.core.errors import UserError
from sciml.core.types import Grid

Limiter = Callable[[Tensor, Tensor], Tensor]
"""The slope of a cell from the differences to the cell before and to the one after it."""
Cells = Float[Tensor, "batch channel *space"]

GHOSTS = 2
"""Cells beyond each end, as many as linear reconstructions reach."""


def monotonised_central(back: Tensor, ahead: Tensor) -> Tensor:
    """The central difference, at most twice either one-sided one and zero at extremes.

    Reference: van Leer (1977), doi:10.1016/0021-9991(77)90095-X.
    """
    least = torch.maximum(back, ahead).clamp_(max=0).mul_(2)  # both are zero at extremes
    most = torch.minimum(back, ahead).clamp_(min=0).mul_(2)
    return (back + ahead).mul_(0.5).clamp(least, most)


def van_leer(back: Tensor, ahead: Tensor) -> Tensor:
    """The harmonic mean of both differences, zero at extremes; smoother than `monotonised_central`, and more diffusive.

    Reference: van Leer (1974), doi:10.1016/0021-9991(74)90019-9.
    """
    product = back * ahead
    return torch.where(product > 0, 2 * product / (back + ahead), 0.0)


def with_ghosts(cells: Cells, dim: int, boundary: str, *, odd: int | None = None) -> Cells:
    """Cells with `GHOSTS` more at either end of an axis.

    Arguments:
        cells: values per cell.
        dim: axis, counted from the end.
        boundary: ``periodic``; ``open`` repeats the last cell (zero gradient); ``wall`` mirrors.
        odd: channel that changes its sign in a wall's mirror: what points along the axis.
    """
    count = cells.shape[dim]
    if count < GHOSTS:  # a ghost may be the image of an image
        places = torch.arange(-GHOSTS, count + GHOSTS, device=cells.device)
        if boundary == "periodic":
            places = places % count
        elif boundary == "wall":
            places = torch.where(places < 0, -1 - places, places)
            places = torch.where(places >= count, 2 * count - 1 - places, places)
        wide = cells.index_select(dim, places.clamp(0, count - 1))
    else:
        first, last = cells.narrow(dim, 0, GHOSTS), cells.narrow(dim, count - GHOSTS, GHOSTS)
        if boundary == "periodic":
            first, last = last, first
        elif boundary == "wall":
            first, last = first.flip(dim), last.flip(dim)
        else:
            first = first.narrow(dim, 0, 1).expand_as(first)
            last = last.narrow(dim, GHOSTS - 1, 1).expand_as(last)
        wide = torch.cat([first, cells, last], dim=dim)
    if boundary == "wall" and odd is not None:
        for first in (0, count + GHOSTS):
            wide[:, odd].narrow(dim, first, GHOSTS).neg_()
    return wide


def face_states(
    cells: Cells, dim: int, boundary: str, *, limiter: Limiter, odd: int | None = None
) -> tuple[Cells, Cells]:
    """Values before and behind every face of an axis, one face more than cells, by limited linear reconstruction.

    The upper end of cell i is entry i + 1 of the first, its lower end entry i of the second.
    """
    count = cells.shape[dim]
    wide = with_ghosts(cells, dim, boundary, odd=odd)
    steps = wide.diff(dim=dim)
    half = limiter(steps.narrow(dim, 0, count + 2), steps.narrow(dim, 1, count + 2)) / 2
    before = wide.narrow(dim, 1, count + 1) + half.narrow(dim, 0, count + 1)
    return before, wide.narrow(dim, 2, count + 1) - half.narrow(dim, 1, count + 1)


def block_means(cells: Cells, factor: int) -> Cells:
    """Means over blocks of `factor` cells per axis, on one to three axes."""
    pools = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
    return pools[cells.ndim - 2](cells, factor) if factor > 1 else cells


def refine_cells(cells: Cells, grid: Grid, factor: int) -> Cells:
    """Cells of `grid` cut into `factor` per axis along a limited straight line through each.

    The mean of a block is its cell to rounding, and no value leaves the range of the neighbours. Axes are cut one after
    another, and the result is the mean over all orders, so that no axis is favoured.
    """
    if factor == 1:
        return cells
    orders = list(permutations(range(len(grid.axes))))
    return torch.stack([_cut_axes(cells, grid, factor, order) for order in orders]).mean(0)


def _cut_axes(cells: Cells, grid: Grid, factor: int, order: Sequence[int]) -> Cells:
    places = (torch.arange(factor, dtype=cells.dtype, device=cells.device) + 0.5) / factor - 0.5
    for number in order:
        dim = number - len(grid.axes)
        count = cells.shape[dim]
        steps = with_ghosts(cells, dim, "periodic" if grid.axes[number].periodic else "open").diff(dim=dim)
        slope = monotonised_central(steps.narrow(dim, 1, count), steps.narrow(dim, 2, count))
        cells = torch.stack([cells + place * slope for place in places], dim=dim).flatten(dim - 1, dim)
    return cells


def refuse_below_zero(values: Float[Tensor, "batch *space"], name: str, *, is_zero_fine: bool) -> None:
    """Raise UserError where an initial field has a value that cannot be; what is not finite is left to the status.

    Arguments:
        values: the field, one row per sample.
        name: what it is called.
        is_zero_fine: whether it may vanish, as a depth may and a density may not.
    """
    impossible = (values < 0 if is_zero_fine else values <= 0).flatten(1)
    if bool(impossible.any()):
        row = int(impossible.any(1).nonzero()[0])
        least = float(values[row].nan_to_num(nan=torch.inf).min())
        raise UserError(
            f"the initial {name} is {'negative' if is_zero_fine else 'not positive'} somewhere",
            got=f"a least value of {least:.6g} in row {row}",
            expected="zero or more everywhere" if is_zero_fine else "positive values everywhere",
            fix=f"Correct the field of the {name}; it is not cut off for you.",
        )
