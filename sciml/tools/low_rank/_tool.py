"""The rewrite `low_rank`."""

from collections.abc import Callable

from torch import nn

from sciml.core.types import Support
from sciml.tools._contract import Findings, Rewrite, Subject
from sciml.tools.low_rank._apply import apply_low_rank, factor_low_rank
from sciml.tools.low_rank._config import LowRankConfig, LowRankPlan
from sciml.tools.low_rank._plan import plan_low_rank
from sciml.train import AnySolver, TrainConfig


class LowRankRewrite(Rewrite[LowRankConfig, LowRankPlan]):
    """Linear and convolution layers factored to a budget of FLOPs."""

    key = "low_rank"
    title = "Layers by truncated SVD"
    citation = (
        "Eckart, Young, The approximation of one matrix by another of lower rank, Psychometrika 1 (1936) 211-218; "
        "for convolutions: Zhang, Zou, He, Sun, Accelerating very deep convolutional networks for classification and "
        "detection, IEEE TPAMI 38 (2016), arXiv:1505.06798"
    )
    config = LowRankConfig
    plan_type = LowRankPlan

    def supports(self, solver: AnySolver) -> Support:
        """A solver that trains a network of ordinary layers."""
        if solver.rule is None:
            return Support(False, "it takes no training steps, so it has no network whose layers could be factored")
        if solver.knob is None:
            return Support(False, "its networks are not made of linear and convolution layers")
        return Support(True)

    def plan(self, subject: Subject, config: LowRankConfig) -> LowRankPlan:
        """Ranks that keep the most energy within the budget."""
        call: Callable[[], object] = subject.predict(subject.module)
        return plan_low_rank(subject.module, call, config)

    def apply(self, module: nn.Module, plan: LowRankPlan) -> nn.Module:
        """Low-rank layers in place of the planned ones, without their weights."""
        return apply_low_rank(module, plan)

    def transfer(self, module: nn.Module, plan: LowRankPlan) -> nn.Module:
        """Low-rank layers with the leading singular vectors of the trained ones."""
        return factor_low_rank(module, plan)

    def training(self, config: LowRankConfig, recipe: TrainConfig) -> TrainConfig | None:
        """``finetune_steps`` of the solver's own training."""
        return config.finetuning(recipe)

    def findings(self, plan: LowRankPlan) -> Findings:
        """How many layers were factored, what that discards, and what was left as it is."""
        worst = max(plan.discarded, key=lambda name: plan.discarded[name], default="")
        words = [f"{len(plan.ranks)} layers factored; their FLOPs are {plan.flops:.3g} of those before."]
        if worst:
            words.append(f"Most energy is lost in {worst}: {100 * plan.discarded[worst]:.2g} % of its squared norm.")
        words += [f"{name} is left as it is: {reason}." for name, reason in plan.skipped.items()]
        return Findings({"layers": float(len(plan.ranks)), "layer_flops": plan.flops}, words=tuple(words))
