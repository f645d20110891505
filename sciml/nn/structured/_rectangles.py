"""Sums of blocks of low rank on rectangles: low rank, block-diagonal, block-sparse, BLR and GBLR in one form."""

from collections.abc import Sequence
from itertools import combinations, groupby
from typing import NamedTuple

import pydantic
import torch
from torch import Tensor

from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.nn.structured._operator import Products, Shape, StructuredLinear, cyclic, draw, pieces


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
            _check(rectangle, shape)
        if not rectangles:
            raise UserError("a structured matrix has at least one block", got="no rectangle")
        self.rectangles = tuple(rectangles)
        taps = shape.taps
        self._left = [r.rank * r.rows[1] for r in rectangles]
        self._right = [(r.rank or r.rows[1]) * r.columns[1] * taps for r in rectangles]
        self._views = _Views()
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
        flat = x.reshape(-1, x.shape[-1])
        y = flat.new_zeros(len(flat), self.shape.rows) if bias is None else bias.repeat(len(flat), 1)
        for columns, products in self._views.of(self):
            z = None
            for start, length, factor in columns:
                part = flat.narrow(1, start, length)
                z = part if factor is None else (part @ factor if z is None else torch.addmm(z, part, factor))
            assert z is not None
            for begin, rank, factor, place, count in products:
                into = y.narrow(1, place, count)
                torch.addmm(into, z.narrow(1, begin, rank), factor, out=into)  # counters of FLOPs know no `addmm_`
        return y if x.ndim == 2 else y.view(*x.shape[:-1], self.shape.rows)

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


class _Step(NamedTuple):
    """Blocks of the same columns as slices of the parameters.

    Fields:
        columns: start and length in the vector, factor ``width rank`` of all these blocks; None for full blocks, which
            multiply the vector itself.
        products: for every block begin and length in what that gives, factor, place and length in the answer.
    """

    columns: list[tuple[int, int, Tensor | None]]
    products: list[tuple[int, int, Tensor, int, int]]


class _Views:
    """Slices of a matrix's parameters for predicting; they are made again where the parameters have moved."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[int, int], list[_Step]] | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> "_Views":
        return _Views()  # of other parameters

    def of(self, matrix: RectangleMatrix) -> list[_Step]:
        """The slices now."""
        key = (matrix.left.data_ptr(), matrix.right.data_ptr())
        if self._kept is None or self._kept[0] != key:  # what is kept holds its storage, so no other gets its address
            self._kept = (key, self._made(matrix))
        return self._kept[1]

    @staticmethod
    def _made(matrix: RectangleMatrix) -> list[_Step]:
        steps: list[_Step] = []
        shape, at, blocks = matrix.shape, 0, matrix.blocks
        flat = matrix.right.detach()
        for (columns, ranked), group in groupby(matrix.rectangles, key=lambda r: (r.columns, r.rank > 0)):
            alike = [*group]
            start, length = (side * shape.taps for side in columns)
            where = pieces(start, length, shape.width)
            total = sum(r.rank or r.rows[1] for r in alike)
            across = flat[at : at + total * length].view(total, length).mT  # blocks of equal columns lie side by side
            at += total * length
            if not ranked:
                for b, place, n in where:
                    top, products = 0, []
                    for r in alike:
                        rows = across.narrow(0, b, n).narrow(1, top, r.rows[1])
                        products += [
                            (0, n, rows.narrow(1, i, count), put, count)
                            for i, put, count in pieces(*r.rows, shape.rows)
                        ]
                        top += r.rows[1]
                    steps.append(_Step([(place, n, None)], products))
                blocks = blocks[len(alike) :]
                continue
            begin, products = 0, []
            for r, block in zip(alike, blocks, strict=False):
                assert block.left is not None
                left = block.left.detach()
                products += [
                    (begin, r.rank, left.narrow(1, i, count), put, count)
                    for i, put, count in pieces(*r.rows, shape.rows)
                ]
                begin += r.rank
            blocks = blocks[len(alike) :]
            steps.append(_Step([(place, n, across.narrow(0, b, n)) for b, place, n in where], products))
        return steps


def fit_rectangles(
    dense: Tensor, shape: Shape, rectangles: Sequence[Rectangle], *, sweeps: int = 12, start: Sequence[Block] = ()
) -> list[Block]:
    """Contents for which the sum of blocks is close to ``matrix row width``.

    Each step replaces a block by the best one of its rank for what the others leave, so that the error never rises.

    Arguments:
        dense: the matrices.
        shape: rows, columns and taps.
        rectangles: the blocks.
        sweeps: at most; one is enough where no two blocks overlap.
        start: contents to begin with; none for zeros.
    """
    rows = [interval(r.rows, shape.rows, 1) for r in rectangles]
    columns = [interval(r.columns, shape.columns, shape.taps) for r in rectangles]
    blocks = list(start)
    residual, error = dense.clone(), float("inf")
    for place, block in enumerate(blocks):
        residual[:, rows[place][:, None], columns[place]] -= block.dense()
    alone = not _overlap(rectangles, shape)
    for sweep in range(1 if alone else sweeps):
        for place, rectangle in enumerate(rectangles):
            here = (slice(None), rows[place][:, None], columns[place])
            target = residual[here]
            if place < len(blocks):
                target = target + blocks[place].dense()
            block = truncated(target, rectangle.rank)
            residual[here] = target - block.dense()
            if place < len(blocks):
                blocks[place] = block
            else:
                blocks.append(block)
        before, error = error, float(residual.abs().square().sum())
        if sweep and error > 0.999 * before:
            break
    return blocks


def truncated(values: Tensor, rank: int) -> Block:
    """The closest block of a rank (0: the block itself), its singular values shared evenly by both factors."""
    if not rank:
        return Block(None, values)
    left, sigma, right = torch.linalg.svd(values, full_matrices=False)
    root = sigma[:, :rank].sqrt()
    short = rank - root.shape[1]
    left, right = (left[:, :, :rank] * root[:, None]).mT, right[:, :rank] * root[:, :, None]
    if short:  # a rank that this rectangle's sides do not reach, as a component of several may have
        left, right = (torch.cat((f, f.new_zeros(len(f), short, f.shape[2])), dim=1) for f in (left, right))
    return Block(left, right)


def interval(where: tuple[int, int], size: int, taps: int) -> Tensor:
    """Indices of a cyclic interval, taps counted."""
    inputs = (where[0] + torch.arange(where[1])) % size
    return (inputs[:, None] * taps + torch.arange(taps)).flatten()


def _check(rectangle: Rectangle, shape: Shape) -> None:
    (top, height), (start, width) = rectangle.rows, rectangle.columns
    most = min(height, width * shape.taps)
    if top >= shape.rows or height > shape.rows or start >= shape.columns or width > shape.columns:
        raise UserError("a block does not lie in its matrix", got=f"rows {rectangle.rows}, columns {rectangle.columns}",
                        expected=f"starts and lengths within {shape.rows} x {shape.columns}")  # fmt: skip
    if rectangle.rank > most:
        raise UserError("a block cannot have this rank", got=f"rank {rectangle.rank}",
                        expected=f"at most {most}, or 0 for a full block")  # fmt: skip


def _overlap(rectangles: Sequence[Rectangle], shape: Shape) -> bool:
    def meet(a: tuple[int, int], b: tuple[int, int], size: int) -> bool:
        return (b[0] - a[0]) % size < a[1] or (a[0] - b[0]) % size < b[1]

    return any(
        meet(a.rows, b.rows, shape.rows) and meet(a.columns, b.columns, shape.columns)
        for a, b in combinations(rectangles, 2)
    )
