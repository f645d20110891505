"""Coefficients of a PDE as plain data: known, given, trainable, a field, or a network of the state."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from sciml.core.config import Config


class _Named(Config):
    name: str = pydantic.Field(pattern=r"^[^\W\d]\w*$")
    """What terms call it, ``D``."""
    units: str | None = None
    """Its units; None where they follow from the terms that hold it."""


class Constant(_Named):
    """A known number."""

    kind: Literal["constant"] = "constant"
    value: float


class Given(_Named):
    """A number that comes with every sample, in a range that is known."""

    kind: Literal["given"] = "given"
    lower: float
    upper: float


class _Free(_Named):
    start: float = 0.0
    """Where training begins."""
    lower: float | None = None
    """It stays above this; None for no bound, or for the one that stability asks for."""
    upper: float | None = None
    """It stays below this."""

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> _Free:
        low = -float("inf") if self.lower is None else self.lower
        high = float("inf") if self.upper is None else self.upper
        if not low <= self.start <= high or low == high:
            raise ValueError(
                f"coefficient {self.name!r} starts at {self.start:g}, outside its bounds [{low:g}, {high:g}]"
            )
        return self


class Trainable(_Free):
    """One number to be learned, between bounds that its parametrisation cannot leave."""

    kind: Literal["trainable"] = "trainable"


class FieldCoefficient(_Free):
    """One number per cell to be learned."""

    kind: Literal["field"] = "field"
    smoothness: float = pydantic.Field(default=0.0, ge=0)
    """Weight of the squared differences between neighbours in `NPDE.roughness`."""


class NetCoefficient(_Free):
    """A small network of the fields at the same point, with values between the bounds."""

    kind: Literal["net"] = "net"
    width: int = pydantic.Field(default=16, ge=1)
    """Hidden units of its two layers."""


Coefficient = Annotated[
    Constant | Given | Trainable | FieldCoefficient | NetCoefficient, pydantic.Field(discriminator="kind")
]
"""Any of them."""


def limits(coefficient: Coefficient) -> tuple[float | None, float | None]:
    """The lowest and the highest value it can take; None where nothing keeps it."""
    if isinstance(coefficient, Constant):
        return coefficient.value, coefficient.value
    return coefficient.lower, coefficient.upper
