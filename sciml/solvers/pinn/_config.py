"""Settings of a PINN."""

from typing import Literal

import pydantic

from sciml.core.config import Config


class EmbedConfig(Config):
    """How coordinates enter the network; periodic axes are embedded as waves whatever is said here."""

    harmonics: int = pydantic.Field(3, ge=1)
    """Waves per periodic axis."""
    fourier: int = pydantic.Field(0, ge=0, multiple_of=2)
    """Random Fourier features; 0 for none."""
    sigma: float = pydantic.Field(1.0, gt=0)
    """Standard deviation of their frequencies, for axes scaled to [-1, 1]."""


class PINNConfig(Config):
    """A network of the coordinates, and how it is fitted to the equation."""

    network: Literal["mlp", "modified_mlp", "piratenet"] = "mlp"
    width: int = pydantic.Field(20, ge=1)
    """Neurons per hidden layer."""
    layers: int = pydantic.Field(2, ge=1)
    """Hidden layers; of a PirateNet, blocks of three."""
    activation: Literal["tanh", "sin"] = "tanh"
    factorised: bool = False
    """Whether weights are factorised, W = diag(exp g) V."""
    hard: bool = True
    """Whether conditions are built into the ansatz, as far as they can be; the others are terms of the loss."""
    embedding: EmbedConfig = EmbedConfig()
