"""What regression trains on and asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core import rng
from sciml.core.config import Config
from sciml.core.errors import ConfigError, UnknownNameError
from sciml.tasks._no_space import random_subset
from sciml.train import Context


class RegressionConfig(Config):
    """Which training rows are used."""

    cases: int | None = pydantic.Field(default=None, ge=1)
    """Training rows that are used, a random subset; None for all. What standardises still comes from all of them."""
    draw: int = pydantic.Field(default=0, ge=0)
    """Which of the random subsets."""
    sites: int = pydantic.Field(default=1, ge=1, le=10_000)
    """Sites that share the training and validation rows out among them and see nothing of each other's. The constants
    that standardise come from all rows, as they must be agreed on before anything is merged; the test stays whole."""
    site: int = pydantic.Field(default=0, ge=0)
    """Which of them this run is, from 0."""
    split_by: str = ""
    """The parameter along which the sites differ: in its order the rows are cut into as many equal parts. Empty for the
    first one."""
    skew: float = pydantic.Field(default=1.0, ge=0, le=1)
    """Share of the rows of its own part that a site has; the rest of it goes evenly to the others."""

    @pydantic.model_validator(mode="after")
    def _possible(self) -> "RegressionConfig":
        if self.site >= self.sites:
            raise ValueError(f"site must be less than sites ({self.sites}); they are counted from 0")
        if self.sites == 1 and (self.split_by or self.skew != 1.0):
            raise ValueError("split_by and skew are read only where there are several sites")
        return self


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


def rows_of_site(rows: data.Rows, config: RegressionConfig, names: Sequence[str], split: str) -> data.Rows:
    """The rows of a split that the site of a run has; all of them where there is one site.

    Raises: UnknownNameError for a parameter that does not exist; ConfigError for a site without rows.
    """
    if config.sites == 1:
        return rows
    if config.split_by and config.split_by not in names:
        raise UnknownNameError("parameter", config.split_by, names, fix="It is task.split_by.")
    column = rows.parameters[:, list(names).index(config.split_by) if config.split_by else 0]
    count = len(column)
    order = column.argsort(stable=True)
    home = torch.empty(count, dtype=torch.int64)
    home[order] = torch.arange(count) * config.sites // count
    generator = rng.generator(config.draw, "sites", split)
    strays = torch.rand(count, generator=generator, dtype=torch.float64) >= config.skew
    elsewhere = (home + 1 + torch.randint(config.sites - 1, (count,), generator=generator)) % config.sites
    chosen = torch.where(strays, elsewhere, home) == config.site
    if not chosen.any():
        raise ConfigError(f"site {config.site} of {config.sites} has no rows of the split {split!r}",
                          got=f"{count} rows in all", fix="Take fewer sites, or more data.")  # fmt: skip
    return data.Rows(rows.parameters[chosen], rows.targets[chosen])


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
