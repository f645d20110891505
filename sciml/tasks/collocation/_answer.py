"""What a trained solver says of an equation, piece by piece: residuals, faults of conditions, terms, misfits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.derivatives import autograd_derivatives
from sciml.core.errors import UnsupportedError
from sciml.core.scales import Scales
from sciml.core.statement import Statement
from sciml.core.types import Params
from sciml.tasks._cost import device_of
from sciml.tasks.collocation._data import CollocationBatch
from sciml.train import AnySolver

N = TypeVar("N", bound=nn.Module)
_BLOCK = 8192  # points whose derivatives are taken at a time


class Differentiable(ABC, Generic[N]):
    """A solver whose answer can be differentiated by the coordinates."""

    @abstractmethod
    def fields(self, module: N, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point field"]:
        """The fields at points, with gradients, row by row."""

    @abstractmethod
    def numbers(self, module: N) -> Params:
        """The unknown numbers it has found, by name."""

    def covariance(
        self, module: N, evidence: CollocationBatch, typical: Scales
    ) -> Float[Tensor, "unknown unknown"] | None:
        """Covariance of the unknown numbers that follows from the errors of the observations.

        Arguments:
            module: at the solution.
            evidence: points at which equations and conditions hold, and observations with their standard deviations.
            typical: magnitudes of fields and equations.

        Returns: rows and columns in the order of the statement; None for a solver that cannot say.
        """
        return None


@dataclass(frozen=True)
class Answer:
    """A trained solver's answer to a statement, differentiated by autograd whatever the solver trained with."""

    statement: Statement
    solver: Differentiable[Any]  # Any: its own module
    module: nn.Module

    @classmethod
    def of(cls, statement: Statement, solver: AnySolver, module: nn.Module) -> "Answer":
        """The answer of any solver of the task; `UnsupportedError` where it cannot be differentiated."""
        if not isinstance(solver, Differentiable):
            raise UnsupportedError(
                f"solver {solver.key!r} does not let its answer be differentiated by the coordinates",
                expected="a CollocationSolver",
            )
        return cls(statement, solver, module)

    @property
    def numbers(self) -> Params:
        """The unknown numbers, by name."""
        return self.solver.numbers(self.module)

    def fields(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point field"]:
        """The fields in the precision of the network, which a prediction rounds."""
        return self.solver.fields(self.module, points.to(device_of(self.module))).detach().cpu()

    def residual(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point equation"]:
        """Of each equation."""
        return self._in_blocks(lambda part, by: (self.statement.residual(part, by, self.numbers),), points)[0]

    def terms(self, points: Float[Tensor, "point dim"]) -> list[Float[Tensor, "point _"]]:
        """The terms of each equation."""
        return self._in_blocks(lambda part, by: self.statement.terms(part, by, self.numbers), points)

    def faults(self, faces: Mapping[int, Float[Tensor, "_ dim"]]) -> list[Float[Tensor, " _"]]:
        """By how much each condition is missed at points of its face."""
        there = {i: points.to(device_of(self.module)) for i, points in faces.items()}
        return [
            self.statement.fault(i, points, self.derivatives(points), self.numbers).detach().cpu()
            for i, points in there.items()
        ]

    def largest(self, field: str, order: str, points: Float[Tensor, "point dim"]) -> float:
        """The largest absolute value of a field, or of a derivative such as ``xx``, at points."""
        return float(self._in_blocks(lambda _, by: (by(field, order),), points)[0].abs().max())

    def _in_blocks(self, evaluate: Callable[..., Any], points: Tensor) -> list[Tensor]:
        blocks = points.to(device_of(self.module)).split(_BLOCK)
        parts = [[value.detach() for value in evaluate(part, self.derivatives(part))] for part in blocks]
        return [torch.cat(values).cpu() for values in zip(*parts, strict=True)]

    def derivatives(self, points: Tensor) -> Callable[[str, str], Tensor]:
        """``(field, axes) -> point``, such as ``("u", "xx")``, at points."""
        names = self.statement.fields, self.statement.names
        return autograd_derivatives(lambda p: self.solver.fields(self.module, p), points, *names, create_graph=False)
