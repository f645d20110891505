"""Structures as data: enough to build an operator without its contents."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import pydantic

from sciml.core.config import Config
from sciml.nn.structured._blast import BlastMatrix
from sciml.nn.structured._gblr import GaudiMatrix
from sciml.nn.structured._monarch import MonarchMatrix
from sciml.nn.structured._operator import Shape, StructuredLinear
from sciml.nn.structured._rectangle import Rectangle
from sciml.nn.structured._rectangles import RectangleMatrix


class Rectangles(Config):
    """Sums of blocks on rectangles."""

    kind: Literal["rectangles"] = "rectangles"
    blocks: tuple[Rectangle, ...]
    """Where they are, and their ranks."""

    def operator(self, shape: Shape) -> StructuredLinear:
        """A matrix of this structure; raises UserError where the shape cannot have it."""
        return RectangleMatrix(shape, self.blocks)


class Monarch(Config):
    """Two block-diagonal factors and permutations."""

    kind: Literal["monarch"] = "monarch"
    blocks: pydantic.PositiveInt
    rank: pydantic.PositiveInt

    def operator(self, shape: Shape) -> StructuredLinear:
        """A matrix of this structure; raises UserError where the shape cannot have it."""
        return MonarchMatrix(shape, blocks=self.blocks, rank=self.rank)


class Blast(Config):
    """Blocks with shared bases."""

    kind: Literal["blast"] = "blast"
    blocks: pydantic.PositiveInt
    rank: pydantic.PositiveInt

    def operator(self, shape: Shape) -> StructuredLinear:
        """A matrix of this structure; raises UserError where the shape cannot have it."""
        return BlastMatrix(shape, blocks=self.blocks, rank=self.rank)


class Gaudi(Config):
    """Blocks whose place and size are being learned."""

    kind: Literal["gaudi"] = "gaudi"
    components: tuple[Rectangle, ...]
    """Where they begin."""
    cells: pydantic.PositiveInt
    """Parts of an axis that intervals are made of in the end."""
    calls: float = pydantic.Field(default=1.0, gt=0)
    """Vectors the matrix multiplies in one prediction."""
    budget: float | None = pydantic.Field(default=None, ge=0)
    """Multiplications in one prediction that it adds to the budget of all learned layers; None for no limit."""

    def operator(self, shape: Shape) -> StructuredLinear:
        """A matrix of this structure; raises UserError where the shape cannot have it."""
        budget = math.inf if self.budget is None else self.budget
        return GaudiMatrix(shape, self.components, cells=self.cells, calls=self.calls, budget=budget)


Form = Annotated[Rectangles | Monarch | Blast | Gaudi, pydantic.Field(discriminator="kind")]
"""A structure of a matrix."""


def low_rank_form(shape: Shape, rank: int) -> Rectangles:
    """U V of a rank: one block that is the matrix."""
    return Rectangles(blocks=(Rectangle(rows=(0, shape.rows), columns=(0, shape.columns), rank=rank),))


def tiled_form(shape: Shape, count: int, ranks: Sequence[Sequence[int | None]]) -> Rectangles:
    """A `count` x `count` grid of nearly equal tiles: by tile the rank, 0 for a full one, None for an empty one."""
    rows, columns = cuts(shape.rows, count), cuts(shape.columns, count)
    return Rectangles(
        blocks=tuple(
            Rectangle(
                rows=(rows[i], rows[i + 1] - rows[i]), columns=(columns[j], columns[j + 1] - columns[j]), rank=rank
            )
            for i in range(count)
            for j in range(count)
            if (rank := ranks[i][j]) is not None
        )
    )


def cuts(size: int, count: int) -> list[int]:
    """Edges of `count` nearly equal parts of 0 … size."""
    return [size * i // count for i in range(count + 1)]
