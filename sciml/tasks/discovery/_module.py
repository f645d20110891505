"""What a solver of discovery trains."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from sciml.tasks.discovery._data import Measured, Visited


class HiddenTermModule(nn.Module, ABC):
    """A module that says what the hidden term is on observed trajectories."""

    @abstractmethod
    def measure(self, places: Visited) -> Measured:
        """Inputs and hidden term at the places."""

    @abstractmethod
    def term_of(self, inputs: Tensor) -> Tensor | None:
        """The hidden term as a function of a table of inputs; None where the method has values along curves only."""

    @abstractmethod
    def found_scalars(self) -> dict[str, float]:
        """The unknown scalars of the known part."""
