"""What the page of a classifier shows: who is taken for whom, which samples it gets wrong, what a tolerance costs.

``/truth``
    ``label``, dims ``sample``, the index of the class; one variable per field, dims ``sample *shape``; a coordinate
    ``class`` with the names of the classes.
``/solvers/<key>``
    ``probability``, dims ``sample class``, and ``predicted``, dims ``sample``, the most probable class; -1 for none.

The record may have metrics ``tolerance_<t>/evaluations``, ``…/error`` and ``…/difference``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sciml import draw
from sciml.draw import Picture, Scale, png, side_by_side, sweep_figures, sweep_of
from sciml.tasks._confusion import Answers, confusion_table, mistake_words
from sciml.train import RunView, Shown, View

_MOST_PICTURES = 12


def show(view: RunView) -> Shown:
    """Confusions, mistakes and the sweep over tolerances; only the last and the training if nothing was stored."""
    answers = _read(view)
    sweeps = [(entry, points) for entry in view.competitors if (points := sweep_of(entry.metrics))]
    figures = sweep_figures([(entry.title, points) for entry, points in sweeps])
    plots = {"training": draw.training(view.log, view.solver.best_step), "sweep": figures}
    mistakes = _mistakes(answers) if answers else []
    values = {
        "plots": plots,
        "confusion": confusion_table(answers) if answers else None,
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


def _mistakes(answers: Answers) -> list[tuple[str, str, Picture | None]]:
    """The most confident mistakes: what was taken for what, how surely, and the sample where it is a picture."""
    mistakes = []
    for place, row in enumerate(answers.wrong[:_MOST_PICTURES].tolist()):
        words = mistake_words(answers, int(answers.labels[row]), int(answers.predicted[row]))
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
