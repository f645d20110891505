"""The contract of a structured matrix: one operator, applied to vectors or as the kernel of a convolution."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.nn._weight_marks import WeightMark


class Shape(NamedTuple):
    """What a structured matrix is a matrix of.

    Fields:
        rows: outputs m.
        columns: inputs n.
        taps: kernel points; every input has one entry per tap in a row, and all of them are kept or left out together.
        stack: matrices of one structure, as the modes of a spectral convolution have; 0 for a single matrix.
        is_complex: whether the entries are complex; they are kept as real pairs.
    """

    rows: int
    columns: int
    taps: int = 1
    stack: int = 0
    is_complex: bool = False

    @property
    def width(self) -> int:
        """Entries of a row."""
        return self.columns * self.taps

    @property
    def entries(self) -> int:
        """Multiplications of one dense matrix with one vector."""
        return self.rows * self.width


class Products(ABC):
    """How matrices act on features: along the last axis of vectors, or along the channels of fields.

    Attributes:
        axis: of the features.
        taps: features of a vector per input; 1 where a convolution reads the taps itself.
    """

    axis: int
    taps: int

    @abstractmethod
    def first(self, x: Tensor, matrix: Tensor, groups: int = 1) -> Tensor:
        """Products with ``[stack] out width`` or, in groups of features, ``[stack] group out width``."""

    @abstractmethod
    def second(self, z: Tensor, matrix: Tensor, groups: int = 1) -> Tensor:
        """Products with ``[stack] in out`` or ``[stack] group in out``, without taps."""

    @abstractmethod
    def mix(self, z: Tensor, weights: Tensor) -> Tensor:
        """Σ_j w_ijr z_jr of features (j r) with ``[stack] i j r``; features (i r)."""


class Vectors(Products):
    """Vectors ``batch feature``, or ``stack batch feature`` with one matrix for each.

    Arguments:
        taps: features per input, beside each other.
        stacked: whether the matrices have a leading axis.
    """

    axis = -1

    def __init__(self, taps: int, stacked: bool) -> None:
        self.taps, self._stacked = taps, stacked

    def first(self, x: Tensor, matrix: Tensor, groups: int = 1) -> Tensor:
        """Products along the last axis."""
        return self.second(x, matrix.mT, groups)

    def second(self, z: Tensor, matrix: Tensor, groups: int = 1) -> Tensor:
        """Products along the last axis."""
        if groups == 1:
            return z @ matrix
        parts = z.unflatten(-1, (groups, -1)).movedim(-2, 1 if self._stacked else 0)
        return (parts @ matrix).movedim(1 if self._stacked else 0, -2).flatten(-2)

    def mix(self, z: Tensor, weights: Tensor) -> Tensor:
        """Sums over j."""
        parts = z.unflatten(-1, weights.shape[-2:])
        rule = "sijr,sbjr->sbir" if self._stacked else "ijr,bjr->bir"
        return torch.einsum(rule, weights, parts).flatten(-2)


class StructuredLinear(nn.Module, ABC):
    """y = W x for a matrix W of few numbers, ``*batch column`` to ``*batch row``; no bias.

    With a stack, W is one matrix for each index of the leading axis of x. With taps, a vector holds the taps of each
    input beside each other, and `apply` also reads W as the kernel of a convolution.

    Arguments:
        shape: of W.
    """

    contents: ClassVar[tuple[str, ...]] = ("left", "right")
    """Parameters that hold the numbers W is made of."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        if min(shape.rows, shape.columns, shape.taps) < 1 or shape.stack < 0:
            raise UserError("a structured matrix has at least one row, column and tap", got=str(tuple(shape)))
        self.shape = shape

    @abstractmethod
    def apply_with(self, x: Tensor, products: Products) -> Tensor:
        """W x, whatever the axes of x are."""

    @abstractmethod
    def to_dense(self) -> Tensor:
        """W itself, ``[stack] row width``."""

    @property
    def weight_marks(self) -> Mapping[str, WeightMark]:
        """All contents are weights, whatever their shape; complex ones are pairs."""
        return dict.fromkeys(self.contents, "pairs" if self.shape.is_complex else "vector")

    @property
    @abstractmethod
    def multiplications(self) -> int:
        """Of one matrix with one vector; complex ones count as one."""

    @abstractmethod
    def fit(self, dense: Tensor) -> None:
        """Take the contents for which W is close to ``matrix row width`` in the Frobenius norm; draws no numbers.

        The closest of all where blocks do not overlap; else where alternating exact steps lead.
        """

    def multiplied(self, x: Tensor) -> Tensor:
        """W x of such vectors by `apply_with`."""
        stacked = self.shape.stack > 0
        flat = x.flatten(1, -2) if stacked else x.reshape(-1, x.shape[-1])
        y = self.apply_with(flat, Vectors(self.shape.taps, stacked))
        return y if y.ndim == x.ndim else y.reshape(*x.shape[:-1], self.shape.rows)

    def affine(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """W x + b."""
        y = self.multiplied(x)
        return y if bias is None else y + bias

    def matvec(self, x: Tensor) -> Tensor:
        """W x of vectors ``*batch width``, or ``stack *batch width``."""
        return self.affine(x, None)

    def forward(self, x: Tensor) -> Tensor:
        """As `matvec`."""
        return self.matvec(x)

    @property
    def flops(self) -> int:
        """Real operations of W x for one vector, a multiply-add counted as two and a complex one as eight."""
        return self.multiplications * (8 if self.shape.is_complex else 2) * max(1, self.shape.stack)

    def empty(self, *size: int) -> nn.Parameter:
        """A parameter of this many numbers for every matrix of the stack, zeros."""
        stack = (self.shape.stack,) if self.shape.stack else ()
        return nn.Parameter(torch.zeros(*stack, *size, *((2,) if self.shape.is_complex else ())))

    def numbers(self, parameter: Tensor) -> Tensor:
        """A parameter as the numbers it holds."""
        return torch.view_as_complex(parameter) if self.shape.is_complex else parameter

    def store(self, parameter: Tensor, values: Tensor) -> None:
        """Write numbers ``matrix *size`` into a parameter."""
        values = values if self.shape.stack else values[0]
        with torch.no_grad():
            parameter.copy_(torch.view_as_real(values.resolve_conj()) if self.shape.is_complex else values)


def draw(parameter: Tensor, fan_in: float | int) -> None:
    """Numbers of variance 1 / fan_in; of complex pairs, both parts together."""
    with torch.no_grad():
        bound = math.sqrt(3 / fan_in)
        parameter.uniform_(-bound, bound)


def cyclic(x: Tensor, axis: int, start: int, length: int) -> Tensor:
    """`length` entries from `start` on, going on at the beginning after the last one."""
    size = x.shape[axis]
    if start + length <= size:
        return x if length == size and start == 0 else x.narrow(axis, start, length)
    return torch.cat((x.narrow(axis, start, size - start), x.narrow(axis, 0, start + length - size)), dim=axis)


def pieces(start: int, length: int, size: int) -> Sequence[tuple[int, int, int]]:
    """A cyclic interval as up to two plain ones: where each begins in the interval, where in the axis, its length."""
    if start + length <= size:
        return ((0, start, length),)
    return ((0, start, size - start), (size - start, 0, start + length - size))


def with_width(x: Tensor, axis: int, width: int) -> Tensor:
    """`x` with zeros behind or without its last entries, so that the axis has `width` of them."""
    if x.shape[axis] >= width:
        return x if x.shape[axis] == width else x.narrow(axis, 0, width)
    size = list(x.shape)
    size[axis] = width - x.shape[axis]
    return torch.cat((x, x.new_zeros(size)), dim=axis)
