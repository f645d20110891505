"""The card's table of labelled samples."""

from typing import Any

import torch

from sciml import data
from sciml.core.capabilities import Classifies
from sciml.core.problem import Problem
from sciml.data import Check, checked, reproduced
from sciml.tasks._in_memory import having


class ClassificationCard(data.SamplesCard):
    """The table ``[presets.NAME.classification]``: how a fixed set of labelled samples is split."""

    key = "classification"

    def summary(self, problem: Problem, time_units: str) -> dict[str, Any]:  # Any: JSON
        """Sizes, classes and statistics."""
        subject = having(problem, Classifies)
        splits = data.labelled_splits(subject, self)
        counts = {name: torch.bincount(split.labels, minlength=len(subject.classes)) for name, split in splits.items()}
        channels = data.as_channels(subject, splits["train"].features)
        return {
            "seed": self.seed,
            "samples": self.samples.model_dump(),
            "available": len(data.checked_samples(subject).labels),
            "shape": list(splits["train"].features.shape[1:]),
            "classes": {
                name: dict(zip(subject.classes, count.tolist(), strict=True)) for name, count in counts.items()
            },
            "fields": data.field_statistics(subject, data.sample_statistics(channels)),
        }

    def checks(self, problem: Problem) -> list[Check]:
        """Samples in order, every class in every split, splits reproduced."""
        return checked("samples", lambda: self._checks(having(problem, Classifies)))

    def _checks(self, problem: Classifies) -> list[Check]:
        splits, again = data.labelled_splits(problem, self), data.labelled_splits(problem, self)
        count, classes = len(data.checked_samples(problem).labels), len(problem.classes)
        shares = {name: torch.bincount(split.labels, minlength=classes) for name, split in splits.items()}
        absent = [
            f"{name} has none of {label!r}"
            for name, share in shares.items()
            for label, n in zip(problem.classes, share.tolist(), strict=True)
            if not n
        ]
        same = all(torch.equal(*pair) for name in splits for pair in zip(splits[name], again[name], strict=True))
        used = sum(len(split.labels) for split in splits.values())
        return [
            Check("samples", True, f"{count}, finite, labels within the {classes} classes; {used} in the splits"),
            Check("classes", not absent, "; ".join(absent) or "every class in every split"),
            reproduced("reproduced", same),
        ]
