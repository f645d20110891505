"""Lotka-Volterra with its interaction hidden: what is told, and what must be found."""

import torch
from torch import Tensor

from sciml.core.capabilities import ObservationPlan

EQUATION = """\
dx/dt = α x + hidden   (hidden: − β x y)
dy/dt = − δ y + hidden (hidden: + γ x y)"""

ALPHA, BETA, GAMMA, DELTA = 1.3, 0.9, 0.8, 1.8
"""The universal differential equations' benchmark: birth, predation, reproduction, death."""

STARTS = ((0.44249296, 4.6280594), (1.5, 1.0), (3.0, 2.0))
"""Initial conditions that are observed; the first is the published one."""
HELD_OUT = (1.0, 3.0)
"""Initial condition that is not."""
END = 3.0
PLAN = ObservationPlan(trajectories=3, points=10, noise=0.005)
LIBRARY = ("1", "x", "y", "x*y", "x**2", "y**2")


def known(state: Tensor) -> Tensor:
    """``(α x, − δ y)``, ``point 2``."""
    x, y = state.unbind(-1)
    return torch.stack([ALPHA * x, -DELTA * y], dim=-1)


def hidden(state: Tensor) -> Tensor:
    """``(− β x y, γ x y)``, ``point 2``."""
    x, y = state.unbind(-1)
    return torch.stack([-BETA * x * y, GAMMA * x * y], dim=-1)
