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

    def forcing_times(self, params: Params) -> Float[Tensor, "batch time"] | None:
        """Times at which a source, a pulse, an inflow or a table begins, peaks, jumps or ends, in any order.

        No step of an integration crosses one, and between two of them there are several. None for dynamics that do not
        depend on time; the windows of a reduced model's uncertain sources count without being named here. One row per
        sample, or one for all.
        """
        return None
