"""Pairs of functions: what an operator takes in, at sensors, and what comes out, at queries.

Values that are known at a few queries of every function are kept as (function, number of the query); neither functions
nor queries are repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.data._card import Count, Splits, StoredCard


@dataclass(frozen=True)
class Pairs:
    """Functions with values of the operator.

    Fields:
        functions: values of all inputs at their sensors, side by side, float32.
        queries: points, float64.
        row: which function every row of `values` is about.
        query: which queries; None for all of them, in order (aligned data).
        values: the fields, float32.
    """

    functions: Float[Tensor, "function sensor"]
    queries: Float[Tensor, "query dim"]
    row: Int[Tensor, " row"]
    query: Int[Tensor, "row point"] | None
    values: Float[Tensor, "row point field"]

    def __len__(self) -> int:
        return len(self.row)

    def first(self, rows: int) -> "Pairs":
        """The first rows."""
        return Pairs(
            self.functions,
            self.queries,
            self.row[:rows],
            None if self.query is None else self.query[:rows],
            self.values[:rows],
        )

    def points(self, rows: Int[Tensor, " row"]) -> Float[Tensor, "query dim"] | Float[Tensor, "row point dim"]:
        """The queries of some rows: the common ones, or those of each."""
        if self.query is None:
            return self.queries
        chosen = self.query.index_select(0, rows)  # four times as fast as an index in brackets
        return self.queries.index_select(0, chosen.flatten()).unflatten(0, chosen.shape)


@dataclass(frozen=True)
class PairSet:
    """The pairs of a problem in three splits, no function in two of them.

    Fields:
        sensors: of every input, ``sensor dim``, float64.
        queries: those that test functions share, float64; None where every function has its own.
        lattice: points per axis, where sensors of all inputs and queries are one lattice; else None.
        splits: by name.
        outcomes: functions by how the reference ended, by split.
    """

    sensors: tuple[Tensor, ...]
    queries: Float[Tensor, "query dim"] | None
    lattice: tuple[int, ...] | None
    splits: Mapping[str, Pairs]
    outcomes: Mapping[str, Mapping[str, int]]

    @property
    def aligned(self) -> bool:
        """Whether all training functions are known at all of `queries`."""
        train = self.splits["train"]
        return train.query is None and self.queries is not None and torch.equal(train.queries, self.queries)


class PairsCard(StoredCard):
    """The table ``[presets.NAME.operator]``: how many functions, and where they and their images are known."""

    key = "operator"

    functions: Splits
    """How many functions each split holds."""
    space: str = ""
    """The function space they are drawn from; empty for the first one of the problem."""
    sensors: dict[str, tuple[Count, ...]] = {}
    """Sensors per axis of every input function."""
    queries: tuple[Count, ...] = ()
    """Queries per axis of a lattice."""
    scattered: Count | None = None
    """Random queries instead, where a lattice has too many axes: so many in training, and as many others elsewhere."""
    points: Count | None = None
    """Queries drawn per function of the training split; None for all of them. Other splits always have all."""
    probes: Count = 100
    """Functions drawn from every other space, to be examined on."""
    shard_size: Count | None = None
    """Functions per file, and the batch of the reference; None for as many as make 2^24 values."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Of every draw."""

    def content(self) -> dict[str, Any]:  # Any: JSON
        """As in the base; what was added to cards later counts where it is used, so that older hashes stay."""
        unused = {name for name in ("scattered", "shard_size") if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude={"cost", *unused})
