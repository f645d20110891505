"""Pairs of functions: what an operator takes in, at sensors, and what comes out, at queries.

Values that are known at a few queries of every function are stored as (function, number of the query); neither
functions nor queries are repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pydantic
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core import rng
from sciml.core.capabilities import AppliesOperator, MapsFunctions
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError, UserError
from sciml.core.functions import Functions
from sciml.core.recorded import RecordedPairs
from sciml.core.registry import card_path
from sciml.core.status import Status, count
from sciml.data._card import Count, InMemoryCard, Splits
from sciml.data._layout import SPLITS
from sciml.data._stored_pairs import read_pairs

_VALUES = 2**24
"""Most values that are made at a time, in double precision."""


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
        return self.queries if self.query is None else self.queries[self.query[rows]]


@dataclass(frozen=True)
class PairSet:
    """The pairs of a problem in three splits, no function in two of them.

    Fields:
        sensors: of every input, ``sensor dim``, float64.
        queries: the common ones, float64; None where every function has its own.
        lattice: points per axis, where sensors of all inputs and queries are one lattice; else None.
        splits: by name.
        outcomes: functions by how the reference ended, by split.
    """

    sensors: tuple[Tensor, ...]
    queries: Float[Tensor, "query dim"] | None
    lattice: tuple[int, ...] | None
    splits: Mapping[str, Pairs]
    outcomes: Mapping[str, Mapping[str, int]]


class PairsCard(InMemoryCard):
    """The table ``[presets.NAME.operator]``: how many functions, and where they and their images are known."""

    key = "operator"

    functions: Splits
    """How many functions each split holds."""
    space: str = ""
    """The function space they are drawn from; empty for the first one of the problem."""
    sensors: dict[str, tuple[Count, ...]] = {}
    """Sensors per axis of every input function."""
    queries: tuple[Count, ...] = ()
    """Queries per axis."""
    points: Count | None = None
    """Queries drawn per function of the training split; None for all of them. Other splits always have all."""
    probes: Count = 100
    """Functions drawn from every other space, to be examined on."""
    seed: int = pydantic.Field(strict=True, ge=0)
    """Of every draw."""


def pair_set(problem: MapsFunctions, card: PairsCard) -> PairSet:
    """The pairs of a problem, made by its reference or read from what was imported.

    Raises: ConfigError for a card that does not fit the problem; UserError for pairs that are not in order.
    """
    if isinstance(problem, RecordedPairs):
        return _recorded(problem, card)
    if not isinstance(problem, AppliesOperator):
        raise UnsupportedError(f"problem {problem.name!r} has neither pairs nor a reference that makes them")
    sensors = _sensors(problem, card)
    queries = _queries(problem, card)
    space = card.space or problem.spaces[0]
    if space not in problem.spaces:
        raise UnknownNameError("function space", space, problem.spaces)
    splits, outcomes = {}, {}
    for name in SPLITS:
        total = getattr(card.functions, name)
        drawn = problem.draw_functions(space, total, rng.generator(card.seed, problem.name, space, name))
        every = card.points if name == "train" else None
        chooser = rng.generator(card.seed, problem.name, space, name, "points")
        splits[name], outcomes[name] = _applied(problem, drawn, sensors, queries, every, chooser)
    return PairSet(sensors, queries, _lattice(sensors, queries, card.queries), splits, outcomes)


def probe_pairs(problem: AppliesOperator, card: PairsCard, space: str) -> Pairs:
    """Functions of another space with their images, at the sensors and queries of the card."""
    drawn = problem.draw_functions(space, card.probes, rng.generator(card.seed, problem.name, space, "probes"))
    generator = rng.generator(card.seed)
    return _applied(problem, drawn, _sensors(problem, card), _queries(problem, card), None, generator)[0]


def _applied(
    problem: AppliesOperator,
    drawn: tuple[Functions, ...],
    sensors: tuple[Tensor, ...],
    queries: Tensor,
    points: int | None,
    generator: torch.Generator,
) -> tuple[Pairs, dict[str, int]]:
    """Functions at sensors and their images at queries; functions that the reference failed for are left out."""
    total, size = len(drawn[0]), len(queries)
    if points is not None and points > size:
        raise ConfigError(
            f"{card_path(problem)} asks for more points than there are queries", got=points, expected=size
        )
    chosen = None if points is None or points == size else _choose(total, size, points, generator)
    values, status = [], []
    for rows in torch.arange(total).split(max(1, _VALUES // (size * len(problem.fields)))):
        images = problem.apply(tuple(functions.rows(rows) for functions in drawn), queries)
        _check(problem, images.values, (len(rows), size, len(problem.fields)))
        part = images.values
        if chosen is not None:
            part = part.gather(1, chosen[rows][..., None].expand(-1, -1, part.shape[2]))
        values.append(part.float())
        status.append(images.status)
    outcome, labels = torch.cat(status), torch.cat(values)
    good = outcome == Status.OK
    if not good.any():
        raise UserError(f"the reference of problem {problem.name!r} failed for all functions",
                        got=count(outcome.tolist()))  # fmt: skip
    at_sensors = [functions(points_)[good].float() for functions, points_ in zip(drawn, sensors, strict=True)]
    pairs = Pairs(
        torch.cat(at_sensors, dim=1),
        queries,
        torch.arange(int(good.sum())),
        None if chosen is None else chosen[good],
        labels[good],
    )
    if not (pairs.functions.isfinite().all() and pairs.values.isfinite().all()):
        raise UserError(f"the reference of problem {problem.name!r} calls values that are not finite fine")
    return pairs, count(outcome.tolist())


def _choose(total: int, size: int, points: int, generator: torch.Generator) -> Int[Tensor, "function point"]:
    """Distinct queries for every function."""
    if points == 1:
        return torch.randint(size, (total, 1), generator=generator)
    return torch.stack([torch.randperm(size, generator=generator)[:points] for _ in range(total)])


def _check(problem: AppliesOperator, values: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(values.shape) != shape:
        raise UserError(
            f"problem {problem.name!r} maps functions to values of a wrong shape",
            got=tuple(values.shape),
            expected=f"(function, query, field) = {shape}",
        )


def _sensors(problem: AppliesOperator, card: PairsCard) -> tuple[Tensor, ...]:
    names = [entry.name for entry in problem.inputs]
    if set(card.sensors) != set(names):
        raise ConfigError(
            f"{card_path(problem)} does not say the sensors of every input function",
            got=", ".join(card.sensors) or "none",
            expected=", ".join(names),
        )
    for entry in problem.inputs:
        if len(card.sensors[entry.name]) != len(entry.domain.axes):
            raise ConfigError(
                f"{card_path(problem)} does not say the sensors of {entry.name!r} axis by axis",
                got=card.sensors[entry.name],
                expected=f"{len(entry.domain.axes)} numbers ({', '.join(entry.domain.names)})",
            )
    return tuple(problem.sensors(name, card.sensors[name]).double() for name in names)


def _queries(problem: AppliesOperator, card: PairsCard) -> Float[Tensor, "query dim"]:
    if len(card.queries) != len(problem.domain.axes):
        raise ConfigError(
            f"{card_path(problem)} does not say the queries axis by axis",
            got=card.queries,
            expected=f"{len(problem.domain.axes)} numbers ({', '.join(problem.domain.names)})",
        )
    return problem.queries(card.queries).double()


def _lattice(sensors: tuple[Tensor, ...], queries: Tensor, size: tuple[int, ...]) -> tuple[int, ...] | None:
    """The size of the lattice that all points are, if they are one."""
    same = all(points.shape == queries.shape and bool(torch.equal(points, queries)) for points in sensors)
    return size if same and len(queries) == torch.Size(size).numel() else None


def _recorded(problem: RecordedPairs, card: PairsCard) -> PairSet:
    """Imported pairs; the card may ask for fewer training functions than there are, and for nothing else."""
    stored = read_pairs(problem)
    sizes = {entry.name: (len(points),) for entry, points in zip(problem.inputs, stored.sensors, strict=True)}
    if card.space or card.points is not None or dict(card.sensors) != sizes:
        raise ConfigError(
            f"the pairs of {problem.name!r} were imported, so their sensors, queries and functions are what they are",
            got=f"space {card.space!r}, points {card.points}, sensors {dict(card.sensors)}",
            expected=f"no space, no points, sensors {sizes}",
        )
    splits = {}
    for name, part in stored.splits.items():
        wanted, available = getattr(card.functions, name), len(part.functions)
        if wanted > available:
            raise ConfigError(f"the data of {problem.name!r} has fewer functions in split {name!r}", got=wanted,
                              expected=f"at most {available}")  # fmt: skip
        chosen = part.row < wanted
        query = None if part.query is None else part.query[chosen]
        splits[name] = Pairs(part.functions[:wanted], stored.queries, part.row[chosen], query, part.values[chosen])
    common = stored.queries if all(part.query is None for part in stored.splits.values()) else None
    outcomes = {name: {"ok": len(part.functions)} for name, part in splits.items()}
    return PairSet(stored.sensors, common, problem.recording.lattice, splits, outcomes)
