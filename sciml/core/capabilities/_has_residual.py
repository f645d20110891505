"""Differential equations on boxes."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor

from sciml.core.problem import Problem
from sciml.core.statement import Statement


class HasResidual(Problem):
    """Is a differential equation on a box with conditions, perhaps with a solution to be judged against.

    Everything a solver needs (residual, conditions, exact solution) is in the `Statement`, written once in sympy.
    """

    cases: tuple[str, ...]
    """Names of the settings (parameter values, sources, dimensions) it is posed in, the first one by default."""

    @abstractmethod
    def statement(self, case: str) -> Statement:
        """The equation in one setting. Raises UnknownNameError for another name; the same object for the same name."""

    def reference(self, points: Float[Tensor, "point dim"], case: str) -> Float[Tensor, "point field"] | None:
        """The exact or trusted solution, float64, one column per field of the statement.

        The solution of the statement where that has one in closed form; None where nobody knows it, and then scores
        that need it are left out.
        """
        statement = self.statement(case)
        return statement.exact(points) if statement.has_solution else None
