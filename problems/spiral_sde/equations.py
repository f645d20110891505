"""The noisy cubic spiral: a decay and a rotation of the cubes of the state, and noise in proportion to the state."""

from typing import Any

import torch
from torch import Tensor

EQUATION = """\
du₁ = (−a u₁³ + b u₂³) dt + γ u₁ dW₁
du₂ = (−b u₁³ − a u₂³) dt + γ u₂ dW₂
a = 0.1, b = 2, γ = 0.2, Itô"""

DECAY = 0.1
"""a, of the part that takes the state towards the origin."""
ROTATION = 2.0
"""b, of the part that turns it, clockwise."""
NOISE = 0.2
"""γ, noise per unit of the state and square root of time."""
START = (2.0, 0.0)
"""The state at t = 0."""
SPAN = 1.0
"""The last time."""
POINTS = 30
"""Number of times, both ends included."""


def drift(state: Tensor) -> Tensor:
    """``(−a u₁³ + b u₂³, −b u₁³ − a u₂³)``, ``batch 2``."""
    cubes = state * state * state
    turned = torch.stack([cubes[:, 1], -cubes[:, 0]], dim=1)
    return ROTATION * turned - DECAY * cubes


def diffusion(state: Tensor, noise: float = NOISE) -> Tensor:
    """``γ u``, ``batch 2``: the diagonal; each component has its own Brownian motion."""
    return noise * state


def symbolic() -> dict[str, Any]:
    """Drifts ``f1, f2`` and diffusions ``g1, g2`` in sympy, in symbols ``u1, u2, a, b, c`` (c for γ)."""
    import sympy as sp

    u1, u2, a, b, c = sp.symbols("u1 u2 a b c", real=True)
    return {"f1": -a * u1**3 + b * u2**3, "f2": -b * u1**3 - a * u2**3, "g1": c * u1, "g2": c * u2}
