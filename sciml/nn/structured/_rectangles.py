"""Sums of blocks of low rank on rectangles: low rank, block-diagonal, block-sparse, BLR and GBLR in one form."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.nn.structured._fit import fit_rectangles
from sciml.nn.structured._operator import Products, Shape, StructuredLinear, cyclic, draw, pieces
from sciml.nn.structured._rectangle import Block, Rectangle, check_rectangle, rectangles_cost
from sciml.nn.structured._slices import Kept, Step, steps_of


class RectangleMatrix(StructuredLinear):
    """W = Σ_k P_k (U_kᵀ V_k) Q_k, each block on its rectangle.

    Arguments:
        shape: of W.
        rectangles: the blocks; they may overlap.

    Raises:
        UserError: a rectangle does not lie in the matrix, or its rank is larger than its sides; or there is none.
    """

    def __init__(self, shape: Shape, rectangles: Sequence[Rectangle]) -> None:
        super().__init__(shape)
        for rectangle in rectangles:
            check_rectangle(rectangle, shape)
        if not rectangles:
            raise UserError("a structured matrix has at least one block", got="no rectangle")
        self.rectangles = tuple(rectangles)
        taps = shape.taps
        self._left = [r.rank * r.rows[1] for r in rectangles]
        self._right = [(r.rank or r.rows[1]) * r.columns[1] * taps for r in rectangles]
        self._kept = Kept()
        self.left = self.empty(sum(self._left))
        self.right = self.empty(sum(self._right))
        self._start()

    def _start(self) -> None:
        """W with the variance of a plain layer's outputs, on average over the rows."""
        inputs = sum(r.rows[1] * r.columns[1] * self.shape.taps for r in self.rectangles) / self.shape.rows
        axis, pairs = 1 if self.shape.stack else 0, 2 if self.shape.is_complex else 1
        draw(self.right, 3 * inputs * pairs)
        for rectangle, part in zip(self.rectangles, self.left.data.split(self._left, dim=axis), strict=True):
            draw(part, max(1, rectangle.rank) * pairs)

    @property
    def blocks(self) -> list[Block]:
        """Contents, in the order of the rectangles."""
        axis = 1 if self.shape.stack else 0
        lefts = self.numbers(self.left).split(self._left, dim=axis)
        rights = self.numbers(self.right).split(self._right, dim=axis)
        return [
            Block(
                left.unflatten(axis, (r.rank, r.rows[1])) if r.rank else None,
                right.unflatten(axis, (r.rank or r.rows[1], r.columns[1] * self.shape.taps)),
            )
            for r, left, right in zip(self.rectangles, lefts, rights, strict=True)
        ]

    def set_blocks(self, blocks: Sequence[Block]) -> None:
        """Write contents, ``matrix rank side`` each."""
        lefts = [block.left.flatten(1) for block in blocks if block.left is not None]
        if lefts:
            self.store(self.left, torch.cat(lefts, dim=1))
        self.store(self.right, torch.cat([block.right.flatten(1) for block in blocks], dim=1))

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """W x + b; where no gradient is recorded, by products into slices of one answer and nothing else."""
        traced = torch.compiler.is_compiling() or torch.compiler.is_exporting()
        if torch.is_grad_enabled() or traced or self.shape.stack or self.shape.is_complex or type(x) is not Tensor:
            return super().affine(x, bias)
        flat = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        batch, rows, at = flat.shape[0], self.shape.rows, flat.storage_offset()
        across, along = flat.stride()
        y = flat.new_zeros(batch, rows) if bias is None else bias.expand(batch, -1).clone()
        # Features first: kernels of BLAS like the batch on their long side better than a small rank. Slices are made by
        # `as_strided`, since `narrow` takes longer, and a product lasts no longer than a few calls.
        mm, addmm, columns, answer = torch.mm, torch.addmm, flat.as_strided, y.as_strided
        left, right = self._parameters.get("left"), self._parameters.get("right")  # `self.left` takes longer
        if left is None or right is None:
            left, right = self.left, self.right  # pruned
        for (start, width, factor), more, products in self._kept.steps(left, right, self._steps):
            z = columns((width, batch), (along, across), at + start * along)
            if factor is not None:
                z = mm(factor, z)
            for start, width, factor in more:
                z = addmm(z, factor, columns((width, batch), (along, across), at + start * along))
            for begin, length, factor, place, count in products:
                into = answer((count, batch), (1, rows), place)
                addmm(
                    into, factor, z if length is None else z.narrow(0, begin, length), out=into
                )  # counted; `addmm_` not
        return y if x.ndim == 2 else y.view(*x.shape[:-1], rows)

    def _steps(self) -> list[Step]:
        return steps_of(self.shape, self.rectangles, self.blocks, self.right.detach())

    def apply_with(self, x: Tensor, products: Products) -> Tensor:
        """Block by block: few matrix products on slices, added where their rows are."""
        axis, taps, rows, y = products.axis, products.taps, self.shape.rows, None
        for rectangle, block in zip(self.rectangles, self.blocks, strict=True):
            start, length = rectangle.columns
            z = products.first(cyclic(x, axis, start * taps, length * taps), block.right)
            if block.left is not None:
                z = products.second(z, block.left)
            if y is None and rectangle.rows == (0, rows):
                y = z
                continue
            if y is None:
                size = list(z.shape)
                size[axis] = rows
                y = z.new_zeros(size)
            for begin, place, count in pieces(*rectangle.rows, rows):
                y.narrow(axis, place, count).add_(z.narrow(axis, begin, count))
        assert y is not None
        return y

    def to_dense(self) -> Tensor:
        """The sum of the blocks."""
        stack = (self.shape.stack,) if self.shape.stack else ()
        dense = self.numbers(self.right).new_zeros(*stack, self.shape.rows, self.shape.width)
        taps = self.shape.taps
        for rectangle, block in zip(self.rectangles, self.blocks, strict=True):
            values = block.dense()
            start, length = rectangle.columns
            for i, row, height in pieces(*rectangle.rows, self.shape.rows):
                for j, column, width in pieces(start * taps, length * taps, self.shape.width):
                    part = dense.narrow(-2, row, height).narrow(-1, column, width)
                    part += values.narrow(-2, i, height).narrow(-1, j, width)
        return dense

    @property
    def multiplications(self) -> int:
        """Σ_k r_k (h_k + w_k), of full blocks h_k w_k."""
        return rectangles_cost(self.rectangles, self.shape.taps)

    def fit(self, dense: Tensor) -> None:
        """One exact step per block, its truncated singular value decomposition; sweeps where blocks overlap."""
        self.set_blocks(fit_rectangles(dense, self.shape, self.rectangles))
