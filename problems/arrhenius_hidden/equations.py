"""A stirred vessel in which a reaction heats what cooling takes away; the reaction is hidden."""

import torch
from torch import Tensor

from sciml.core.capabilities import ObservationPlan

EQUATION = """\
dc/dt = hidden (hidden: − A c exp(− E/T))
dT/dt = − h (T − T₀) + hidden (hidden: Q A c exp(− E/T))"""

FACTOR, ENERGY, HEAT = 2.5, 1.8, 0.6
"""A, E and Q, non-dimensional."""
COOLING, OUTSIDE = 0.3, 0.5
"""h and T₀."""
STARTS = ((1.0, 0.6), (1.2, 1.2), (0.5, 1.8), (0.8, 2.4))
"""(c, T) at the start of what is observed: temperatures over a factor of four, without which exp(−E/T) has rivals."""
HELD_OUT = (1.1, 1.5)
END = 4.0
PLAN = ObservationPlan(trajectories=4, points=12, noise=0.002)
LIBRARY = ("c", "T", "c*T", "c**2")


def known(state: Tensor) -> Tensor:
    """``(0, − h (T − T₀))``, ``point 2``."""
    temperature = state[..., 1]
    return torch.stack([torch.zeros_like(temperature), -COOLING * (temperature - OUTSIDE)], dim=-1)


def hidden(state: Tensor) -> Tensor:
    """``(− A c exp(−E/T), Q A c exp(−E/T))``, ``point 2``."""
    concentration, temperature = state.unbind(-1)
    rate = FACTOR * concentration * torch.exp(-ENERGY / temperature)
    return torch.stack([-rate, HEAT * rate], dim=-1)
