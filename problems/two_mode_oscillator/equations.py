"""Two independent damped oscillators, one ten times as fast as the other."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sciml.core.types import Grid, Params

EQUATION = """\
d²x₁/dt² = −ω₁² x₁ − 2 γ₁ dx₁/dt,  ω₁ = 1,  γ₁ = 0.05
d²x₂/dt² = −ω₂² x₂ − 2 γ₂ dx₂/dt,  ω₂ = 10,  γ₂ = 0.1"""


@dataclass(frozen=True)
class Mode:
    """``x'' = −ω² x − 2 γ x'``, underdamped.

    Arguments:
        frequency: ω, without damping.
        damping: γ, the rate at which the amplitude decays.
    """

    frequency: float
    damping: float

    @property
    def damped_frequency(self) -> float:
        """``sqrt(ω² − γ²)``, at which it swings."""
        return math.sqrt(self.frequency**2 - self.damping**2)

    def acceleration(self, mode: Tensor, params: Params) -> Tensor:
        """``x''`` of ``(x, x')``; ``batch 2`` to ``batch 1``."""
        return -(self.frequency**2) * mode[:, :1] - 2 * self.damping * mode[:, 1:]

    def envelope(self, mode: Tensor) -> Tensor:
        """``sqrt((x' + γ x)² + (ω² − γ²) x²)`` over the last axis; it decays as ``exp(−γ t)`` and does not swing."""
        position, velocity = mode.unbind(-1)
        return torch.hypot(velocity + self.damping * position, self.damped_frequency * position)


SLOW = Mode(1.0, 0.05)
FAST = Mode(10.0, 0.1)

CLOSURES: dict[str, Callable[[Tensor, Params], Tensor]] = {"slow": SLOW.acceleration, "fast": FAST.acceleration}
"""The accelerations a solver may replace, each of displacement and velocity of its mode."""


def rate(state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]) -> Tensor:
    """``d(x₁, x₁', x₂, x₂')/dt``, ``batch 4``."""
    slow, fast = state[:, :2], state[:, 2:]
    return torch.cat([slow[:, 1:], closures["slow"](slow, params), fast[:, 1:], closures["fast"](fast, params)], dim=1)


def matrix() -> Tensor:
    """A of ``dy/dt = A y``, ``4 4``, float64."""
    blocks = [
        torch.tensor([[0.0, 1.0], [-(mode.frequency**2), -2 * mode.damping]], dtype=torch.float64)
        for mode in (SLOW, FAST)
    ]
    return torch.block_diag(*blocks)


def balance(states: Tensor, params: Params, grid: Grid) -> Tensor:
    """``(e₂^γ₁ / e₁^γ₂)^(1/(γ₁ + γ₂))`` of the envelopes: constant, as the modes decay in proportion."""
    total = SLOW.damping + FAST.damping
    slow, fast = SLOW.envelope(states[..., :2]), FAST.envelope(states[..., 2:])
    return fast ** (SLOW.damping / total) * slow ** (-FAST.damping / total)
