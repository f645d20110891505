"""The cubic spiral: a rotation and a decay of the cubes of the state."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from sciml.core.types import Params

EQUATION = """\
dy₁/dt = −a y₁³ − b y₂³
dy₂/dt =  b y₁³ − a y₂³,  a = 0.1, b = 2"""

DECAY = 0.1
"""a, of the part that takes the state to the origin."""
ROTATION = 2.0
"""b, of the part that turns it, anticlockwise."""
MATRIX = ((-DECAY, ROTATION), (-ROTATION, -DECAY))
"""A of ``dy/dt = y³ A``, y a row. Its transpose decays in the same way and turns clockwise."""


def decay(cubes: Tensor, params: Params) -> Tensor:
    """``−a y³``: the only part that changes ``y₁⁴ + y₂⁴``; ``batch 2`` to ``batch 2``."""
    return -DECAY * cubes


def rotation(cubes: Tensor, params: Params) -> Tensor:
    """``b (−y₂³, y₁³)``: motion along a curve ``y₁⁴ + y₂⁴ = const``; ``batch 2`` to ``batch 2``."""
    return ROTATION * torch.stack([-cubes[:, 1], cubes[:, 0]], dim=1)


CLOSURES: dict[str, Callable[[Tensor, Params], Tensor]] = {"decay": decay, "rotation": rotation}
"""The parts a solver may replace; each is called with the cubes ``(y₁³, y₂³)`` and the parameters (there are none)."""


def rate(state: Tensor, params: Params, closures: Mapping[str, Callable[..., Tensor]]) -> Tensor:
    """``dy/dt``, ``batch 2``."""
    cubes = state * state * state
    return closures["decay"](cubes, params) + closures["rotation"](cubes, params)


def quartic(state: Tensor) -> Tensor:
    """``Q = y₁⁴ + y₂⁴`` over the last axis: kept by the rotation, ``dQ/dt = −4 a (y₁⁶ + y₂⁶)``."""
    return state.pow(4).sum(-1)


def symbolic() -> dict[str, Any]:
    """The same right-hand sides in sympy, in symbols ``y1, y2, a, b``."""
    import sympy as sp

    y1, y2, a, b = sp.symbols("y1 y2 a b", real=True)
    return {"y1": -a * y1**3 - b * y2**3, "y2": b * y1**3 - a * y2**3}
