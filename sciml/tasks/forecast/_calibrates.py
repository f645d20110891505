"""Forecasters whose rollouts carry bands that are calibrated after training."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from sciml.core.types import Prediction


class Calibration(NamedTuple):
    """Rollouts of some held-out trajectories beside what happened, on the CPU."""

    prediction: Prediction
    true: Float[Tensor, "sample time channel *space"]


class Calibrates(ABC):
    """A forecasting solver that can calibrate what its predictions state of their errors."""

    @abstractmethod
    def calibrate(self, module: Any, rollouts: Sequence[Calibration], coverage: float) -> None:
        """Set the bands of a trained module so that they hold a share of the values, from rollouts of trajectories that
        nothing was fitted to.

        The module is that of the solver. Any: of a type of its own.
        """
