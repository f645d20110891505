"""Tversky's measures of sets of features, differentiable.

An object is a vector x and the set X = {f_k : x·f_k > 0} of those features of a bank that it has. With a_k = a·f_k and
b_k = b·f_k,

    f(A ∩ B) = Σ_k Ψ(a_k, b_k) 1[a_k > 0] 1[b_k > 0]
    f(A - B) = Σ_k a_k 1[a_k > 0] 1[b_k ≤ 0]                                   (ignorematch)
             + Σ_k (a_k - b_k) 1[a_k > b_k > 0]                                (added by subtractmatch)
    S(a, b)  = θ f(A ∩ B) - α f(A - B) - β f(B - A)                            (contrast)
    S(a, b)  = f(A ∩ B) / (f(A ∩ B) + α f(A - B) + β f(B - A) + c)             (ratio)

With hard gates S jumps by β b_k where a_k passes zero. Smooth gates put σ(a/τ) for 1[a > 0] and τ softplus(a/τ) for
max(a, 0), and tend to the hard ones with τ.

Reference:
    A. Tversky, Features of similarity, Psychological Review 84 (1977) 327; M. K. B. Doumbouya, D. Jurafsky,
    C. D. Manning, Tversky neural networks, arXiv:2506.11035.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sciml.core.errors import ConfigError, UnknownNameError

Model = Literal["contrast", "ratio"]
Intersection = Literal["product", "min", "max", "mean", "gmean", "softmin"]
Difference = Literal["ignorematch", "subtractmatch"]
Reduction = Literal["feature", "sum_first"]
Gate = Literal["hard", "smooth", "none"]

_TINY = 1e-12  # below it a square root is not differentiated


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How sets are compared.

    Arguments:
        model: one of `Model`: contrast, which has no bounds, or ratio, in [0, 1) for α, β ≥ 0.
        intersection: Ψ, one of `Intersection`.
        difference: one of `Difference`: whether features that both have count by how much the first has more of them.
        reduction: Ψ of every feature, then the sum, as the equation says; or ``sum_first``, Ψ of the sums of both over
            the common features, as published code computes it: cheaper, and the same for ``product`` (which that code
            never sums first), ``mean`` and ``ignorematch`` alone.
        gate: membership. ``none`` takes every feature for one of both, with its sign: with ``product`` a dot product.
        temperature: τ of smooth gates.
        constant: c of the ratio model.
        chunk: numbers that a sum over features without a matrix product holds at a time.

    Raises: UnknownNameError, ConfigError for what is not among these.
    """

    model: str = "contrast"
    intersection: str = "product"
    difference: str = "ignorematch"
    reduction: str = "feature"
    gate: str = "hard"
    temperature: float = 0.1
    constant: float = 1.0
    chunk: int = 2**22

    def __post_init__(self) -> None:
        for name, choices in (
            ("model", Model),
            ("intersection", Intersection),
            ("difference", Difference),
            ("reduction", Reduction),
            ("gate", Gate),
        ):
            if getattr(self, name) not in get_args(choices):
                raise UnknownNameError(name, getattr(self, name), get_args(choices))
        if not (self.temperature > 0 and self.constant > 0 and self.chunk >= 1):
            raise ConfigError("temperature and constant of a Tversky measure are positive, chunk is at least 1",
                              got=f"{self.temperature:g}, {self.constant:g}, {self.chunk}")  # fmt: skip


class Sets(NamedTuple):
    """Objects as sets: ``object feature``.

    Fields:
        strength: max(a_k, 0), or its smooth form.
        member: 1[a_k > 0], or its smooth form.
    """

    strength: Tensor
    member: Tensor


def sets_of(products: Tensor, measure: Measure) -> Sets:
    """Sets from the products a·f_k."""
    if measure.gate == "none":
        return Sets(products, torch.ones_like(products))
    if measure.gate == "smooth":
        tau = measure.temperature
        return Sets(tau * functional.softplus(products / tau), torch.sigmoid(products / tau))
    return Sets(products.relu(), (products > 0).to(products.dtype))


class Pairing(NamedTuple):
    """How objects meet: every one of the first with every one of the second, or each with its partner.

    Fields:
        product: Σ_k u_k v_k.
        over: Σ_k of a function of both sets, feature by feature.
    """

    product: Callable[[Tensor, Tensor], Tensor]
    over: Callable[[Callable[[Sets, Sets], Tensor], Sets, Sets], Tensor]


def all_pairs(measure: Measure) -> Pairing:
    """Objects ``n feature`` and ``p feature`` to numbers ``n p``, in chunks that are computed again for gradients."""
    return Pairing(lambda u, v: u @ v.T, lambda function, x, y: _chunked(function, x, y, measure.chunk))


def partners() -> Pairing:
    """Objects of the same or broadcastable shapes ``*n feature`` to numbers ``*n``."""
    return Pairing(lambda u, v: (u * v).sum(-1), lambda function, x, y: function(x, y).sum(-1))


def intersection(x: Sets, y: Sets, measure: Measure, pairing: Pairing) -> Tensor:
    """f(X ∩ Y)."""
    kind = measure.intersection
    if kind == "product":
        return pairing.product(x.strength, y.strength)
    if kind == "mean" or measure.reduction == "sum_first":
        both = pairing.product(x.strength, y.member), pairing.product(x.member, y.strength)
        return _psi(*both, measure)
    if kind == "gmean":
        return pairing.product(_root(x, measure), _root(y, measure))
    return pairing.over(lambda a, b: _psi(a.strength, b.strength, measure) * (a.member * b.member), x, y)


def difference(x: Sets, y: Sets, measure: Measure, pairing: Pairing) -> Tensor:
    """f(X - Y)."""
    without = pairing.product(x.strength, 1 - y.member)
    if measure.difference == "ignorematch":
        return without
    if measure.reduction == "sum_first":
        more = pairing.product(x.strength, y.member) - pairing.product(x.member, y.strength)
        return without + _ramp(more, measure)
    return without + pairing.over(lambda a, b: _ramp(a.strength - b.strength, measure) * (a.member * b.member), x, y)


def salience(x: Sets) -> Tensor:
    """f(X) = Σ_k a_k 1[a_k > 0]: how rich in features an object is."""
    return x.strength.sum(-1)


def _psi(a: Tensor, b: Tensor, measure: Measure) -> Tensor:
    """Ψ of two numbers that are not negative; the product never comes here."""
    match measure.intersection:
        case "min":
            return a - _ramp(a - b, measure)
        case "max":
            return b + _ramp(a - b, measure)
        case "softmin":
            return -torch.logaddexp(-a, -b)
        case "gmean":
            return (a * b).clamp(min=_TINY).sqrt() * ((a * b) > _TINY)
        case _:
            return (a + b) / 2


def _ramp(values: Tensor, measure: Measure) -> Tensor:
    if measure.gate == "smooth":
        return measure.temperature * functional.softplus(values / measure.temperature)
    return values.relu()


def _root(x: Sets, measure: Measure) -> Tensor:
    """√ of the strengths, whose slope at zero is finite."""
    if measure.gate == "smooth":
        return (x.strength + _TINY).sqrt() - _TINY**0.5
    return x.strength.clamp(min=_TINY).sqrt() * (x.strength > 0)


def _chunked(function: Callable[[Sets, Sets], Tensor], x: Sets, y: Sets, chunk: int) -> Tensor:
    """Σ_k of all pairs; more than `chunk` numbers at a time are neither held nor kept for gradients."""
    (rows, features), columns = x.strength.shape, y.strength.shape[0]
    wide = max(1, min(columns, chunk // max(1, features * rows)))
    high = max(1, min(rows, chunk // max(1, features * wide)))

    def block(xs: Tensor, xm: Tensor, ys: Tensor, ym: Tensor) -> Tensor:
        return function(Sets(xs[:, None], xm[:, None]), Sets(ys, ym)).sum(-1)

    if wide >= columns and high >= rows:
        return block(*x, *y)
    parts = []
    for xs, xm in zip(x.strength.split(high), x.member.split(high), strict=True):
        row = [
            checkpoint(block, xs, xm, ys, ym, use_reentrant=False, preserve_rng_state=False)
            for ys, ym in zip(y.strength.split(wide), y.member.split(wide), strict=True)
        ]
        parts.append(torch.cat(row, dim=1))
    return torch.cat(parts)
