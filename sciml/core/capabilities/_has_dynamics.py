"""Ordinary differential equations with closures."""

from abc import abstractmethod
from collections.abc import Callable, Mapping

from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Problem
from sciml.core.types import Params


class HasDynamics(Problem):
    """Is an ordinary differential equation with named closures that a network may supply."""

    @abstractmethod
    def closures(self) -> Mapping[str, Callable[..., Tensor]]:
        """The true closures by name; a solver replaces some of them by networks."""

    @abstractmethod
    def dynamics(
        self,
        time: Float[Tensor, " batch"],
        state: Float[Tensor, "batch channel"],
        params: Params,
        closures: Mapping[str, Callable[..., Tensor]],
    ) -> Float[Tensor, "batch channel"]:
        """d(state)/dt."""
