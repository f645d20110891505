"""The exact temperature inside a rod whose end follows a sum of tones.

A tone e^{iωt} at the end becomes H(x, ω) e^{iωt} inside once the start is forgotten,

    H(x, ω) = cosh(q (ℓ - x)) / cosh(q ℓ),   q = √(iω/α),

and what is missing at the start is a sum of eigenmodes sin((n + 1/2) π x/ℓ) that decay with λ_n = α ((n + 1/2) π/ℓ)².
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

LENGTH, DIFFUSIVITY, PLACE = 0.1, 1e-4, 2 / 3
"""m, m²/s (aluminium), and the place of the probe in units of the length. The time of diffusion ℓ²/α is 100 s."""
TONES, BAND, AMPLITUDE = 10, (1e-3, 0.1), 10.0
"""Tones at the end, their band in Hz, and the root mean square of their sum in K."""
MODES = 400
"""Eigenmodes of the transient; the first one left out has decayed by e^-1000 after a hundredth of a second."""


class EndTones(NamedTuple):
    """u(t) = Σ_j a_j (sin(ω_j t + φ_j) - sin φ_j), which begins at zero as the rod does.

    Fields:
        omega, phase, amplitude: ``sample tone``, in rad/s, radians and K.
    """

    omega: Float[Tensor, "sample tone"]
    phase: Float[Tensor, "sample tone"]
    amplitude: Float[Tensor, "sample tone"]

    def end(self, times: Float[Tensor, " time"]) -> Float[Tensor, "sample time"]:
        """Temperature of the heated end."""
        return self._tones(torch.ones_like(self.omega), times) - self._start()[:, None]

    def probe(self, times: Float[Tensor, " time"], place: float = PLACE) -> Float[Tensor, "sample time"]:
        """Temperature at `place` in units of the length."""
        q = (1j * self.omega / DIFFUSIVITY).sqrt() * LENGTH
        response = torch.cosh(q * (1 - place)) / torch.cosh(q)
        n = (torch.arange(MODES, dtype=torch.float64) + 0.5) * math.pi
        rate = DIFFUSIVITY / LENGTH**2 * n**2
        drive = self.amplitude * self.omega * torch.polar(torch.ones_like(self.phase), self.phase)
        missing = (drive[:, :, None] / (rate + 1j * self.omega[:, :, None])).real.sum(1)  # sample mode
        modes = (2 / n * torch.sin(n * place))[:, None] * torch.exp(-rate[:, None] * times)
        return self._tones(response, times) - self._start()[:, None] + missing @ modes

    def _tones(self, response: Tensor, times: Tensor) -> Tensor:
        angle = self.omega[:, :, None] * times + self.phase[:, :, None]
        return (
            self.amplitude[:, :, None] * (response[:, :, None] * torch.polar(torch.ones_like(angle), angle)).imag
        ).sum(1)

    def _start(self) -> Tensor:
        return (self.amplitude * self.phase.sin()).sum(1)


def random_tones(count: int, generator: torch.Generator) -> EndTones:
    """Frequencies log-uniform in the band, phases uniform, amplitudes Gaussian."""
    uniform, phase = torch.rand(2, count, TONES, generator=generator, dtype=torch.float64)
    low, high = (math.log(2 * math.pi * end) for end in BAND)
    amplitude = AMPLITUDE * (2 / TONES) ** 0.5 * torch.randn(count, TONES, generator=generator, dtype=torch.float64)
    return EndTones((low + uniform * (high - low)).exp(), 2 * math.pi * phase, amplitude)
