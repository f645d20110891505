"""Algebraic constraints on the fields."""

from abc import abstractmethod
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Problem
from sciml.core.types import Params


class HasConstraints(Problem):
    """Its fields obey algebraic equations or bounds at every time."""

    @abstractmethod
    def violations(
        self, states: Float[Tensor, "batch time channel"], params: Params
    ) -> Mapping[str, Float[Tensor, "batch time"]]:
        """By name, constraint violation, zero where it holds, in units that make one a gross error."""
