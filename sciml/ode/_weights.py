"""Weighted sums of stages, and the constants of a method as tensors."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.ode._method import Step, block_of
from sciml.ode._tableau import Row


def weighted(weights: Row, stages: Float[Tensor, "stage row dim"]) -> Float[Tensor, "row dim"]:
    """Σ weights_i k_i."""
    return torch.mv(stages.flatten(1).t(), constants(weights, stages)).view(stages.shape[1:])


def blended(dense: tuple[Row, ...], step: Step, size: Float[Tensor, " row"]) -> Float[Tensor, "power row dim"]:
    """h Σ_i dense_ij k_i for every power j of θ, from b_i(θ) = dense_i1 θ + dense_i2 θ² + ..."""
    block = block_of(step)
    table = constants(sum(zip(*dense, strict=True), ()), block).view(-1, len(dense))
    mixed = (table @ block.flatten(1)).view(-1, *block.shape[1:])
    return mixed if step.scaled else mixed * size[:, None]


def constants(values: tuple[float, ...], like: Tensor) -> Tensor:
    """Coefficients as a tensor of the dtype and device of `like`, made once."""
    return _constants(values, like.dtype, like.device)


@lru_cache(maxsize=512)
def _constants(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
