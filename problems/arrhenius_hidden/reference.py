"""Reference trajectories: DOP853 of SciPy at tolerances of 1e-12 with its dense output, one per initial condition."""

import numpy as np

from sciml.core.rate_equation import RateEquation
from sciml.reference import DenseTrajectories

from .equations import END, STARTS, statement


def _rate(state: np.ndarray) -> np.ndarray:
    return np.array(_EQUATION.slope(0.0, state.tolist()))


_EQUATION = RateEquation(statement(STARTS[0]))
TRAJECTORIES = DenseTrajectories(_rate, np.array, END)
"""By initial condition (c, T)."""
