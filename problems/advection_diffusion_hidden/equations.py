"""Advection and diffusion in the plane with a hidden growth: what is told, what must be found."""

import math

import torch
from torch import Tensor

from sciml.core.capabilities import ObservationPlan

EQUATION = """\
∂c/∂t = D (∂²c/∂x² + ∂²c/∂y²) − v ∂c/∂x − w ∂c/∂y + hidden (hidden: r c − s c²)
periodic in x and y"""

DIFFUSIVITY = 0.01
"""D in m²/s."""
WIND = (0.5, 0.3)
"""(v, w) in m/s, along x and y."""
GROWTH, CROWDING = 2.0, 2.5
"""r in 1/s and s in m³/(kg s)."""
STARTS = (((0.7, 0.3, 0.35), (0.3, 0.7, 0.7)), ((0.4, 0.5, 0.2), (0.6, 0.2, 0.8)))
"""Plumes (height in kg/m³, x, y) at the start; the first pair is observed by default."""
HELD_OUT = ((0.4, 0.6, 0.6), (0.8, 0.1, 0.3))
SHARPNESS = 2.0
END = 1.0
PLAN = ObservationPlan(trajectories=1, points=300, noise=0.02)
LIBRARY = ("c", "c**2", "c**3", "c_x", "c_y")


def known(inputs: Tensor) -> Tensor:
    """``D (c_xx + c_yy) − v c_x − w c_y`` from ``(c, c_x, c_y, c_xx, c_yy)``, ``point 1``."""
    _, by_x, by_y, twice_x, twice_y = inputs.unbind(-1)
    return (DIFFUSIVITY * (twice_x + twice_y) - WIND[0] * by_x - WIND[1] * by_y)[..., None]


def hidden(inputs: Tensor) -> Tensor:
    """``r c − s c²``, ``point 1``."""
    c = inputs[..., :1]
    return GROWTH * c - CROWDING * c.square()


def initial(y: Tensor, x: Tensor, plumes: tuple[tuple[float, float, float], ...]) -> Tensor:
    """``Σ h exp(κ (cos 2π(x − x₀) + cos 2π(y − y₀) − 2))``, smooth and periodic on the unit square."""
    found = torch.zeros_like(x)
    for height, x0, y0 in plumes:
        near = torch.cos(2 * math.pi * (x - x0)) + torch.cos(2 * math.pi * (y - y0)) - 2
        found = found + height * torch.exp(SHARPNESS * near)
    return found
