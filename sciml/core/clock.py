"""The time by which trajectories are followed."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

CROWDED = 20
"""Extent of the observed times over the pace of their clock, from which on a logarithmic one is used."""


class Clock(NamedTuple):
    """Time itself, or for stiff equations its logarithm.

        p(t) = log(1 + (t − start)/pace) / log(1 + (end − start)/pace),   and (t − start)/(end − start) at infinite pace

    Fields:
        start, end: of what is observed.
        pace: the time after which the clock runs slower.
    """

    start: float
    end: float
    pace: float = math.inf

    @classmethod
    def of(cls, times: Float[Tensor, " point"]) -> "Clock":
        """The clock on which half of the times are in the first half.

        Times whose median is at m of T follow pace = m²/(T − 2m). Where that is not below a twentieth of T, time is
        its own clock.
        """
        start, end, middle = float(times.min()), float(times.max()), float(times.median())
        length, m = end - start, middle - start
        crowded = m > 0 and CROWDED * m * m < length * (length - 2 * m)
        return cls(start, end, m * m / (length - 2 * m) if crowded else math.inf)

    @property
    def even(self) -> bool:
        """Whether time is its own clock."""
        return self.pace == math.inf

    def position(self, times: Tensor) -> Tensor:
        """p(t), from 0 to 1."""
        if self.even:
            return (times - self.start) / (self.end - self.start)
        return ((times - self.start) / self.pace).log1p() / math.log1p((self.end - self.start) / self.pace)

    def speed(self, times: Tensor) -> Tensor:
        """dp/dt."""
        if self.even:
            return torch.full_like(times, 1 / (self.end - self.start))
        return 1 / ((self.pace + times - self.start) * math.log1p((self.end - self.start) / self.pace))

    def time(self, positions: Tensor) -> Tensor:
        """t(p)."""
        if self.even:
            return self.start + (self.end - self.start) * positions
        times = self.start + self.pace * (positions * math.log1p((self.end - self.start) / self.pace)).expm1()
        return times.clamp(self.start, self.end)

    def ticks(self, count: int) -> Float[Tensor, " time"]:
        """Times from start to end, equidistant by the clock, float64."""
        if self.even:
            return torch.linspace(self.start, self.end, count, dtype=torch.float64)
        return self.time(torch.linspace(0.0, 1.0, count, dtype=torch.float64))
