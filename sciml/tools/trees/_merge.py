"""Moving along the line between ensembles: aligned copies, averages, and the barrier on the way."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from sciml.models import SoftTrees
from sciml.tools.trees._match import Invariances, Matching, match_activations, match_weights

Match = Literal["weights", "activations"]
"""What two ensembles are compared by."""
_SWEEPS = 10  # of aligning many; it ends when nothing moves, mostly after two or three


def aligned(moving: SoftTrees, matching: Matching) -> SoftTrees:
    """A copy of an ensemble, rearranged: the same function."""
    answer = copy.deepcopy(moving)
    answer.rearrange(matching.order, matching.symmetries)
    return answer


def find_matching(
    moving: SoftTrees, fixed: SoftTrees, *, match: Match = "weights", invariances: Invariances = "all",
    samples: Tensor | None = None,
) -> Matching:  # fmt: skip
    """By weights, or by activations on some samples (which it needs then)."""
    if match == "activations" and invariances != "none":
        assert samples is not None
        return match_activations(moving, fixed, samples, invariances)
    return match_weights(moving, fixed, invariances)


def average(networks: Sequence[SoftTrees], shares: Sequence[float]) -> SoftTrees:
    """The ensemble of mean parameters, Σ_i share_i θ_i."""
    answer = copy.deepcopy(networks[0])
    splits, leaves = (
        sum(share * table.double() for share, table in zip(shares, tables, strict=True))
        for tables in zip(*(network.tables() for network in networks), strict=True)
    )
    answer.write(splits, leaves)  # pyright: ignore[reportArgumentType] (sums of tensors)
    return answer


def align_all(networks: Sequence[SoftTrees], match: Callable[[SoftTrees, SoftTrees], Matching]) -> list[SoftTrees]:
    """All ensembles aligned to each other: first to the first one, then each to the mean of the others.

    Sweeps go on until none moves any more; of two, one is aligned to the other and that is all.

    Arguments:
        networks: of one form; they are left as they are.
        match: ``(moving, fixed)`` to how the first one is rearranged.
    """
    answer = [networks[0], *(aligned(moving, match(moving, networks[0])) for moving in networks[1:])]
    for _ in range(_SWEEPS if len(networks) > 2 else 0):
        moved = False
        for index, network in enumerate(answer):
            others = [other for number, other in enumerate(answer) if number != index]
            again = match(network, average(others, [1 / len(others)] * len(others)))
            stays = again.order == tuple(range(network.trees)) and all(
                min(s.signs) > 0 and s.order == tuple(range(len(s.order))) for s in again.symmetries
            )
            if not stays:
                answer[index], moved = aligned(network, again), True
        if not moved:
            break
    return answer


def interpolated(first: SoftTrees, second: SoftTrees, share: float) -> SoftTrees:
    """(1 − share) θ_first + share θ_second."""
    return average((first, second), (1 - share, share))


def barrier(shares: Tensor, losses: Tensor) -> float:
    """max over λ of  L(λ) − [(1 − λ) L(0) + λ L(1)], at least 0.

    Arguments:
        shares: λ from 0 to 1, rising.
        losses: on the straight line between two ensembles.
    """
    ends = torch.lerp(losses[:1], losses[-1:], shares.to(losses))
    return max(0.0, float((losses - ends).amax()))
