"""What operator learning trains on and asks."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import pydantic
import torch
from jaxtyping import Bool, Float, Int
from pydantic_core import CoreSchema
from torch import Tensor

from sciml import data
from sciml.core.capabilities import AppliesOperator
from sciml.core.config import Config
from sciml.core.tensors import TensorField, tensor_dataclass_schema
from sciml.data import Pairs
from sciml.train import Context


class OperatorConfig(Config):
    """How an operator is learned and examined; what is left out is as the card says."""

    space: str | None = None
    """Function space to train and test on."""
    functions: int | None = pydantic.Field(default=None, ge=1)
    """Training functions."""
    sensors: dict[str, tuple[int, ...]] = {}
    """Sensors per axis, by input function."""
    points: int | None = pydantic.Field(default=None, ge=0)
    """Queries per training function; 0 for all of them."""
    probes: tuple[str, ...] | None = None
    """Other function spaces that the operator is examined on; None for all that the problem has."""

    finer: bool = False
    """Whether the operator is also asked on a lattice twice as fine, and for functions known half a cell beside its
    sensors and interpolated to them."""

    def on(self, card: data.PairsCard) -> data.PairsCard:
        """The card with these settings."""
        update: dict[str, object] = {"sensors": {**card.sensors, **self.sensors}}
        if self.space is not None:
            update["space"] = self.space
        if self.functions is not None:
            update["functions"] = card.functions.model_copy(update={"train": self.functions})
        if self.points is not None:
            update["points"] = self.points or None
        return card.model_copy(update=update)


@dataclass(frozen=True)
class OperatorStatistics:
    """What standardises inputs and outputs, from the training split; a constant one has standard deviation 1.

    Fields:
        input_mean, input_std: of every input function, over functions and sensors.
        field_mean, field_std: of every field, over functions and queries.
    """

    input_mean: Float[Tensor, " input"]
    input_std: Float[Tensor, " input"]
    field_mean: Float[Tensor, " field"]
    field_std: Float[Tensor, " field"]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        return tensor_dataclass_schema(cls)


class OperatorContext(Context):
    """What a network must know of the pairs."""

    sensors: tuple[TensorField, ...]
    """Coordinates of every input's sensors, ``sensor dim``, float64."""
    queries: TensorField | None
    """The queries that test functions share, ``query dim``, float64; None where every function has its own."""
    aligned: bool
    """Whether all training functions are known at all of these queries."""
    lattice: tuple[int, ...] | None
    """Points per axis, where all sensors and the queries are one lattice, the last axis fastest."""
    statistics: OperatorStatistics

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sensors of every input."""
        return tuple(len(points) for points in self.sensors)


class Questions(NamedTuple):
    """What an operator is asked.

    Fields:
        functions: values of all inputs at their sensors, side by side, in physical units.
        queries: where the fields are asked for, float64: ``query dim`` for all functions, or ``batch query dim``.
    """

    functions: Float[Tensor, "batch sensor"]
    queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"]


@dataclass(frozen=True)
class PairBatch(data.Batch):
    """Functions with values of the operator.

    Fields:
        functions, queries: as `Questions`.
        targets: the fields there.
        points, index: where queries of each function's own are some of a few points, these points and which of them;
            both None otherwise.
    """

    functions: Float[Tensor, "batch sensor"]
    queries: Float[Tensor, "query dim"] | Float[Tensor, "batch query dim"]
    targets: Float[Tensor, "batch query field"]

    points: Float[Tensor, "point dim"] | None = None
    index: Int[Tensor, "batch query"] | None = None

    shared: ClassVar[frozenset[str]] = frozenset({"queries", "points"})

    def chosen(self, rows: Bool[Tensor, " batch"]) -> "PairBatch":
        """Some functions of a batch, with their queries."""
        queries = self.queries[rows] if self.queries.ndim == 3 else self.queries
        index = None if self.index is None else self.index[rows]
        return PairBatch(self.functions[rows], queries, self.targets[rows], self.points, index)

    def _part(self, rows: slice) -> dict[str, object]:
        """Queries of each function are cut with them."""
        queries = {"queries": self.queries[rows]} if self.queries.ndim == 3 else {}
        return super()._part(rows) | queries


class PairExamples:
    """The rows of a split: a function with all its queries, or with those that are known."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def _all(self) -> PairBatch:
        return self._rows(torch.arange(len(self.pairs)))

    def batch(self, indices: Tensor, generator: torch.Generator) -> PairBatch:
        """The rows at `indices`; all of them in their order are the same batch every time."""
        if len(indices) == len(self.pairs) and torch.equal(indices, torch.arange(len(self.pairs))):
            return self._all
        return self._rows(indices)

    def _rows(self, indices: Tensor) -> PairBatch:
        pairs = self.pairs
        rows = pairs.row.index_select(0, indices)  # four times as fast as an index in brackets
        functions = pairs.functions.index_select(0, rows)
        values = pairs.values.index_select(0, indices)
        if pairs.query is None or len(pairs.queries) >= len(indices) * pairs.query.shape[1]:
            return PairBatch(functions, pairs.points(indices), values)
        index = pairs.query.index_select(0, indices)
        return PairBatch(functions, pairs.points(indices), values, pairs.queries, index)


def statistics_of(pairs: Pairs, sensors: tuple[Tensor, ...]) -> OperatorStatistics:
    """Mean and standard deviation of inputs and fields; inputs count once per function."""
    inputs = [_moments(part) for part in pairs.functions.split([len(points) for points in sensors], dim=1)]
    fields = [_moments(values) for values in pairs.values.unbind(2)]
    columns = [torch.tensor([row[i] for row in group]) for group in (inputs, fields) for i in (0, 1)]
    return OperatorStatistics(*columns)


def blank_context(problem: AppliesOperator, card: data.PairsCard) -> OperatorContext:
    """The context of pairs that are not made yet, its statistics without values."""
    sensors, queries, lattice = data.planned_points(problem, card)
    numbers = [torch.ones(len(entries)) for entries in (problem.inputs, problem.fields) for _ in range(2)]
    aligned = card.points is None and card.scattered is None
    return OperatorContext(
        sensors=sensors, queries=queries, aligned=aligned, lattice=lattice, statistics=OperatorStatistics(*numbers)
    )


def _moments(values: Tensor) -> tuple[float, float]:
    moments = data.Moments()
    moments.add(values.numpy())
    return moments.mean, moments.std
