"""The chain integrated by Runge-Kutta in double precision, driven by tones that are known at any time."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

MASSES, MASS, STIFFNESS, DAMPING, CUBIC = 4, 1.0, 4.0, 0.2, 0.5
"""Number of masses, kg, N/m, kg/s, N/m³."""
TONES, BAND, AMPLITUDE = 12, (0.02, 0.5), 1.5
"""Tones of a force, their band in Hz, and the root mean square of their sum in N."""
LONGEST_STEP = 0.03125
"""Of the integration, in s: halving it changes positions by 1e-5 of their size."""


class Tones(NamedTuple):
    """F(t) = Σ_j a_j sin(2π f_j t + φ_j).

    Fields:
        frequency, phase, amplitude: ``sample tone``, in Hz, radians and N.
    """

    frequency: Float[Tensor, "sample tone"]
    phase: Float[Tensor, "sample tone"]
    amplitude: Float[Tensor, "sample tone"]

    def force(self, times: Float[Tensor, " time"]) -> Float[Tensor, "sample time"]:
        """In N."""
        angle = 2 * math.pi * self.frequency[:, :, None] * times + self.phase[:, :, None]
        return (self.amplitude[:, :, None] * angle.sin()).sum(1)


def random_tones(count: int, generator: torch.Generator) -> Tones:
    """Frequencies log-uniform in the band, phases uniform, amplitudes Gaussian."""
    uniform, phase = torch.rand(2, count, TONES, generator=generator, dtype=torch.float64)
    low, high = (math.log(end) for end in BAND)
    amplitude = AMPLITUDE * (2 / TONES) ** 0.5 * torch.randn(count, TONES, generator=generator, dtype=torch.float64)
    return Tones((low + uniform * (high - low)).exp(), 2 * math.pi * phase, amplitude)


def linear_part() -> Float[Tensor, "state state"]:
    """L of the state y = (x, v) as a row, y' = y L + …; both ends of the chain hang on walls."""
    eye = torch.eye(MASSES, dtype=torch.float64)
    springs = torch.diag(torch.ones(MASSES - 1, dtype=torch.float64), 1)
    springs = STIFFNESS * (springs + springs.T - 2 * eye)
    return torch.cat((torch.cat((0 * eye, springs), 1), torch.cat((eye, -DAMPING * eye), 1))) / torch.cat(
        (torch.ones(MASSES, dtype=torch.float64), torch.full((MASSES,), MASS, dtype=torch.float64))
    )


def positions(
    tones: Tones, times: Float[Tensor, " time"], longest_step: float = LONGEST_STEP
) -> Float[Tensor, "sample time mass"]:
    """Positions at equidistant `times`, of a chain at rest at the first one."""
    step = float(times[1] - times[0])
    parts = max(1, math.ceil(step / longest_step))
    h, linear = step / parts, linear_part()
    half = float(times[0]) + h / 2 * torch.arange(2 * parts * (len(times) - 1) + 1, dtype=torch.float64)
    push = tones.force(half).T / MASS

    def slope(state: Tensor, force: Tensor) -> Tensor:
        rate = state @ linear
        rate[:, MASSES:] -= CUBIC / MASS * state[:, :MASSES] ** 3
        rate[:, MASSES] += force
        return rate

    state = torch.zeros(push.shape[1], 2 * MASSES, dtype=torch.float64)
    stored = [state[:, :MASSES]]
    for k in range(parts * (len(times) - 1)):
        begin, middle, end = push[2 * k], push[2 * k + 1], push[2 * k + 2]
        first = slope(state, begin)
        second = slope(torch.add(state, first, alpha=h / 2), middle)
        third = slope(torch.add(state, second, alpha=h / 2), middle)
        fourth = slope(torch.add(state, third, alpha=h), end)
        state = state + h / 6 * (first + 2 * (second + third) + fourth)
        if (k + 1) % parts == 0:
            stored.append(state[:, :MASSES])
    return torch.stack(stored, dim=1)
