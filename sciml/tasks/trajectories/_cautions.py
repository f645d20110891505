"""What a solver of trajectories has to say of what it learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor

from sciml.core.capabilities import HasTrajectories
from sciml.tasks.trajectories._data import TrajectoriesContext


class Cautions(ABC):
    """A solver that can tell when its answers between or beyond the stored frames are not to be trusted."""

    @abstractmethod
    def cautions(
        self,
        module: Any,  # Any: the module of the solver
        problem: HasTrajectories,
        context: TrajectoriesContext,
        states: Float[Tensor, "row channel"],
    ) -> tuple[str, ...]:
        """Sentences for log, record and command line; none where all is well.

        Arguments:
            module: fitted.
            problem, context: what it was fitted to.
            states: some of the training data, physical units.
        """
