"""What the page of a classifier shows: who is taken for whom, which samples it gets wrong, what a tolerance costs.

``/truth``
    ``label``, dims ``sample``, the index of the class; one variable per field, dims ``sample *shape``; a coordinate
    ``class`` with the names of the classes.
``/solvers/<key>``
    ``probability``, dims ``sample class``, and ``predicted``, dims ``sample``, the most probable class; -1 for none.

The record may have metrics ``tolerance_<t>/evaluations``, ``…/error`` and ``…/difference``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sciml import draw
from sciml.draw import Picture, Scale, png, side_by_side, sweep_figures, sweep_of
from sciml.train import RunView, Shown, View

_MOST_PICTURES = 12
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


def show(view: RunView) -> Shown:
    """Confusions, mistakes and the sweep over tolerances; only the last and the training if nothing was stored."""
    answers = _read(view)
    sweeps = [(entry, points) for entry in view.competitors if (points := sweep_of(entry.metrics))]
    figures = sweep_figures([(entry.title, points) for entry, points in sweeps])
    plots = {"training": draw.training(view.log, view.solver.best_step), "sweep": figures}
    mistakes = _mistakes(answers) if answers else []
    values = {
        "plots": plots,
        "confusion": _confusion(answers) if answers else None,
        "mistakes": mistakes,
        "count": {"wrong": len(answers.wrong), "all": len(answers.labels)} if answers else None,
        "sweep": sweeps,
    }
    files = [
        *(figure for group in plots.values() for figure in group),
        *(picture for _, _, picture in mistakes if picture),
    ]
    return Shown(values, files)


def _read(view: RunView) -> Answers | None:
    if view.predictions is None or not view.predicted:
        return None
    truth, outputs = view.predictions.truth, view.predicted[view.solver.key]
    with view.predictions.reading():
        fields = [name for name, array in truth.items() if name != "label" and array.dims[:1] == ("sample",)]
        return Answers(
            classes=tuple(map(str, truth["class"].to_numpy())),
            labels=truth["label"].to_numpy(),
            predicted=outputs["predicted"].to_numpy(),
            probability=outputs["probability"].transpose("sample", "class").to_numpy(),
            features=truth[fields[0]].to_numpy() if fields else None,
        )


def _confusion(answers: Answers) -> dict[str, Any]:
    """Counts by true and predicted class as rows of cells, and the most frequent mistakes in words."""
    size = len(answers.classes)
    counts = np.zeros((size, size), int)
    answered = answers.predicted >= 0
    np.add.at(counts, (answers.labels[answered], answers.predicted[answered]), 1)
    totals = np.bincount(answers.labels, minlength=size)
    rows = [
        (name, [(int(n), i == j, n / max(1, totals[i])) for j, n in enumerate(counts[i])], counts[i, i], int(totals[i]))
        for i, name in enumerate(answers.classes)
    ]
    wrong = answers.wrong
    pairs = Counter(zip(answers.labels[wrong].tolist(), answers.predicted[wrong].tolist(), strict=True))
    often = [(_taken(answers, true, predicted), n) for (true, predicted), n in pairs.most_common(_MOST_CONFUSIONS)]
    return {"classes": answers.classes, "rows": rows if size <= _MOST_CLASSES else [], "often": often}


def _taken(answers: Answers, true: int, predicted: int) -> str:
    name = answers.classes[true]
    return f"{name} taken for {answers.classes[predicted]}" if predicted >= 0 else f"{name} without an answer"


def _mistakes(answers: Answers) -> list[tuple[str, str, Picture | None]]:
    """The most confident mistakes: what was taken for what, how surely, and the sample where it is a picture."""
    mistakes = []
    for place, row in enumerate(answers.wrong[:_MOST_PICTURES].tolist()):
        words = _taken(answers, int(answers.labels[row]), int(answers.predicted[row]))
        share = f"{100 * answers.confidence[row]:.0f}\N{NO-BREAK SPACE}%" if answers.predicted[row] >= 0 else ""
        picture = None
        if answers.features is not None and answers.features.ndim == 3:
            pixels = answers.features[row]
            scale, ratio = Scale("gray_r", float(pixels.min()), float(pixels.max())), pixels.shape[0] / pixels.shape[1]
            image = side_by_side([scale.paint(pixels[::-1])], float(np.clip(ratio, 1 / 3, 3)))
            picture = png(f"mistake-{place + 1}.png", image, f"Test sample {row}: {words}.")
        mistakes.append((words, share, picture))
    return mistakes


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    counted="sample",
    timed="sample",
    batched="in a batch",
)
