"""Parameters to numbers, without time or space."""

from abc import abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Problem
from sciml.core.types import Params


class MapsParameters(Problem):
    """Maps its parameters, named inputs with units and ranges, to its fields, named targets with units.

    A sample is a row: one value of every parameter and of every target. Rows are computed (see `HasFormula`) or
    imported from somebody's table.
    """


class HasFormula(MapsParameters):
    """Computes its targets from its parameters, so that any number of rows can be drawn."""

    costly: ClassVar[bool] = False
    """Whether a row takes so long (a simulation) that the rows of a card are kept in the cache."""

    @abstractmethod
    def evaluate(self, params: Params) -> Float[Tensor, "sample target"]:
        """The targets in the order of the fields, float64, of parameters with one value per sample.

        A sample whose parameters mean nothing is NaN.
        """
