"""Trajectories between their initial condition and the end of time, at any times in any order."""

from collections.abc import Callable, Hashable
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class DenseTrajectories:
    """Trajectories of an autonomous equation by SciPy with dense output, each integrated once, when it is first needed.

    Arguments:
        rate: ``d(state)/dt``, of numpy arrays.
        start: the initial state for the key of a trajectory.
        end: the last time; the first is zero.
        method: ``DOP853``, or ``Radau`` for a stiff equation.
        rtol, atol: tolerances of the local error.
        max_step: longest step; a short one keeps the dense output as good as the steps.
    """

    def __init__(
        self,
        rate: Callable[[Float[np.ndarray, " value"]], Float[np.ndarray, " value"]],
        start: Callable[[Any], Float[np.ndarray, " value"]],  # Any: whatever names a trajectory
        end: float,
        *,
        method: Literal["DOP853", "Radau"] = "DOP853",
        rtol: float = 1e-12,
        atol: float = 1e-12,
        max_step: float = np.inf,
    ) -> None:
        self._rate, self._start, self._end = rate, start, end
        self._options = {"method": method, "rtol": rtol, "atol": atol, "max_step": max_step}
        self._solved: dict[Hashable, Any] = {}

    def states(self, key: Hashable, times: Float[Tensor, " time"]) -> Float[Tensor, "time value"]:
        """States of a trajectory at times from zero to the end, float64."""
        if key not in self._solved:
            self._solved[key] = self._integrate(key)
        return torch.from_numpy(self._solved[key](times.double().numpy()).T.copy())

    def _integrate(self, key: Hashable) -> Any:
        from scipy.integrate import solve_ivp

        solved = solve_ivp(
            lambda _, state: self._rate(state), (0.0, self._end), self._start(key), dense_output=True, **self._options
        )
        if not solved.success:
            raise RuntimeError(f"the reference integration of trajectory {key} failed: {solved.message}")
        return solved.sol
