"""What ensembles of every task share: several modules of one solver that differ by their random start.

Reference: B. Lakshminarayanan, A. Pritzel, C. Blundell, Simple and scalable predictive uncertainty estimation using
    deep ensembles, NeurIPS 2017, arXiv:1612.01474.
"""

from collections.abc import Iterable

import pydantic
import torch
from torch import Tensor, nn

from sciml.core.config import Config
from sciml.core.problem import Problem
from sciml.data import Batch
from sciml.train import AnySolver, Context, Examples


class Members(Config):
    """How many members an ensemble has; a part of its configuration, beside that of a member."""

    members: int = pydantic.Field(default=5, ge=2, le=1000)
    """Networks, each with a random start of its own."""


def built(member: AnySolver, problem: Problem, model: Members, context: Context) -> list[nn.Module]:
    """Members one after another, from torch's global generator."""
    return [member.build(problem, model, context) for _ in range(model.members)]


def initialise(member: AnySolver, modules: Iterable[nn.Module], examples: Examples) -> None:
    """Prepare every member."""
    for module in modules:
        member.initialise(module, examples)


def mean_loss(member: AnySolver, modules: Iterable[nn.Module], batch: Batch, along: float) -> Tensor:
    """The mean of the members' losses on the same batch."""
    return torch.stack([member.loss(module, batch, along) for module in modules]).mean()
