"""Caspase switched on and off: the network that is told, and the inhibition that is hidden."""

from typing import Any

import torch
from torch import Tensor

from sciml.core.capabilities import ObservationPlan

EQUATION = """\
dx/dt = k₀ − k₂ y x/(J₂ + x) − k_d x
dy/dt = k₁ z (J₁ + y) − k₋₁ y/(J₋₁ + y) + hidden (hidden: − k₋₃ x y/(J₋₃ + y))
dz/dt = − k₁ z (J₁ + y) + k₋₁ y/(J₋₁ + y) + hidden (hidden: k₋₃ x y/(J₋₃ + y))"""

SUPPLY, DECAY = 0.1, 0.05
"""k₀ and k_d, of the inhibitor."""
ON, ON_HALF = 0.6, 0.1
"""k₁ and J₁: caspase switches itself on."""
OFF, OFF_HALF = 0.2, 0.1
"""k₋₁ and J₋₁."""
CUT, CUT_HALF = 0.4, 0.1
"""k₂ and J₂: caspase cuts its inhibitor."""
BIND, BIND_HALF = 7.05, 2.0
"""k₋₃ and J₋₃: the inhibitor switches caspase off."""
STARTS = ((0.248, 0.0973, 0.0027), (0.02, 0.3, 0.3), (1.5, 0.05, 0.4), (0.1, 1.0, 0.5))
"""(x, y, z) at the start of what is observed; the first is the published one, the last does not come back to life."""
HELD_OUT = (0.5, 0.5, 0.2)
END = 400.0
PACE = 0.2
"""Observed times are equidistant in log(1 + t/PACE)."""
PLAN = ObservationPlan(trajectories=4, points=25, noise=0.005)
LIBRARY = ("x", "y", "x*y", "x*y**2", "x**2*y")


def told(x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    """Supply, cutting and decay of the inhibitor; caspase switching on and off by itself. Numbers or tensors.

    Concentrations are positive; magnitudes below the fractions only keep a network's first guesses away from poles.
    """
    gained = ON * z * (ON_HALF + y) - OFF * y / (OFF_HALF + abs(y))
    return SUPPLY - CUT * y * x / (CUT_HALF + abs(x)) - DECAY * x, gained, -gained


def bound(x: Any, y: Any) -> Any:
    """v = k₋₃ x y/(J₋₃ + y), of numbers or tensors."""
    return BIND * x * y / (BIND_HALF + y)


def known(state: Tensor) -> Tensor:
    """What is `told`, ``point 3``."""
    return torch.stack(told(*state.unbind(-1)), dim=-1)


def hidden(state: Tensor) -> Tensor:
    """``(0, − v, v)``, ``point 3``."""
    rate = bound(state[..., 0], state[..., 1])
    return torch.stack([torch.zeros_like(rate), -rate, rate], dim=-1)


def position(times: Tensor) -> Tensor:
    """log(1 + t/PACE), one at the end."""
    return (times / PACE).log1p() / times.new_tensor(END / PACE).log1p()


def times(points: int) -> Tensor:
    """Times from 0 to the end, equidistant by `position`, float64."""
    whole = torch.tensor(END / PACE, dtype=torch.float64).log1p()
    found = PACE * (whole * torch.linspace(0.0, 1.0, points, dtype=torch.float64)).expm1()
    return found.clamp(0.0, END)
