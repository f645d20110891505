"""Noise as a sum of tones, so that it is known at any time."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

DELAY = 0.4
"""τ in s."""
TONES, HIGHEST = 40, 12.0
"""Tones of the noise and its highest frequency in Hz: about 2 τ times that, or 10, numbers must be remembered."""


class Noise(NamedTuple):
    """u(t) = √(2/n) Σ_j sin(2π f_j t + φ_j), of variance 1.

    Fields:
        frequency, phase: ``sample tone``, in Hz and radians.
    """

    frequency: Float[Tensor, "sample tone"]
    phase: Float[Tensor, "sample tone"]

    def values(self, times: Float[Tensor, " time"]) -> Float[Tensor, "sample time"]:
        """At any times."""
        angle = 2 * math.pi * self.frequency[:, :, None] * times + self.phase[:, :, None]
        return (2 / TONES) ** 0.5 * angle.sin().sum(1)


def random_noise(count: int, generator: torch.Generator) -> Noise:
    """Frequencies uniform up to the highest, phases uniform."""
    uniform, phase = torch.rand(2, count, TONES, generator=generator, dtype=torch.float64)
    return Noise(HIGHEST * uniform, 2 * math.pi * phase)
