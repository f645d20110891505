"""What the low-rank rewrite is asked for, and what it decides."""

import pydantic

from sciml.core.config import Config
from sciml.tools._budget import BudgetConfig


class LowRankConfig(BudgetConfig):
    """How far linear and convolution layers are factored."""


class LowRankPlan(Config):
    """Which layers are factored to which rank; enough to rebuild the structure."""

    ranks: dict[str, pydantic.PositiveInt]
    """Rank by the layer's name in the module."""
    skipped: dict[str, str] = {}
    """Layers that are left as they are, with the reason."""
    discarded: dict[str, float] = {}
    """Squared relative error of each factored layer's matrix, Σ_{i > r} σ_i² / Σ_i σ_i², before fine-tuning."""
    flops: float = 1.0
    """FLOPs of the module's layers that result, as a share of those before."""
