"""Derived quantities of trajectories."""

from abc import abstractmethod
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Field, Problem
from sciml.core.types import Params


class HasDerivedQuantities(Problem):
    """Its trajectories have derived quantities: ignition delay, peak temperature, final state."""

    derived_quantities: tuple[Field, ...]
    """Names, symbols and units; the names differ from those of fields and parameters."""

    @abstractmethod
    def derived_values(
        self, times: Float[Tensor, "*batch time"], states: Float[Tensor, "batch time channel"], params: Params
    ) -> Mapping[str, Float[Tensor, " batch"]]:
        """Every quantity by name, one value per sample; NaN where a sample has none (the delay of what never ignites).

        Rows do not influence each other, and states that are not finite give no number that depends on them. The times
        are those of the integration itself where a solver or `simulate` follows the trajectory (one row per sample
        then), so that no quantity depends on which times were asked for; a reference hands what it found on as
        ``summary/<name>`` in `Trajectory.stats`, and otherwise the stored frames count.
        """
