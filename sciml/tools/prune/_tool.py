"""The rewrite `prune`."""

import copy

import torch
from torch import nn

from sciml.core import rng
from sciml.core.errors import NumericsError
from sciml.core.types import Support
from sciml.models import LipschitzMLP
from sciml.nn import is_packed, unpack
from sciml.tools._contract import Findings, Prepared, Rewrite, Subject
from sciml.tools.prune._compressed import choose_compressed
from sciml.tools.prune._config import Layer, PruneConfig, PrunePlan
from sciml.tools.prune._findings import findings_of
from sciml.tools.prune._gradual_rule import GradualRule
from sciml.tools.prune._masks import apply_masks, encode
from sciml.tools.prune._momentum_rule import SparseMomentumRule, tail_of
from sciml.tools.prune._select import count_to_keep, largest, magnitudes, split
from sciml.tools.prune._settings import momentum_training, refuse_unread
from sciml.tools.prune._structured import apply_slices, plan_structured
from sciml.tools.prune._weights import prunable
from sciml.train import AnySolver, TrainConfig


class PruneRewrite(Rewrite[PruneConfig, PrunePlan]):
    """All but the most important weights of a network, over all layers together, are taken out."""

    key = "prune"
    title = "Pruning to a ratio"
    citation = (
        "Ding, Ding, Zhou, Guo, Han, Liu, Global sparse momentum SGD for pruning very deep neural networks, NeurIPS "
        "2019, arXiv:1909.12778; gradual: Zhu, Gupta, To prune, or not to prune, arXiv:1710.01878; tickets: Frankle, "
        "Carbin, The lottery ticket hypothesis, ICLR 2019, arXiv:1803.03635"
    )
    config = PruneConfig
    plan_type = PrunePlan

    def supports(self, solver: AnySolver) -> Support:
        """A solver that trains a network."""
        if solver.rule is None:
            return Support(False, "it takes no training steps, so it has no network whose weights could be pruned")
        if solver.knob is None:
            return Support(False, "what it trains are coefficients of an equation, or a network that its own steps "
                                  "rebuild, not the weights of a network of a chosen size")  # fmt: skip
        if LipschitzMLP in solver.networks:
            return Support(False, "its weights are projected after every step, which fills entries that were taken out")
        return Support(True)

    def prepare(self, subject: Subject, config: PruneConfig) -> Prepared | None:
        """Train towards the cut: global sparse momentum, or gradually; nothing where weights go at once."""
        refuse_unread(config)
        module = copy.deepcopy(subject.module)
        chosen = prunable(module, include=config.include, keep=config.keep)
        count = count_to_keep(chosen.entries, config.ratio, config.entries)
        if config.method not in ("gsm", "gradual"):
            return None
        train, momentum = _search_steps(subject.recipe.train, config), 0.0
        if config.method == "gsm":
            train, momentum = momentum_training(subject, config, train, chosen, module)
        elif config.learning_rate is not None:
            train = train.model_copy(update={"learning_rate": config.learning_rate})
        loss, weights = subject.solver.loss, chosen.weights
        rule = (
            SparseMomentumRule(
                module, loss, train, weights=weights, count=count, momentum=momentum, adaptive=config.adaptive
            )
            if config.method == "gsm"
            else GradualRule(module, loss, train, weights=weights, count=count)
        )
        subject.train(module, train, rule=rule, stage=config.method)
        numbers = {"learning_rate": train.learning_rate, "steps": float(train.steps)}
        if config.method == "gsm":
            numbers |= {"momentum": momentum, "weight_decay": train.weight_decay}
        return Prepared(module.eval(), numbers)

    def plan(self, subject: Subject, config: PruneConfig) -> PrunePlan:
        """The entries that are left."""
        refuse_unread(config)
        if config.method == "structured":
            return _without_channels(subject, config)
        module = subject.module
        chosen = prunable(module, include=config.include, keep=config.keep)
        count = count_to_keep(chosen.entries, config.ratio, config.entries)
        sizes = magnitudes(chosen.weights)
        if not torch.isfinite(sizes).all():
            raise NumericsError(
                "weights that are not finite have no order; the run or the steps before the cut diverged"
            )
        if config.method == "random":
            sizes = torch.rand(len(sizes), generator=rng.generator(subject.seed, "prune"))
        kept = largest(sizes, count)
        masks = {weight.name: mask for weight, mask in zip(chosen.weights, split(kept, chosen.weights), strict=True)}
        parts = kept.split([weight.entries for weight in chosen.weights])
        plan = PrunePlan(
            method=config.method,
            masks={name: encode(mask.cpu()) for name, mask in masks.items()},
            layers={
                weight.name: Layer(kept=int(part.sum()), entries=weight.entries)
                for weight, part in zip(chosen.weights, parts, strict=True)
            },
            skipped=dict(chosen.skipped),
            tail=tail_of(chosen.weights, kept),
        )
        return _compress(subject, module, masks, plan, config) if config.compressed else plan

    def apply(self, module: nn.Module, plan: PrunePlan) -> nn.Module:
        """Packed weights, or smaller layers, in place of the full ones."""
        return apply_masks(apply_slices(module, plan.slices), plan)

    def transfer(self, module: nn.Module, plan: PrunePlan) -> nn.Module:
        """The same, with the values of the entries that are left."""
        return self.apply(module, plan)

    def restarts(self, config: PruneConfig) -> bool:
        """Where the weights are rewound."""
        return config.rewind

    def training(self, config: PruneConfig, recipe: TrainConfig) -> TrainConfig | None:
        """The solver's own training with the entries that are left; the whole of it after a rewind."""
        if config.rewind:
            return recipe
        steps = max(1, recipe.steps // 2) if config.finetune_steps is None else config.finetune_steps
        if not steps:
            return None
        return recipe.model_copy(
            update={
                "steps": steps,
                "polish": 0,
                "evaluate_every": min(recipe.evaluate_every, max(1, steps // 10)),
                "learning_rate": config.finetune_learning_rate or recipe.learning_rate,
            }
        )

    def program(self, module: nn.Module) -> nn.Module:
        """Full tensors with their zeros: neither torch.export nor ONNX knows compressed rows."""
        return unpack(copy.deepcopy(module)) if is_packed(module) else module

    def findings(self, plan: PrunePlan) -> Findings:
        """How much of every weight is left, and which layers predict faster."""
        return findings_of(plan)


def _search_steps(recipe: TrainConfig, config: PruneConfig) -> TrainConfig:
    """How long the steps towards the cut go on, on the schedule of the solver."""
    steps = config.steps or max(1, 2 * recipe.steps)
    return recipe.model_copy(
        update={
            "steps": steps,
            "polish": 0,
            "evaluate_every": min(recipe.evaluate_every, max(1, steps // 10)),
        }
    )


def _without_channels(subject: Subject, config: PruneConfig) -> PrunePlan:
    """The plan of smaller layers."""
    slices = plan_structured(subject, config)
    before = prunable(subject.module)
    smaller = apply_slices(copy.deepcopy(subject.module), slices)
    left = {weight.name: weight.entries for weight in prunable(smaller).weights}
    layers = {weight.name: Layer(kept=left[weight.name], entries=weight.entries) for weight in before.weights}
    return PrunePlan(
        method="structured", masks={}, layers=layers, slices=slices, tail=0.0, skipped=dict(before.skipped)
    )


def _compress(
    subject: Subject, module: nn.Module, masks: dict[str, torch.Tensor], plan: PrunePlan, config: PruneConfig
) -> PrunePlan:
    """The plan with the layers that predict faster with compressed rows."""
    verdicts = choose_compressed(module, masks, subject.predict(module), config.patience)
    layers = {
        name: layer.model_copy(update={"compressed": verdicts[name].compressed, "why": verdicts[name].why})
        for name, layer in plan.layers.items()
    }
    return plan.model_copy(update={"layers": layers})
