"""Reference trajectories: Radau IIA of SciPy, implicit, at a relative tolerance of 1e-11, one per initial condition.

Its dense output, of lower order than its steps, is of their error here since they are short: tests compare it with an
explicit method of order eight.
"""

import numpy as np

from sciml.core.rate_equation import RateEquation
from sciml.reference import DenseTrajectories

from .equations import END, STARTS, statement


def _rate(state: np.ndarray) -> np.ndarray:
    return np.array(_EQUATION.slope(0.0, state.tolist()))


_EQUATION = RateEquation(statement(STARTS[0]))
TRAJECTORIES = DenseTrajectories(_rate, np.array, END, method="Radau", rtol=1e-11, atol=1e-14)
"""By initial condition (x, y, z)."""
