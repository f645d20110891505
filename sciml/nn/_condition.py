"""Telling a network the time step and the physical parameters."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

ConditionChoice = Literal["auto", "none", "add", "adagn"]
"""How a network takes the stride and the parameters as inputs; ``auto`` is ``adagn`` if the problem has parameters."""
ConditionMode = Literal["none", "add", "adagn"]
Conditioning = Literal["add", "adagn"]
"""How a network takes scalar inputs; see `Modulation`."""


def condition_mode(choice: ConditionChoice, num_parameters: int) -> ConditionMode:
    """``auto`` resolved: adagn where there are physical parameters, none where there are not."""
    if choice != "auto":
        return choice
    return "adagn" if num_parameters else "none"


def condition_of(
    choice: ConditionChoice, num_parameters: int, *, several_steps: bool = False
) -> tuple[int, Conditioning]:
    """How many scalar inputs a network has (stride and parameters, or none), and how it uses them.

    Arguments:
        choice: of the user.
        num_parameters: scalars beside the stride.
        several_steps: whether the stride varies, so that ``auto`` has something to tell without parameters too.
    """
    mode = condition_mode(choice, num_parameters + several_steps)
    return (0, "adagn") if mode == "none" else (1 + num_parameters, mode)


class Embedding(nn.Module):
    """Scalars as one vector: e = Σ_s W₂ GELU(W₁ [cos(s ω), sin(s ω)] + b₁) + b₂, own weights per scalar.

    The frequencies ω fall geometrically from 1 towards 1/10000.

    Arguments:
        num_scalars: stride and standardised physical parameters.
        size: of the sinusoidal features (rounded up to even); the result has ``4 size`` entries.
    """

    frequencies: Tensor

    def __init__(self, num_scalars: int, size: int) -> None:
        super().__init__()
        half = (size + 1) // 2
        self.register_buffer("frequencies", torch.exp(-math.log(1e4) * torch.arange(half) / half), persistent=False)
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * half, 4 * size), nn.GELU(), nn.Linear(4 * size, 4 * size))
            for _ in range(num_scalars)
        )
        self.size = 4 * size

    def forward(self, condition: Float[Tensor, "batch scalar"]) -> Float[Tensor, "batch embedding"]:
        """The sum of the scalars' embeddings."""
        angles = condition[..., None] * self.frequencies
        waves = torch.cat((angles.cos(), angles.sin()), dim=-1)
        embedding = self.mlps[0](waves[:, 0])
        for i, mlp in enumerate(self.mlps[1:], start=1):
            embedding = embedding + mlp(waves[:, i])
        return embedding


class Modulation(nn.Module):
    """Features changed by an embedding e: ``add`` h + A e, ``adagn`` h (1 + A e) + B e.

    A and B start at zero, so that a conditioned network starts as the unconditioned one.

    Arguments:
        mode: ``add`` or ``adagn``.
        size: entries of the embedding.
        channels: features.
    """

    def __init__(self, mode: Conditioning, *, size: int, channels: int) -> None:
        super().__init__()
        self.mode = mode
        self.linear = nn.Linear(size, channels if mode == "add" else 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(
        self, h: Float[Tensor, "batch channel *space"], embedding: Float[Tensor, "batch embedding"]
    ) -> Float[Tensor, "batch channel *space"]:
        """The changed features."""
        change = self.linear(embedding)[(..., *[None] * (h.ndim - 2))]
        if self.mode == "add":
            return h + change
        scale, shift = change.chunk(2, dim=1)
        return h * (1 + scale) + shift


def modulation(mode: ConditionMode, *, size: int, channels: int) -> Modulation | None:
    """A `Modulation`, or None where the network is not conditioned."""
    return None if mode == "none" else Modulation(mode, size=size, channels=channels)
