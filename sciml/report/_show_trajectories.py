"""What the page of learnt dynamics shows: time series, phase portraits, error growth, evaluations.

Where a problem has outcomes or quantities of its own, these come first, and the cases whose outcome is missed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sciml.report import _curves as curves
from sciml.report._forecasts import Forecasts, read_forecasts, sample_words, typical_sample
from sciml.report._lines import phase_portrait, time_series, work
from sciml.report._outcomes import outcome_maps, outcome_words, quantity_figures, read_outcomes
from sciml.report._run import RunView
from sciml.report._shown import Shown
from sciml.report._svg import Figure

_MOST_MISSED = 3
_PLOTS = ("quantities", "outcomes", "missed", "typical", "worst", "growth", "work", "conserved")


def show(view: RunView) -> Shown:
    """Curves of the run's test trajectories; only the training curve if it stored none."""
    forecasts = read_forecasts(view)
    plots: dict[str, list[Figure]] = {name: [] for name in _PLOTS}
    plots["training"] = curves.training(view)
    values: dict[str, Any] = {"plots": plots, "typical": None, "worst": None, "steps": 0, "told": "", "word": ""}
    if forecasts is not None:
        rollout = forecasts.rolled_out[0][1]
        typical, worst = typical_sample(rollout), int(np.argmax(rollout.scores))
        plots["typical"] = _portrait(forecasts, typical, "typical") + time_series(forecasts, typical)
        plots["worst"] = _worst(forecasts, worst) if len(rollout.scores) > 1 else []
        plots["growth"] = curves.error_growth(forecasts, over_time=True)
        plots["work"] = work(forecasts)
        plots["conserved"] = curves.conserved(forecasts, view.problem)
        values |= {
            "typical": sample_words(forecasts, rollout, typical),
            "worst": sample_words(forecasts, rollout, worst),
            "steps": rollout.relative_l2.shape[1],
        }
        if (outcomes := read_outcomes(view)) is not None:
            plots["quantities"] = quantity_figures(view, outcomes)
            plots["outcomes"] = outcome_maps(view, forecasts, outcomes)
            missed = outcomes.missed(view.solver.key).nonzero()[0] if outcomes.word else []
            for sample in missed[:_MOST_MISSED]:
                plots["missed"] += time_series(forecasts, int(sample), channels=1, name=f"missed-{sample}-")
            values |= {"told": outcome_words(view, outcomes), "word": outcomes.word}
    return Shown("run_trajectories.html.j2", values, [figure for group in plots.values() for figure in group])


def _worst(forecasts: Forecasts, sample: int) -> list[Figure]:
    """The worst sample in the plane of the first two fields, or the only field over time."""
    portrait = _portrait(forecasts, sample, "worst")
    return portrait + time_series(forecasts, sample, channels=1, name="worst-")


def _portrait(forecasts: Forecasts, sample: int, word: str) -> list[Figure]:
    if len(forecasts.fields) < 2:
        return []
    return [phase_portrait(forecasts, sample, name=f"phase-{word}", title="Phase portrait")]
