"""What the page of sequences shows: a typical and the worst answer, or who is taken for whom, or values against values.

``/truth``
    One variable per field, dims ``sample time`` for signals and ``sample`` for values; for classes ``label``, dims
    ``sample``, and a coordinate ``class``. One variable ``signal_<name>``, dims ``sample time``, with the role of an
    observation, for what was given. Attribute ``target`` of the group: ``signal``, ``value`` or ``class``.
``/solvers/<key>``
    The same variables per field, with ``relative_l2``, dims ``sample time``, for signals; for classes ``probability``,
    dims ``sample class``, and ``predicted``, dims ``sample``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray

from sciml import draw
from sciml.draw import INK, Figure
from sciml.tasks._confusion import Answers, confusion_table
from sciml.tasks._forecasts import read_forecasts
from sciml.train import RunView, Shown, View


def show(view: RunView) -> Shown:
    """Curves, confusions or scatter of the run's test sequences; only the training curve if it stored none."""
    plots: dict[str, list[Figure]] = {name: [] for name in ("typical", "worst", "growth", "values", "given")}
    plots["training"] = draw.training(view.log, view.solver.best_step)
    values: dict[str, Any] = {"plots": plots, "typical": None, "worst": None, "confusion": None, "count": None}
    target = _target(view)
    if target == "signal":
        values |= _signals(view, plots)
    elif target == "value":
        plots["values"] = _scatter(view)
    elif target == "class" and view.predictions is not None:
        answers = _classes(view)
        plots["given"] = _examples(view, answers)
        wrong, every = len(answers.wrong), len(answers.labels)
        values |= {"confusion": confusion_table(answers), "count": {"wrong": wrong, "all": every}}
    return Shown(values, [figure for group in plots.values() for figure in group])


def _target(view: RunView) -> str:
    """What was asked for; empty where nothing is stored."""
    return str(view.predictions.truth.attrs.get("target", "")) if view.predictions and view.predicted else ""


def _signals(view: RunView, plots: dict[str, list[Figure]]) -> dict[str, Any]:
    forecasts = read_forecasts(view)
    if forecasts is None:
        return {}
    rollout = forecasts.rollouts[0]
    typical, worst = draw.typical_sample(rollout), int(np.argmax(rollout.scores))
    plots["typical"] = draw.time_series(forecasts, typical)
    if len(rollout.scores) > 1:
        plots["worst"] = draw.time_series(forecasts, worst, channels=2, name="worst-")
    plots["growth"] = draw.error_growth(forecasts, over_time=True)
    words = (draw.sample_words(forecasts, rollout, sample) for sample in (typical, worst))
    return dict(zip(("typical", "worst"), words, strict=True))


def _classes(view: RunView) -> Answers:
    assert view.predictions is not None
    truth, outputs = view.predictions.truth, view.predicted[view.solver.key]
    with view.predictions.reading():
        return Answers(
            classes=tuple(map(str, truth["class"].to_numpy())),
            labels=truth["label"].to_numpy(),
            predicted=outputs["predicted"].to_numpy(),
            probability=outputs["probability"].transpose("sample", "class").to_numpy(),
            features=None,
        )


def _examples(view: RunView, answers: Answers) -> list[Figure]:
    """The first test signal of up to four classes, one curve each."""
    assert view.predictions is not None
    truth = view.predictions.truth
    with view.predictions.reading():
        name = next(str(key) for key in truth if str(key).startswith("signal_"))
        signals, times = truth[name].transpose("sample", "time").to_numpy(), truth["time"].to_numpy()
        words, clock = (_in_units(truth[key], key) for key in (name, "time"))
    shown = [(label, int(np.flatnonzero(answers.labels == label)[0])) for label in np.unique(answers.labels)[:4]]
    figures = []
    for label, row in shown:

        def paint(axes: Any, row: int = row) -> None:  # Any: matplotlib is imported when it draws
            axes.plot(times, signals[row], color=INK, linewidth=0.8)
            axes.set(xlabel=clock, ylabel=words)

        title = answers.classes[label]
        predicted = int(answers.predicted[row])
        answer = answers.classes[predicted] if predicted >= 0 else "nothing"
        caption = f"Test sample {row}; the answer is {answer}."
        alt = f"{words} over time of a sample of class {title}."
        figures.append(draw.plot(f"given-{label}", paint, title=title, caption=caption, alt=alt))
    return figures


def _in_units(values: xarray.DataArray, name: str) -> str:
    """The name of an axis of a figure, with units where there are any."""
    words, units = str(values.attrs.get("long_name", name)), str(values.attrs.get("units", "1"))
    return words if units == "1" else f"{words} [{units}]"


def _scatter(view: RunView) -> list[Figure]:
    """Predicted against true values of every field, a dot per test sample."""
    assert view.predictions is not None
    truth = view.predictions.truth
    names = [str(name) for name, array in truth.items() if array.dims == ("sample",)]
    figures = []
    for name in names:
        with view.predictions.reading():
            true = truth[name].to_numpy()
            predicted = [
                (e.title, view.predicted[e.key][name].to_numpy()) for e in view.competitors if e.key in view.predicted
            ]
        words = str(truth[name].attrs.get("long_name", name))

        def paint(axes: Any, true: np.ndarray = true, predicted: list[Any] = predicted, words: str = words) -> None:
            ends = [float(true.min()), float(true.max())]
            axes.plot(ends, ends, color=INK, linewidth=0.8, label="equal")
            for index, (title, values) in enumerate(predicted):
                axes.plot(
                    true, draw.finite(values), label=title, alpha=0.7, **{**draw.style(index), "linestyle": "none"}
                )
            axes.set(xlabel=f"true {words}", ylabel="predicted")

        caption = f"A dot for each of {len(true)} test samples."
        alt = f"Predicted against true {words}, a dot per test sample."
        figures.append(draw.plot(f"values-{name}", paint, title=words, caption=caption, alt=alt))
    return figures


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="sequences",
    counted="sequence",
    timed="sequence",
    batched="in a batch of sequences",
)
