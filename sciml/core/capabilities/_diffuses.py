"""Stochastic differential equations."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Problem
from sciml.core.types import Params


class Diffuses(Problem):
    """Is an Itô stochastic differential equation with diagonal noise, dX = f(t, X) dt + g(t, X) dW."""

    @abstractmethod
    def start(self) -> Float[Tensor, " channel"]:
        """The state at the first of `times`."""

    @abstractmethod
    def times(self) -> Float[Tensor, " time"]:
        """The times at which paths are compared, increasing."""

    @abstractmethod
    def drift(
        self, time: Float[Tensor, " batch"], state: Float[Tensor, "batch channel"], params: Params
    ) -> Float[Tensor, "batch channel"]:
        """The drift f."""

    @abstractmethod
    def diffusion(
        self, time: Float[Tensor, " batch"], state: Float[Tensor, "batch channel"], params: Params
    ) -> Float[Tensor, "batch channel"]:
        """The diagonal of the diffusion g."""
