"""What the page of a solved equation shows: the solution beside the reference, its error, the residual.

``/truth``
    One variable per field on the axes of the domain, with coordinates; none where nobody knows the solution. Attributes
    ``case`` and ``time``, the axis of time. For inverse problems ``observed_<axis>`` and ``observed_<field>``, dims
    ``observation``, NaN where a field was not observed.
``/solvers/<key>``
    One variable per field there; ``residual``, dims ``equation`` and the axes; attributes ``found_<name>``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray

from sciml import draw
from sciml.core.errors import DataError
from sciml.draw import INK, Figure, Picture, Scale, format_number, plot, png, scale_axis, side_by_side, style
from sciml.train import RunView, Shown, View

_DECADES = 6  # of a residual below its largest that its picture resolves


@dataclass(frozen=True)
class Group:
    """Pictures or figures of one quantity.

    Arguments:
        title: what is shown.
        note: how to read it.
        pictures: by words for whose it is; of a problem in one dimension there are none.
        scale: their common colour scale.
        figures: lines, of a problem in one dimension.
    """

    title: str
    note: str
    pictures: tuple[tuple[str, Picture], ...] = ()
    scale: Scale | None = None
    figures: tuple[Figure, ...] = ()


def show(view: RunView) -> Shown:
    """Solution, error, residual, and error against seconds of training."""
    plots = {"training": draw.training(view.log, view.solver.best_step), "seconds": _seconds(view)}
    groups = _groups(view)
    truth = view.predictions.truth.attrs if view.predictions else {}
    conclusion = view.solver.conclusion
    files = [
        *plots["seconds"],
        *plots["training"],
        *(picture for group in groups for _, picture in group.pictures),
        *(figure for group in groups for figure in group.figures),
    ]
    values = {
        "plots": plots,
        "groups": groups,
        "case": str(truth.get("case", "")),
        "numbers": _numbers(view),
        "verdict": "" if conclusion is None else str(conclusion.get("verdict", "")),
        "trusted": conclusion is None or bool(conclusion.get("trusted", True)),
        "errors": "" if conclusion is None else str(conclusion.get("errors", "")),
        "judged_by_error": any(key.startswith("error/") for key in view.solver.metrics),
    }
    return Shown(values, files)


def _numbers(view: RunView) -> dict[str, str]:
    """The unknown numbers in words, with their standard deviation where the run concluded one."""
    conclusion = view.solver.conclusion
    if conclusion is not None:
        try:
            return {str(name): str(entry["words"]) for name, entry in conclusion["numbers"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError("the conclusion of the record is not that of a solved equation",
                            got=f"{type(error).__name__}: {error}", fix="Run it again.") from None  # fmt: skip
    prediction = view.predicted.get(view.solver.key)
    return {
        str(name).removeprefix("found_"): format_number(float(value), 5)
        for name, value in (prediction.attrs if prediction is not None else {}).items()
        if str(name).startswith("found_")
    }


def _groups(view: RunView) -> list[Group]:
    if view.predictions is None or not view.predicted:
        return []
    truth, prediction = view.predictions.truth, view.predicted[view.solver.key]
    titles = {entry.key: entry.title for entry in view.competitors}
    with view.predictions.reading():
        names = [str(name) for name in prediction["residual"].dims[1:]]
        fields = [str(name) for name in prediction.data_vars if prediction[name].dims == tuple(names)]
        axes = [prediction[name].to_numpy() for name in names]
        predicted = {titles[key]: arrays for key, arrays in view.predicted.items()}
        if len(names) == 1:
            return [_line(field, truth, predicted, names[0], axes[0]) for field in fields] + [
                _line_residual(prediction, names[0])
            ]
        groups = []
        for field in fields:
            groups += _maps(field, truth, predicted, names)
        return [*groups, _residual(prediction, names)]


def _maps(field: str, truth: xarray.Dataset, predicted: Mapping[str, xarray.Dataset], names: list[str]) -> list[Group]:
    """The field and, where there is a reference, its error in the plane of the first two axes."""
    values = {title: _plane(arrays[field]) for title, arrays in predicted.items()}
    if field in truth:
        values = {"reference": _plane(truth[field])} | values
    true = next(iter(values.values()))
    words = predicted[next(iter(predicted))][field].attrs.get("long_name", field)
    low, high = (float(f(true[np.isfinite(true)], initial=0.0)) for f in (np.min, np.max))
    reach = max(-low, high)
    scale = Scale("RdBu_r", -reach, reach) if low < 0 < high else Scale("cividis", low, high)
    note = f"{names[0]} to the right, {names[1]} upwards."
    shown = [Group(words, note, _painted(field, words, values, scale), scale)]
    if field not in truth:
        return shown
    gaps = {title: arrays - true for title, arrays in values.items() if title != "reference"}
    worst = max((float(np.abs(gap[np.isfinite(gap)]).max(initial=0.0)) for gap in gaps.values()), default=0.0) or 1.0
    return [
        *shown,
        Group(
            f"Error of {words}",
            "Difference from the reference.",
            _painted(f"{field}-error", f"error of {words}", gaps, Scale("PuOr_r", -worst, worst)),
            Scale("PuOr_r", -worst, worst),
        ),
    ]


def _residual(prediction: xarray.Dataset, names: list[str]) -> Group:
    values = {}
    with np.errstate(divide="ignore"):
        for i, residual in enumerate(prediction["residual"]):
            values[f"equation {i + 1}"] = np.log10(np.abs(_plane(residual).astype(np.float64)))
    top = max((float(v[np.isfinite(v)].max(initial=-300.0)) for v in values.values()), default=0.0)
    scale = Scale("cividis", top - _DECADES, top)
    values = {title: np.where(np.isneginf(value), scale.low, value) for title, value in values.items()}
    note = f"log₁₀ of its size, by automatic differentiation; {_DECADES} decades are resolved."
    return Group("Residual of the equations", note, _painted("residual", "residual", values, scale), scale)


def _painted(name: str, words: str, values: Mapping[str, np.ndarray], scale: Scale) -> tuple[tuple[str, Picture], ...]:
    return tuple(
        (title, png(f"{name}-{i}.png", side_by_side([scale.paint(value)], 1.0), f"Map of the {words}: {title}."))
        for i, (title, value) in enumerate(values.items())
    )


def _plane(array: xarray.DataArray) -> np.ndarray:
    """Rows along the second axis, columns along the first; further axes in their middle."""
    values = array.to_numpy().astype(np.float64)
    while values.ndim > 2:
        values = values[..., values.shape[-1] // 2]
    return values.T


def _line(
    field: str, truth: xarray.Dataset, predicted: Mapping[str, xarray.Dataset], name: str, x: np.ndarray
) -> Group:
    words = predicted[next(iter(predicted))][field].attrs.get("long_name", field)
    true = truth[field].to_numpy() if field in truth else None
    seen = truth[f"observed_{name}"].to_numpy() if f"observed_{name}" in truth else None
    values = truth[f"observed_{field}"].to_numpy() if f"observed_{field}" in truth else None

    def paint(axes) -> None:
        if true is not None:
            axes.plot(x, true, color=INK, linewidth=2.6, label="reference")
        for i, (title, arrayss) in enumerate(predicted.items()):
            axes.plot(x, arrayss[field].to_numpy(), label=title, markevery=max(1, len(x) // 8), **style(i))
        if seen is not None and values is not None:
            axes.plot(seen, values, "o", color=INK, markersize=4.0, alpha=0.6, label="observed")
        axes.set(xlabel=name, ylabel=words)
        scale_axis(axes.xaxis)
        scale_axis(axes.yaxis)

    caption = "On the lattice of the card."
    drawn = plot(f"line-{field}", paint, title=words, caption=caption, alt=f"{words} along {name}.")
    if true is None:
        return Group(words, "", figures=(drawn,))
    gaps = {title: np.abs(arrays[field].to_numpy() - true) for title, arrays in predicted.items()}

    def paint_error(axes) -> None:
        for i, (title, gap) in enumerate(gaps.items()):
            axes.plot(x, np.where(gap > 0, gap, np.nan), label=title, markevery=max(1, len(x) // 8), **style(i))
        axes.set(xlabel=name, ylabel="size of the error")
        scale_axis(axes.xaxis)
        scale_axis(axes.yaxis, log=True)

    worst = "; ".join(f"{title} {format_number(float(np.nanmax(gap)))}" for title, gap in gaps.items())
    figures = (
        drawn,
        plot(
            f"error-{field}",
            paint_error,
            title=f"Error of {words}",
            caption=f"Largest: {worst}.",
            alt=f"Size of the error of {words} along {name}; largest: {worst}.",
        ),
    )
    return Group(words, "", figures=figures)


def _line_residual(prediction: xarray.Dataset, name: str) -> Group:
    x, residual = prediction[name].to_numpy(), np.abs(prediction["residual"].to_numpy())

    def paint(axes) -> None:
        for i, values in enumerate(residual):
            arrays = np.where(values > 0, values, np.nan)
            axes.plot(x, arrays, label=f"equation {i + 1}", markevery=max(1, len(x) // 8), **style(i))
        axes.set(xlabel=name, ylabel="size of the residual")
        scale_axis(axes.xaxis)
        scale_axis(axes.yaxis, log=True)

    worst = format_number(float(np.nanmax(residual)))
    caption = f"By automatic differentiation, whatever the training used. Largest: {worst}."
    alt = f"Size of the residual along {name}; largest {worst}."
    figure = plot("residual", paint, title="Residual of the equations", caption=caption, alt=alt)
    return Group("Residual of the equations", "", figures=(figure,))


def _seconds(view: RunView) -> list[Figure]:
    """Error against the reference and residual at the pool against seconds of training."""
    series = {}
    for key, words in (("error", "error against the reference"), ("validation", "residual at independent points")):
        pairs = [(line.get("seconds"), line.get(key)) for line in view.log]
        kept = [(s, v) for s, v in pairs if _good(s) and _good(v)]
        if len(kept) > 1:
            series[words] = np.array(kept, dtype=np.float64)
    if not series:
        return []

    def paint(axes) -> None:
        for i, (words, values) in enumerate(series.items()):
            axes.plot(*values.T, label=words, markevery=max(1, len(values) // 8), **style(i))
        axes.set(xlabel="seconds of training", ylabel="relative error, residual" if len(series) > 1 else "residual")
        scale_axis(axes.xaxis)
        scale_axis(axes.yaxis, log=True)

    ends = "; ".join(f"{words} ends at {format_number(values[-1, 1])}" for words, values in series.items())
    stopped = next((str(line["stopped"]) for line in reversed(view.log) if line.get("stopped")), "")
    watched = "The error is watched and decides nothing; w" if len(series) > 1 else "W"
    caption = f"{watched}eights are kept by the residual." + (
        f" The training ended because {stopped}." if stopped else ""
    )
    title = "Error against time" if len(series) > 1 else "Residual against time"
    return [plot("seconds", paint, title=title, caption=caption, alt=f"Over the training: {ends}.")]


def _good(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="points",
    counted="point",
    timed="lattice",
    batched="all points at once",
)
