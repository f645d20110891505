"""What `sciml data info` and `sciml data verify` say of sequences."""

from typing import Any

import torch

from sciml.core.capabilities import HasSequences
from sciml.core.problem import Problem
from sciml.data import Check, checked, field_statistics, reproduced
from sciml.tasks._in_memory import having
from sciml.tasks.sequences._splits import SequencesTable, sequence_splits, signal_statistics, target_statistics


class SequencesCard(SequencesTable):
    """The table ``[presets.NAME.sequences]``: how many sequences of which length each split holds."""

    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """Sizes, times, statistics of signals and targets, or how often each class is there."""
        subject = having(problem, HasSequences)
        splits = sequence_splits(subject, self)
        statistics = signal_statistics(splits["train"])
        signals = {
            field.name: {"units": field.units, "mean": float(mean), "std": float(std)}
            for field, mean, std in zip(subject.signals, statistics.field_mean, statistics.field_std, strict=True)
        }
        summary = {
            "seed": self.seed,
            "samples": self.samples.model_dump(),
            "length": self.length,
            "dt": self.dt,
            "time_units": time_units,
            "target": subject.target,
            "signals": signals,
        }
        if subject.target == "class":
            counts = {
                name: torch.bincount(split.targets, minlength=len(subject.classes)) for name, split in splits.items()
            }
            classes = {name: dict(zip(subject.classes, count.tolist(), strict=True)) for name, count in counts.items()}
            return summary | {"classes": classes}
        return summary | {"fields": field_statistics(problem, target_statistics(subject, splits["train"]))}

    def checks(self, problem: Problem) -> list[Check]:
        """Sequences in order, every class in every split, no sequence twice, splits reproduced."""
        return checked("sequences", lambda: self._checks(having(problem, HasSequences)))

    def _checks(self, problem: HasSequences) -> list[Check]:
        splits, again = sequence_splits(problem, self), sequence_splits(problem, self)
        every = torch.cat([split.signals.flatten(1) for split in splits.values()])
        distinct = len(every.unique(dim=0)) == len(every)
        absent = [
            f"{name} has none of {label!r}"
            for name, split in splits.items()
            for index, label in enumerate(problem.classes)
            if not (split.targets == index).any()
        ]
        same = all(torch.equal(*pair) for name in splits for pair in zip(splits[name], again[name], strict=True))
        words = f"{len(every)} of {self.length} times, finite"
        return [
            Check("sequences", distinct, f"{words}, none twice" if distinct else f"{words}, but some are there twice"),
            *(
                [Check("classes", not absent, "; ".join(absent) or "every class in every split")]
                * bool(problem.classes)
            ),
            reproduced("reproduced", same),
        ]
