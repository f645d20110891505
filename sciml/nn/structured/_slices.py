"""What predicting with blocks on rectangles needs: slices of the parameters, made once."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from torch import Tensor

from sciml.nn.structured._operator import Shape, pieces
from sciml.nn.structured._rectangle import Block, Rectangle


class Product(NamedTuple):
    """One product that is added to a slice of the answer.

    Fields:
        begin, length: of what is multiplied; no length where it is all there is.
        factor: that multiplies it, ``count length``.
        place, rows: of the slice.
    """

    begin: int
    length: int | None
    factor: Tensor
    place: int
    rows: int


class Step(NamedTuple):
    """Blocks of the same columns.

    Fields:
        columns: (start, length, factor ``rank length`` of all these blocks); no factor for full blocks, which multiply
            the vector itself.
        more: the same for the rest of an interval that goes on at the beginning; its product is added.
        products: what is done with that.
    """

    columns: tuple[int, int, Tensor | None]
    more: list[tuple[int, int, Tensor]]
    products: list[Product]


class Kept:
    """The last steps that were made, for as long as the parameters stay where they are in memory."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[int, int], list[Step]] | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> "Kept":
        return Kept()  # of other parameters

    def steps(self, left: Tensor, right: Tensor, make: Callable[[], list[Step]]) -> list[Step]:
        """The steps for these parameters. What is kept holds their memory, so that no others can get its address."""
        kept, key = self._kept, (left.data_ptr(), right.data_ptr())
        if kept is None or kept[0] != key:
            self._kept = kept = (key, make())
        return kept[1]


def steps_of(shape: Shape, rectangles: Sequence[Rectangle], blocks: Sequence[Block], flat: Tensor) -> list[Step]:
    """The products of all blocks; first factors of neighbours in the list with equal columns are one product.

    Arguments:
        shape: of the matrix, without a stack.
        rectangles: where its blocks are.
        blocks: their contents.
        flat: all ``right`` contents, one after the other.
    """
    steps: list[Step] = []
    at, done = 0, 0
    for (columns, factored), group in groupby(rectangles, key=lambda r: (r.columns, r.rank > 0)):
        alike = [*group]
        start, length = (side * shape.taps for side in columns)
        total = sum(r.rank or r.rows[1] for r in alike)
        across = flat[at : at + total * length].view(total, length)
        intervals = pieces(start, length, shape.width)
        if factored:
            products = list(_second(shape, alike, blocks[done : done + len(alike)]))
            columns = [(place, n, across.narrow(1, begin, n)) for begin, place, n in intervals]
            steps.append(Step(columns[0], columns[1:], products))
        else:
            steps += [
                Step((place, n, None), [], list(_only(shape, alike, across.narrow(1, begin, n))))
                for begin, place, n in intervals
            ]
        at, done = at + total * length, done + len(alike)
    return steps


def _second(shape: Shape, rectangles: Sequence[Rectangle], blocks: Sequence[Block]) -> Iterator[Product]:
    """From the ranks of all these blocks, side by side, to their rows."""
    begin = 0
    for rectangle, block in zip(rectangles, blocks, strict=True):
        assert block.left is not None
        for inner, place, count in pieces(*rectangle.rows, shape.rows):
            length = rectangle.rank if len(rectangles) > 1 else None
            yield Product(begin, length, block.left.detach().narrow(1, inner, count).mT, place, count)
        begin += rectangle.rank


def _only(shape: Shape, rectangles: Sequence[Rectangle], across: Tensor) -> Iterator[Product]:
    """From some columns to the rows of full blocks, ``row column`` one above the other."""
    top = 0
    for rectangle in rectangles:
        for inner, place, count in pieces(*rectangle.rows, shape.rows):
            yield Product(0, None, across.narrow(0, top + inner, count), place, count)
        top += rectangle.rows[1]
