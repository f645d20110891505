"""Itô equations with exact solutions, as functions of the Brownian motion at the end alone."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Case(NamedTuple):
    drift: Callable[[Tensor, Tensor], Tensor]
    diffusion: Callable[[Tensor, Tensor], Tensor]
    start: float
    exact: Callable[[float, Tensor], Tensor]
    """(t, W(t)) -> y(t)"""


MU, SIGMA = 0.5, 0.8

GEOMETRIC = Case(
    lambda t, y: MU * y,
    lambda t, y: SIGMA * y,
    1.0,
    lambda t, w: torch.exp((MU - SIGMA**2 / 2) * t + SIGMA * w),
)
# y = sinh(t + W + arsinh y0); Kloeden, Platen, Numerical Solution of SDE, (4.4.40)
HYPERBOLIC = Case(
    lambda t, y: y / 2 + (y * y + 1).sqrt(),
    lambda t, y: (y * y + 1).sqrt(),
    0.5,
    lambda t, w: torch.sinh(t + w + math.asinh(0.5)),
)
# y = (1 + t)² (y0 + t + W): the times of the stages matter; Kloeden, Platen, (4.4.5)
TIMED = Case(
    lambda t, y: 2 * y / (1 + t[:, None]) + (1 + t[:, None]) ** 2,
    lambda t, y: ((1 + t[:, None]) ** 2).expand_as(y),
    0.3,
    lambda t, w: (1 + t) ** 2 * (0.3 + t + w),
)
CASES = {"geometric": GEOMETRIC, "hyperbolic": HYPERBOLIC, "timed": TIMED}
