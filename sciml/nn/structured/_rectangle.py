"""Blocks of a matrix: where they are, and what is in them."""

from collections.abc import Sequence
from typing import NamedTuple

import pydantic
import torch
from torch import Tensor

from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.nn.structured._operator import Shape


class Rectangle(Config):
    """One block of a matrix; rows and columns are cyclic intervals (start, length)."""

    rows: tuple[pydantic.NonNegativeInt, pydantic.PositiveInt]
    columns: tuple[pydantic.NonNegativeInt, pydantic.PositiveInt]
    """In inputs; a block has all taps of each."""
    rank: pydantic.NonNegativeInt
    """Of the block; 0 for one with an entry everywhere."""

    def multiplications(self, taps: int) -> int:
        """Per vector: r (h + w) of two factors, h w of a full block."""
        height, width = self.rows[1], self.columns[1] * taps
        return self.rank * (height + width) if self.rank else height * width


def rectangles_cost(rectangles: Sequence[Rectangle], taps: int = 1) -> int:
    """Multiplications of all of them with one vector."""
    return sum(rectangle.multiplications(taps) for rectangle in rectangles)


class Block(NamedTuple):
    """Contents of a rectangle.

    Fields:
        left: ``[stack] rank height``; None for a full block.
        right: ``[stack] rank width``, or ``[stack] height width`` of a full block.
    """

    left: Tensor | None
    right: Tensor

    def dense(self) -> Tensor:
        """The block itself."""
        return self.right if self.left is None else self.left.mT @ self.right


def interval(where: tuple[int, int], size: int, taps: int) -> Tensor:
    """Indices of a cyclic interval, taps counted."""
    inputs = (where[0] + torch.arange(where[1])) % size
    return (inputs[:, None] * taps + torch.arange(taps)).flatten()


def check_rectangle(rectangle: Rectangle, shape: Shape) -> None:
    (top, height), (start, width) = rectangle.rows, rectangle.columns
    most = min(height, width * shape.taps)
    if top >= shape.rows or height > shape.rows or start >= shape.columns or width > shape.columns:
        raise UserError("a block does not lie in its matrix", got=f"rows {rectangle.rows}, columns {rectangle.columns}",
                        expected=f"starts and lengths within {shape.rows} x {shape.columns}")  # fmt: skip
    if rectangle.rank > most:
        raise UserError("a block cannot have this rank", got=f"rank {rectangle.rank}",
                        expected=f"at most {most}, or 0 for a full block")  # fmt: skip
