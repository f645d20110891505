"""A run that is merged with others, and the soft trees in its module."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from sciml.core.errors import UnsupportedError
from sciml.models import SoftTrees
from sciml.tools._contract import Subject


class Member(NamedTuple):
    """A run, a copy of its module, and the trees in that copy."""

    subject: Subject
    module: nn.Module
    trees: SoftTrees


def opened(subject: Subject) -> Member:
    """A run as a member. Raises UnsupportedError where its module does not hold one plain ensemble."""
    module = copy.deepcopy(subject.module).eval()
    every = [entry for entry in module.modules() if isinstance(entry, SoftTrees)]
    if len(every) != 1 or any(type(layer) is not nn.Linear for layer in (every[0].splits, every[0].leaves)):
        raise UnsupportedError("this run has no plain soft trees that could be merged",
                               got=f"{len(every)} ensembles" if len(every) != 1 else "layers that a tool replaced",
                               expected="one ensemble with all of its parameters",
                               fix="Merge first, then prune or factor.")  # fmt: skip
    return Member(subject, module, every[0])


def with_trees(member: Member, trees: SoftTrees) -> nn.Module:
    """A copy of a run's module with other trees in the place of its own."""
    name = next(name for name, entry in member.module.named_modules() if entry is member.trees)
    module = copy.deepcopy(member.module)
    parent, _, attribute = name.rpartition(".")
    if not attribute:
        return trees
    setattr(module.get_submodule(parent), attribute, trees)
    return module


def joined(networks: Sequence[SoftTrees]) -> SoftTrees:
    """The ensemble of all trees, whose answer is the mean of the networks' answers; it costs as much as all of them."""
    first, count = networks[0], len(networks)
    with torch.random.fork_rng(devices=[]):
        answer = SoftTrees(
            first.splits.in_features,
            first.leaves.out_features,
            trees=count * first.trees,
            depth=first.form.depth,
            kind=first.form.kind,
            gate=first.gate,
        )
    answer.to(first.splits.weight)
    splits, leaves = (torch.cat(tables) for tables in zip(*(network.tables() for network in networks), strict=True))
    answer.write(splits, leaves / count)
    return answer
