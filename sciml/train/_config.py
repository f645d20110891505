"""Settings of the training loop."""

from typing import Literal

import pydantic

from sciml.core.config import Config


class TrainConfig(Config):
    """One gradient-trained run: linear warm-up and cosine decay, clipping, EMA, selection by validation."""

    steps: int = pydantic.Field(default=500, ge=0, le=1_000_000_000)
    """Optimiser steps."""
    batch_size: int = pydantic.Field(default=16, ge=1, le=500_000)
    """Samples per step, over all processes and accumulation steps together."""
    accumulate: int = pydantic.Field(default=1, ge=1, le=500_000)
    """Slices a batch is split into, to save memory; the gradient is the same mean."""
    optimiser: Literal["adamw", "adamax", "sgd"] = "adamw"
    """What takes the steps, ``sgd`` with momentum 0.9; but for ``adamw`` the weight decay is part of the gradient."""
    learning_rate: float = pydantic.Field(default=2e-3, gt=0)
    weight_decay: float = pydantic.Field(default=1e-5, ge=0)
    warmup: float = pydantic.Field(default=0.1, ge=0, le=1)
    """Share of the steps with a linearly rising learning rate."""
    final_learning_rate: float = pydantic.Field(default=1e-6, ge=0)
    """Where the cosine ends."""
    polish: int = pydantic.Field(default=0, ge=0, le=1_000_000)
    """Rounds of L-BFGS after the last of these steps, each on all training examples at once; one process only."""
    polish_iterations: int = pydantic.Field(default=20, ge=1, le=1_000_000)
    """Iterations of a round, which begins with a new estimate of the curvature."""
    clip: float | None = pydantic.Field(default=1.0, gt=0)
    """Largest gradient norm; None for no clipping."""
    ema: float | None = pydantic.Field(default=None, gt=0, lt=1)
    """Decay of the exponential moving average of the weights that is evaluated instead of them; None for none."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the forward and backward pass; weights stay float32."""
    evaluate_every: int = pydantic.Field(default=100, ge=1)
    """Steps between validation rollouts; the best one is kept."""
    checkpoint_every: int = pydantic.Field(default=100, ge=1)
    """Steps between checkpoints."""
