"""The structures that a matrix may take within its cost, each with its error: what the budget is dealt out over."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sciml.nn import discarded_energy
from sciml.nn.structured import (
    Blast,
    Monarch,
    MonarchMatrix,
    Rectangle,
    Rectangles,
    Shape,
    cuts,
    rectangles_cost,
)
from sciml.tools.structure._config import Family, LayerForm, LowRankFactors
from sciml.tools.structure._find import find_blocks

_COUNTS = (2, 4, 8)  # blocks along a side
_LEVELS = (0.5, 1.0, 1.5)  # of the budget's share, for families without cheap errors of every size


class Offer(NamedTuple):
    """One structure of a matrix.

    Fields:
        form: what it is.
        multiplications: with one vector.
        discarded: ‖W - M‖² / ‖M‖² of the closest one that is found.
    """

    form: LayerForm
    multiplications: int
    discarded: float


class Wanted(NamedTuple):
    """What families are asked for.

    Fields:
        values: the matrices M, ``matrix row width``, in double precision.
        shape: rows, columns and taps.
        share: of a dense matrix's multiplications, about what the budget leaves.
        cells, steps, seed: of `find_blocks`.
    """

    values: Tensor
    shape: Shape
    share: float
    cells: int
    steps: int
    seed: int

    @property
    def budgets(self) -> list[int]:
        """Multiplications around the share."""
        budgets = [round(level * self.share * self.shape.entries) for level in _LEVELS]
        return sorted({budget for budget in budgets if 0 < budget < self.shape.entries})

    @property
    def counts(self) -> list[int]:
        """Blocks along a side that the matrix can have."""
        return [count for count in _COUNTS if count <= min(self.shape.rows, self.shape.columns)]


def offers_of(family: Family, wanted: Wanted) -> list[Offer]:
    """The structures of one family; the cheapest that are found where less is asked for than it can do with."""
    while not (offers := list(_FAMILIES[family](wanted))) and wanted.share < 1:
        wanted = wanted._replace(share=2 * max(wanted.share, 1 / wanted.shape.entries))
    return offers


def _low_rank(wanted: Wanted) -> Iterator[Offer]:
    sides = wanted.shape.rows + wanted.shape.width
    for rank, error in enumerate(discarded_energy(wanted.values).tolist()):
        if rank:
            yield Offer(LowRankFactors(rank=rank), rank * sides, error)


def _block_diagonal(wanted: Wanted) -> Iterator[Offer]:
    for count in wanted.counts:
        blocks = [place for i, j, place in _tiles(wanted.shape, count) if i == j]
        energy = sum(float(_entries(wanted, place).abs().square().sum()) for place in blocks)
        yield _rectangles(wanted, blocks, energy)


def _block_sparse(wanted: Wanted) -> Iterator[Offer]:
    for count in wanted.counts[1:] or wanted.counts:
        energies = [
            (float(_entries(wanted, place).abs().square().sum()), place) for _, _, place in _tiles(wanted.shape, count)
        ]
        energies.sort(key=lambda one: -one[0] / one[1].multiplications(wanted.shape.taps))
        for budget in wanted.budgets:
            blocks, energy, left = [], 0.0, budget
            for value, place in energies:
                if (price := place.multiplications(wanted.shape.taps)) <= left and value > 0:
                    blocks, energy, left = [*blocks, place], energy + value, left - price
            if blocks:
                yield _rectangles(wanted, blocks, energy)


def _block_low_rank(wanted: Wanted) -> Iterator[Offer]:
    taps = wanted.shape.taps
    for count in wanted.counts:
        places = [place for _, _, place in _tiles(wanted.shape, count)]
        prices = [place.rows[1] + place.columns[1] * taps for place in places]
        values = [torch.linalg.svdvals(_entries(wanted, place)).square().sum(0).tolist() for place in places]
        steps = sorted(
            ((value / price, value, k) for k, price in enumerate(prices) for value in values[k] if value > 0),
            reverse=True,
        )
        for budget in wanted.budgets:
            ranks, energy, left = [0] * len(places), 0.0, budget
            for _, value, k in steps:
                if prices[k] <= left:
                    ranks[k], energy, left = ranks[k] + 1, energy + value, left - prices[k]
            blocks = [place.model_copy(update={"rank": r}) for place, r in zip(places, ranks, strict=True) if r]
            if blocks:
                yield _rectangles(wanted, blocks, energy)


def _monarch(wanted: Wanted) -> Iterator[Offer]:
    total = float(wanted.values.abs().square().sum())
    for count in wanted.counts:
        matrix = MonarchMatrix(wanted.shape, blocks=count)
        energies = torch.linalg.svdvals(matrix.tiles(wanted.values)).square().sum((0, 1, 2)).tolist()
        kept = 0.0
        for rank, energy in enumerate(energies, start=1):
            kept += energy
            error = max(0.0, 1 - kept / total) if total else 0.0
            yield Offer(Monarch(blocks=count, rank=rank), rank * matrix.multiplications, error)


def _blast(wanted: Wanted) -> Iterator[Offer]:
    shape = wanted.shape
    for count in wanted.counts[1:2] or wanted.counts:
        for budget in wanted.budgets:
            rank = min(budget // (shape.rows + shape.width + count**2), shape.rows, shape.width)
            if rank < 1:
                continue
            form = Blast(blocks=count, rank=rank)
            matrix = form.operator(shape).double()
            matrix.fit(wanted.values)
            gap = matrix.to_dense().detach() - (wanted.values if shape.stack else wanted.values[0])
            total = float(wanted.values.abs().square().sum())
            yield Offer(form, matrix.multiplications, float(gap.abs().square().sum()) / total if total else 0.0)


def _gblr(wanted: Wanted) -> Iterator[Offer]:
    if not wanted.budgets:
        return
    layouts = find_blocks(
        wanted.values, wanted.shape, wanted.budgets, cells=wanted.cells, steps=wanted.steps, seed=wanted.seed
    )
    for layout in layouts:
        if layout.rectangles:
            form = Rectangles(blocks=tuple(layout.rectangles))
            yield Offer(form, rectangles_cost(layout.rectangles, wanted.shape.taps), layout.error)


_FAMILIES: dict[Family, Callable[[Wanted], Iterator[Offer]]] = {
    "low_rank": _low_rank,
    "block_diagonal": _block_diagonal,
    "block_sparse": _block_sparse,
    "block_low_rank": _block_low_rank,
    "monarch": _monarch,
    "blast": _blast,
    "gblr": _gblr,
}


def _tiles(shape: Shape, count: int) -> Iterator[tuple[int, int, Rectangle]]:
    rows, columns = cuts(shape.rows, count), cuts(shape.columns, count)
    for i in range(count):
        for j in range(count):
            yield (
                i,
                j,
                Rectangle(
                    rows=(rows[i], rows[i + 1] - rows[i]), columns=(columns[j], columns[j + 1] - columns[j]), rank=0
                ),
            )


def _entries(wanted: Wanted, place: Rectangle) -> Tensor:
    """The entries of a tile, taps included."""
    (top, height), (start, width), taps = place.rows, place.columns, wanted.shape.taps
    return wanted.values[:, top : top + height, start * taps : (start + width) * taps]


def _rectangles(wanted: Wanted, blocks: Sequence[Rectangle], energy: float) -> Offer:
    """Blocks that do not overlap: their error is the energy they leave out."""
    total = float(wanted.values.abs().square().sum())
    error = max(0.0, 1 - energy / total) if total else 0.0
    return Offer(Rectangles(blocks=tuple(_cheapest(blocks, wanted.shape))), _cost(blocks, wanted.shape), error)


def _cheapest(blocks: Sequence[Rectangle], shape: Shape) -> list[Rectangle]:
    """Full blocks where factors are no cheaper."""

    def best(block: Rectangle) -> Rectangle:
        height, width = block.rows[1], block.columns[1] * shape.taps
        full = block.rank * (height + width) >= height * width
        return block.model_copy(update={"rank": 0}) if full else block

    return sorted((best(block) for block in blocks), key=lambda r: (r.columns, r.rows))


def _cost(blocks: Sequence[Rectangle], shape: Shape) -> int:
    return rectangles_cost(_cheapest(blocks, shape), shape.taps)
