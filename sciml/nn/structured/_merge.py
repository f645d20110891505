"""Fewer and larger blocks with the same sum: products that pay for their call."""

import functools
import itertools
from collections.abc import Callable, Sequence

import pydantic
import torch
from torch import Tensor

from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.nn.structured._operator import Shape, pieces
from sciml.nn.structured._rectangle import Block, Rectangle, interval
from sciml.nn.structured._rectangles import RectangleMatrix

_Interval = tuple[int, int]
_Group = frozenset[int]
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
    around = functools.cache(lambda group: _around(group, rectangles, shape))

    def price(*groups: _Group, factor: float = 1.0) -> float:
        return sum(_price(around(group), shape, factor * overhead) for group in groups if group)

    alone = [frozenset((k,)) for k in range(len(rectangles))]
    starts = (_pairwise(alone, functools.partial(price, factor=factor)) for factor in _STARTS)
    best = min((_settled(start, price, _LEAST * overhead) for start in starts), key=lambda groups: price(*groups))
    merged = [Merged(rectangle=around(group), members=tuple(sorted(group))) for group in best]
    return sorted(merged, key=lambda one: (one.rectangle.columns, one.rectangle.rows))


def _pairwise(groups: Sequence[_Group], price: Callable[..., float]) -> list[_Group]:
    """The two that gain most become one, again and again."""
    alive = list(groups)
    gain = functools.cache(lambda a, b: price(a) + price(b) - price(a | b))
    while len(alive) > 1:
        a, b = max(itertools.combinations(alive, 2), key=lambda pair: gain(*pair))
        if gain(a, b) <= 0:
            break
        alive = [*(group for group in alive if group not in (a, b)), a | b]
    return alive


def _settled(groups: list[_Group], price: Callable[..., float], least: float) -> list[_Group]:
    """Groups after single members have changed to others."""
    moved = True
    while moved:
        moved = False
        for k in sorted(frozenset[int]().union(*groups)):
            here = next(group for group in groups if k in group)
            others = [group for group in groups if group != here]
            options = others if len(here) == 1 else [*others, frozenset[int]()]
            gains = [price(here, there) - price(here - {k}, there | {k}) for there in options]
            best = max(range(len(options)), key=lambda i: gains[i], default=None)
            if best is not None and gains[best] > least:
                there, moved = options[best], True
                groups = [group for group in (*others, here - {k}, there | {k}) if group and group != there]
    return groups


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


def _price(rectangle: Rectangle, shape: Shape, overhead: float | int) -> float:
    """Multiplications, and products: one per piece of an interval that goes on at the beginning."""
    across, down = len(pieces(*rectangle.columns, shape.columns)), len(pieces(*rectangle.rows, shape.rows))
    return rectangle.multiplications(shape.taps) + overhead * (across + down if rectangle.rank else across * down)


def _around(group: _Group, rectangles: Sequence[Rectangle], shape: Shape) -> Rectangle:
    members = [rectangles[k] for k in sorted(group)]
    if len(members) == 1:
        return members[0]
    rows = functools.reduce(lambda a, b: _hull(a, b, shape.rows), (r.rows for r in members))
    columns = functools.reduce(lambda a, b: _hull(a, b, shape.columns), (r.columns for r in members))
    height, width, rank = rows[1], columns[1] * shape.taps, sum(r.rank for r in members)
    full = rank * (height + width) >= height * width or not all(r.rank for r in members)
    return Rectangle(rows=rows, columns=columns, rank=0 if full else rank)


def _hull(a: _Interval, b: _Interval, size: int) -> _Interval:
    """The shortest cyclic interval that holds both."""
    start, length = min(_cover(a, b, size), _cover(b, a, size), key=lambda interval: interval[1])
    return (0, size) if length >= size else (start, length)


def _cover(first: _Interval, second: _Interval, size: int) -> _Interval:
    """The interval from the start of the first that holds both."""
    return first[0], max(first[1], (second[0] - first[0]) % size + second[1])
