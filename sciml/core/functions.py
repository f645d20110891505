"""Functions that can be evaluated anywhere: what an operator acts on, drawn from a space of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.domain import Domain
from sciml.core.errors import UnsupportedError, UserError

_SLACK = 1e-6
"""Share of an axis within which a point counts as its end: points may come in single precision."""


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
        """`count` independent functions. Raises UserError for a negative number of them."""
        if count < 0:
            raise UserError("no number of functions", got=count, expected="0 or more")
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
        """Values at points, float64. Raises UserError for points that are none of the domain."""
        values = self.coefficients @ self.space.modes(self._checked(points)).T
        return values if self.transform is None else self.transform(values)

    def integral(self, points: Float[Tensor, "point 1"]) -> Float[Tensor, "function point"]:
        """∫ from the lower end of the interval to points, float64. Raises UserError as for values."""
        if self.transform is not None:
            raise UnsupportedError("integrals of transformed functions have no closed form here")
        return self.coefficients @ self.space.integrals(self._checked(points)).T

    def _checked(self, points: Float[Tensor, "point dim"]) -> Float[Tensor, "point dim"]:
        """The points in float64; beyond the ends of an axis that is not periodic there is no function."""
        axes = self.space.domain.axes
        if points.ndim != 2 or points.shape[1] != len(axes):
            raise UserError("the points have another number of coordinates than the functions",
                            got=f"shape {tuple(points.shape)}", expected=f"(points, {len(axes)})")  # fmt: skip
        points = points.double()
        for axis, column in zip(axes, points.unbind(1), strict=True):
            slack = _SLACK * axis.extent
            inside = (column >= axis.lower - slack) & (column <= axis.upper + slack)
            if not bool((column.isfinite() if axis.periodic else inside).all()):
                raise UserError(f"a function is asked for where it is not: {axis.name} is outside of its domain",
                                got=f"{axis.name} from {float(column.min()):g} to {float(column.max()):g}",
                                expected=f"{axis.lower:g} to {axis.upper:g}")  # fmt: skip
        return points

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
