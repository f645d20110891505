"""Jets: a function's value and chosen partial derivatives at points, carried through the layers of a network together.

A `Jet` holds one tensor ``point channel`` per derivative, by name: ``""`` the value, ``"x"``, ``"xx"``, ``"xt"``. What
is missing is zero. A linear map acts on all of them; a pointwise σ by Faà di Bruno's formula, a sum over the partitions
π of the letters of a derivative into blocks B,

    ∂_α σ(a) = Σ_π σ^(|π|)(a) Π_B ∂_B a;

a product by Leibniz' rule. This is Taylor-mode differentiation with the coefficients written as derivatives. The name
``Δ`` stands for the sum of the pure second derivatives along all axes (a forward Laplacian),

    Δ σ(a) = σ'(a) Δa + σ''(a) Σ_i (∂_i a)².

Reference: A. Griewank, A. Walther, Evaluating Derivatives (SIAM 2008), chapter 13; R. Li et al., A computational
framework for neural network-based variational Monte Carlo with forward Laplacian, arXiv:2307.08214.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Protocol, Union, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.derivatives import LAPLACIAN, closure
from sciml.core.errors import UnsupportedError
from sciml.nn._low_rank import LowRankLinear
from sciml.nn.structured._layers import StructuredAffine


@dataclass(frozen=True)
class Record:
    """One use of an affine layer: what went in and what came out, per derivative and point."""

    layer: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


@dataclass(frozen=True)
class Jet:
    """Values and derivatives at points; adds and multiplies like the function it stands for.

    Arguments:
        parts: tensors ``point channel`` (or ``1 channel`` if they are the same at all points) by derivative.
        wanted: the derivatives that are carried, lower orders first; all that they are built from must be among them.
        axes: names of the axes.
        tape: where uses of affine layers are noted; None for nowhere.
    """

    parts: Mapping[str, Tensor]
    wanted: tuple[str, ...]
    axes: tuple[str, ...]
    tape: list[Record] | None = field(default=None, compare=False)

    @property
    def value(self) -> Tensor:
        """The function itself."""
        return self.parts[""]

    def __getitem__(self, name: str) -> Tensor:
        """One derivative; zeros where it vanishes identically."""
        part = self.parts.get(name)
        return torch.zeros_like(self.value) if part is None else part.expand_as(self.value)

    def with_parts(self, parts: Mapping[str, Tensor]) -> "Jet":
        """The same kind of jet with other values."""
        return Jet(parts, self.wanted, self.axes, self.tape)

    def columns(self, which: Sequence[int] | slice) -> "Jet":
        """Some channels."""
        return self.with_parts({name: part[:, which] for name, part in self.parts.items()})

    def __add__(self, other: Union["Jet", Tensor, float]) -> "Jet":
        if isinstance(other, Jet):
            names = [name for name in self.wanted if name in self.parts or name in other.parts]
            return self.with_parts({name: _sum(self.parts.get(name), other.parts.get(name)) for name in names})
        return self.with_parts({**self.parts, "": self.value + other})

    def __mul__(self, other: Union["Jet", Tensor, float]) -> "Jet":
        if not isinstance(other, Jet):
            return self.with_parts({name: part * other for name, part in self.parts.items()})
        parts = {}
        for name in self.wanted:
            terms = _leibniz(name) if name != LAPLACIAN else _leibniz_laplacian(self.axes)
            total = None
            for count, left, right in terms:
                a, b = self.parts.get(left), other.parts.get(right)
                if a is not None and b is not None:
                    total = _sum(total, a * b if count == 1 else count * (a * b))
            if total is not None:
                parts[name] = total
        return self.with_parts(parts)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Jet":
        return self * -1.0

    def __sub__(self, other: Union["Jet", Tensor, float]) -> "Jet":
        return self + (-other)

    def __rsub__(self, other: Tensor | float) -> "Jet":
        return -self + other


@runtime_checkable
class _Affine(Protocol):
    """A layer W x + b of any class."""

    weight: Tensor
    bias: Tensor | None


Signal = Tensor | Jet
"""What a network of these layers maps: plain values, or jets."""


def coordinates(
    points: Float[Tensor, "point dim"], axes: Sequence[str], wanted: Iterable[str], *, tape: list[Record] | None = None
) -> Jet:
    """The jet of the coordinates themselves, with `wanted` and all that they are built from.

    With `LAPLACIAN` among the wanted, all first derivatives are carried.
    """
    names = list(wanted)
    laplacian = LAPLACIAN in names
    names = [name for name in names if name != LAPLACIAN] + (list(axes) if laplacian else [])
    needed = (*closure(names), *([LAPLACIAN] if laplacian else []))
    unit = torch.eye(len(axes), dtype=points.dtype, device=points.device)
    parts = {"": points} | {axis: unit[i : i + 1] for i, axis in enumerate(axes) if axis in needed}
    return Jet(parts, needed, tuple(axes), tape)


def linear(layer: nn.Module, x: Signal) -> Signal:
    """W x + b of values or jets, of a layer with ``weight`` and ``bias``."""
    if not isinstance(x, Jet):
        return layer(x)
    if isinstance(layer, LowRankLinear):  # one factor after the other, or jets would cost what the dense layer costs
        return linear(layer.second, linear(layer.first, x))
    if isinstance(layer, StructuredAffine):
        return _structured(layer, x)
    affine = cast(_Affine, layer)
    inputs = x.parts
    if x.tape is not None:  # per-point gradients need every part at every point
        inputs = {name: part.expand(len(x.value), -1) for name, part in inputs.items()}
    parts = {
        name: functional.linear(part, affine.weight, affine.bias if name == "" else None)
        for name, part in inputs.items()
    }
    if x.tape is not None:
        x.tape.append(Record(layer, inputs, parts))
    return x.with_parts(parts)


def _structured(layer: StructuredAffine, x: Jet) -> Jet:
    """W x + b of jets by the structured product; its blocks are no layers that a tape could note."""
    if x.tape is not None:
        raise UnsupportedError(
            "per-point gradients of structured layers are not available",
            got="a network with structured layers",
            fix="Train it by first-order steps; or use the tool low_rank, whose factors are plain layers.",
        )
    parts = {name: layer.operator.matvec(part) for name, part in x.parts.items()}
    if layer.bias is not None:
        parts[""] = parts[""] + layer.bias
    return x.with_parts(parts)


def pointwise(function: nn.Module, x: Signal) -> Signal:
    """σ(x) of values or jets; UnsupportedError for a σ without a rule."""
    if not isinstance(x, Jet):
        return function(x)
    rule = _RULES.get(type(function))
    if rule is None:
        raise UnsupportedError(
            f"there is no rule for the derivatives of {type(function).__name__}",
            expected="one of: " + ", ".join(sorted(kind.__name__ for kind in _RULES)),
            fix="Take the engine 'autograd'.",
        )
    if isinstance(function, nn.Tanh) and all(len(name) <= 2 and name != LAPLACIAN for name in x.wanted):
        return x.with_parts(_tanh_to_second_order(x))
    a, parts = x.parts, {}
    order = max((max(len(blocks) for _, blocks in _partitions(n)) for n in x.wanted if n and n != LAPLACIAN), default=0)
    slopes = rule(x.value, max(order, 2 if LAPLACIAN in x.wanted else 0))
    parts[""] = slopes[0]
    for name in x.wanted:
        if name == LAPLACIAN:
            squares = [a[axis] * a[axis] for axis in x.axes if axis in a]
            total = slopes[2] * sum(squares[1:], squares[0]) if squares else None
            if name in a:
                total = _sum(total, slopes[1] * a[name])
        elif name:
            total = None
            for count, blocks in _partitions(name):
                factors = [a[block] for block in blocks if block in a]
                if len(factors) == len(blocks):
                    inner = factors[0]
                    for factor in factors[1:]:
                        inner = inner * factor
                    term = slopes[len(blocks)] * inner
                    total = _sum(total, term if count == 1 else count * term)
        else:
            continue
        if total is not None:
            parts[name] = total
    return x.with_parts(parts)


def join(*parts: Signal) -> Signal:
    """Channels side by side, of values or of jets, all of one kind."""
    first = parts[0]
    if not isinstance(first, Jet):
        return torch.cat(cast("tuple[Tensor, ...]", parts), dim=1)
    jets = cast("tuple[Jet, ...]", parts)
    names = [name for name in first.wanted if any(name in jet.parts for jet in jets)]
    return first.with_parts({name: torch.cat([jet[name] for jet in jets], dim=1) for name in names})


class Sine(nn.Module):
    """sin x."""

    def forward(self, x: Tensor) -> Tensor:
        """The sine."""
        return x.sin()


class Cosine(nn.Module):
    """cos x."""

    def forward(self, x: Tensor) -> Tensor:
        """The cosine."""
        return x.cos()


def _tanh_to_second_order(x: Jet) -> dict[str, Tensor]:
    """h = tanh a with ∂h = s ∂a and ∂∂'h = s ∂∂'a - 2 h ∂h ∂'a, s = 1 - h²: the usual case with fewer products."""
    h = x.value.tanh()
    s = 1 - h * h
    parts = {"": h}
    for name in x.wanted:
        part = x.parts.get(name)
        if len(name) == 1 and part is not None:
            parts[name] = s * part
        elif len(name) == 2:
            first, second = x.parts.get(name[0]), x.parts.get(name[1])
            total = None if part is None else s * part
            if first is not None and second is not None:
                bent = h * parts[name[0]]
                total = -2 * bent * second if total is None else torch.addcmul(total, bent, second, value=-2)
            if total is not None:
                parts[name] = total
    return parts


def _tanh(a: Tensor, order: int) -> list[Tensor]:
    h = a.tanh()
    s = 1 - h * h
    slopes = [h, s]
    if order >= 2:
        slopes.append(-2 * h * s)
    if order >= 3:
        slopes.append(s * (6 * h * h - 2))
    if order >= 4:
        slopes.append(8 * h * s * (2 - 3 * h * h))
    return slopes


def _sigmoid(a: Tensor, order: int) -> list[Tensor]:
    scaled = _tanh(a / 2, order)
    return [0.5 * (1 + scaled[0]), *(slope * 0.5 ** (k + 1) for k, slope in enumerate(scaled[1:], 1))]


def _sine(a: Tensor, order: int) -> list[Tensor]:
    s, c = a.sin(), a.cos()
    return [s, c, -s, -c, s][: order + 1]


def _cosine(a: Tensor, order: int) -> list[Tensor]:
    s, c = a.sin(), a.cos()
    return [c, -s, -c, s, c][: order + 1]


def _identity(a: Tensor, order: int) -> list[Tensor]:
    return [a, torch.ones_like(a), *[torch.zeros_like(a)] * (order - 1)]


_RULES: dict[type[nn.Module], Callable[[Tensor, int], list[Tensor]]] = {
    nn.Tanh: _tanh,
    nn.Sigmoid: _sigmoid,
    nn.Identity: _identity,
    Sine: _sine,
    Cosine: _cosine,
}
"""σ, σ', σ'', ... at a point, by the type of the activation."""


@lru_cache
def _partitions(name: str) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Partitions of the letters of a derivative into blocks, equal ones counted."""
    partitions: list[list[list[str]]] = [[]]
    for letter in name:
        partitions = [
            [*([*block, letter] if i == j else block for i, block in enumerate(blocks)), *([[letter]] if j < 0 else [])]
            for blocks in partitions
            for j in range(-1, len(blocks))
        ]
    counted = Counter(tuple(sorted("".join(block) for block in blocks)) for blocks in partitions)
    return tuple((count, blocks) for blocks, count in counted.items())


@lru_cache
def _leibniz(name: str) -> tuple[tuple[int, str, str], ...]:
    """Ways to share the letters of a derivative between two factors, equal ones counted."""
    counted: Counter[tuple[str, str]] = Counter()
    for choice in product((True, False), repeat=len(name)):
        left = "".join(letter for letter, chosen in zip(name, choice, strict=True) if chosen)
        right = "".join(letter for letter, chosen in zip(name, choice, strict=True) if not chosen)
        counted[left, right] += 1
    return tuple((count, left, right) for (left, right), count in counted.items())


@lru_cache
def _leibniz_laplacian(axes: tuple[str, ...]) -> tuple[tuple[int, str, str], ...]:
    return ((1, LAPLACIAN, ""), (1, "", LAPLACIAN), *((2, axis, axis) for axis in axes))


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor:
    if a is None or b is None:
        kept = b if a is None else a
        assert kept is not None
        return kept
    return a + b
