"""Which entries are the most important, over all weights together."""

import functools
import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.tools.prune._weights import Weight

_FEW = 2**12
"""Values that are ordered at once; of more, one in 64 is looked at first, but at least 512."""


def importance(weights: Sequence[Weight], out: Float[Tensor, " entry"] | None = None) -> Float[Tensor, " entry"]:
    """T = |w ∂L/∂w| of every entry, the change of the loss if it were zero, to first order.

    |Re(w̄ g)| of a complex number. Zero where a weight has no gradient. Written to `out` where that is given: memory
    that is new in every step takes longer than the products.
    """
    out = entry_values(weights) if out is None else out
    for weight, part in zip(weights, out.split([weight.entries for weight in weights]), strict=True):
        tensor, gradient = weight.tensor.detach(), weight.tensor.grad
        if gradient is None:
            part.zero_()
        elif weight.pairs:
            torch.sum(weight.rows(tensor) * weight.rows(gradient), dim=1, out=part)
        elif tensor.is_complex():
            part.copy_((tensor.conj() * gradient).real.flatten())
        else:
            torch.mul(tensor, gradient, out=part.view(tensor.shape))
    return out.abs_()


def entry_values(weights: Sequence[Weight]) -> Float[Tensor, " entry"]:
    """Room for a real number per entry, of the largest precision among the weights."""
    dtypes = [weight.tensor.dtype.to_real() for weight in weights]
    dtype = functools.reduce(torch.promote_types, dtypes)
    return torch.empty(sum(weight.entries for weight in weights), dtype=dtype, device=weights[0].tensor.device)


def magnitudes(weights: Sequence[Weight]) -> Float[Tensor, " entry"]:
    """|w| of every entry."""
    rows = [weight.rows(weight.tensor.detach()) for weight in weights]
    return torch.cat(
        [row.norm(dim=1) if weight.pairs else row.abs() for weight, row in zip(weights, rows, strict=True)]
    )


def largest(scores: Float[Tensor, " entry"], count: int) -> Bool[Tensor, " entry"]:
    """True for exactly `count` entries, those of the largest scores; of equal ones at the edge the first.

    The rule "at least the count-th largest" keeps every entry where fewer than `count` scores differ from zero, as with
    dead units. Scores are not sorted: a sample of them gives two values between which the edge must lie, and only the
    entries between these are ordered.
    """
    if not 0 < count < len(scores):
        return torch.full_like(scores, count > 0, dtype=torch.bool)
    if scores.device.type != "cpu":
        edge = scores.kthvalue(len(scores) - count + 1).values
        kept = scores > edge
        missing = (scores == edge).nonzero()[: count - int(kept.sum()), 0]
        return kept.index_fill_(0, missing, True)
    values = scores.numpy()
    edge = _edge(values, count)
    chosen = values > edge
    missing = count - int(np.count_nonzero(chosen))
    chosen[np.flatnonzero(values == edge)[:missing]] = True
    return torch.from_numpy(chosen)


def _edge(values: np.ndarray, count: int) -> float:
    """The count-th largest value."""
    if len(values) > _FEW:
        high, low = _around(values, count)
        above = int(np.count_nonzero(values > high))
        between = np.compress((values >= low) & (values <= high), values) if above < count else values[:0]
        if count <= above + len(between):
            return float(low) if low == high else _nth(between, count - above)
    return _nth(values, count)  # few values, or ones that the sample does not stand for


def _nth(values: np.ndarray, count: int) -> float:
    return float(np.partition(values, len(values) - count)[len(values) - count])


def _around(values: np.ndarray, count: int) -> tuple[float, float]:
    """A value above the count-th largest and one below it, which a sample misses by chance about once in 400 times."""
    sample = np.sort(values[_places(len(values))])[::-1]
    share, size = count / len(values), len(sample)
    slack = 3 * math.sqrt(size * share * (1 - share)) + 4
    first, last = math.floor(share * size - slack), math.ceil(share * size + slack)
    return (sample[first] if first >= 0 else math.inf), (sample[last] if last < size else -math.inf)


@functools.lru_cache(maxsize=8)
def _places(size: int) -> np.ndarray:
    """Entries of the sample: multiples of the golden ratio, which fall into step with no row length."""
    return (np.arange(max(512, size // 64)) * ((math.sqrt(5) - 1) / 2) % 1 * size).astype(np.int64)


def split(kept: Bool[Tensor, " entry"], weights: Sequence[Weight]) -> list[Bool[Tensor, "..."]]:
    """A mask over all entries as one per weight, of its shape: one bit per number."""
    parts = kept.split([weight.entries for weight in weights])
    return [
        (part[:, None].expand(-1, 2) if weight.pairs else part).reshape(weight.tensor.shape)
        for weight, part in zip(weights, parts, strict=True)
    ]


def count_to_keep(entries: int, ratio: float, asked: int | None) -> int:
    """Q, the entries that are left. Raises UserError where there are not that many, or none is left."""
    if asked is not None:
        if asked >= entries:
            raise UserError(
                "more entries are to be left than can be pruned",
                got=f"entries={asked}",
                expected=f"fewer than the {entries} prunable entries of this network",
                fix="Set a smaller number, or leave it out and set ratio.",
            )
        return asked
    count = round(entries / ratio)
    if count < 1:
        raise UserError("no entry is left at this ratio", got=f"ratio={ratio:g} of {entries} prunable entries",
                        expected=f"a ratio of at most {entries}")  # fmt: skip
    return count
