"""A budget of FLOPs over the layers of a module: which layers count, and how the budget is dealt out to them."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

import pydantic
from torch import nn

from sciml.core.config import Config
from sciml.core.errors import UnknownNameError, UserError
from sciml.nn import low_rank_obstacle, packing_of
from sciml.tools._flops import flops_by_layer
from sciml.train import TrainConfig

F = TypeVar("F")
"""How a tool describes what becomes of a layer."""


class BudgetConfig(Config):
    """What every tool that makes layers cheaper is asked for."""

    flops: float = pydantic.Field(default=0.5, gt=0, le=1)
    """FLOPs of the module's layers in one prediction, as a share of the parent's. What a solver computes beside its
    network, such as physics and integration, does not count."""
    keep: tuple[str, ...] = ()
    """Layers left as they are, by their names in the module; a name stands for all layers inside it."""
    keep_first: bool = False
    """Whether the layer that is called first is left as it is."""
    keep_last: bool = False
    """Whether the layer that is called last is left as it is."""
    finetune_steps: int = pydantic.Field(default=0, ge=0)
    """Steps of training after the rewrite; 0 for none."""
    learning_rate: float | None = pydantic.Field(default=None, gt=0)
    """Learning rate of those steps; None for the one the solver was trained with."""

    def finetuning(self, recipe: TrainConfig) -> TrainConfig | None:
        """``finetune_steps`` of the solver's own training, without polishing, scored ten times on the way."""
        return shortened(recipe, self.finetune_steps, self.learning_rate) if self.finetune_steps else None


def shortened(recipe: TrainConfig, steps: int, learning_rate: float | None = None) -> TrainConfig:
    """The training of a solver over another number of steps, without polishing, scored at least ten times."""
    return recipe.model_copy(
        update={
            "steps": steps,
            "polish": 0,
            "evaluate_every": min(recipe.evaluate_every, max(1, steps // 10)),
            "learning_rate": learning_rate or recipe.learning_rate,
        }
    )


class Choice(NamedTuple, Generic[F]):
    """One way to keep a layer.

    Fields:
        form: what becomes of it; None for the layer as it is.
        flops: of the layer, per prediction.
        discarded: squared relative error e of its matrix.
    """

    form: F | None
    flops: float
    discarded: float

    @property
    def loss(self) -> float:
        """-log(1 - e), what counts in the choice."""
        return -math.log1p(-min(self.discarded, 1 - 1e-12))


class Allocation(NamedTuple, Generic[F]):
    """What becomes of the layers.

    Fields:
        chosen: by name, layers that change.
        skipped: layers that are left as they are, with the reason.
        flops: of all layers, as a share of those before.
    """

    chosen: dict[str, Choice[F]]
    skipped: dict[str, str]
    flops: float


def layers_within(
    module: nn.Module, predict: Callable[[], object], config: BudgetConfig
) -> tuple[dict[str, int], dict[str, str]]:
    """Products of every layer in one prediction, and the layers that are left alone, with the reason.

    Raises:
        UnknownNameError: a name in ``config.keep`` is not one of a layer.
    """
    names, skipped = _candidates(module)
    every = [*names, *skipped]
    outermost = [name for name in every if not any(name.startswith(f"{other}.") for other in every)]
    flops = flops_by_layer(module, predict, [name for name in outermost if name])
    skipped |= {name: "a prediction does not call it" for name in names if not flops.get(name)}
    skipped |= _kept(module, flops, config)
    return flops, skipped


def deal_out(
    flops: Mapping[str, int],
    budget: float,
    skipped: Mapping[str, str],
    offers: Callable[[str, int], tuple[str, list[Choice[F]]]],
    verb: str,
) -> Allocation[F]:
    """The choice of every layer that loses least within a budget.

    With e_l the squared relative error of the matrix of layer l and F_l its FLOPs it minimises

        -Σ_l log(1 - e_l)   subject to   Σ_l F_l ≤ budget · Σ_l F_l(as it is),

    the sum of the relative errors where they are small; where they are not, no layer gives up nearly all of its energy
    for the others, as a plain sum makes the largest layers do (with it, a SineNet and an FNO erred 0 to 25 % more at
    equal FLOPs). Layers are raised one step at a time, where the loss falls most per operation; that is optimal up to
    one step of one layer where losses fall convexly.

    Arguments:
        flops: per prediction and layer, of all layers that count.
        budget: share of their sum.
        skipped: layers left alone, with the reason.
        offers: ``(name, flops)`` to why a layer is left alone, or the choices cheaper than it is.
        verb: what is done to layers, for messages.

    Raises:
        UserError: the budget cannot be met (with the least share that can), or no layer has a choice.
    """
    reasons, choices = dict(skipped), {}
    for name, count in flops.items():
        if name in reasons:
            continue
        reason, options = offers(name, count)
        if reason:
            reasons[name] = reason
        else:
            choices[name] = _best(options, Choice[F](None, float(count), 0.0))
    if not choices:
        raise UserError(
            f"no layer of this module can be {verb}",
            got="; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "a module without such layers",
            expected="at least one linear or convolution layer with matrices larger than 2 x 2",
        )
    total = sum(flops.values())
    others = total - sum(options[-1].flops for options in choices.values())
    least = (others + sum(options[0].flops for options in choices.values())) / total
    if least > budget:
        reachable = math.ceil(1000 * least) / 1000
        raise UserError(
            f"the FLOPs budget cannot be met, not even with the cheapest form of every layer that may be {verb}",
            got=f"flops={budget:g}",
            expected=f"at least {reachable:g}",
            fix=f"Set flops={reachable:g} or more, or leave fewer layers as they are.",
        )
    chosen = allocate(choices, budget * total - others + 1e-9 * total)
    changed = {name: choice for name, choice in chosen.items() if choice.form is not None}
    reasons |= {name: "the budget leaves it as it is" for name in chosen if name not in changed}
    return Allocation(changed, reasons, (others + sum(choice.flops for choice in chosen.values())) / total)


def allocate(choices: Mapping[str, list[Choice[F]]], budget: float) -> dict[str, Choice[F]]:
    """One choice per layer, starting from the cheapest: steps along every layer's convex hull, the steepest first.

    What is left of the budget after the steps that fit is spent on single choices, again where the loss falls most per
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


def _best(options: list[Choice[F]], unchanged: Choice[F]) -> list[Choice[F]]:
    """Cheapest first, without those that cost more than one that loses no more; the layer as it is comes last."""
    kept: list[Choice[F]] = []
    for option in sorted(options, key=lambda option: (option.flops, option.loss)):
        if option.flops < unchanged.flops and (not kept or option.loss < kept[-1].loss):
            kept.append(option)
    return [*kept, unchanged]


def _hull(options: list[Choice[F]]) -> list[Choice[F]]:
    """The lower convex hull of loss against FLOPs, cheapest first."""
    hull: list[Choice[F]] = []
    for option in options:
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], option):
            hull.pop()
        hull.append(option)
    return hull


def _slope(before: Choice[F], after: Choice[F]) -> float:
    return (before.loss - after.loss) / (after.flops - before.flops)


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
        if inside and name.startswith(inside):  # a factor or an operator of a layer that is itself a candidate
            continue
        obstacle = low_rank_obstacle(layer) if name else "it is the whole module"
        if not obstacle:
            inside = f"{name}."
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


def _kept(module: nn.Module, called: Mapping[str, int], config: BudgetConfig) -> dict[str, str]:
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
