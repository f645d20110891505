"""Finding the blocks of a GBLR matrix that is close to a given one, by gradient descent on masked blocks."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sciml.nn import discarded_energy
from sciml.nn.structured import (
    Block,
    Rectangle,
    Shape,
    fit_rectangles,
    gaudi_mask,
    interval,
    rounded,
    truncated,
)

MOST_COMPONENTS = 64
"""Blocks to begin with; those of larger matrices have a rank above 1, which leaves fewer masks and larger products."""
_MOST_MATRICES = 8  # of a stack, those of the largest norm: they decide where the common blocks are
_RATE, _LENGTH_RATE = 2e-2, 2e-2  # of contents (for entries of unit size) and of lengths and starts
_REALLOCATIONS, _SWEEPS = 3, 5


class Layout(NamedTuple):
    """Blocks within a budget.

    Fields:
        rectangles: where, with their ranks.
        error: ‖W - M‖² / ‖M‖² with contents fitted to them.
    """

    rectangles: list[Rectangle]
    error: float


def find_blocks(
    dense: Tensor, shape: Shape, budgets: Sequence[int], *, cells: int = 8, steps: int = 300, seed: int = 0
) -> list[Layout]:
    """Blocks for which Σ of them is close to ``matrix row width``, for each budget.

    Minimises ‖W - M‖² / ‖M‖² over contents, lengths and starts of masked blocks, whose smoothing filter widens from one
    Fourier mode to all of them. A proximal step keeps the lengths within the budget, which tightens over the first
    half. Lengths are rounded to whole cells in the end, ranks are dealt out anew by singular values, and contents
    fitted by alternating exact steps. It begins twice, with long blocks everywhere and with a few long and many short
    ones, and keeps what is closest: one of these, or the one block that is all of the matrix.

    Arguments:
        dense: M, in double precision.
        shape: rows, columns and taps.
        budgets: multiplications per vector.
        cells: parts of an axis that blocks are made of.
        steps: of gradient descent.
        seed: of where short blocks begin.

    Returns: a layout for each budget; one without blocks, and with an infinite error, where a budget holds none.
    """
    norms = dense.abs().square().sum((1, 2))
    if float(norms.sum()) == 0.0:
        whole = Rectangle(rows=(0, 1), columns=(0, 1), rank=0)
        return [Layout([whole], 0.0) for _ in budgets]
    chosen = dense[norms.argsort(descending=True)[:_MOST_MATRICES]]
    supports = _Descent(chosen, shape, budgets, seed).run(steps)
    layouts = []
    for i, budget in enumerate(budgets):
        tries = [_settle(dense, shape, support, budget, cells) for support in supports[2 * i : 2 * i + 2]]
        layouts.append(min([*tries, _whole(dense, shape, budget)], key=lambda one: one.error))
    return layouts


class _Descent:
    """Masked blocks for every budget and both beginnings at once, ``try matrix component rank entry``."""

    def __init__(self, dense: Tensor, shape: Shape, budgets: Sequence[int], seed: int) -> None:
        scale = dense.abs().square().mean().sqrt()
        self.dense, self.shape = (dense / scale).to(torch.complex64 if dense.is_complex() else torch.float32), shape
        full = min(shape.rows, shape.width)
        self.rank = -(-full // MOST_COMPONENTS)
        self.count = -(-full // self.rank)
        block = truncated(self.dense, self.count * self.rank)
        assert block.left is not None
        left, right = (f.unflatten(1, (self.count, self.rank)) for f in (block.left, block.right))
        tries = 2 * len(budgets)
        self.left, self.right = (f.repeat(tries, 1, 1, 1, 1).requires_grad_() for f in (left, right))
        self.budgets = torch.tensor([b for b in budgets for _ in range(2)], dtype=torch.float32)
        self.prices = self.rank * torch.tensor([shape.rows, shape.width])
        widths = torch.ones(tries, 2, self.count)
        starts = torch.zeros(tries, 2, self.count)
        generator = torch.Generator().manual_seed(seed)
        for i, budget in enumerate(budgets):
            share = budget / float(self.count * self.prices.sum())
            long = max(1, round(0.5 * share * self.count))
            widths[2 * i + 1, :, long:] = (share * self.count - long) / max(1, self.count - long)
            starts[2 * i + 1, :, long:] = torch.rand(2, self.count - long, generator=generator)
        self.widths, self.starts = widths.clamp(1e-3, 1).requires_grad_(), starts.requires_grad_()

    def run(self, steps: int) -> list[tuple[Tensor, Tensor]]:
        """(lengths, starts) of every try, ``axis component``."""
        groups = [
            {"params": [self.left, self.right], "lr": _RATE, "betas": (0.0, 0.999)},
            {"params": [self.widths, self.starts], "lr": _LENGTH_RATE, "betas": (0.0, 0.999)},
        ]
        optimiser = torch.optim.Adam(groups)
        begun = self._cost()
        for step in range(steps):
            along = (step + 1) / steps
            loss = self._loss(along)
            optimiser.zero_grad()
            with torch.enable_grad():
                loss.backward()
            optimiser.step()
            for group, rate in zip(optimiser.param_groups, (_RATE, _LENGTH_RATE), strict=True):
                group["lr"] = rate * (1 - 0.99 * along)
            reached = min(1.0, 2 * along)
            self._shrink(begun + reached * (self.budgets - begun).clamp(max=0))
        return list(zip(self.widths.detach().unbind(0), self.starts.detach().unbind(0), strict=True))

    def _loss(self, along: float) -> Tensor:
        with torch.enable_grad():
            masks = [self._mask(axis, along) for axis in (0, 1)]
            columns = masks[1].repeat_interleave(self.shape.taps, dim=-1)
            left = (self.left * masks[0][:, None, :, None]).flatten(2, 3)
            right = (self.right * columns[:, None, :, None]).flatten(2, 3)
            gap = left.mT @ right - self.dense
            return gap.abs().square().sum() / self.dense.abs().square().sum()

    def _mask(self, axis: int, along: float) -> Tensor:
        size = self.shape[axis]
        width, start = self.widths[:, axis], self.starts[:, axis]
        whole = [value + ((value * size).round() / size - value).detach() for value in (width, start)]
        return gaudi_mask(whole[0], whole[1], size, 1 + along * (size / 2 - 1))

    @torch.no_grad()
    def _cost(self) -> Tensor:
        alive = (self.widths > 0).all(1)
        return ((self.widths * self.prices[:, None]).sum(1) * alive).sum(-1)

    @torch.no_grad()
    def _shrink(self, targets: Tensor) -> None:
        """The proximal step of the lengths, by as much as brings the cost to its target."""
        alive = (self.widths > 0).all(1)
        excess = (self._cost() - targets).clamp(min=0)
        amount = excess / (alive.sum(-1) * self.prices.sum()).clamp(min=1)
        self.widths.copy_((self.widths - amount[:, None, None]).clamp(0, 1))
        self.widths *= (self.widths > 0).all(1, keepdim=True)
        self.starts.copy_(self.starts - self.starts.floor())


def _settle(dense: Tensor, shape: Shape, support: tuple[Tensor, Tensor], budget: int, cells: int) -> Layout:
    """Whole cells, ranks by singular values, contents by alternating steps."""
    places = list(dict.fromkeys(_intervals(shape, support, cells))) or [((0, shape.rows), (0, shape.columns))]
    start = [Rectangle(rows=rows, columns=columns, rank=1) for rows, columns in places]
    best, blocks = Layout([], float("inf")), []
    rectangles, total = start, float(dense.abs().square().sum())
    for _ in range(_REALLOCATIONS):
        rectangles = _dealt_ranks(dense, shape, start, blocks, rectangles, budget)
        if not rectangles:
            break
        blocks = fit_rectangles(dense, shape, rectangles, sweeps=_SWEEPS)
        error = float(_residual(dense, shape, rectangles, blocks).abs().square().sum()) / total
        if error < best.error:
            best = Layout(rectangles, error)
    return best


def _whole(dense: Tensor, shape: Shape, budget: int) -> Layout:
    """The matrix as one block."""
    rank = min(budget // (shape.rows + shape.width), shape.rows, shape.width)
    place = Rectangle(rows=(0, shape.rows), columns=(0, shape.columns), rank=rank)
    return Layout([place], float(discarded_energy(dense)[rank])) if rank else Layout([], float("inf"))


def _intervals(
    shape: Shape, support: tuple[Tensor, Tensor], cells: int
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    widths, starts = support
    per_axis = []
    for axis in (0, 1):
        size = shape[axis]
        first, length = rounded(widths[axis], starts[axis], size, min(cells, size))
        per_axis.append([(0 if n == size else a, n) for a, n in zip(first.tolist(), length.tolist(), strict=True)])
    return [(rows, columns) for rows, columns in zip(*per_axis, strict=True) if rows[1] and columns[1]]


def _dealt_ranks(
    dense: Tensor,
    shape: Shape,
    places: Sequence[Rectangle],
    blocks: Sequence[Block],
    current: Sequence[Rectangle],
    budget: int,
) -> list[Rectangle]:
    """Ranks for these places within the budget: the singular values that weigh most per multiplication.

    Those of a place are of what the blocks at the other places leave; without blocks, of the matrix, one after another.
    """
    residual = _residual(dense, shape, current, blocks) if blocks else dense.clone()
    standing = {(r.rows, r.columns): block for r, block in zip(current, blocks, strict=False)}
    offers: list[tuple[float, int, int]] = []
    for k, place in enumerate(places):
        rows, columns = interval(place.rows, shape.rows, 1), interval(place.columns, shape.columns, shape.taps)
        target = residual[:, rows[:, None], columns]
        if (block := standing.get((place.rows, place.columns))) is not None:
            target = target + block.dense()
        energies = torch.linalg.svdvals(target).square().sum(0)
        if not blocks:  # overlapping places must not all claim the same
            most = max(1, budget // (place.rows[1] + place.columns[1] * shape.taps))
            share = truncated(target, min(max(1, most // 2), len(energies)))
            residual[:, rows[:, None], columns] -= share.dense()
        price = place.rows[1] + place.columns[1] * shape.taps
        offers += [(float(energy) / price, k, price) for energy in energies]
    ranks, left = [0] * len(places), budget
    for value, k, price in sorted(offers, key=lambda offer: -offer[0]):
        if value > 0 and price <= left:
            ranks[k] += 1
            left -= price
    return _with_ranks(places, ranks, shape)


def _with_ranks(places: Sequence[Rectangle], ranks: Sequence[int], shape: Shape) -> list[Rectangle]:
    """Rectangles of these ranks; a block that is no cheaper in factors is a full one."""
    chosen = []
    for place, rank in zip(places, ranks, strict=True):
        height, width = place.rows[1], place.columns[1] * shape.taps
        if rank:
            full = rank * (height + width) >= height * width
            chosen.append(place.model_copy(update={"rank": 0 if full else rank}))
    return sorted(chosen, key=lambda r: (r.columns, r.rows))


def _residual(dense: Tensor, shape: Shape, rectangles: Sequence[Rectangle], blocks: Sequence[Block]) -> Tensor:
    residual = dense.clone()
    for r, block in zip(rectangles, blocks, strict=True):
        rows, columns = interval(r.rows, shape.rows, 1), interval(r.columns, shape.columns, shape.taps)
        residual[:, rows[:, None], columns] -= block.dense()
    return residual
