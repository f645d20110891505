"""Choosing the ranks: the smallest loss of energy a FLOPs budget allows."""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from sciml.nn import discarded_energy, matrices
from sciml.tools._budget import Choice, deal_out, layers_within
from sciml.tools.low_rank._config import LowRankConfig, LowRankPlan


def plan_low_rank(module: nn.Module, predict: Callable[[], object], config: LowRankConfig) -> LowRankPlan:
    """Ranks of a module's layers for a budget, from their weights and from one prediction.

    The loss of a layer of rank r is that of e = Σ_{i > r} σ_i² / Σ_i σ_i², dealt out as in `sciml.tools._budget`.

    Arguments:
        module: trained, with plain layers or layers of low rank.
        predict: makes one prediction with `module`.
        config: the budget, and layers to leave alone.

    Raises:
        UserError: the budget cannot be met (with the least share that can), or no layer can be factored.
        UnknownNameError: a name in ``config.keep`` is not one of a layer.
    """
    flops, skipped = layers_within(module, predict, config)
    return choose_ranks(module, flops, config.flops, skipped)


def choose_ranks(
    module: nn.Module, flops: Mapping[str, int], budget: float, skipped: Mapping[str, str] | None = None
) -> LowRankPlan:
    """`plan_low_rank` for known FLOPs.

    Arguments:
        module: has the layers.
        flops: per prediction and layer, of all layers that count.
        budget: share of their sum.
        skipped: layers left alone, with the reason.
    """
    chosen, reasons, share = deal_out(
        flops, budget, skipped or {}, lambda name, count: rank_choices(module.get_submodule(name), count), "factored"
    )
    return LowRankPlan(
        ranks={name: choice.form for name, choice in chosen.items() if choice.form},
        skipped=reasons,
        discarded={name: choice.discarded for name, choice in chosen.items()},
        flops=share,
    )


def rank_choices(layer: nn.Module, flops: int) -> tuple[str, list[Choice[int]]]:
    """Why a layer is left alone, or the ranks that make it cheaper."""
    values, rank, share = matrices(layer)
    if not torch.isfinite(torch.view_as_real(values) if values.is_complex() else values).all():
        return "its weight holds values that are not finite", []
    cheaper = [r for r in range(1, rank + 1) if r * share < 1]
    if not cheaper:
        return f"a {values.shape[1]} x {values.shape[2]} matrix is not cheaper in factors", []
    discarded = discarded_energy(values).tolist()
    return "", [Choice(r, r * share * flops, discarded[r]) for r in cheaper]
