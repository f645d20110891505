"""Damped modes in closed form."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

RATIOS = {
    "string": (1.0, 2.0, 3.0),  # taut string: n
    "tube": (1.0, 3.0, 5.0),  # tube closed at one end: 2n - 1
    "membrane": (1.0, 1.5933, 2.1355),  # round membrane: zeros of J0, J1, J2 in units of 2.4048
    "bar": (1.0, 2.7565, 5.4039),  # free bar: roots of cosh k cos k = 1, squared, in units of the first
    "reed": (1.0, 6.2669, 17.5475),  # bar clamped at one end: roots of cosh k cos k = -1, squared
}
"""Frequencies of the first three modes in units of the first."""
FUNDAMENTAL = (1.0, 2.8)
"""Range of f₀ in Hz, log-uniform; times are scaled so that a record takes a few seconds."""
DECAY = (0.5, 1.0)
"""Range of the decay γ₁ of the first mode in 1/s; that of mode m is γ₁ √m, m = 1, 2, 3."""
DRIFT = 0.12
"""δ: how much higher than at the end the pitch of a stiffening body is at the blow."""
START = (0.0, 0.3)
"""Range of t₀ in s."""
NOISE = 0.2
"""Standard deviation of the noise in Pa; modes have amplitudes from 0.5 to 1 Pa."""
CLASSES = tuple(f"{body}, {kind} pitch" for body in RATIOS for kind in ("constant", "falling"))


def records(
    labels: Int[Tensor, " sample"], times: Float[Tensor, " time"], generator: torch.Generator
) -> Float[Tensor, "sample time"]:
    """Sound pressure in Pa of one blow each."""
    count = len(labels)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator, dtype=torch.float64)

    ratio = torch.tensor(list(RATIOS.values()), dtype=torch.float64)[labels // 2]  # sample mode
    drift = DRIFT * (labels % 2).double()
    fundamental = draw(*(math.log(end) for end in FUNDAMENTAL)).exp()
    decay, start = draw(*DECAY), draw(*START)
    amplitude, phase = draw(0.5, 1.0, 3), draw(0.0, 2 * math.pi, 3)
    noise = NOISE * torch.randn(count, len(times), generator=generator, dtype=torch.float64)
    since = (times - start[:, None]).clamp_min(0.0)
    warped = since + drift[:, None] * (1 - torch.exp(-2 * decay[:, None] * since)) / (2 * decay[:, None])
    angle = 2 * math.pi * (fundamental[:, None] * ratio)[:, :, None] * warped[:, None] + phase[:, :, None]
    fading = torch.exp(-(decay[:, None] * torch.arange(1, 4).double().sqrt())[:, :, None] * since[:, None])
    sound = (amplitude[:, :, None] * fading * angle.sin()).sum(1)
    return torch.where(times >= start[:, None], sound, 0.0) + noise
