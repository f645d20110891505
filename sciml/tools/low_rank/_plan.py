"""Choosing the ranks: the smallest loss of energy a FLOPs budget allows."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn

from sciml.core.errors import UnknownNameError, UserError
from sciml.nn import (
    LowRankConv,
    LowRankLinear,
    LowRankSpectralConv,
    discarded_energy,
    low_rank_obstacle,
    matrices,
    packing_of,
)
from sciml.tools._flops import flops_by_layer
from sciml.tools.low_rank._config import LowRankConfig, LowRankPlan


class Choice(NamedTuple):
    """One way to keep a layer.

    Fields:
        rank: of the factors; 0 for the layer as it is.
        flops: of the layer, per prediction.
        discarded: squared relative error e of its matrix.
        loss: -log(1 - e), what counts in the choice.
    """

    rank: int
    flops: float
    discarded: float
    loss: float


def plan_low_rank(module: nn.Module, predict: Callable[[], object], config: LowRankConfig) -> LowRankPlan:
    """Ranks of a module's layers for a budget, from their weights and from one prediction.

    With e_l = Σ_{i > r_l} σ_{l,i}² / Σ_i σ_{l,i}² and F_l the FLOPs of layer l it minimises

        -Σ_l log(1 - e_l)   subject to   Σ_l F_l(r_l) ≤ budget · Σ_l F_l,

    the sum of the relative errors where they are small; where they are not, no layer gives up nearly all of its energy
    for the others, as a plain sum makes the largest layers do (with it, a SineNet and an FNO erred 0 to 25 % more at
    equal FLOPs). Ranks are raised one layer at a time, where the loss falls most per operation; that is
    optimal up to one step of one layer, for singular values descend.

    Arguments:
        module: trained, with plain layers or layers of low rank.
        predict: makes one prediction with `module`.
        config: the budget, and layers to leave alone.

    Raises:
        UserError: the budget cannot be met (with the least share that can), or no layer can be factored.
        UnknownNameError: a name in ``config.keep`` is not one of a layer.
    """
    names, skipped = _candidates(module)
    every = [*names, *skipped]
    outermost = [name for name in every if not any(name.startswith(f"{other}.") for other in every)]
    flops = flops_by_layer(module, predict, [name for name in outermost if name])
    skipped |= {name: "a prediction does not call it" for name in names if not flops.get(name)}
    skipped |= _kept(module, flops, config)
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
    reasons, choices = dict(skipped or {}), {}
    for name, count in flops.items():
        if name in reasons:
            continue
        reason, options = _choices(module.get_submodule(name), count)
        if reason:
            reasons[name] = reason
        else:
            choices[name] = options
    if not choices:
        raise UserError(
            "no layer of this module can be factored",
            got="; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "a module without such layers",
            expected="at least one linear or convolution layer with matrices larger than 2 x 2",
        )
    dense = sum(options[-1].flops for options in choices.values())
    total = sum(flops.values())
    others = total - dense
    least = (others + sum(options[0].flops for options in choices.values())) / total
    if least > budget:
        reachable = math.ceil(1000 * least) / 1000
        raise UserError(
            "the FLOPs budget cannot be met, not even with rank 1 in every layer that may be factored",
            got=f"flops={budget:g}",
            expected=f"at least {reachable:g}",
            fix=f"Set flops={reachable:g} or more, or leave fewer layers as they are.",
        )
    rounding = 1e-9 * total
    chosen = _allocate(choices, budget * total - others + rounding)
    factored = {name: choice for name, choice in chosen.items() if choice.rank}
    reasons |= {name: "the budget leaves it as it is" for name in chosen if name not in factored}
    return LowRankPlan(
        ranks={name: choice.rank for name, choice in factored.items()},
        skipped=reasons,
        discarded={name: choice.discarded for name, choice in factored.items()},
        flops=(others + sum(choice.flops for choice in chosen.values())) / total,
    )


def _allocate(choices: Mapping[str, list[Choice]], budget: float) -> dict[str, Choice]:
    """One choice per layer, starting from the cheapest: steps along every layer's convex hull, the steepest first.

    What is left of the budget after the steps that fit is spent on single ranks, again where the loss falls most per
    operation.
    """
    chosen = {name: options[0] for name, options in choices.items()}
    left = budget - sum(choice.flops for choice in chosen.values())
    steps = [
        (_slope(before, after), name, after)
        for name, options in choices.items()
        for hull in [_hull(options)]
        for before, after in pairwise(hull)
        if after.loss < before.loss
    ]
    closed = set()  # a layer one of whose steps did not fit: the later ones start from that step
    for _, name, after in sorted(steps, key=lambda step: step[0], reverse=True):
        extra = after.flops - chosen[name].flops
        if name not in closed and extra <= left:
            chosen[name], left = after, left - extra
        else:
            closed.add(name)
    while True:
        rises = [
            (_slope(chosen[name], after), name, after)
            for name, options in choices.items()
            for after in options
            if after.flops > chosen[name].flops and after.flops - chosen[name].flops <= left
            and after.loss < chosen[name].loss
        ]  # fmt: skip
        if not rises:
            return chosen
        _, name, after = max(rises, key=lambda rise: rise[0])
        chosen[name], left = after, left - (after.flops - chosen[name].flops)


def _hull(options: list[Choice]) -> list[Choice]:
    """The lower convex hull of loss against FLOPs, cheapest first."""
    hull: list[Choice] = []
    for option in options:
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], option):
            hull.pop()
        hull.append(option)
    return hull


def _slope(before: Choice, after: Choice) -> float:
    return (before.loss - after.loss) / (after.flops - before.flops)


def _choices(layer: nn.Module, flops: int) -> tuple[str, list[Choice]]:
    """Why a layer is left alone, or the ranks that make it cheaper, and last the layer as it is."""
    values, rank, share = matrices(layer)
    if not torch.isfinite(torch.view_as_real(values) if values.is_complex() else values).all():
        return "its weight holds values that are not finite", []
    cheaper = [r for r in range(1, rank + 1) if r * share < 1]
    if not cheaper:
        return f"a {values.shape[1]} x {values.shape[2]} matrix is not cheaper in factors", []
    discarded = discarded_energy(values).tolist()
    factored = [Choice(r, r * share * flops, discarded[r], -math.log1p(-discarded[r])) for r in cheaper]
    return "", [*factored, Choice(0, float(flops), 0.0, 0.0)]


def _candidates(module: nn.Module) -> tuple[list[str], dict[str, str]]:
    """Names of layers with a low-rank form, and of others that hold a matrix, with the reason."""
    names: list[str] = []
    skipped: dict[str, str] = {}
    owners: dict[int, set[str]] = {}
    for name, layer in module.named_modules():
        for parameter in layer.parameters(recurse=False):
            owners.setdefault(id(parameter), set()).add(name)
    inside = None
    for name, layer in module.named_modules():
        if inside and name.startswith(inside):  # a factor of a layer that is itself a candidate
            continue
        if isinstance(layer, (LowRankLinear, LowRankConv, LowRankSpectralConv)):
            inside = f"{name}."
        obstacle = low_rank_obstacle(layer) if name else "it is the whole module"
        users = {user for parameter in layer.parameters() for user in owners[id(parameter)]}
        others = sorted(user for user in users if user != name and not user.startswith(f"{name}."))
        if obstacle:
            pruned = any(packing_of(layer, short) for short in getattr(layer, "parametrizations", {}))
            if pruned or any(parameter.ndim > 1 for parameter in layer.parameters(recurse=False)):
                skipped[name] = obstacle
        elif others:
            skipped[name] = f"it shares its weight with {', '.join(others)}"
        else:
            names.append(name)
    return names, skipped


def _kept(module: nn.Module, called: Mapping[str, int], config: LowRankConfig) -> dict[str, str]:
    """Layers the configuration leaves alone."""
    known = [name for name, _ in module.named_modules() if name]
    kept = {}
    for keep in config.keep:
        if keep not in known:
            raise UnknownNameError("layer", keep, called)
        kept |= {name: "the configuration keeps it" for name in called if name == keep or name.startswith(f"{keep}.")}
    order = list(called)
    if config.keep_first and order:
        kept[order[0]] = "it is called first"
    if config.keep_last and order:
        kept[order[-1]] = "it is called last"
    return kept
