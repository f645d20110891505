"""What the page of a learned operator shows: functions that go in, fields that come out, and where they are wrong.

``/truth``
    One variable per input function, dims ``sample <name>_sensor``, with coordinates ``<name>_<axis>`` of its sensors;
    one per field, dims ``sample query``, with coordinates of the queries on ``query`` or ``sample query``. Attributes
    ``inputs`` and ``axes``: names; ``queries_per_axis``: sizes, if the queries are a lattice.
``/solvers/<key>``
    The fields, dims ``sample query``; ``relative_l2``, dims ``sample``, where all functions share the queries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray

from sciml import draw
from sciml.draw import INK, Figure, Picture, Scale, plot, png, side_by_side, style
from sciml.train import Competitor, RunView, Shown, View

_MOST_LINES = 4  # solvers in one figure; more cannot be told apart
_MOST_PANELS = 3  # solvers shown as pictures: the one the page is about and the best of the others


@dataclass(frozen=True)
class Panel:
    """Pictures of one field of one function: truth, prediction, error, with their scales."""

    title: str
    picture: Picture
    value_scale: Scale
    error_scale: Scale


@dataclass(frozen=True)
class Case:
    """One test function.

    Arguments:
        words: which one, and how large its error is.
        figures: the inputs, and the fields where these are curves.
        inputs: the inputs where these are pictures.
        panels: the fields where these are pictures.
    """

    words: str
    figures: tuple[Figure, ...]
    inputs: tuple[Panel, ...]
    panels: tuple[Panel, ...]


def show(view: RunView) -> Shown:
    """Three test functions: with the smallest, the median and the largest error; the training curve."""
    training = draw.training(view.log, view.solver.best_step)
    cases = _cases(view)
    files = [*training, *(figure for case in cases for figure in case.figures)]
    files += [panel.picture for case in cases for panel in (*case.inputs, *case.panels)]
    return Shown({"plots": {"training": training}, "cases": cases}, files)


def _cases(view: RunView) -> list[Case]:
    if view.predictions is None or not view.predicted:
        return []
    truth, predicted = view.predictions.truth, view.predicted
    with view.predictions.reading():
        inputs, axes = _names(truth, "inputs"), _names(truth, "axes")
        prediction = predicted[view.solver.key]
        order = np.arange(truth.sizes["sample"])
        if "relative_l2" in prediction:
            errors = prediction["relative_l2"].to_numpy()
            order = np.argsort(errors, kind="stable")
            order = order[np.isfinite(errors[order])] if np.isfinite(errors).any() else order
        places = dict.fromkeys([0, len(order) // 2, len(order) - 1])
        labels = ("smallest error", "median error", "largest error") if "relative_l2" in prediction else ("",) * 3
        others = sorted(view.baselines, key=_rank)
        titles = {entry.key: entry.title for entry in (view.solver, *others)}
        return [
            _case(truth, predicted, titles, int(order[place]), words, inputs, axes)
            for place, words in zip(places, labels, strict=False)
        ]


def _rank(entry: Competitor) -> float:
    """Its error; at the end where there is none."""
    error = entry.metrics.get("relative_l2", math.nan)
    return math.inf if math.isnan(error) else error


def _case(
    truth: xarray.Dataset,
    predicted: Mapping[str, xarray.Dataset],
    titles: dict[str, str],
    row: int,
    words: str,
    inputs: Sequence[str],
    axes: Sequence[str],
) -> Case:
    arrays = {title: predicted[key] for key, title in titles.items() if key in predicted}
    first = next(iter(arrays.values()))
    if words:
        words = f"{words}: {draw.format_number(float(first['relative_l2'][row]))}"
    figures = [figure for name in inputs if (figure := _input_curve(truth, name, row)) is not None]
    panels = []
    sizes = [int(size) for size in np.atleast_1d(truth.attrs.get("queries_per_axis", []))]
    for name in (str(key) for key in first.data_vars if key in truth and "query" in truth[key].dims):
        if len(axes) == 1:
            figures.append(_curves(truth, arrays, name, axes[0], row))
        elif len(sizes) == 2:
            panels += _panels(truth, arrays, name, row, sizes)
    pictures = [
        _input_picture(truth, name, row, sizes)
        for name in inputs
        if len(sizes) == 2 and truth[name].sizes[f"{name}_sensor"] == sizes[0] * sizes[1]
    ]
    title = f"Test function {row}" + (f", {words}" if words else "")
    return Case(title, tuple(figures), tuple(pictures), tuple(panels))


def _names(truth: xarray.Dataset, key: str) -> list[str]:
    return [str(name) for name in np.atleast_1d(truth.attrs[key])]


def _label(array: xarray.DataArray) -> str:
    units = array.attrs.get("units", "1")
    return f"{array.attrs.get('long_name', array.name)}" + ("" if units == "1" else f" [{units}]")


def _input_curve(truth: xarray.Dataset, name: str, row: int) -> Figure | None:
    """One input against its only coordinate; None for one of several."""
    coordinates = [str(key) for key in truth.coords if truth[key].dims == (f"{name}_sensor",)]
    if len(coordinates) != 1:
        return None
    x, values = truth[coordinates[0]].to_numpy(), truth[name].to_numpy()[row]
    order = np.argsort(x)

    def paint(axes) -> None:
        axes.plot(x[order], values[order], label=name, **style(0))
        axes.set(xlabel=coordinates[0].removeprefix(f"{name}_"), ylabel=_label(truth[name]))

    reach = f"from {draw.format_number(float(np.nanmin(values)))} to {draw.format_number(float(np.nanmax(values)))}"
    return plot(f"input-{name}-{row}", paint, title=f"Input {name}", caption=f"At its {len(x)} sensors.",
                alt=f"Input function {name}, {reach}.")  # fmt: skip


def _curves(truth: xarray.Dataset, arrays: dict[str, xarray.Dataset], name: str, axis: str, row: int) -> Figure:
    """One field against the only coordinate: the truth and what the solvers answer."""
    x = truth[axis].to_numpy()
    x = x[row] if x.ndim == 2 else x
    true = truth[name].to_numpy()[row]
    order = np.argsort(x)
    shown = list(arrays.items())[:_MOST_LINES]
    span = 0.5 * float(np.nanmax(true) - np.nanmin(true)) or 1.0

    def paint(axes) -> None:
        axes.plot(x[order], true[order], label="reference", color=INK, linewidth=2.6,
                  **({} if len(x) > 20 else {"marker": "o"}))  # fmt: skip
        for index, (title, entry) in enumerate(shown):
            values = draw.finite(entry[name].to_numpy()[row])[order]
            values = np.clip(values, np.nanmin(true) - span, np.nanmax(true) + span)
            axes.plot(x[order], values, label=title, markevery=max(1, len(x) // 8), **style(index))
        axes.set(xlabel=axis, ylabel=_label(truth[name]))

    worst = {title: float(np.abs(entry[name].to_numpy()[row] - true).max()) for title, entry in shown}
    words = "; ".join(f"{title} {draw.format_number(value)}" for title, value in worst.items())
    return plot(f"output-{name}-{row}", paint, title=f"Output {name}", caption=f"Largest errors: {words}.",
                alt=f"Field {name} of the reference and of the solvers. Largest errors: {words}.")  # fmt: skip


def _panels(
    truth: xarray.Dataset, arrays: dict[str, xarray.Dataset], name: str, row: int, sizes: Sequence[int]
) -> list[Panel]:
    """One field on a lattice of two axes, by every solver."""
    true = truth[name].to_numpy()[row].reshape(sizes)
    values = _scale(true)
    panels = []
    for number, (title, entry) in enumerate(list(arrays.items())[:_MOST_PANELS]):
        pred = entry[name].to_numpy()[row].reshape(sizes)
        error = pred - true
        reach = float(np.abs(error[np.isfinite(error)]).max(initial=0.0)) or 1.0
        errors = Scale("PuOr_r", -reach, reach)
        image = side_by_side([values.paint(true), values.paint(pred), errors.paint(error)], 1.0)
        picture = png(f"output-{name}-{row}-{number}.png", image,
                      f"{name}: reference, {title}, and the error, at most {draw.format_number(reach)}.")  # fmt: skip
        panels.append(Panel(f"{_label(truth[name])}: reference, {title}, error", picture, values, errors))
    return panels


def _input_picture(truth: xarray.Dataset, name: str, row: int, sizes: Sequence[int]) -> Panel:
    values = truth[name].to_numpy()[row].reshape(sizes)
    scale = _scale(values)
    picture = png(f"input-{name}-{row}.png", side_by_side([scale.paint(values)], 1.0), f"Input function {name}.")
    return Panel(f"Input: {_label(truth[name])}", picture, scale, scale)


def _scale(values: np.ndarray) -> Scale:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0 < high and min(-low, high) > 0.15 * max(-low, high):
        reach = max(-low, high)
        return Scale("RdBu_r", -reach, reach)
    return Scale("cividis", low, high)


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="functions",
    counted="function",
    timed="function",
    batched="in a batch",
)
