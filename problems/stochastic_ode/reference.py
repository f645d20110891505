"""Growth rates of random correlation lengths by their Karhunen-Loève modes, and the exact solution."""

import torch
from torch import Tensor

from sciml.core.functions import Functions
from sciml.reference import RandomProcess, truncated_normal

from .equations import CLOCK, MODES, REACH

SPACES = {
    "exponential": RandomProcess(CLOCK, "exponential", 1.0, 2.0, MODES),
    "exponential_short": RandomProcess(CLOCK, "exponential", 0.5, 1.0, MODES),
    "rbf": RandomProcess(CLOCK, "rbf", 1.0, 2.0, MODES),
}
"""Covariance exp(-|t - t'|/l) with l in [1, 2], shorter lengths, and smooth processes."""


def paths(*modes: Functions, queries: Tensor) -> Tensor:
    """y(t; ξ) = exp Σ ξᵢ ∫₀ᵗ φᵢ at queries (ξ₁, ..., ξ₅, t), ``function query``."""
    numbers, times = queries[:, :MODES], queries[:, MODES:]
    parts = [mode.integral(times) * xi for mode, xi in zip(modes, numbers.unbind(1), strict=True)]
    return torch.stack(parts).sum(0).exp()


def random_paths(count: int, generator: torch.Generator) -> Tensor:
    """Independent standard normal numbers, cut at `REACH`, and uniform times."""
    numbers = truncated_normal((count, MODES), REACH, generator)
    return torch.cat((numbers, torch.rand(count, 1, generator=generator, dtype=torch.float64)), dim=1)
