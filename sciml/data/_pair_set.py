"""The pairs of a problem: made by its reference where they are missing, read from shards, or imported."""

from collections.abc import Sequence
from concurrent.futures import Executor

import torch
from torch import Tensor

from sciml.core.capabilities import AppliesOperator, MapsFunctions
from sciml.core.errors import ConfigError, DataError, UnsupportedError, UserError
from sciml.core.paths import locked
from sciml.core.progress import Progress, SilentProgress
from sciml.core.recorded import RecordedPairs
from sciml.core.status import Status, count
from sciml.data._layout import SPLITS, Piece
from sciml.data._making import PATIENCE, check_workers, flaw, make_missing
from sciml.data._pair_points import queries_of, sensors_of
from sciml.data._pair_shards import PairShard, PairShards
from sciml.data._pairs import Pairs, PairsCard, PairSet
from sciml.data._stored_pairs import read_pairs

_SILENT = SilentProgress()


def pair_set(problem: MapsFunctions, card: PairsCard, *, workers: int = 1, progress: Progress = _SILENT) -> PairSet:
    """The pairs of a problem: imported, or made by its reference and kept in the cache folder.

    Arguments:
        problem, card: what is asked for.
        workers: processes that make what is missing; 0 for as many as there are cores, if they pay.
        progress: where to report.

    Raises: ConfigError for a card that does not fit the problem; UserError for pairs that are not in order.
    """
    if isinstance(problem, RecordedPairs):
        return _recorded(problem, card)
    if not isinstance(problem, AppliesOperator):
        raise UnsupportedError(f"problem {problem.name!r} has neither pairs nor a reference that makes them")
    shards = PairShards(problem, card)
    loaded = _loaded(shards, [piece for name in SPLITS for piece in shards.pieces(name)], workers, None, progress)
    splits, outcomes = {}, {}
    for name in SPLITS:
        parts = [shard for piece, shard in loaded if piece.split == name]
        splits[name], outcomes[name] = _joined(shards, name, parts)
    queries = shards.queries("test")
    return PairSet(shards.sensors, queries, _lattice(shards.sensors, queries, card.queries), splits, outcomes)


def planned_points(
    problem: AppliesOperator, card: PairsCard
) -> tuple[tuple[Tensor, ...], Tensor, tuple[int, ...] | None]:
    """Sensors, test queries and the lattice that all of them are, as `pair_set` will give them; nothing is made."""
    sensors, (_, queries) = sensors_of(problem, card), queries_of(problem, card)
    return sensors, queries, _lattice(sensors, queries, card.queries)


def probe_pairs(problem: AppliesOperator, card: PairsCard, space: str, *, progress: Progress = _SILENT) -> Pairs:
    """Functions of another space with their images, at the sensors and test queries of the card; kept like others."""
    shards = PairShards(problem, card)
    name = shards.probes(space)
    loaded = _loaded(shards, shards.pieces(name), 1, None, progress)
    return _joined(shards, name, [shard for _, shard in loaded])[0]


def generate_pairs(
    problem: AppliesOperator,
    card: PairsCard,
    *,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Progress = _SILENT,
) -> PairShards:
    """Make what is missing of all splits and of the probes in other spaces; arguments as `sciml.data.generate`.

    Raises: ConfigError for a card that does not fit the problem; UserError for a reference that gives something else
        than it should; StorageError for a disk that is full or read-only.
    """
    shards = PairShards(problem, card)
    _complete(shards, shards.all_pieces(), workers, executor, progress)
    return shards


def _complete(
    shards: PairShards, pieces: Sequence[Piece], workers: int, executor: Executor | None, progress: Progress
) -> None:
    check_workers(workers)
    if any(flaw(shards, piece) for piece in pieces):
        with locked(shards.lock, f"generating {shards.label}", timeout=PATIENCE):
            make_missing(shards, pieces, workers, executor, progress)


def _loaded(
    shards: PairShards, pieces: Sequence[Piece], workers: int, executor: Executor | None, progress: Progress
) -> list[tuple[Piece, PairShard]]:
    """The content of shards, made before if need be; files that are in order are read once."""
    try:
        return [(piece, shards.load(piece)) for piece in pieces]
    except DataError:
        _complete(shards, pieces, workers, executor, progress)
    return [(piece, shards.load(piece)) for piece in pieces]


def _joined(shards: PairShards, split: str, parts: list[PairShard]) -> tuple[Pairs, dict[str, int]]:
    """The functions of a split that the reference succeeded for, and how all of them ended."""
    status = torch.cat([part.status for part in parts])
    outcomes, good = count(status.tolist()), status == Status.OK
    if not good.any():
        raise UserError(f"the reference of problem {shards.problem.name!r} failed for all functions", got=outcomes)
    functions = torch.cat([part.functions for part in parts])[good]
    values = torch.cat([part.values for part in parts])[good]
    numbers = [part.query for part in parts if part.query is not None]
    query = torch.cat(numbers)[good] if numbers else None
    return Pairs(functions, shards.queries(split), torch.arange(len(values)), query, values), outcomes


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
