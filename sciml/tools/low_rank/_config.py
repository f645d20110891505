"""What the low-rank rewrite is asked for, and what it decides."""

import pydantic

from sciml.core.config import Config


class LowRankConfig(Config):
    """How far linear and convolution layers are factored."""

    flops: float = pydantic.Field(default=0.5, gt=0, le=1)
    """FLOPs of the module's layers in one prediction, as a share of the parent's. What a solver computes beside its
    network, such as physics and integration, does not count."""
    keep: tuple[str, ...] = ()
    """Layers left as they are, by their names in the module; a name stands for all layers inside it."""
    keep_first: bool = False
    """Whether the layer that is called first is left as it is."""
    keep_last: bool = False
    """Whether the layer that is called last is left as it is."""
    finetune_steps: int = pydantic.Field(default=0, ge=0)
    """Steps of training after the rewrite; 0 for none."""
    learning_rate: float | None = pydantic.Field(default=None, gt=0)
    """Learning rate of those steps; None for the one the solver was trained with."""


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
