"""What the page of learnt dynamics shows: time series, phase portraits, error growth, evaluations.

Where a problem has outcomes or quantities of its own, these come first, and the cases whose outcome is missed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sciml import draw
from sciml.draw import Figure, Forecasts
from sciml.tasks._forecasts import conserved, read_forecasts
from sciml.tasks.trajectories._outcome_figures import outcome_maps, outcome_words, quantity_figures, read_outcomes
from sciml.train import RunView, Shown, View, registered_solvers

_MOST_MISSED = 3
_PLOTS = ("quantities", "outcomes", "missed", "typical", "worst", "growth", "work", "conserved")


def show(view: RunView) -> Shown:
    """Curves of the run's test trajectories; only the training curve if it stored none."""
    forecasts = read_forecasts(view)
    plots: dict[str, list[Figure]] = {name: [] for name in _PLOTS}
    plots["training"] = draw.training(view.log, view.solver.best_step)
    values: dict[str, Any] = {
        "plots": plots,
        "typical": None,
        "worst": None,
        "steps": 0,
        "outcome_words": "",
        "outcome": "",
        "stated": _stated(view),
        "regresses": getattr(registered_solvers().get(view.solver.key), "regresses", False),
    }
    if forecasts is not None:
        rollout = forecasts.rollouts[0]
        typical, worst = draw.typical_sample(rollout), int(np.argmax(rollout.scores))
        plots["typical"] = _portrait(forecasts, typical, "typical") + draw.time_series(forecasts, typical)
        plots["worst"] = _worst(forecasts, worst) if len(rollout.scores) > 1 else []
        plots["growth"] = draw.error_growth(forecasts, over_time=True)
        plots["work"] = draw.work(forecasts)
        plots["conserved"] = conserved(forecasts, view.problem)
        values |= {
            "typical": draw.sample_words(forecasts, rollout, typical),
            "worst": draw.sample_words(forecasts, rollout, worst),
            "steps": rollout.relative_l2.shape[1],
        }
        if (outcomes := read_outcomes(view)) is not None:
            plots["quantities"] = quantity_figures(view, outcomes)
            plots["outcomes"] = outcome_maps(view, forecasts, outcomes)
            missed = outcomes.missed(view.solver.key).nonzero()[0] if outcomes.word else []
            for sample in missed[:_MOST_MISSED]:
                plots["missed"] += draw.time_series(forecasts, int(sample), channels=1, name=f"missed-{sample}-")
            values |= {"outcome_words": outcome_words(view, outcomes), "outcome": outcomes.word}
    return Shown(values, [figure for group in plots.values() for figure in group])


def _stated(view: RunView) -> list[tuple[str, str, str, str]]:
    """Solver, field, and the shares of its test values within two stated deviations and within the conformal band."""
    rows = []
    for entry in view.competitors:
        for name in (field.name for field in view.problem.fields) if view.problem is not None else ():
            covered, held = (entry.metrics.get(f"{kind}/{name}") for kind in ("covered", "held"))
            if covered is not None or held is not None:
                cells = ["" if share is None else f"{share:.1%}" for share in (covered, held)]
                rows.append((entry.title, name, *cells))
    return rows


def _worst(forecasts: Forecasts, sample: int) -> list[Figure]:
    """The worst sample in the plane of the first two fields, or the only field over time."""
    portrait = _portrait(forecasts, sample, "worst")
    return portrait + draw.time_series(forecasts, sample, channels=1, name="worst-")


def _portrait(forecasts: Forecasts, sample: int, word: str) -> list[Figure]:
    if len(forecasts.fields) < 2:
        return []
    return [draw.phase_portrait(forecasts, sample, name=f"phase-{word}", title="Phase portrait")]


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="trajectories",
    counted="step",
    timed="step",
)
