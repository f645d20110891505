"""Fewer and larger blocks with the same sum: products that pay for their call."""

import functools
from collections.abc import Sequence

import pydantic
import torch
from torch import Tensor

from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.nn.structured._operator import Shape, pieces
from sciml.nn.structured._rectangle import Block, Rectangle, interval
from sciml.nn.structured._rectangles import RectangleMatrix

_Interval = tuple[int, int]
_STARTS = (
    1.0,
    2.0,
    4.0,
)  # prices of a product to merge by at first, over the price itself; dearer ones often end better
_LEAST = 1e-6  # of the price of a product: what a change gains at least, so that changes end


class Merged(Config):
    """A rectangle that stands for several."""

    rectangle: Rectangle
    members: tuple[pydantic.NonNegativeInt, ...] = pydantic.Field(min_length=1)
    """Places of these in the list of rectangles they come from; their blocks lie within."""


def merge_rectangles(rectangles: Sequence[Rectangle], shape: Shape, overhead: float | int) -> list[Merged]:
    """Rectangles merged two by two, as long as multiplications saved by fewer products outweigh zeros multiplied.

    A merged block has the smallest rectangle around its members and the sum of their ranks, or all its entries where
    that is cheaper. Then members change to other blocks, or
    go alone, as long as that is cheaper.

    Arguments:
        rectangles: what is merged.
        shape: rows, columns, taps.
        overhead: what starting a product costs, in multiplications per vector.
    """
    alone = [Merged(rectangle=r, members=(k,)) for k, r in enumerate(rectangles)]

    def price(merged: Sequence[Merged]) -> float:
        return sum(_price(one.rectangle, shape, overhead) for one in merged)

    starts = (_pairwise(alone, shape, factor * overhead) for factor in _STARTS)
    best = min((_settled(start, alone, shape, overhead) for start in starts), key=price)
    return sorted(best, key=lambda one: (one.rectangle.columns, one.rectangle.rows))


def _pairwise(alone: Sequence[Merged], shape: Shape, overhead: float | int) -> list[Merged]:
    """The two that gain most become one, again and again."""
    gains = {(i, j): _gain(alone[i], alone[j], shape, overhead) for i in range(len(alone)) for j in range(i)}
    alive = dict(enumerate(alone))
    while gains:
        (i, j), gain = max(gains.items(), key=lambda entry: entry[1])
        if gain <= 0:
            break
        both = _around(alive.pop(i), alive.pop(j), shape)
        gains = {pair: value for pair, value in gains.items() if i not in pair and j not in pair}
        new = max(alive, default=-1) + len(alone)
        gains |= {(new, k): _gain(both, other, shape, overhead) for k, other in alive.items()}
        alive[new] = both
    return list(alive.values())


def _settled(start: Sequence[Merged], alone: Sequence[Merged], shape: Shape, overhead: float | int) -> list[Merged]:
    """Blocks after single members have changed to others."""

    @functools.cache
    def around(group: frozenset[int]) -> Merged:
        return functools.reduce(lambda a, b: _around(a, b, shape), (alone[k] for k in sorted(group)))

    def price(*changed: frozenset[int]) -> float:
        return sum(_price(around(group).rectangle, shape, overhead) for group in changed if group)

    groups, moved = [frozenset(one.members) for one in start], True
    while moved:
        moved = False
        for k in range(len(alone)):
            here = next(group for group in groups if k in group)
            others = [group for group in groups if group != here]
            options = others if len(here) == 1 else [*others, frozenset[int]()]
            gains = [price(here, there) - price(here - {k}, there | {k}) for there in options]
            best = max(range(len(options)), key=lambda i: gains[i], default=None)
            if best is not None and gains[best] > _LEAST * overhead:
                there, moved = options[best], True
                groups = [group for group in (*others, here - {k}, there | {k}) if group and group != there]
    return [around(group) for group in groups]


def merge_blocks(matrix: RectangleMatrix, merged: Sequence[Merged]) -> RectangleMatrix:
    """The same matrix in these rectangles, zeros where a member has no entries.

    Raises:
        UserError: the rectangles do not hold every block of the matrix once.
    """
    shape, blocks = (
        matrix.shape,
        [Block(None if b.left is None else b.left.detach(), b.right.detach()) for b in matrix.blocks],
    )
    if sorted(k for one in merged for k in one.members) != list(range(len(blocks))):
        raise UserError("merged blocks do not belong to this matrix", got=f"a matrix of {len(blocks)} blocks")
    contents = []
    for one in merged:
        around = one.rectangle
        height, width = around.rows[1], around.columns[1] * shape.taps
        dense = around.rank == 0
        parts = []
        for k in one.members:
            inner, block = matrix.rectangles[k], blocks[k]
            left = torch.eye(inner.rows[1], dtype=block.right.dtype) if block.left is None else block.left
            right = block.right
            left = _spread(left, _within(inner.rows, around.rows, shape.rows, 1), height)
            right = _spread(right, _within(inner.columns, around.columns, shape.columns, shape.taps), width)
            parts.append((left.expand(*right.shape[:-2], *left.shape[-2:]), right))
        if dense:
            total = torch.stack([left.mT @ right for left, right in parts]).sum(0)
            contents.append(Block(None, total if shape.stack else total[None]))
        else:
            left, right = (torch.cat([part[side] for part in parts], dim=-2) for side in (0, 1))
            contents.append(Block(left if shape.stack else left[None], right if shape.stack else right[None]))
    result = RectangleMatrix(shape, [one.rectangle for one in merged]).to(matrix.right)
    result.set_blocks(contents)
    return result


def _within(inner: _Interval, outer: _Interval, size: int, taps: int) -> Tensor:
    """Indices of an interval in one that holds it."""
    places = (interval(inner, size, 1) - outer[0]) % size
    if int(places.max()) >= outer[1]:
        raise UserError("a block does not lie in the rectangle it is merged into", got=f"{inner} in {outer}")
    return (places[:, None] * taps + torch.arange(taps)).flatten()


def _spread(factor: Tensor, places: Tensor, length: int) -> Tensor:
    """A factor on a longer side, zero elsewhere."""
    longer = factor.new_zeros(*factor.shape[:-1], length)
    longer[..., places] = factor
    return longer


def _gain(a: Merged, b: Merged, shape: Shape, overhead: float | int) -> float:
    apart, together = (a.rectangle, b.rectangle), _around(a, b, shape).rectangle
    return sum(_price(r, shape, overhead) for r in apart) - _price(together, shape, overhead)


def _price(rectangle: Rectangle, shape: Shape, overhead: float | int) -> float:
    """Multiplications, and products: one per piece of an interval that goes on at the beginning."""
    across, down = len(pieces(*rectangle.columns, shape.columns)), len(pieces(*rectangle.rows, shape.rows))
    return rectangle.multiplications(shape.taps) + overhead * (across + down if rectangle.rank else across * down)


def _around(a: Merged, b: Merged, shape: Shape) -> Merged:
    rows = _hull(a.rectangle.rows, b.rectangle.rows, shape.rows)
    columns = _hull(a.rectangle.columns, b.rectangle.columns, shape.columns)
    height, width = rows[1], columns[1] * shape.taps
    rank = sum(r.rank or min(r.rows[1], r.columns[1] * shape.taps) for r in (a.rectangle, b.rectangle))
    full = (rank * (height + width) >= height * width) or not (a.rectangle.rank and b.rectangle.rank)
    return Merged(
        rectangle=Rectangle(rows=rows, columns=columns, rank=0 if full else rank), members=(*a.members, *b.members)
    )


def _hull(a: _Interval, b: _Interval, size: int) -> _Interval:
    """The shortest cyclic interval that holds both."""
    start, length = min(_cover(a, b, size), _cover(b, a, size), key=lambda interval: interval[1])
    return (0, size) if length >= size else (start, length)


def _cover(first: _Interval, second: _Interval, size: int) -> _Interval:
    """The interval from the start of the first that holds both."""
    return first[0], max(first[1], (second[0] - first[0]) % size + second[1])
