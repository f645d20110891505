"""The Kuramoto-Sivashinsky equation by Fourier series and exponential time differencing of fourth order."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Complex, Float
from torch import Tensor

LENGTH, POINTS = 22.0, 64
"""Of the periodic axis: the shortest on which the attractor is chaotic at large, and points that resolve it."""
LONGEST_STEP = 0.25
"""Of the integration."""
TRANSIENT = 100.0
"""Time until random initial states are taken to be on the attractor."""
AHEAD = 2.0
"""How far ahead the first probe is asked for."""
PLACES = (0, 8, 23, 43)
"""Points of the probes."""


class Stepper(NamedTuple):
    """Coefficients of one step of length h for u_t = L u + N(u) in Fourier space.

    Fields:
        whole, half: e^{hL}, e^{hL/2}.
        weight: of N in the stages.
        first, middle, last: of N at the beginning, in the middle (twice) and at the end.
        slope: -i k / 2, with the upper third of the modes cut off.
    """

    whole: Tensor
    half: Tensor
    weight: Tensor
    first: Tensor
    middle: Tensor
    last: Tensor
    slope: Tensor

    def step(self, u: Complex[Tensor, "sample mode"]) -> Complex[Tensor, "sample mode"]:
        """One step of Cox and Matthews' scheme."""
        start = self._nonlinear(u)
        a = self.half * u + self.weight * start
        at_a = self._nonlinear(a)
        at_b = self._nonlinear(self.half * u + self.weight * at_a)
        at_c = self._nonlinear(self.half * a + self.weight * (2 * at_b - start))
        return self.whole * u + self.first * start + 2 * self.middle * (at_a + at_b) + self.last * at_c

    def _nonlinear(self, u: Tensor) -> Tensor:
        return self.slope * torch.fft.rfft(torch.fft.irfft(u, n=POINTS).square())


def stepper(h: float) -> Stepper:
    """Coefficients by means over a circle around h L, which is exact where the formulas cancel."""
    k = 2 * math.pi / LENGTH * torch.arange(POINTS // 2 + 1, dtype=torch.float64)
    linear = k**2 - k**4
    angle = math.pi * (torch.arange(32, dtype=torch.float64) + 0.5) / 32
    z = h * linear[:, None] + torch.polar(torch.ones_like(angle), angle)
    e = z.exp()

    def mean(values: Tensor) -> Tensor:
        return h * values.mean(1).real

    kept = torch.where(torch.arange(len(k)) <= POINTS // 3, k, 0.0)
    return Stepper(
        (h * linear).exp(),
        (h * linear / 2).exp(),
        mean(((z / 2).exp() - 1) / z),
        mean((-4 - z + e * (4 - 3 * z + z**2)) / z**3),
        mean((2 + z + e * (z - 2)) / z**3),
        mean((-4 - 3 * z - z**2 + e * (4 - z)) / z**3),
        -0.5j * kept,
    )


def on_attractor(count: int, generator: torch.Generator) -> Complex[Tensor, "sample mode"]:
    """States after the transient from a few random modes, as Fourier coefficients."""
    low = torch.randn(count, 4, 2, generator=generator, dtype=torch.float64)
    u = torch.zeros(count, POINTS // 2 + 1, dtype=torch.complex128)
    u[:, 1:5] = POINTS / 8 * torch.view_as_complex(low)
    scheme = stepper(LONGEST_STEP)
    for _ in range(round(TRANSIENT / LONGEST_STEP)):
        u = scheme.step(u)
    return u


def probes(
    state: Complex[Tensor, "sample mode"], step: float, count: int, longest_step: float = LONGEST_STEP
) -> Float[Tensor, "sample time probe"]:
    """The field at the probes at `count` times `step` apart, from the state on."""
    parts = math.ceil(step / longest_step)
    scheme, stored = stepper(step / parts), []
    for _ in range(count):
        stored.append(torch.fft.irfft(state, n=POINTS)[:, list(PLACES)])
        for _ in range(parts):
            state = scheme.step(state)
    return torch.stack(stored, dim=1)
