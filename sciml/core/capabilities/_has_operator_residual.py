"""Operators that solve a differential equation."""

from abc import abstractmethod

from sciml.core.capabilities._maps_functions import MapsFunctions
from sciml.core.statement import Statement


class HasOperatorResidual(MapsFunctions):
    """Is the solution operator of a differential equation: its fields solve one for every choice of input functions.

    A solver can then learn from the equation, with few pairs of functions or none.
    """

    @abstractmethod
    def operator_statement(self) -> Statement:
        """The equation on the domain of the queries; its `inputs` are the input functions, by name.

        The same object for every call.
        """
