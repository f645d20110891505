"""Trajectories that end in one of two ways."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Problem
from sciml.core.types import Params


class HasOutcome(Problem):
    """Its trajectories end in one of two outcomes (ignition or not) that a surrogate must classify."""

    outcome: str
    """What happens or does not, in a word: ``ignition``."""
    outcome_axes: tuple[str, ...] = ()
    """The two parameters over which a map of outcomes says most; none, and no map is drawn."""

    @abstractmethod
    def chance(self, states: Float[Tensor, "batch time channel"], params: Params) -> Float[Tensor, " batch"]:
        """A score in [0, 1] that it happened, above one half if it did; differentiable, NaN where states are."""
