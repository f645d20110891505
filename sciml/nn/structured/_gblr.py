"""Generalised block-low-rank matrices whose blocks are found by gradient descent."""

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sciml.nn._parameter_groups import ParameterGroup
from sciml.nn.structured._fit import fit_rectangles
from sciml.nn.structured._gaudi_mask import boxcar, gaudi_mask, rounded
from sciml.nn.structured._operator import Products, Shape, StructuredLinear, draw
from sciml.nn.structured._rectangle import Block, Rectangle, interval, rectangles_cost
from sciml.nn.structured._rectangles import RectangleMatrix


class GaudiMatrix(StructuredLinear):
    """W = Σ_k (m_k^R ∘ U_k)ᵀ (m_k^C ∘ V_k) with masks m that are intervals of learned lengths and starts.

    It is for training: W is built with all its entries. In training the masks are smooth by `sigma` (whole entries by a
    straight-through estimate); otherwise, and once it is `harden`-ed, they are sharp and made of whole cells.
    `compact` gives the same W as few rectangles, which is for predicting.

    Arguments:
        shape: of W.
        components: the blocks to begin with; all have the rank of the largest.
        cells: parts that sharp intervals are made of; those of an axis with fewer entries are single entries.
        calls: vectors it multiplies where it is used, for a budget over several matrices.
        budget: of multiplications in all its calls, which is what it brings to a budget over several matrices.

    Attributes:
        sigma: width of the smoothing filter in modes, as a share of N / 2; infinite for sharp masks.
        length_rate: largest learning rate of lengths and starts.
    """

    sigma: Tensor
    widths: nn.Parameter
    starts: nn.Parameter

    def __init__(
        self,
        shape: Shape,
        components: Sequence[Rectangle],
        *,
        cells: int = 8,
        calls: float = 1.0,
        budget: float = math.inf,
    ) -> None:
        super().__init__(shape)
        self.calls, self.budget, self.length_rate = calls, budget, 2e-3
        self.rank = max((c.rank for c in components), default=1)
        self.cells = (min(cells, shape.rows), min(cells, shape.columns))
        count, pairs = len(components), 2 if shape.is_complex else 1
        self.left = self.empty(count, self.rank, shape.rows)
        self.right = self.empty(count, self.rank, shape.width)
        draw(self.left, max(1, count) * self.rank * pairs)
        draw(self.right, 3 * shape.width * pairs)
        sizes = (shape.rows, shape.columns)
        intervals = [(c.rows, c.columns) for c in components]
        self.widths = nn.Parameter(torch.tensor([[i[a][1] / sizes[a] for i in intervals] for a in (0, 1)]))
        self.starts = nn.Parameter(torch.tensor([[i[a][0] / sizes[a] for i in intervals] for a in (0, 1)]))
        self.register_buffer("sigma", torch.tensor(math.inf))

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Lengths and starts do not decay, and have a rate of their own."""
        return (ParameterGroup((self.widths, self.starts), max_learning_rate=self.length_rate),)

    def masks(self) -> tuple[Tensor, Tensor]:
        """Of rows and of columns, ``component entry``."""
        first, second = (self._mask(axis) for axis in (0, 1))
        return first, second.repeat_interleave(self.shape.taps, dim=1)

    def _mask(self, axis: int) -> Tensor:
        size, sigma = self.shape[axis], float(self.sigma)
        if not self.training or math.isinf(sigma):
            return boxcar(*self.supports()[axis], size).to(self.left)
        width, start = self.widths[axis], self.starts[axis]
        whole = [value + ((value * size).round() / size - value).detach() for value in (width, start)]
        return gaudi_mask(whole[0], whole[1], size, sigma * size / 2)

    @torch.no_grad()
    def supports(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """(starts, lengths) of rows and of columns of sharp masks, in entries; both lengths of a dead one are zero."""
        rows, columns = (rounded(self.widths[a], self.starts[a], self.shape[a], self.cells[a]) for a in (0, 1))
        alive = (rows[1] > 0) & (columns[1] > 0)
        return (rows[0], rows[1] * alive), (columns[0], columns[1] * alive)

    def apply_with(self, x: Tensor, products: Products) -> Tensor:
        """By the matrix with all its entries."""
        return products.first(x, self.to_dense())

    def to_dense(self) -> Tensor:
        """The sum of the masked blocks."""
        rows, columns = self.masks()
        left = self.numbers(self.left) * rows[:, None]
        right = self.numbers(self.right) * columns[:, None]
        return left.flatten(-3, -2).mT @ right.flatten(-3, -2)

    def soft_cost(self) -> Tensor:
        """Multiplications with the lengths as they are, Σ_k r (w^R m + w^C n) of live components."""
        alive = (self.widths > 0).all(0)
        return self.rank * (alive * (self.widths[0] * self.shape.rows + self.widths[1] * self.shape.width)).sum()

    @property
    def multiplications(self) -> int:
        """Of the sharp blocks, those of equal support taken together."""
        return rectangles_cost([rectangle for rectangle, _ in self._groups()], self.shape.taps)

    @torch.no_grad()
    def shrink(self, amount: float | int) -> None:
        """The proximal step of Σ w: lengths fall by `amount` and stay in [0, 1], starts stay in [0, 1).

        A component with one length of zero dies: the other length would spend the budget on nothing.
        """
        self.widths.copy_((self.widths - amount).clamp(0, 1))
        self.widths.mul_((self.widths > 0).all(0))
        self.starts.copy_(self.starts - self.starts.floor())

    @torch.no_grad()
    def energies(self) -> Tensor:
        """Squared norm of every component's sharp block, ``component``."""
        rows, columns = (boxcar(*support, self.shape[a]) for a, support in enumerate(self.supports()))
        left = self.numbers(self.left) * rows[:, None]
        right = self.numbers(self.right) * columns.repeat_interleave(self.shape.taps, dim=1)[:, None]
        product = (left @ left.mT.conj()) * (right @ right.mT.conj())
        return product.real.sum((-1, -2)).reshape(-1, len(rows)).sum(0)

    @torch.no_grad()
    def costs(self) -> Tensor:
        """Multiplications of every component's sharp block, ``component``."""
        (_, rows), (_, columns) = self.supports()
        return self.rank * (rows + columns * self.shape.taps)

    @torch.no_grad()
    def kill(self, components: Tensor) -> None:
        """Leave components out, given by their indices."""
        self.widths[:, components] = 0

    @torch.no_grad()
    def harden(self) -> None:
        """Round lengths and starts to whole cells; sharp masks from here on."""
        for axis, (start, length) in enumerate(self.supports()):
            self.starts[axis] = start / self.shape[axis]
            self.widths[axis] = length / self.shape[axis]
        self.sigma.fill_(math.inf)

    def _groups(self) -> list[tuple[Rectangle, list[int]]]:
        """Rectangles with the components that have this support; those that many components fill are full blocks."""
        (tops, heights), (begins, lengths) = self.supports()
        members: dict[tuple[tuple[int, int], tuple[int, int]], list[int]] = {}
        for k, (top, height, begin, length) in enumerate(
            zip(tops.tolist(), heights.tolist(), begins.tolist(), lengths.tolist(), strict=True)
        ):
            if height:
                rows = (0 if height == self.shape.rows else top, height)
                columns = (0 if length == self.shape.columns else begin, length)
                members.setdefault((rows, columns), []).append(k)
        groups = []
        for (rows, columns), ks in sorted(members.items(), key=lambda entry: (entry[0][1], entry[0][0])):
            rank, height, width = len(ks) * self.rank, rows[1], columns[1] * self.shape.taps
            full = rank * (height + width) >= height * width
            groups.append((Rectangle(rows=rows, columns=columns, rank=0 if full else rank), ks))
        return groups

    @torch.no_grad()
    def compact(self) -> RectangleMatrix | None:
        """The same sharp matrix as few rectangles; None where every component is dead."""
        groups = self._groups()
        if not groups:
            return None
        stack = 1 if self.shape.stack else 0
        blocks = []
        for rectangle, ks in groups:
            rows = interval(rectangle.rows, self.shape.rows, 1)
            columns = interval(rectangle.columns, self.shape.columns, self.shape.taps)
            left = self.numbers(self.left).index_select(stack, torch.tensor(ks)).flatten(-3, -2)[..., rows]
            right = self.numbers(self.right).index_select(stack, torch.tensor(ks)).flatten(-3, -2)[..., columns]
            left, right = (f if stack else f[None] for f in (left, right))
            blocks.append(Block(left, right) if rectangle.rank else Block(None, left.mT @ right))
        merged = RectangleMatrix(self.shape, [rectangle for rectangle, _ in groups]).to(self.left.dtype)
        merged.set_blocks(blocks)
        return merged

    def fit(self, dense: Tensor) -> None:
        """Contents on the sharp supports, by alternating exact steps."""
        groups = self._groups()
        parts = [
            r.model_copy(update={"rank": min(len(ks) * self.rank, r.rows[1], r.columns[1] * self.shape.taps)})
            for r, ks in groups
        ]
        stack = len(dense)
        left = dense.new_zeros(stack, self.widths.shape[1] * self.rank, self.shape.rows)
        right = dense.new_zeros(stack, self.widths.shape[1] * self.rank, self.shape.width)
        for (rectangle, ks), block in zip(groups, fit_rectangles(dense, self.shape, parts), strict=True):
            assert block.left is not None
            rows = interval(rectangle.rows, self.shape.rows, 1)
            columns = interval(rectangle.columns, self.shape.columns, self.shape.taps)
            places = torch.tensor([k * self.rank + i for k in ks for i in range(self.rank)])[: block.left.shape[1]]
            left[:, places[:, None], rows] = block.left
            right[:, places[:, None], columns] = block.right
        count = self.widths.shape[1]
        self.store(self.left, left.unflatten(1, (count, self.rank)))
        self.store(self.right, right.unflatten(1, (count, self.rank)))


def component_list(rectangles: Sequence[Rectangle], taps: int, rank: int = 1) -> list[Rectangle]:
    """Rectangles as components of one small rank each, for training to go on with."""
    counts = Counter()
    for r in rectangles:
        full = min(r.rows[1], r.columns[1] * taps)
        counts[(r.rows, r.columns)] += -(-min(full, r.rank or full) // rank)
    return [
        Rectangle(rows=rows, columns=columns, rank=rank)
        for (rows, columns), count in counts.items()
        for _ in range(count)
    ]
