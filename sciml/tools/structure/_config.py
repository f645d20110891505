"""What the tool `structure` is asked for, and what it decides."""

from typing import Annotated, Literal

import pydantic

from sciml.core.config import Config
from sciml.nn.structured import Blast, Gaudi, Monarch, Rectangles
from sciml.tools._budget import BudgetConfig

Family = Literal["low_rank", "block_diagonal", "block_sparse", "block_low_rank", "monarch", "blast", "gblr"]
"""Kinds of structure a layer may take."""

FAMILIES: tuple[Family, ...] = (
    "low_rank", "block_diagonal", "block_sparse", "block_low_rank", "monarch", "blast", "gblr",
)  # fmt: skip


class StructureConfig(BudgetConfig):
    """How layers get structured matrices."""

    families: tuple[Family, ...] = pydantic.Field(default=FAMILIES, min_length=1)
    """What a layer may become; the budget is dealt out over all layers and families together."""
    start: Literal["trained", "scratch"] = "trained"
    """From the weights of the run, or from fresh ones with blocks that are learned in training."""
    learn: bool = False
    """Whether the blocks of gblr layers go on moving while the network is fine-tuned; from scratch they always do."""
    cells: int = pydantic.Field(default=8, ge=1, le=10_000)
    """Parts of an axis that the blocks of gblr are made of; more give finer blocks and slower products."""
    fit_steps: int = pydantic.Field(default=150, ge=1)
    """Steps of gradient descent that look for the blocks of a gblr matrix, for every layer and budget."""
    length_rate: float = pydantic.Field(default=2e-3, gt=0)
    """Largest learning rate of the blocks' lengths and starts, as shares of an axis, where they are learned."""
    settle: float = pydantic.Field(default=0.2, gt=0, lt=1)
    """Share of the steps, at the end, that learned blocks stay where they are."""


class LowRankFactors(Config):
    """Two factors, each a plain layer."""

    kind: Literal["low_rank"] = "low_rank"
    rank: pydantic.PositiveInt


LayerForm = Annotated[LowRankFactors | Rectangles | Monarch | Blast | Gaudi, pydantic.Field(discriminator="kind")]
"""What becomes of a layer."""


class StructurePlan(Config):
    """Which layers get which structure; enough to rebuild it."""

    layers: dict[str, LayerForm]
    """Structure by the layer's name in the module."""
    families: dict[str, Family] = {}
    """Which family each came from."""
    skipped: dict[str, str] = {}
    """Layers that are left as they are, with the reason."""
    discarded: dict[str, float] = {}
    """Squared relative error of each layer's matrix before fine-tuning."""
    shares: dict[str, float] = {}
    """FLOPs of each layer, as a share of its own before."""
    flops: float = 1.0
    """FLOPs of the module's layers that result, as a share of those before."""
    others: float = 0.0
    """FLOPs of the layers whose blocks are not learned, as a share of those before."""
