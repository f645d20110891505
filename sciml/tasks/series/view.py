"""What the page of completed series shows: what was seen, what was predicted, errors inside and outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sciml import draw, metrics
from sciml.draw import Figure, Forecasts
from sciml.tasks._forecasts import conserved, read_forecasts
from sciml.train import RunView, Shown, View


def show(view: RunView) -> Shown:
    """Curves of the run's test series; only the training curve if it stored none."""
    forecasts = read_forecasts(view)
    plots: dict[str, list[Figure]] = {name: [] for name in ("typical", "worst", "growth", "work", "conserved")}
    plots["training"] = draw.training(view.log, view.solver.best_step)
    values: dict[str, Any] = {"plots": plots, "typical": None, "worst": None, "seen": "", "by_field": None}
    if forecasts is not None:
        rollout, until = forecasts.rollouts[0], _seen_until(forecasts)
        typical, worst = draw.typical_sample(rollout), int(np.argmax(rollout.scores))
        plots["typical"] = draw.time_series(forecasts, typical, seen_until=until)
        if len(rollout.scores) > 1:
            plots["worst"] = draw.time_series(forecasts, worst, channels=2, seen_until=until, name="worst-")
        plots["growth"] = draw.error_growth(forecasts, over_time=True, seen_until=until)
        plots["work"] = draw.work(forecasts)
        plots["conserved"] = conserved(forecasts, view.problem)
        values |= {
            "typical": draw.sample_words(forecasts, rollout, typical),
            "worst": draw.sample_words(forecasts, rollout, worst),
            "seen": _seen_words(forecasts),
            "by_field": _by_field(forecasts, until),
        }
    files = [figure for group in plots.values() for figure in group]
    return Shown(values, files)


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
            rollout.key: [
                _rmse(rollout.states[:, window, channel], forecasts.truth[:, window, channel])
                for window in windows.values()
            ]
            for rollout in forecasts.rollouts
        }
        best = [draw.best_of({k: v[i] for k, v in errors.items()}, metrics.RMSE.loss) for i in range(len(windows))]
        for rollout in forecasts.rollouts:
            cells = [(value, best[i] == rollout.key) for i, value in enumerate(errors[rollout.key])]
            rows.append((field, rollout, cells))
    return {"heads": list(windows), "rows": rows, "group": len(forecasts.rollouts)}


def _rmse(predicted: np.ndarray, true: np.ndarray) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.sqrt(((predicted.astype(np.float64) - true) ** 2).mean()))


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="series",
    counted="series",
    timed="value",
    batched="in a batch of series",
)
