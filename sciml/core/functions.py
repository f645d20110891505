"""Functions that can be evaluated anywhere: what an operator acts on, drawn from a space of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.domain import Domain
from sciml.core.errors import UnsupportedError, UserError


class FunctionSpace(ABC):
    """A finite-dimensional space with a distribution on it: u(x) = Σ_k c_k φ_k(x), c drawn.

    What is drawn is this sum and nothing else, so that values and integrals of a draw are exact wherever they are
    asked for.

    Fields:
        domain: where the functions live.
    """

    domain: Domain

    @abstractmethod
    def coefficients(self, count: int, generator: torch.Generator) -> Float[Tensor, "function mode"]:
        """The c of `count` independent draws, float64."""

    @abstractmethod
    def modes(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point mode"]:
        """φ_k at points, float64."""

    def integrals(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "point mode"]:
        """∫ φ_k from the lower end of the interval to points, float64. Raises UnsupportedError where unknown."""
        raise UnsupportedError(f"integrals of the functions of {type(self).__name__} have no closed form here")

    def draw(self, count: int, generator: torch.Generator) -> "Functions":
        """`count` independent functions."""
        return Functions(self, self.coefficients(count, generator))


@dataclass(frozen=True)
class Functions:
    """Some functions of one space, perhaps with a pointwise map after them (a log-normal permeability).

    Fields:
        space: where they come from.
        coefficients: one row per function, float64.
        transform: applied to the values; None for the functions themselves.
    """

    space: FunctionSpace
    coefficients: Float[Tensor, "function mode"]
    transform: Callable[[Tensor], Tensor] | None = None

    def __len__(self) -> int:
        return len(self.coefficients)

    def __call__(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "function point"]:
        """Values at points, float64."""
        values = self.coefficients @ self.space.modes(points.double()).T
        return values if self.transform is None else self.transform(values)

    def integral(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "function point"]:
        """∫ from the lower end of the interval to points, float64."""
        if self.transform is not None:
            raise UnsupportedError("integrals of transformed functions have no closed form here")
        return self.coefficients @ self.space.integrals(points.double()).T

    def rows(self, rows: Int[Tensor, " row"] | slice) -> "Functions":
        """Some of them."""
        return replace(self, coefficients=self.coefficients[rows])

    def mapped(self, transform: Callable[[Tensor], Tensor]) -> "Functions":
        """The same with a pointwise map of their values."""
        if self.transform is not None:
            raise UserError("these functions have a pointwise map already")
        return replace(self, transform=transform)


@dataclass(frozen=True)
class MappedSpace:
    """Functions of a space with a pointwise map after them: ``MappedSpace(field, torch.exp)`` is log-normal.

    Fields:
        space: where they are drawn from.
        transform: of their values.
    """

    space: FunctionSpace
    transform: Callable[[Tensor], Tensor]

    @property
    def domain(self) -> Domain:
        """Where the functions live."""
        return self.space.domain

    def draw(self, count: int, generator: torch.Generator) -> Functions:
        """`count` independent functions."""
        return self.space.draw(count, generator).mapped(self.transform)
