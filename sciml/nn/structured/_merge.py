"""Fewer and larger blocks with the same sum: products that pay for their call."""

from collections.abc import Sequence

import pydantic
import torch
from torch import Tensor

from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.nn.structured._operator import Shape
from sciml.nn.structured._rectangle import Block, Rectangle, interval
from sciml.nn.structured._rectangles import RectangleMatrix

_Interval = tuple[int, int]


class Merged(Config):
    """A rectangle that stands for several."""

    rectangle: Rectangle
    members: tuple[pydantic.NonNegativeInt, ...] = pydantic.Field(min_length=1)
    """Places of these in the list of rectangles they come from; their blocks lie within."""


def merge_rectangles(rectangles: Sequence[Rectangle], shape: Shape, overhead: float | int) -> list[Merged]:
    """Rectangles merged two by two, as long as multiplications saved by fewer products outweigh zeros multiplied.

    A merged block has the smallest rectangle around its members and the sum of their ranks, or all its entries where
    that is cheaper.

    Arguments:
        rectangles: what is merged.
        shape: rows, columns, taps.
        overhead: what starting a product costs, in multiplications per vector.
    """
    merged = [Merged(rectangle=r, members=(k,)) for k, r in enumerate(rectangles)]
    gains = {(i, j): _gain(merged[i], merged[j], shape, overhead) for i in range(len(merged)) for j in range(i)}
    alive = dict(enumerate(merged))
    while gains:
        (i, j), gain = max(gains.items(), key=lambda entry: entry[1])
        if gain <= 0:
            break
        both = _around(alive.pop(i), alive.pop(j), shape)
        gains = {pair: value for pair, value in gains.items() if i not in pair and j not in pair}
        new = max(alive, default=-1) + len(rectangles)
        gains |= {(new, k): _gain(both, other, shape, overhead) for k, other in alive.items()}
        alive[new] = both
    return sorted(alive.values(), key=lambda one: (one.rectangle.columns, one.rectangle.rows))


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
    return sum(_price(r, shape.taps, overhead) for r in apart) - _price(together, shape.taps, overhead)


def _price(rectangle: Rectangle, taps: int, overhead: float | int) -> float:
    return rectangle.multiplications(taps) + overhead * (2 if rectangle.rank else 1)


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
