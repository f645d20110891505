"""The card's table of pairs of functions."""

from typing import Any

import torch

from sciml import data
from sciml.core.capabilities import MapsFunctions
from sciml.core.problem import Problem
from sciml.data import Check, checked, reproduced
from sciml.tasks._in_memory import having
from sciml.tasks.operator._data import statistics_of


class OperatorCard(data.PairsCard):
    """The table ``[presets.NAME.operator]``: how many functions, and where they and their images are known."""

    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """Sizes, statistics and outcomes."""
        subject = having(problem, MapsFunctions)
        pairs = data.pair_set(subject, self)
        train = pairs.splits["train"]
        statistics = statistics_of(train, pairs.sensors)
        return {
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

    def checks(self, problem: Problem) -> list[Check]:
        """Values finite, functions of one split only, pairs reproduced."""
        return checked("pairs", lambda: self._checks(having(problem, MapsFunctions)))

    def _checks(self, problem: MapsFunctions) -> list[Check]:
        pairs, again = data.pair_set(problem, self), data.pair_set(problem, self)
        splits = pairs.splits
        same = all(
            torch.equal(splits[name].values, again.splits[name].values)
            and torch.equal(splits[name].functions, again.splits[name].functions)
            for name in splits
        )
        seen = [{row.numpy().tobytes() for row in split.functions} for split in splits.values()]
        shared = sum(len(seen[i] & seen[j]) for i in range(len(seen)) for j in range(i))
        failed = {name: sum(n for key, n in counts.items() if key != "ok") for name, counts in pairs.outcomes.items()}
        lost = ", ".join(f"{n} of {name}" for name, n in failed.items() if n)
        return [
            Check(
                "values", True, "finite at all sensors and queries" + (f"; left out as failed: {lost}" if lost else "")
            ),
            Check("functions", not shared, f"{shared} in two splits" if shared else "none in two splits"),
            reproduced("reproduced", same),
        ]
