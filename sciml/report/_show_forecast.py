"""What the page of a forecast shows: rollouts in pictures, error growth, spectra, conserved quantities."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciml.report import _curves as curves
from sciml.report._forecasts import Forecasts, read_forecasts, sample_words, typical_sample
from sciml.report._lines import time_series
from sciml.report._pictures import Panels, Picture, Strip, animation, space_time, still, strip
from sciml.report._run import RunView
from sciml.report._shown import Shown
from sciml.report._svg import Figure
from sciml.report._words import best_of


def show(view: RunView) -> Shown:
    """Pictures, curves and the errors by field of the run's rollouts; only the training curve if it stored none."""
    forecasts = read_forecasts(view)
    plots: dict[str, list[Figure]] = {name: [] for name in ("growth", "spectra", "conserved", "series")}
    plots["training"] = curves.training(view)
    pictures: dict[str, Any] = {}
    if forecasts is not None:
        pictures = _pictures(forecasts)
        plots["growth"] = curves.error_growth(forecasts)
        plots["spectra"] = curves.spectra(forecasts)
        plots["conserved"] = curves.conserved(forecasts, view.problem)
        plots["series"] = [] if forecasts.rank else time_series(forecasts, pictures["typical"])
    values = {"pictures": pictures, "plots": plots, "by_field": _by_field(forecasts) if forecasts else None}
    figures = [figure for group in plots.values() for figure in group]
    return Shown("run_forecast.html.j2", values, [*figures, *_files(pictures)])


def _by_field(forecasts: Forecasts) -> dict[str, Any] | None:
    """VRMSE per field at the first, the middle and the last step; None when it was not stored."""
    if any(roll.vrmse is None for _, roll in forecasts.rolled_out):
        return None
    steps = forecasts.rolled_out[0][1].relative_l2.shape[1]
    shown = sorted({0, steps // 2, steps - 1})
    rows = []
    for channel, field in enumerate(forecasts.fields):
        means = {}
        for entry, rollout in forecasts.rolled_out:
            assert rollout.vrmse is not None
            means[entry.key] = [float(rollout.vrmse[:, k, channel].astype(np.float64).mean()) for k in shown]
        best = [best_of({key: values[i] for key, values in means.items()}) for i in range(len(shown))]
        for entry, _ in forecasts.rolled_out:
            rows.append((field, entry, [(v, best[i] == entry.key) for i, v in enumerate(means[entry.key])]))
    return {"heads": [f"step {k + 1}" for k in shown], "rows": rows, "group": len(forecasts.rolled_out)}


def _pictures(forecasts: Forecasts) -> dict[str, Any]:
    """What is shown of the solver's rollouts."""
    rollout = forecasts.rolled_out[0][1]
    order, typical = np.argsort(rollout.scores, kind="stable"), typical_sample(rollout)
    shown: dict[str, Any] = {
        "typical": typical,
        "typical_words": sample_words(forecasts, rollout, typical),
        "moving": [],
        "space_time": [],
        "strips": [],
        "extremes": [],
        "steps": rollout.relative_l2.shape[1],
        "rank": forecasts.rank,
    }
    channels = range(len(forecasts.fields))
    if forecasts.rank == 1:
        shown["space_time"] = [space_time(forecasts, rollout, typical, channel) for channel in channels]
    if forecasts.rank >= 2:
        ratio = _ratio(forecasts)
        shown["moving"] = [animation(forecasts, rollout, typical, channel, ratio) for channel in channels]
        shown["strips"] = [strip(forecasts, rollout, typical, channel, ratio) for channel in channels]
        if len(order) > 1:
            for word, sample in (("best", int(order[0])), ("worst", int(order[-1]))):
                stills = [still(forecasts, rollout, sample, channel, ratio, word) for channel in channels]
                shown["extremes"].append((word, sample_words(forecasts, rollout, sample), stills))
    return shown


def _ratio(forecasts: Forecasts) -> float:
    """Height over width of the domain, within what a page can show."""
    height, width = (
        (axis.extent for axis in forecasts.grid.axes[-2:]) if forecasts.grid else map(float, forecasts.truth.shape[-2:])
    )
    return float(np.clip(height / width, 1 / 3, 3))


def _files(pictures: dict[str, Any]) -> list[Figure | Picture]:
    if not pictures:
        return []
    panels: list[Panels] = [*pictures["moving"], *pictures["space_time"]]
    panels += [panel for _, _, stills in pictures["extremes"] for panel in stills]
    strips: list[Strip] = pictures["strips"]
    return [*(panel.picture for panel in panels), *(picture for one in strips for _, picture in one.rows)]
