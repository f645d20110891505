"""Growth rates of random correlation lengths by their Karhunen-Loève modes, and the exact mean of the solution."""

import torch
from torch import Tensor

from sciml.core.functions import Functions
from sciml.reference import RandomProcess

from .equations import CLOCK, MODES

SPACES = {
    "exponential": RandomProcess(CLOCK, "exponential", 1.0, 2.0, MODES),
    "exponential_short": RandomProcess(CLOCK, "exponential", 0.5, 1.0, MODES),
    "rbf": RandomProcess(CLOCK, "rbf", 1.0, 2.0, MODES),
}
"""Covariance exp(-|t - t'|/l) with l in [1, 2], shorter lengths, and smooth processes."""


def means(*modes: Functions, queries: Tensor) -> Tensor:
    """E y(t) = exp(½ Σ (∫₀ᵗ φᵢ)²), ``function query``: ∫ k is normal, and its exponential log-normal."""
    return (torch.stack([mode.integral(queries) for mode in modes]).square().sum(0) / 2).exp()
