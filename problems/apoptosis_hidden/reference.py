"""Reference trajectories: Radau IIA of SciPy, implicit, at a relative tolerance of 1e-11, one per initial condition.

Its dense output, of lower order than its steps, is of their error here since they are short: tests compare it with an
explicit method of order eight.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from .equations import END, bound, told


@cache
def _solution(start: tuple[float, float, float]) -> Any:
    def rate(_: float, state: np.ndarray) -> np.ndarray:
        x, y, z = state.tolist()
        (dx, dy, dz), v = told(x, y, z), bound(x, y)
        return np.array([dx, dy - v, dz + v])

    solved = solve_ivp(rate, (0.0, END), start, "Radau", dense_output=True, rtol=1e-11, atol=1e-14)
    assert solved.success
    return solved.sol


def states(start: tuple[float, float, float], times: Tensor) -> Tensor:
    """``time 3`` at times from 0 to the end of what is observed, in any order, float64."""
    return torch.from_numpy(_solution(start)(times.double().numpy()).T.copy())
