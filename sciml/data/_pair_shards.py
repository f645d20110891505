"""Pairs of functions on disk: which shards there are, how one is made, written, and read with every claim checked.

All functions of a split are drawn at once from one generator, and a shard holds some of them, so what is drawn depends
neither on shards nor on workers. The values of a shard are those of one batch of the reference, as for trajectories.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
import xarray
from jaxtyping import Float, Int, Int8
from torch import Tensor

from sciml import __version__
from sciml.core import registry, rng
from sciml.core.capabilities import AppliesOperator
from sciml.core.errors import ConfigError, DataError, StorageError, UnknownNameError, UserError
from sciml.core.functions import Functions
from sciml.core.paths import atomic_write, home
from sciml.core.registry import card_path, folder_of, typed
from sciml.core.status import Status, status_attributes
from sciml.data._code import code_digest
from sciml.data._hdf5 import values as numbers_of
from sciml.data._heaps import hdf5_file
from sciml.data._layout import FORMAT, SPLITS, Piece
from sciml.data._making import ShardSet
from sciml.data._netcdf import CONVENTIONS, netcdf_bytes
from sciml.data._pair_points import choose_queries, queries_of, sensors_of, settled
from sciml.data._pairs import PairsCard
from sciml.data._samples import samples_digest
from sciml.data._store import payload

_VALUES = 2**24
"""Most values that are made at a time, in double precision."""
_PROBES = "probes"


@dataclass(frozen=True)
class PairShard:
    """The content of one file.

    Fields:
        functions: values of all inputs at their sensors, side by side.
        values: the fields; NaN for a function that failed.
        query: numbers of the queries; None for all, in order.
        status: a `sciml.core.status.Status` code per function.
    """

    functions: Float[Tensor, "function sensor"]
    values: Float[Tensor, "function point field"]
    query: Int[Tensor, "function point"] | None
    status: Int8[Tensor, " function"]


@final
class PairShards(ShardSet):
    """The shards of the pairs that a card asks for.

    Fields:
        problem, card: what they are pairs of; the card names its function space.
        sensors: of every input, float64.
        digest: hash of all that the numbers depend on, the code that computes them included.

    Raises: ConfigError and UnknownNameError for a card that does not fit the problem.
    """

    def __init__(self, problem: AppliesOperator, card: PairsCard, folder: Path | None = None) -> None:
        self.problem, self.card = problem, settled(problem, card)
        self.sensors = sensors_of(problem, card)
        self._training, self._others = queries_of(problem, card)
        if card.points is not None and card.points > len(self._training):
            raise ConfigError(f"{card_path(problem)} asks for more points than there are queries",
                              got=card.points, expected=len(self._training))  # fmt: skip
        content = samples_digest(problem, self.card) + code_digest(problem)
        self.digest = hashlib.sha256(content.encode()).hexdigest()
        self.folder = folder or home() / "datasets" / problem.name / f"{card.key}-{self.digest[:12]}"
        self.label = f"{problem.name} pairs"
        self._drawn: dict[str, tuple[tuple[Functions, ...], Tensor | None]] = {}

    @cached_property
    def other_spaces(self) -> tuple[str, ...]:
        """Those of the problem that are not trained on."""
        return tuple(space for space in self.problem.spaces if space != self.card.space)

    def probes(self, space: str) -> str:
        """The split of functions of another space."""
        if space not in self.problem.spaces:
            raise UnknownNameError("function space", space, self.problem.spaces)
        return f"{_PROBES}{self.problem.spaces.index(space)}"

    def queries(self, split: str) -> Float[Tensor, "query dim"]:
        """The queries of a split."""
        return self._training if split == "train" else self._others

    def size(self, split: str) -> int:
        """Functions of a split, failed ones included."""
        return getattr(self.card.functions, split) if split in SPLITS else self.card.probes

    def pieces(self, split: str) -> list[Piece]:
        """The shards of a split."""
        total, per_function = self.size(split), len(self.queries(split)) * len(self.problem.fields)
        step = self.card.shard_size or max(1, _VALUES // per_function)
        return [Piece(split, i, first, min(step, total - first)) for i, first in enumerate(range(0, total, step))]

    def all_pieces(self) -> list[Piece]:
        """Those of every split and every other space."""
        names = [*SPLITS, *map(self.probes, self.other_spaces)]
        return [piece for name in names for piece in self.pieces(name)]

    def check(self, piece: Piece) -> None:
        self.load(piece)

    def make(self, piece: Piece) -> list[int]:
        shard = self.computed(piece)
        self._save(piece, shard)
        return shard.status.tolist()

    def remote(self) -> tuple[Callable[..., list[int]], tuple[Any, ...]]:  # Any: as in the base
        return make_pairs_remotely, (str(folder_of(self.problem)), self.card, self.digest, str(self.folder))

    def computed(self, piece: Piece) -> PairShard:
        """What a shard holds, computed in float64 on one thread and rounded to float32.

        Raises: UserError for a reference that gives values of a wrong shape, or calls what is not finite fine.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.no_grad():
                return self._computed(piece)
        finally:
            torch.set_num_threads(threads)

    def _computed(self, piece: Piece) -> PairShard:
        problem, rows = self.problem, slice(piece.first, piece.first + piece.count)
        drawn, chosen = self._draws(piece.split)
        functions = tuple(part.rows(rows) for part in drawn)
        queries = self.queries(piece.split)
        images = problem.apply(functions, queries)
        shape = (piece.count, len(queries), len(problem.fields))
        if tuple(images.values.shape) != shape:
            raise UserError(f"problem {problem.name!r} maps functions to values of a wrong shape",
                            got=tuple(images.values.shape),
                            expected=f"(function, query, field) = {shape}")  # fmt: skip
        query = None if chosen is None else chosen[rows]
        values = images.values
        if query is not None:
            values = values.gather(1, query[..., None].expand(-1, -1, values.shape[2]))
        at_sensors = [part(points).float() for part, points in zip(functions, self.sensors, strict=True)]
        shard = PairShard(torch.cat(at_sensors, dim=1), values.float(), query, images.status.to(torch.int8))
        good = shard.status == Status.OK
        if not (shard.functions[good].isfinite().all() and shard.values[good].isfinite().all()):
            raise UserError(f"the reference of problem {problem.name!r} calls values that are not finite fine")
        return shard

    def _draws(self, split: str) -> tuple[tuple[Functions, ...], Int[Tensor, "function point"] | None]:
        """All functions of a split and the queries that are known of each; None for all queries."""
        if split not in self._drawn:
            problem, card, total = self.problem, self.card, self.size(split)
            space = card.space if split in SPLITS else problem.spaces[int(split.removeprefix(_PROBES))]
            words = (problem.name, space, split if split in SPLITS else _PROBES)
            functions = problem.draw_functions(space, total, rng.generator(card.seed, *words))
            chosen, size = None, len(self.queries(split))
            if split == "train" and card.points is not None and card.points < size:
                chosen = choose_queries(total, size, card.points, rng.generator(card.seed, *words, "points"))
            self._drawn[split] = functions, chosen
        return self._drawn[split]

    def _header(self, piece: Piece) -> dict[str, str | int]:
        return {
            "problem": self.problem.name,
            "problem_version": self.problem.version,
            "digest": self.digest,
            "format": FORMAT,
            "split": piece.split,
            "shard": piece.index,
        }

    def _save(self, piece: Piece, shard: PairShard) -> None:
        dataset = self._labelled(piece, shard)
        arrays = {name: dataset[name].to_numpy() for name in self._variables(piece)}
        dataset.attrs |= {**self._header(piece), "sha256": payload(arrays)}
        with atomic_write(self.path(piece)) as temporary:
            temporary.write_bytes(netcdf_bytes(dataset, {name: {"_FillValue": None} for name in dataset.variables}))

    def _labelled(self, piece: Piece, shard: PairShard) -> xarray.Dataset:
        problem, variables, coordinates = self.problem, {}, {}
        parts = shard.functions.split([len(points) for points in self.sensors], dim=1)
        for entry, points, part in zip(problem.inputs, self.sensors, parts, strict=True):
            dim, words = f"{entry.name}_sensor", {"units": entry.units, "long_name": entry.long_name}
            variables[entry.name] = (("sample", dim), part.numpy(), words)
            for axis, column in zip(entry.domain.axes, points.unbind(1), strict=True):
                coordinates[f"{entry.name}_{axis.name}"] = (dim, column.numpy(), {"units": axis.units})
        for axis, column in zip(problem.domain.axes, self.queries(piece.split).unbind(1), strict=True):
            words = {"units": axis.units, "long_name": axis.long_name or axis.name}
            coordinates[axis.name] = ("query", column.numpy(), words)
        dims = ("sample", "query" if shard.query is None else "point")
        for field, column in zip(problem.fields, shard.values.unbind(2), strict=True):
            words = {"units": field.units, "long_name": field.long_name}
            variables[field.name] = (dims, column.numpy(), words)
        if shard.query is not None:
            words = {"long_name": "number of the query"}
            variables["query_number"] = (dims, shard.query.to(torch.int32).numpy(), words)
        words = status_attributes("outcome of the reference solver")
        variables["status"] = ("sample", shard.status.numpy(), words)
        about = {"Conventions": CONVENTIONS, "title": problem.title, "equation": problem.equation,
                 "sciml_version": __version__}  # fmt: skip
        return xarray.Dataset(variables, coordinates, about)

    def _variables(self, piece: Piece) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and type of every variable whose numbers matter, in the order in which they are hashed."""
        count, points, size = piece.count, self.card.points, len(self.queries(piece.split))
        known = points if piece.split == "train" and points is not None and points < size else None
        return {
            **{
                entry.name: ((count, len(sensors)), "<f4")
                for entry, sensors in zip(self.problem.inputs, self.sensors, strict=True)
            },
            **{field.name: ((count, known or size), "<f4") for field in self.problem.fields},
            **({"query_number": ((count, known), "<i4")} if known else {}),
            "status": ((count,), "|i1"),
        }

    def load(self, piece: Piece) -> PairShard:
        """Read a shard and check it completely: structure, header and the SHA-256 of its numbers.

        Raises: DataError naming the file and what is wrong with it; StorageError for one that may not be read.
        """
        path = self.path(piece)
        if not path.is_file():
            raise DataError(f"the shard {path} does not exist", fix=self.remedy)
        try:
            with hdf5_file(path) as file:
                for key, expected in self._header(piece).items():
                    actual = np.asarray(file.attrs.get(key)).reshape(-1).tolist()
                    if actual != [expected]:
                        raise ValueError(f"its header says {key} = {actual}, expected {expected!r}")
                arrays = {}
                for name, (shape, kind) in self._variables(piece).items():
                    arrays[name] = numbers_of(file, name)
                    if arrays[name].shape != shape or arrays[name].dtype.str != kind:
                        raise ValueError(f"{name} is {arrays[name].dtype.str} {arrays[name].shape}, not {kind} {shape}")
                if str(file.attrs.get("sha256")) != payload(arrays):
                    raise ValueError("it does not hold the numbers it was written with")
        except PermissionError as error:
            raise StorageError(f"cannot read {path}", got=error.strerror, fix="Give read permission.") from error
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise DataError(f"the shard {path} is damaged", got=" ".join(str(error).split()),
                            fix=self.remedy) from error  # fmt: skip
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        query = tensors.get("query_number")
        return PairShard(
            torch.cat([tensors[entry.name] for entry in self.problem.inputs], dim=1),
            torch.stack([tensors[field.name] for field in self.problem.fields], dim=2),
            None if query is None else query.long(),
            tensors["status"],
        )

    @property
    def remedy(self) -> str:
        """What makes missing or damaged files."""
        return f"`sciml data generate {typed(self.problem)}`, or a run, makes what is missing."


def make_pairs_remotely(source: str, card: PairsCard, digest: str, folder: str, piece: Piece) -> list[int]:
    """What a worker does: load the problem by its folder, and make one shard."""
    problem = registry.find_problem(Path(source))
    shards = PairShards(problem, card, Path(folder)) if isinstance(problem, AppliesOperator) else None
    if shards is None or shards.digest != digest:
        raise DataError(f"a worker has another version of {problem.name} or of its card",
                        got=shards.digest[:12] if shards else "a problem without an operator",
                        expected=digest[:12], fix="Install the same code on every machine.")  # fmt: skip
    return shards.make(piece)
