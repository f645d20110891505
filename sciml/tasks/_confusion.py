"""Which classes are taken for which."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

_MOST_CLASSES = 12  # a wider table of confusions would be no use
_MOST_CONFUSIONS = 6


@dataclass(frozen=True)
class Answers:
    """What the test samples are, and what the solver says they are.

    Arguments:
        classes: names of the classes.
        labels, predicted: indices of the true and of the most probable class, -1 where there is none.
        probability: of every class, ``sample class``.
        features: of the first field, ``sample *shape``; None if not stored.
    """

    classes: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    features: np.ndarray | None

    @property
    def wrong(self) -> np.ndarray:
        """The misclassified samples, the most confident mistakes first."""
        rows = np.flatnonzero(self.predicted != self.labels)
        return rows[np.argsort(-self.confidence[rows], kind="stable")]

    @property
    def confidence(self) -> np.ndarray:
        """The largest probability of every sample, 0 where it is not finite."""
        return np.nan_to_num(self.probability.max(1), nan=0.0)


def confusion_table(answers: Answers) -> dict[str, Any]:  # Any: what the template shows
    """Counts by true and predicted class as rows of cells with the precision of each class, the most frequent mistakes
    in words, the share of the most frequent class, and classes without a test sample."""
    size = len(answers.classes)
    counts = np.zeros((size, size), int)
    answered = answers.predicted >= 0
    np.add.at(counts, (answers.labels[answered], answers.predicted[answered]), 1)
    totals = np.bincount(answers.labels, minlength=size)
    said = counts.sum(0)
    rows = [
        (
            name,
            [(int(n), i == j, n / max(1, totals[i])) for j, n in enumerate(counts[i])],
            counts[i, i],
            int(totals[i]),
            f"{counts[i, i] / said[i]:.0%}" if said[i] else "never said",
        )
        for i, name in enumerate(answers.classes)
    ]
    largest = int(totals.argmax())
    absent = ", ".join(name for name, total in zip(answers.classes, totals, strict=True) if not total)
    wrong = answers.wrong
    pairs = Counter(zip(answers.labels[wrong].tolist(), answers.predicted[wrong].tolist(), strict=True))
    often = [
        (mistake_words(answers, true, predicted), n) for (true, predicted), n in pairs.most_common(_MOST_CONFUSIONS)
    ]
    return {
        "classes": answers.classes,
        "rows": rows if size <= _MOST_CLASSES else [],
        "often": often,
        "majority": f"{answers.classes[largest]} is the class of {totals[largest] / max(1, totals.sum()):.1%}",
        "absent": absent,
    }


def mistake_words(answers: Answers, true: int, predicted: int) -> str:
    """Which class was taken for which."""
    name = answers.classes[true]
    return f"{name} taken for {answers.classes[predicted]}" if predicted >= 0 else f"{name} without an answer"
