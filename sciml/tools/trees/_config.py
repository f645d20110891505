"""Settings of the tool `trees`."""

import pydantic

from sciml.core.config import Config
from sciml.tools.trees._match import Invariances
from sciml.tools.trees._merge import Match


class TreesConfig(Config):
    """How ensembles of soft trees are matched and merged."""

    match: Match = "weights"
    """What trees are compared by: their parameters (``weights``) or their outputs on training samples
    (``activations``)."""
    invariances: Invariances = "all"
    """What is matched over: ``all`` (order of the trees, flips of subtrees, order of splits), ``permutation`` (order of
    the trees alone) or ``none`` (plain averages)."""
    share: float | None = pydantic.Field(default=None, gt=0, lt=1)
    """Share of the first run in the average, the others share the rest evenly; None: the same for all."""
    points: int = pydantic.Field(default=25, ge=0)
    """Points of the line between the first run and each other at which the loss is asked for, ends included; 0 for no
    barriers."""
    samples: int = pydantic.Field(default=512, ge=1)
    """Training samples of the first run that activations are matched on, at most."""
    rounds: int = pydantic.Field(default=0, ge=0, le=1_000_000)
    """Rounds of federated averaging after that: every run trains on from the average on its own data."""
    local_steps: int | None = pydantic.Field(default=None, ge=1)
    """Steps of a round at every run; None for a tenth of the steps of its own training."""
    learning_rate: float | None = pydantic.Field(default=None, gt=0)
    """Of those steps, falling as in the run's own training; None for a third of its own."""

    @pydantic.field_validator("points")
    @classmethod
    def _has_ends(cls, points: int) -> int:
        if 0 < points < 3:
            raise ValueError("the line has two ends and points between them: 0, or 3 and more")
        return points
