"""The card's table of pairs of functions."""

from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import torch

from sciml import data
from sciml.core.capabilities import AppliesOperator, MapsFunctions
from sciml.core.problem import Problem
from sciml.core.progress import Progress
from sciml.core.recorded import RecordedPairs
from sciml.core.registry import folder_of
from sciml.core.rng import generator
from sciml.data import Check, PairShards, checked, samples_digest
from sciml.tasks._in_memory import having
from sciml.tasks.operator._data import statistics_of

_REPRODUCED = 1e-5
"""Largest relative L2 distance of values from those that are made again: float32, and another machine."""


class OperatorCard(data.PairsCard):
    """The table ``[presets.NAME.operator]``: how many functions, and where they and their images are known."""

    def place(self, problem: Problem) -> str:
        """The folder."""
        if isinstance(problem, RecordedPairs):
            return str(folder_of(problem))
        return str(PairShards(having(problem, AppliesOperator), self).folder)

    def generate(self, problem: Problem, *, workers: int, executor: Executor | None, progress: Progress) -> None:
        """Make what is missing of all splits, and of the other function spaces."""
        subject = having(problem, AppliesOperator)
        data.generate_pairs(subject, self, workers=workers, executor=executor, progress=progress)

    def export(self, problem: Problem, format: str, destination: Path, *, preset: str) -> list[Path]:
        """Functions, queries and values of all splits in one file; what is missing is made."""
        subject = having(problem, MapsFunctions)
        return data.export_pairs(subject, data.pair_set(subject, self), format, destination, preset=preset)

    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """Sizes, statistics and outcomes; what is missing is made."""
        subject = having(problem, MapsFunctions)
        pairs = data.pair_set(subject, self)
        train = pairs.splits["train"]
        statistics = statistics_of(train, pairs.sensors)
        return {
            **self._files(subject),
            "seed": self.seed,
            "space": self.space or getattr(subject, "spaces", ("imported",))[0],
            "functions": {name: len(split.functions) for name, split in pairs.splits.items()},
            "outcomes": {name: dict(counts) for name, counts in pairs.outcomes.items()},
            "sensors": {entry.name: len(points) for entry, points in zip(subject.inputs, pairs.sensors, strict=True)},
            "queries": len(train.queries),
            "values per function": train.values.shape[1],
            "lattice": pairs.lattice,
            "inputs": {
                entry.name: {"units": entry.units, "mean": float(mean), "std": float(std)}
                for entry, mean, std in zip(subject.inputs, statistics.input_mean, statistics.input_std, strict=True)
            },
            "fields": {
                entry.name: {"units": entry.units, "mean": float(mean), "std": float(std)}
                for entry, mean, std in zip(subject.fields, statistics.field_mean, statistics.field_std, strict=True)
            },
        }

    def _files(self, problem: MapsFunctions) -> dict[str, Any]:  # Any: JSON
        if not isinstance(problem, AppliesOperator):
            return {}
        shards = PairShards(problem, self)
        present = [path for piece in shards.all_pieces() if (path := shards.path(piece)).is_file()]
        return {
            "digest": samples_digest(problem, shards.card),
            "shards": f"{len(present)} of {len(shards.all_pieces())}",
            "bytes": sum(path.stat().st_size for path in present),
        }

    def checks(self, problem: Problem) -> list[Check]:
        """Files whole, values finite, functions of one split only, one shard made again."""
        return checked("pairs", lambda: self._checks(having(problem, MapsFunctions)))

    def _checks(self, problem: MapsFunctions) -> list[Check]:
        files = _file_checks(PairShards(problem, self)) if isinstance(problem, AppliesOperator) else []
        if not all(check.ok for check in files):
            return files
        pairs = data.pair_set(problem, self)
        seen = [{row.numpy().tobytes() for row in split.functions} for split in pairs.splits.values()]
        shared = sum(len(seen[i] & seen[j]) for i in range(len(seen)) for j in range(i))
        failed = {name: sum(n for key, n in counts.items() if key != "ok") for name, counts in pairs.outcomes.items()}
        lost = ", ".join(f"{n} of {name}" for name, n in failed.items() if n)
        again = [_reproduce(PairShards(problem, self))] if isinstance(problem, AppliesOperator) else []
        return [
            *files,
            Check(
                "values", True, "finite at all sensors and queries" + (f"; left out as failed: {lost}" if lost else "")
            ),
            Check("functions", not shared, f"{shared} in two splits" if shared else "none in two splits"),
            *again,
        ]


def _file_checks(shards: PairShards) -> list[Check]:
    """Whether all shards are there, and hold what they were written with; probes may not have been asked for yet."""
    needed = [piece for piece in shards.all_pieces() if piece.split in data.SPLITS]
    present = [piece for piece in shards.all_pieces() if shards.path(piece).is_file()]
    missing = [piece for piece in needed if piece not in present]
    more, every = len(present) - len(needed) + len(missing), len(shards.all_pieces()) - len(needed)
    words = f"{len(needed) - len(missing)} of {len(needed)} shards, and {more} of {every} in other spaces"
    if not present:
        return [Check("files", False, f"{words}, in {shards.folder}; {shards.remedy}")]
    faults = [fault for piece in present if (fault := data.flaw(shards, piece))]
    content = f"header and SHA-256 of {len(present)} shards (digest {shards.digest[:12]})"
    return [
        Check("files", not missing, f"{words}, in {shards.folder}" + (f"; {shards.remedy}" if missing else "")),
        Check("content", not faults, str(faults[0]) if faults else content),
    ]


def _reproduce(shards: PairShards) -> Check:
    """One shard, made again from its seed."""
    pieces = [piece for piece in shards.all_pieces() if shards.path(piece).is_file()]
    piece = pieces[int(torch.randint(len(pieces), (), generator=generator(0, "verify", shards.digest)))]
    stored, again = shards.load(piece), shards.computed(piece)
    same = torch.equal(stored.status, again.status) and (
        (stored.query is None and again.query is None)
        or (stored.query is not None and again.query is not None and torch.equal(stored.query, again.query))
    )
    distances = [
        float((one.double() - two.double()).nan_to_num().norm() / one.double().nan_to_num().norm().clamp_min(1e-30))
        for one, two in ((stored.functions, again.functions), (stored.values, again.values))
    ]
    words = f"{piece.filename} made again: relative difference {max(distances):.1e}"
    return Check("reproduced", same and max(distances) <= _REPRODUCED, words + ("" if same else ", outcomes differ"))
