"""What regression trains on and asks."""

from dataclasses import dataclass
from typing import NamedTuple

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core.config import Config
from sciml.tasks._no_space import random_subset
from sciml.train import Context


class RegressionConfig(Config):
    """Which training rows are used."""

    cases: int | None = pydantic.Field(default=None, ge=1)
    """Training rows that are used, a random subset; None for all. What standardises still comes from all of them."""
    draw: int = pydantic.Field(default=0, ge=0)
    """Which of the random subsets."""


class RegressionContext(Context):
    """What a regression must know of its data."""

    statistics: data.Statistics
    """Mean and standard deviation per target and parameter, from the training split."""


class Point(NamedTuple):
    """Where targets are asked for.

    Fields:
        parameters: physical parameters in declaration order.
    """

    parameters: Float[Tensor, "batch parameter"]


@dataclass(frozen=True)
class RowBatch(data.Batch):
    """Rows of a table in physical units.

    Fields:
        parameters: in declaration order, ``batch parameter``.
        targets: the fields in their order, ``batch target``.
    """

    parameters: Float[Tensor, "batch parameter"]
    targets: Float[Tensor, "batch target"]


class RowExamples:
    """The training rows, in single precision."""

    def __init__(self, rows: data.Rows, config: RegressionConfig) -> None:
        self.parameters, self.targets = rows.parameters.float(), rows.targets.float()
        if config.cases is not None:
            chosen = random_subset(len(self.targets), config.cases, config.draw)
            self.parameters, self.targets = self.parameters[chosen], self.targets[chosen]

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, indices: Tensor, generator: torch.Generator) -> RowBatch:
        """The rows at `indices`."""
        return RowBatch(self.parameters[indices], self.targets[indices])
