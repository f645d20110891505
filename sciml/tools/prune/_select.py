"""Which entries are the most important, over all weights together."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.tools.prune._weights import Weight


def importance(weights: Sequence[Weight]) -> Float[Tensor, " entry"]:
    """T = |w ∂L/∂w| of every entry, the change of the loss if it were zero, to first order.

    |Re(w̄ g)| of a complex number. Zero where a weight has no gradient.
    """
    return torch.cat([_of_one(weight) for weight in weights])


def magnitudes(weights: Sequence[Weight]) -> Float[Tensor, " entry"]:
    """|w| of every entry."""
    rows = [weight.rows(weight.tensor.detach()) for weight in weights]
    return torch.cat(
        [row.norm(dim=1) if weight.pairs else row.abs() for weight, row in zip(weights, rows, strict=True)]
    )


def largest(scores: Float[Tensor, " entry"], count: int) -> Bool[Tensor, " entry"]:
    """True for exactly `count` entries, those of the largest scores.

    Ties are settled by position: the rule "at least the count-th largest" keeps every entry where fewer than `count`
    scores differ from zero, as with dead units.
    """
    kept = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    return kept.index_fill_(0, scores.topk(count, sorted=False).indices, True)


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


def _of_one(weight: Weight) -> Tensor:
    tensor, gradient = weight.tensor.detach(), weight.tensor.grad
    if gradient is None:
        return tensor.real.new_zeros(weight.entries) if tensor.is_complex() else tensor.new_zeros(weight.entries)
    if weight.pairs:
        return (weight.rows(tensor) * weight.rows(gradient)).sum(1).abs()
    product = tensor.conj() * gradient if tensor.is_complex() else tensor * gradient
    return product.real.abs().flatten() if product.is_complex() else product.abs().flatten()
