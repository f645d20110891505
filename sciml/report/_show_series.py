"""What the page of completed series shows: what was seen, what was predicted, errors inside and outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciml.report import _curves as curves
from sciml.report._forecasts import Forecasts, read_forecasts, sample_words, typical_sample
from sciml.report._lines import time_series, work
from sciml.report._run import RunView
from sciml.report._shown import Shown
from sciml.report._svg import Figure
from sciml.report._words import best_of


def show(view: RunView) -> Shown:
    """Curves of the run's test series; only the training curve if it stored none."""
    forecasts = read_forecasts(view)
    plots: dict[str, list[Figure]] = {name: [] for name in ("typical", "worst", "growth", "work", "conserved")}
    plots["training"] = curves.training(view)
    values: dict[str, Any] = {"plots": plots, "typical": None, "worst": None, "seen": "", "by_field": None}
    if forecasts is not None:
        rollout, until = forecasts.rolled_out[0][1], _seen_until(forecasts)
        typical, worst = typical_sample(rollout), int(np.argmax(rollout.scores))
        plots["typical"] = time_series(forecasts, typical, seen_until=until)
        if len(rollout.scores) > 1:
            plots["worst"] = time_series(forecasts, worst, channels=2, seen_until=until, name="worst-")
        plots["growth"] = curves.error_growth(forecasts, over_time=True, seen_until=until)
        plots["work"] = work(forecasts)
        plots["conserved"] = curves.conserved(forecasts, view.problem)
        values |= {
            "typical": sample_words(forecasts, rollout, typical),
            "worst": sample_words(forecasts, rollout, worst),
            "seen": _seen_words(forecasts),
            "by_field": _by_field(forecasts, until),
        }
    files = [figure for group in plots.values() for figure in group]
    return Shown("run_series.html.j2", values, files, counted="series", timed="value", batched="in a batch of series")


def _seen_until(forecasts: Forecasts) -> float | None:
    """The time after which no series was observed; None if there is no such time."""
    if forecasts.observed is None:
        return None
    seen = np.isfinite(forecasts.observed).any((0, 2))
    until = forecasts.times[seen].max(initial=forecasts.times[0])
    return float(until) if until < forecasts.times[-1] else None


def _seen_words(forecasts: Forecasts) -> str:
    if forecasts.observed is None:
        return "observations"
    counts = np.isfinite(forecasts.observed).any(2).sum(1)
    low, high = int(counts.min()), int(counts.max())
    return f"{low} times" if low == high else f"{low} to {high} times"


def _by_field(forecasts: Forecasts, until: float | None) -> dict[str, Any]:
    """Root mean squared error per field, in its own units, up to the horizon and after it."""
    after = forecasts.times > until if until is not None else np.zeros_like(forecasts.times, bool)
    windows = {"up to the last observation": ~after} | ({"after it": after} if after.any() else {})
    rows = []
    for channel, field in enumerate(forecasts.fields):
        errors = {
            entry.key: [
                _rmse(rollout.states[:, window, channel], forecasts.truth[:, window, channel])
                for window in windows.values()
            ]
            for entry, rollout in forecasts.rolled_out
        }
        best = [best_of({key: values[i] for key, values in errors.items()}) for i in range(len(windows))]
        for entry, _ in forecasts.rolled_out:
            rows.append((field, entry, [(v, best[i] == entry.key) for i, v in enumerate(errors[entry.key])]))
    return {"heads": list(windows), "rows": rows, "group": len(forecasts.rolled_out)}


def _rmse(predicted: np.ndarray, true: np.ndarray) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.sqrt(((predicted.astype(np.float64) - true) ** 2).mean()))
