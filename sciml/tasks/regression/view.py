"""What the page of a regression shows: predicted against true values of every target, errors by target.

``/truth``
    One variable per target and parameter, dims ``sample``: the test rows.
``/solvers/<key>``
    One variable per target, dims ``sample``, and ``sigma_<target>`` where the solver states standard deviations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sciml import draw, metrics
from sciml.draw import FieldView, Figure
from sciml.train import RunView, Shown, View


def show(view: RunView) -> Shown:
    """Parity plots of the test rows; only the training curve if the run stored none."""
    plots: dict[str, list[Figure]] = {"training": draw.training(view.log, view.solver.best_step), "parity": []}
    values: dict[str, Any] = {"plots": plots, "by_target": None}
    if view.predictions is not None and view.predicted:
        with view.predictions.reading():
            truth, answers = view.predictions.truth, view.predicted
            prediction = answers[view.solver.key]
            names = [
                str(name) for name in prediction.data_vars if name in truth and prediction[name].dims == ("sample",)
            ]
            fields = {name: _field(truth[name], name) for name in names}
            true = {name: truth[name].to_numpy().astype(np.float64) for name in names}
            predicted = {key: {name: data[name].to_numpy() for name in names} for key, data in answers.items()}
            spread = {name: prediction[f"sigma_{name}"].to_numpy() for name in names if f"sigma_{name}" in prediction}
        title = view.solver.title
        for name in names:
            answer = predicted[view.solver.key][name]
            if np.isfinite(answer).any():
                plots["parity"].append(
                    draw.parity(f"parity-{name}", fields[name], true[name], answer, title, spread=spread.get(name))
                )
        values["by_target"] = _table(view, fields, true, predicted)
    return Shown(values, [figure for group in plots.values() for figure in group])


def _field(array: Any, name: str) -> FieldView:  # Any: a DataArray
    words = str(array.attrs.get("long_name", name))
    units = str(array.attrs.get("units", "1"))
    return FieldView(name, "" if units == "1" else f"[{units}]", units, words)


def _table(
    view: RunView,
    fields: dict[str, FieldView],
    true: dict[str, np.ndarray],
    predicted: dict[str, dict[str, np.ndarray]],
) -> dict[str, Any]:
    """Mean absolute, root mean squared and largest error of every target, by competitor."""
    heads, rows = ["mean absolute", "root mean squared", "largest"], []
    for name, field in fields.items():
        errors = {}
        for entry in view.competitors:
            if entry.key in predicted:
                error = np.abs(predicted[entry.key][name].astype(np.float64) - true[name])
                errors[entry.key] = [float(error.mean()), float(np.sqrt(np.square(error).mean())), float(error.max())]
        best = [draw.best_of({key: v[i] for key, v in errors.items()}, metrics.RMSE.loss) for i in range(len(heads))]
        for entry in view.competitors:
            if entry.key in errors:
                cells = [(value, best[i] == entry.key) for i, value in enumerate(errors[entry.key])]
                rows.append((field, entry, cells))
    return {"heads": heads, "rows": rows, "group": max(1, len(rows) // max(1, len(fields)))}


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="cases",
    counted="case",
    timed="case",
    batched="in a batch of cases",
)
