"""Viscous Burgers with its advection hidden: what is told, what must be found, and the exact solution."""

import math

import torch
from torch import Tensor

from sciml.core.capabilities import ObservationPlan

EQUATION = """\
∂u/∂t = ν ∂²u/∂x² + hidden (hidden: − u ∂u/∂x)
u(±1, t) = 0, u(x, 0) = − sin πx"""

VISCOSITY = 0.1 / math.pi
"""A tenth over π: ten times that of the usual test, so that no shock forms."""
STARTS = ((-1.0, 0.0), (0.6, 0.3))
"""(A, B) of u(x, 0) = A sin πx + B sin 2πx; the first is observed by default."""
HELD_OUT = (-0.7, 0.4)
END = 1.0
PLAN = ObservationPlan(trajectories=1, points=100, noise=0.01)
LIBRARY = ("u", "u_x", "u**2", "u*u_x", "u_x**2", "u**3")


def known(inputs: Tensor) -> Tensor:
    """``ν u_xx`` from ``(u, u_x, u_xx)``, ``point 1``."""
    return VISCOSITY * inputs[..., 2:3]


def hidden(inputs: Tensor) -> Tensor:
    """``− u u_x``, ``point 1``."""
    return -inputs[..., 0:1] * inputs[..., 1:2]


def initial(x: Tensor, start: tuple[float, float]) -> Tensor:
    """``A sin πx + B sin 2πx``."""
    return start[0] * torch.sin(math.pi * x) + start[1] * torch.sin(2 * math.pi * x)


def exponent(x: Tensor, start: tuple[float, float]) -> Tensor:
    """``−1/(2ν) ∫₀ˣ u(y, 0) dy``, what Cole and Hopf exponentiate."""
    wave = start[0] * (1 - torch.cos(math.pi * x)) / math.pi
    return -(wave + start[1] * (1 - torch.cos(2 * math.pi * x)) / (2 * math.pi)) / (2 * VISCOSITY)
