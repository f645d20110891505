"""What the page of a learnt density shows: the densities beside the truth, and what is drawn from them.

``/truth``
    One variable per field, dims ``sample``: the test points. Where the truth is known, ``grid_log_density``. Attribute
    ``shape``: the name of the density.
``/solvers/<key>``
    In the plane ``grid_log_density``, dims ``grid_<second field> grid_<first field>`` with coordinates; if the solver
    can draw, ``drawn_<field>``, dims ``draw``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray

from sciml import draw
from sciml.draw import Picture, Scale, dots, png, side_by_side
from sciml.train import RunView, Shown, View

_DECADES = 5  # of density below the largest that the picture of the logarithm resolves


@dataclass(frozen=True)
class Tiles:
    """Pictures of one quantity side by side.

    Arguments:
        title: what is shown.
        pictures: by words for whose it is.
        scale: their common colour scale; None for points.
        unit: units of the ends of the scale.
    """

    title: str
    note: str
    pictures: tuple[tuple[str, Picture], ...]
    scale: Scale | None


def show(view: RunView) -> Shown:
    """Pictures of the densities in the plane; only the training curve where there are none."""
    plots = {"training": draw.training(view.log, view.solver.best_step)}
    tiles = _tiles(view)
    shape = view.predictions.truth.attrs.get("shape", "") if view.predictions else ""
    files = [*plots["training"], *(picture for group in tiles for _, picture in group.pictures)]
    values = {"plots": plots, "tiles": tiles, "shape": str(shape)}
    return Shown(values, files)


def _tiles(view: RunView) -> list[Tiles]:
    """Density, its logarithm, and points, each of the truth and of every competitor that has it."""
    if view.predictions is None or not view.predicted:
        return []
    truth, predicted = view.predictions.truth, view.predicted
    titles = {entry.key: entry.title for entry in view.competitors}
    groups = {"truth": truth} | {titles[key]: arrays for key, arrays in predicted.items()}
    outputs = predicted[view.solver.key]
    if "grid_log_density" not in outputs:
        return []
    with view.predictions.reading():
        y, x = outputs["grid_log_density"].dims
        box = tuple(_ends(outputs[name].to_numpy()) for name in (x, y))
        names = [str(name).removeprefix("grid_") for name in (x, y)]
        logs = {words: group["grid_log_density"].to_numpy() for words, group in groups.items() if _has_grid(group)}
        points = {"test points": _points(truth, names, "")}
        points |= {
            f"{words}, drawn": _points(group, names, "drawn_")
            for words, group in groups.items()
            if f"drawn_{names[0]}" in group
        }
    ratio = float(np.clip((box[1][1] - box[1][0]) / (box[0][1] - box[0][0]), 1 / 3, 3))
    return [_densities(logs, ratio), _logarithms(logs, ratio), _drawn(points, box, ratio)]


def _densities(logs: Mapping[str, np.ndarray], ratio: float) -> Tiles:
    with np.errstate(over="ignore"):
        values = {words: np.exp(density.astype(np.float64)) for words, density in logs.items()}
    scale = Scale("cividis", 0.0, _reach(values, lambda density: density.max()))
    return _painted("density", "Density", "Probability per area.", values, scale, ratio)


def _logarithms(logs: Mapping[str, np.ndarray], ratio: float) -> Tiles:
    values = {words: logarithm.astype(np.float64) / np.log(10) for words, logarithm in logs.items()}
    top = _reach(values, lambda logarithm: logarithm.max())
    note = f"log10 of the density over {_DECADES} decades, to show tails and bridges between modes."
    return _painted("log-density", "Its logarithm", note, values, Scale("cividis", top - _DECADES, top), ratio)


def _painted(name: str, title: str, note: str, values: Mapping[str, np.ndarray], scale: Scale, ratio: float) -> Tiles:
    pictures = []
    for place, (words, value) in enumerate(values.items()):
        below = np.where(np.isneginf(value), scale.low, value)  # no density at all is the end of the scale, not missing
        image = side_by_side([scale.paint(below)], ratio)
        pictures.append((words, png(f"{name}-{place}.png", image, f"{title} in the plane: {words}.")))
    return Tiles(title, note, tuple(pictures), scale)


def _drawn(points: Mapping[str, np.ndarray], box: tuple[tuple[float, float], ...], ratio: float) -> Tiles:
    pictures = [
        (words, png(f"points-{place}.png", dots(cloud, box, ratio), f"{len(cloud)} points in the plane: {words}."))
        for place, (words, cloud) in enumerate(points.items())
    ]
    note = "Independent draws from what was learnt, beside the points of the test split."
    return Tiles("Points", note, tuple(pictures), None)


def _reach(values: Mapping[str, np.ndarray], of: Callable[[np.ndarray], float]) -> float:
    """The end of the common scale: the truth's where it is known, else the largest of all."""
    chosen = [values["truth"]] if "truth" in values else list(values.values())
    ends = [float(of(value[np.isfinite(value)])) for value in chosen if np.isfinite(value).any()]
    return max(ends, default=1.0)


def _has_grid(arrays: xarray.Dataset) -> bool:
    return "grid_log_density" in arrays


def _points(arrays: xarray.Dataset, names: list[str], prefix: str) -> np.ndarray:
    return np.stack([arrays[prefix + name].to_numpy() for name in names], axis=1)


def _ends(centres: np.ndarray) -> tuple[float, float]:
    half = 0.5 * float(centres[1] - centres[0])
    return float(centres[0]) - half, float(centres[-1]) + half


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="points",
    counted="point",
    timed="point",
    batched="in a batch",
)
