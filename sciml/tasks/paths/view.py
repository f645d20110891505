"""What the page of a learnt stochastic equation shows: moments over time and a few paths.

``/truth`` and ``/solvers/<key>``
    ``<field>_mean`` and ``<field>_variance``, dims ``time``, of many paths; ``<field>``, dims ``path time``, a few of
    them, with units and long names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray

from sciml import draw
from sciml.draw import INK, FieldView, Figure, format_number, plot, scale_axis, style
from sciml.train import RunView, Shown, View

_MOST_PATHS = 8


@dataclass(frozen=True)
class Ensemble:
    """The moments of many paths and some of the paths.

    Arguments:
        title: whose they are.
        mean, deviation: over paths, ``time channel``.
        paths: ``path time channel``.
    """

    title: str
    mean: np.ndarray
    deviation: np.ndarray
    paths: np.ndarray


def show(view: RunView) -> Shown:
    """Moments and paths of the truth and every competitor; only the training curve if none were stored."""
    names = ("mean", "deviation", "paths", "plane")
    plots: dict[str, list[Figure]] = {name: [] for name in names}
    plots["training"] = draw.training(view.log, view.solver.best_step)
    floor = view.solver.metrics.get("moments/floor")
    if view.predictions is not None and view.predicted:
        titles = {entry.key: entry.title for entry in view.competitors}
        with view.predictions.reading():
            fields = _fields(view, view.predictions.truth)
            times = view.predictions.truth["time"].to_numpy()
            ensembles = [_ensemble("reference", view.predictions.truth, fields)] + [
                _ensemble(titles[key], arrays, fields) for key, arrays in view.predicted.items()
            ]
        channels = range(len(fields))
        plots["mean"] = [_means(fields[channel], channel, times, ensembles) for channel in channels]
        plots["deviation"] = [_deviations(fields[channel], channel, times, ensembles) for channel in channels]
        plots["paths"] = [_paths(fields[channel], channel, times, ensembles[:2]) for channel in channels]
        plots["plane"] = [_plane(fields, ensembles[:2])] if len(fields) > 1 else []
    files = [figure for group in plots.values() for figure in group]
    return Shown({"plots": plots, "floor": floor}, files)


def _fields(view: RunView, truth: xarray.Dataset) -> list[FieldView]:
    known = {field.name: field for field in view.problem.fields} if view.problem else {}
    stored = [str(name) for name, array in truth.items() if array.dims == ("path", "time")]
    fields = []
    for name in [name for name in known if name in stored] or stored:
        attrs = truth[name].attrs
        symbol = known[name].symbol if name in known else name
        fields.append(FieldView(name, symbol, str(attrs.get("units", "1")), str(attrs.get("long_name", name))))
    return fields


def _ensemble(title: str, data: xarray.Dataset, fields: Sequence[FieldView]) -> Ensemble:
    mean, variance = (
        np.stack([data[f"{field.name}_{what}"].to_numpy() for field in fields], axis=1) for what in ("mean", "variance")
    )
    paths = np.stack([data[field.name].to_numpy() for field in fields], axis=2)
    return Ensemble(title, mean, np.sqrt(np.maximum(variance, 0.0)), paths)


def _look(index: int) -> dict[str, object]:
    return {"color": INK, "linestyle": "-"} if index == 0 else style(index - 1)


def _means(field: FieldView, channel: int, times: np.ndarray, ensembles: Sequence[Ensemble]) -> Figure:
    """The mean of everybody, with a band of one standard deviation for the reference and the solver."""

    def paint(axes) -> None:
        for index, entry in enumerate(ensembles):
            mean, deviation = entry.mean[:, channel], entry.deviation[:, channel]
            axes.plot(times, draw.finite(mean), label=entry.title, markevery=_every(times), **_look(index))
            if index < 2:
                low, high = draw.finite(mean - deviation), draw.finite(mean + deviation)
                axes.fill_between(times, low, high, color=_look(index)["color"], alpha=0.14, linewidth=0)
        axes.set(xlabel="time", ylabel=field.label)
        scale_axis(axes.yaxis)

    words = f"Mean of {field.label} over time"
    caption = f"{words}; the bands are one standard deviation wide on each side."
    return plot(f"mean-{field.name}", paint, title=f"Mean of {field.label}", caption=caption, alt=f"{words}.")


def _deviations(field: FieldView, channel: int, times: np.ndarray, ensembles: Sequence[Ensemble]) -> Figure:
    def paint(axes) -> None:
        for index, entry in enumerate(ensembles):
            values = draw.finite(entry.deviation[:, channel])
            axes.plot(times, values, label=entry.title, markevery=_every(times), **_look(index))
        axes.set(xlabel="time", ylabel=f"standard deviation of {field.symbol}")
        scale_axis(axes.yaxis)

    ends = "; ".join(f"{entry.title} {format_number(float(entry.deviation[-1, channel]))}" for entry in ensembles)
    words = f"Standard deviation of {field.label} over time"
    title = f"Spread of {field.label}"
    return plot(f"deviation-{field.name}", paint, title=title, caption=f"{words}. At the end: {ends}.", alt=f"{words}.")


def _paths(field: FieldView, channel: int, times: np.ndarray, ensembles: Sequence[Ensemble]) -> Figure:
    def paint(axes) -> None:
        for index, entry in enumerate(ensembles):
            look = {**_look(index), "marker": "", "linestyle": "-", "linewidth": 1.0}
            for place, path in enumerate(entry.paths[:_MOST_PATHS, :, channel]):
                axes.plot(times, draw.finite(path), label=entry.title if place == 0 else None, **look)
        axes.set(xlabel="time", ylabel=field.label)
        scale_axis(axes.yaxis)

    words = f"{_MOST_PATHS} paths of {field.label}, reference and {ensembles[-1].title}"
    return plot(f"paths-{field.name}", paint, title=f"Paths of {field.label}", caption=f"{words}.", alt=f"{words}.")


def _plane(fields: Sequence[FieldView], ensembles: Sequence[Ensemble]) -> Figure:
    x, y = fields[:2]

    def paint(axes) -> None:
        for index, entry in enumerate(ensembles):
            look = {**_look(index), "marker": "", "linestyle": "-", "linewidth": 1.0}
            for place, path in enumerate(entry.paths[:_MOST_PATHS, :, :2]):
                axes.plot(*draw.finite(path).T, label=entry.title if place == 0 else None, **look)
        axes.set(xlabel=x.label, ylabel=y.label)
        scale_axis(axes.xaxis)
        scale_axis(axes.yaxis)

    words = f"{_MOST_PATHS} paths in the plane of {x.label} and {y.label}"
    return plot("paths-plane", paint, title="Phase portrait", caption=f"{words}.", alt=f"{words}.")


def _every(times: np.ndarray) -> int:
    return max(1, len(times) // 8)


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="paths",
    counted="step",
    timed="step",
    batched="per path, in a batch",
)
