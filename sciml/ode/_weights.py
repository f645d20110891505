"""Weighted sums of stages held in one tensor, as the implicit methods keep them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.ode._explicit import constants
from sciml.ode._tableau import Row


def weighted(weights: Row, stages: Float[Tensor, "stage row dim"]) -> Float[Tensor, "row dim"]:
    """Σ weights_i k_i."""
    return torch.mv(stages.flatten(1).t(), constants(weights, stages)).view(stages.shape[1:])


def blended(
    dense: tuple[Row, ...],
    stages: Float[Tensor, "stage row dim"] | Sequence[Float[Tensor, "row dim"]],
    along: Float[Tensor, " row"],
) -> Float[Tensor, "row dim"]:
    """Σ b_i(θ) k_i with polynomials b_i(θ) = dense_i1 θ + dense_i2 θ² + ... and θ = along."""
    block = stages if isinstance(stages, Tensor) else torch.stack(list(stages))
    theta = along.double()
    powers = torch.stack([theta**k for k in range(1, len(dense[0]) + 1)])
    weights = constants(sum(dense, ()), theta).view(len(dense), -1) @ powers
    return (weights.to(block.dtype)[:, :, None] * block).sum(0)
