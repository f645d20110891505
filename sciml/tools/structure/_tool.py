"""The rewrite `structure`."""

from collections import Counter
from collections.abc import Callable
from typing import assert_never

from torch import nn

from sciml.core.errors import ConfigError
from sciml.core.types import Support
from sciml.nn.structured import Blast, Gaudi, Monarch, Rectangles
from sciml.tools._budget import shortened
from sciml.tools._contract import AnyRule, Findings, FindingsTable, Rewrite, Subject
from sciml.tools.structure._apply import apply_structure, compact_structure, fit_structure
from sciml.tools.structure._config import FAMILIES, LayerForm, LowRankFactors, StructureConfig, StructurePlan
from sciml.tools.structure._plan import plan_structure
from sciml.tools.structure._rule import GaudiRule, learned_blocks
from sciml.train import AnySolver, GradientRule, TrainConfig, default_rule

_START = {"trained": 0.25, "scratch": 0.02}
"""Where the filter of learned masks begins, as a share of all modes: blocks that were found already move little."""


class StructureRewrite(Rewrite[StructureConfig, StructurePlan]):
    """Layers with structured matrices, each of the kind that loses least within a budget of FLOPs."""

    key = "structure"
    title = "Structured matrices"
    citation = (
        "Lee, Kim, Differentiable Learning of Generalized Structured Matrices for Efficient Deep Neural Networks, "
        "ICLR 2024, arXiv:2310.18882"
    )
    config = StructureConfig
    plan_type = StructurePlan

    def supports(self, solver: AnySolver) -> Support:
        """A solver that trains a network of ordinary layers."""
        if solver.rule is None:
            return Support(False, "it takes no training steps, so it has no network whose layers could be structured")
        if solver.knob is None:
            return Support(False, "its networks are not made of linear and convolution layers")
        if not issubclass(solver.rule, GradientRule):
            return Support(False, "its own kind of step differentiates plain layers only; low_rank keeps to those")
        return Support(True)

    def plan(self, subject: Subject, config: StructureConfig) -> StructurePlan:
        """Structures that lose the least energy within the budget; from scratch, blocks to learn."""
        if config.start == "scratch" and config.families not in (("gblr",), FAMILIES):
            raise ConfigError("from scratch every layer learns its blocks", got=f"families={list(config.families)}",
                              expected="families=['gblr'], or the setting left out")  # fmt: skip
        if config.learn and "gblr" not in config.families:
            raise ConfigError("only blocks of gblr can be learned", got=f"learn=true, families={list(config.families)}",
                              expected="gblr among the families")  # fmt: skip
        if config.learn and config.start == "trained" and not config.finetune_steps:
            raise ConfigError("blocks are learned in training", got="learn=true, finetune_steps=0",
                              fix="Set finetune_steps, or leave out learn.")  # fmt: skip
        call: Callable[[], object] = subject.predict(subject.module)
        return plan_structure(subject.module, call, config, seed=subject.seed)

    def restarts(self, config: StructureConfig) -> bool:
        """From scratch."""
        return config.start == "scratch"

    def apply(self, module: nn.Module, plan: StructurePlan) -> nn.Module:
        """Structured layers in place of the planned ones, without their weights."""
        return apply_structure(module, plan)

    def transfer(self, module: nn.Module, plan: StructurePlan) -> nn.Module:
        """Structured layers close to the trained ones."""
        return fit_structure(module, plan)

    def training(self, config: StructureConfig, recipe: TrainConfig) -> TrainConfig | None:
        """``finetune_steps`` of the solver's own training; from scratch as many as it had, if none are given."""
        if config.start == "scratch":
            tuned = shortened(recipe, config.finetune_steps or recipe.steps, config.learning_rate)
            return tuned.model_copy(update={"ema": None})
        tuned = config.finetuning(recipe)
        return tuned.model_copy(update={"ema": None}) if tuned and config.learn else tuned

    def rule(
        self, subject: Subject, module: nn.Module, train: TrainConfig, config: StructureConfig, plan: StructurePlan
    ) -> AnyRule | None:
        """The solver's own steps; where blocks are learned, with the proximal steps of their lengths."""
        learned = learned_blocks(module)
        if not learned:
            return None
        for operator in learned:
            operator.length_rate = config.length_rate
        solver, examples = subject.solver, subject.bench().examples
        inner = solver.step_rule(module, examples, train)
        inner = inner or default_rule(module, solver.loss, examples, train, seed=subject.seed)
        if not isinstance(inner, GradientRule):
            raise ConfigError("blocks are learned by first-order steps", got=f"{type(inner).__name__} of this solver",
                              fix="Leave out learn and start; blocks that are found can be tuned.")  # fmt: skip
        return GaudiRule(inner, module, steps=train.steps, settle=config.settle, start=_START[config.start])

    def finish(self, module: nn.Module, plan: StructurePlan) -> tuple[nn.Module, StructurePlan]:
        """Learned blocks as few products."""
        return module, compact_structure(module, plan)

    def findings(self, plan: StructurePlan) -> Findings:
        """Which structures layers have, what that loses, and what was left as it is."""
        kinds = Counter(plan.families.values())
        named = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        words = [f"Layers structured: {named}; the FLOPs of all layers are {plan.flops:.3g} of those before."]
        worst = max(plan.discarded, key=lambda name: plan.discarded[name], default="")
        if worst:
            words.append(f"Most energy is lost in {worst}: {100 * plan.discarded[worst]:.2g} % of its squared norm.")
        words += [f"{name} is left as it is: {reason}." for name, reason in plan.skipped.items()]
        return Findings(
            {"layers": float(len(plan.layers)), "layer_flops": plan.flops}, words=tuple(words), tables=_table(plan)
        )


def _table(plan: StructurePlan) -> tuple[FindingsTable, ...]:
    """A row per layer; nothing for a plan that knows no shares."""
    if not plan.shares:
        return ()
    rows = tuple(
        (
            name,
            plan.families.get(name, ""),
            _described(form),
            round(100 * plan.shares[name], 2),
            round(100 * plan.discarded[name], 3) if name in plan.discarded else "",
        )
        for name, form in plan.layers.items()
    )
    columns = ("layer", "family", "structure", "FLOPs left in %", "energy lost in %")
    return (FindingsTable("What became of every layer", columns, rows, "FLOPs left in %"),)


def _described(form: LayerForm) -> str:
    match form:
        case LowRankFactors():
            return f"rank {form.rank}"
        case Rectangles():
            return f"{len(form.blocks)} blocks"
        case Gaudi():
            return f"{len(form.components)} learned blocks"
        case Monarch() | Blast():
            return form.kind
        case _:
            assert_never(form)
