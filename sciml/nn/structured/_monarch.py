"""Monarch matrices: two block-diagonal factors with a fixed permutation between and after them."""

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.nn.structured._fit import truncated
from sciml.nn.structured._operator import Products, Shape, StructuredLinear, draw, with_width


class MonarchMatrix(StructuredLinear):
    """W with tiles W_ij = L_j,i R_i,j of rank t: inputs in b blocks i, outputs dealt to b blocks j in turn.

    Row a of block j is row a b + j of W. It costs b t (m + n). Sides that b does not divide are filled with zeros.

    Arguments:
        shape: of W.
        blocks: b.
        rank: t.

    Raises:
        UserError: more blocks than rows or columns, or a rank that a tile cannot have.

    Reference:
        Dao et al., Monarch: Expressive Structured Matrices for Efficient and Accurate Training, ICML 2022,
        arXiv:2204.00595.
    """

    def __init__(self, shape: Shape, *, blocks: int, rank: int = 1) -> None:
        super().__init__(shape)
        self.blocks, self.rank = blocks, rank
        check_blocks(shape, blocks)
        self.height, self.inputs = -(-shape.rows // blocks), -(-shape.columns // blocks)
        if not 1 <= rank <= min(self.height, self.inputs * shape.taps):
            raise UserError("a tile cannot have this rank", got=f"rank {rank}",
                            expected=f"1 to {min(self.height, self.inputs * shape.taps)}")  # fmt: skip
        self.right = self.empty(blocks, blocks * rank, self.inputs * shape.taps)
        self.left = self.empty(blocks, blocks * rank, self.height)
        pairs = 2 if shape.is_complex else 1
        draw(self.right, self.inputs * shape.taps * pairs)
        draw(self.left, 3 * blocks * rank * pairs)

    def apply_with(self, x: Tensor, products: Products) -> Tensor:
        """Blocks of inputs, a permutation, blocks of outputs, a permutation."""
        b, axis = self.blocks, products.axis
        x = with_width(x, axis, b * self.inputs * products.taps)
        z = products.first(x, self.numbers(self.right), b)
        z = _dealt(z, axis, (b, b, self.rank))
        y = products.second(z, self.numbers(self.left), b)
        return with_width(_dealt(y, axis, (b, self.height, 1)), axis, self.shape.rows)

    def to_dense(self) -> Tensor:
        """The tiles at their places."""
        b, stack = self.blocks, (self.shape.stack,) if self.shape.stack else ()
        right = self.numbers(self.right).view(*stack, b, b, self.rank, -1)
        left = self.numbers(self.left).view(*stack, b, b, self.rank, -1)
        rows = torch.einsum("...jita,...ijtp->...ajip", left, right).flatten(-4, -3).flatten(-2)
        return rows[..., : self.shape.rows, : self.shape.width]

    @property
    def multiplications(self) -> int:
        """b t (m + n), with sides filled up."""
        return self.blocks**2 * self.rank * (self.height + self.inputs * self.shape.taps)

    def fit(self, dense: Tensor) -> None:
        """The closest of all: tiles do not overlap."""
        block = truncated(self.tiles(dense).flatten(0, 2), self.rank)
        assert block.left is not None
        b, left = self.blocks, block.left.unflatten(0, (-1, self.blocks, self.blocks))
        right = block.right.unflatten(0, (-1, b, b))
        self.store(self.right, right.transpose(1, 2).flatten(2, 3))
        self.store(self.left, left.flatten(2, 3))

    def tiles(self, dense: Tensor) -> Tensor:
        """W as ``matrix j i row width``, sides filled with zeros."""
        filled = with_width(
            with_width(dense, 1, self.blocks * self.height), 2, self.blocks * self.inputs * self.shape.taps
        )
        return filled.view(len(dense), self.height, self.blocks, self.blocks, -1).permute(0, 2, 3, 1, 4)


def check_blocks(shape: Shape, blocks: int) -> None:
    """Refuse a number of blocks that the sides do not have, with a UserError."""
    if not 1 <= blocks <= min(shape.rows, shape.columns):
        raise UserError(f"a {shape.rows} x {shape.columns} matrix cannot be split into these blocks",
                        got=f"{blocks} blocks", expected=f"1 to {min(shape.rows, shape.columns)}")  # fmt: skip


def _dealt(z: Tensor, axis: int, sizes: tuple[int, int, int]) -> Tensor:
    """Features (i j t) as (j i t)."""
    axis = axis % z.ndim
    return z.unflatten(axis, sizes).transpose(axis, axis + 1).flatten(axis, axis + 2)
