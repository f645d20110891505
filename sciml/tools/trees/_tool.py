"""The tool `trees`: matching, barriers, and merging of runs whose networks are soft trees."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sciml.core import rng
from sciml.core.errors import UnsupportedError
from sciml.core.types import Support
from sciml.metrics import Metric
from sciml.models import SoftTrees
from sciml.tools._contract import Merge, Merged, Subject
from sciml.tools.trees._config import TreesConfig
from sciml.tools.trees._findings import findings_of
from sciml.tools.trees._match import Matching, check_form
from sciml.tools.trees._member import Member, opened, with_trees
from sciml.tools.trees._merge import align_all, average, find_matching
from sciml.train import AnySolver


class TreesMerge(Merge[TreesConfig]):
    """One ensemble of soft trees from several, in weight space: matched over all symmetries, then averaged."""

    key = "trees"
    title = "Merged soft trees"
    citation = (
        "Kanoh, Sugiyama, Linear mode connectivity in differentiable tree ensembles, ICLR 2025, arXiv:2405.14596; "
        "assignment: Crouse, On implementing 2D rectangular assignment algorithms, IEEE TAES 52 (2016); rounds: "
        "McMahan et al., Communication-efficient learning of deep networks from decentralized data, AISTATS 2017"
    )
    config = TreesConfig
    metrics = (
        Metric("trees/barrier", "barrier of the loss on the line between the runs", headline=True),
        Metric("trees/merged_loss", "test loss of the merged trees"),
        Metric("trees/worst_loss", "test loss of the worst run"),
        Metric("trees/mean_loss", "mean test loss of the runs"),
        Metric("trees/merged_to_worst", "test loss of the merged trees over that of the worst run"),
        Metric("trees/merged_to_mean", "test loss of the merged trees over the mean of the runs"),
        Metric("trees/ensemble_loss", "test loss of the mean of the runs' outputs"),
    )

    def supports(self, solver: AnySolver) -> Support:
        """A solver whose networks are soft trees."""
        if SoftTrees in solver.networks:
            return Support(True)
        return Support(False, "its networks are no soft trees, whose symmetries are known")

    def merge(self, subjects: Sequence[Subject], config: TreesConfig) -> Merged:
        """Align, average, train on in rounds, and measure barriers on the test samples."""
        members = [opened(subject) for subject in subjects]
        for member in members[1:]:
            _check_alike(members[0], member)
        samples = _samples(members[0], config.samples) if config.match == "activations" else None
        shares = _shares(len(members), config)
        merged = _averaged(members, shares, config, samples)
        for number in range(config.rounds):
            _train_round(members, merged, config, number + 1)
            merged = _averaged(members, shares, config, samples)
        originals = [opened(subject) for subject in subjects]
        return Merged(merged.eval(), findings_of(originals, merged, config, samples))


def _check_alike(first: Member, other: Member) -> None:
    """Refuse trees of different form, and runs whose trees see or answer in other units."""
    check_form(other.trees, first.trees)
    weights = {id(parameter) for parameter in other.trees.parameters()}
    ours = first.module.state_dict()
    foreign = [
        name
        for name, value in other.module.state_dict(keep_vars=True).items()
        if id(value) not in weights and not torch.equal(value.detach(), ours[name])
    ]
    if foreign:
        raise UnsupportedError(
            "the trees of these runs are not in the same units, so their parameters cannot be averaged",
            got=f"{', '.join(foreign)} of another value",
            expected="the constants of the first run",
            fix="Train all on one dataset, each on its site (task.sites, task.site), so that constants agree.",
        )


def _samples(member: Member, most: int) -> Tensor:
    """What the trees of a run see of its training samples."""
    examples = member.subject.bench().examples
    chosen = torch.linspace(0, len(examples) - 1, min(most, len(examples))).long()
    batch = examples.batch(chosen, rng.generator(member.subject.seed, "trees"))
    seen: list[Tensor] = []
    handle = member.trees.splits.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    try:
        with torch.no_grad():
            member.subject.solver.predict(member.module, member.subject.task.inputs(batch))
    finally:
        handle.remove()
    return seen[0].flatten(0, -2)


def _shares(count: int, config: TreesConfig) -> list[float]:
    if config.share is None:
        return [1 / count] * count
    return [config.share, *[(1 - config.share) / (count - 1)] * (count - 1)]


def _averaged(
    members: Sequence[Member], shares: Sequence[float], config: TreesConfig, samples: Tensor | None
) -> nn.Module:
    """The first run's module with the mean of all trees, aligned to each other."""

    def match(moving: SoftTrees, fixed: SoftTrees) -> Matching:
        return find_matching(moving, fixed, match=config.match, invariances=config.invariances, samples=samples)

    trees = align_all([member.trees for member in members], match)
    return with_trees(members[0], average(trees, shares))


def _train_round(members: Sequence[Member], merged: nn.Module, config: TreesConfig, number: int) -> None:
    """Every run trains on from the merged weights on its own data."""
    for member in members:
        member.module.load_state_dict(merged.state_dict())
        train = member.subject.recipe.train
        steps = config.local_steps or max(1, train.steps // 10)
        changes = {
            "steps": steps,
            "polish": 0,
            "evaluate_every": max(1, steps // 4),
            "learning_rate": config.learning_rate or train.learning_rate / 3,
        }
        member.subject.train(member.module, train.model_copy(update=changes), stage=f"round_{number}")
        member.module.eval()
