"""Operators: functions in, functions out."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.domain import Domain
from sciml.core.errors import UnknownNameError
from sciml.core.functions import Functions
from sciml.core.problem import Problem


@dataclass(frozen=True)
class InputFunction:
    """One function that an operator acts on: ``InputFunction("u", "u", "1", "source", Domain((x,)))``.

    Arguments:
        name, symbol, units, long_name: as for `sciml.core.problem.Field`.
        domain: where it lives; its sensors lie there.
    """

    name: str
    symbol: str
    units: str
    long_name: str
    domain: Domain


class Images(NamedTuple):
    """Values of the operator.

    Fields:
        values: of every field at every point, float64; NaN for a function that failed.
        status: one `sciml.core.status.Status` code per function.
    """

    values: Float[Tensor, "function point field"]
    status: Int[Tensor, " function"]


class MapsFunctions(Problem):
    """Is an operator: some functions, known at sensors, are mapped to the fields, asked for at query points.

    The pairs are made by a reference (see `AppliesOperator`) or imported from somebody's files.
    """

    inputs: tuple[InputFunction, ...]
    """The functions it acts on."""
    domain: Domain
    """Where its fields live; queries lie there."""


class AppliesOperator(MapsFunctions):
    """Can be applied to functions by a trusted reference."""

    spaces: tuple[str, ...]
    """Names of the function spaces that inputs are drawn from, the one to train on first."""

    @abstractmethod
    def draw_functions(self, space: str, count: int, generator: torch.Generator) -> tuple[Functions, ...]:
        """`count` independent draws of every input, in the order of `inputs`.

        Raises: UnknownNameError for an unknown space.
        """

    @abstractmethod
    def apply(self, functions: tuple[Functions, ...], queries: Float[Tensor, "query dim"]) -> Images:
        """The fields at the queries, float64. Functions must not influence each other."""

    def sensors(self, name: str, size: Sequence[int]) -> Float[Tensor, "sensor dim"]:
        """Sensors of one input, `size` of them per axis: a lattice with its ends unless the problem has others."""
        return named_input(self, name).domain.lattice(size)

    def queries(self, size: Sequence[int]) -> Float[Tensor, "query dim"]:
        """Points that the fields are known at, `size` of them per axis: a lattice with its ends."""
        return self.domain.lattice(size)

    def scatter(self, count: int, generator: torch.Generator) -> Float[Tensor, "query dim"]:
        """`count` random points that the fields are known at, where a lattice has too many axes: uniform in the box."""
        return self.domain.place(torch.rand(count, len(self.domain.axes), generator=generator, dtype=torch.float64))


def named_input(problem: MapsFunctions, name: str) -> InputFunction:
    """An input function by name; an unknown name lists the valid ones."""
    for entry in problem.inputs:
        if entry.name == name:
            return entry
    raise UnknownNameError("input function", name, [entry.name for entry in problem.inputs])
