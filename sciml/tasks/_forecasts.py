"""States over time in a file of predictions: what the pages of forecasts, trajectories and series are made from.

``/truth``
    One variable per field, dims ``sample time *space``: reference trajectories in physical units, context included;
    attributes ``units`` and ``long_name``. One variable per physical parameter, dims ``sample``. Coordinates ``time``
    (physical), one per spatial axis, and ``sample`` (index in the test split; 0, 1, 2, ... if left out).
    Attributes of the group: ``history``, the number of context frames; 0 where everything is predicted from
    observations. These are variables with the attribute ``role`` = ``observation``: ``observed_<field>``, dims
    ``sample time``, NaN where nothing was seen, and others that the page leaves alone.
``/solvers/<key>``
    One variable per field, dims ``sample time *space``: the prediction of the same samples. Its ``time`` holds the
    predicted frames only: those of ``/truth`` from frame ``history`` on.
    ``relative_l2``, dims ``sample time``: the error of every step. Optional: ``vrmse``, dims ``sample time field``, and
    ``evaluations``, dims ``sample``.

Spectra and conserved quantities are computed from the fields when a page is made, not stored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray

from sciml import draw, metrics
from sciml.core.capabilities import Evolves
from sciml.core.problem import Problem
from sciml.core.recorded import Recorded
from sciml.draw import FieldView, Figure, Forecasts, Rollout
from sciml.train import Competitor, RunView


def read_forecasts(view: RunView) -> Forecasts | None:
    """The states over time of a run; None if it stored none of its solver.

    Raises: DataError for a file in another layout.
    """
    if view.predictions is None:
        return None
    truth, solvers = view.predictions.truth, view.predictions.solvers
    with view.predictions.reading():
        names = _field_names(truth, view.problem)
        if not names or view.solver.key not in solvers:
            return None
        states = _stack(truth, names)
        seen = [f"observed_{name}" for name in names]
        return Forecasts(
            fields=tuple(_field_view(truth, name, view.problem) for name in names),
            truth=states,
            times=truth["time"].to_numpy().astype(np.float64),
            samples=truth["sample"].to_numpy() if "sample" in truth.coords else np.arange(truth.sizes["sample"]),
            parameters={
                str(name): array.to_numpy()
                for name, array in truth.items()
                if array.dims == ("sample",) and "role" not in array.attrs
            },
            history=int(truth.attrs.get("history", 1)),
            rollouts=tuple(
                _rollout(entry, solvers[entry.key], names, truth) for entry in view.competitors if entry.key in solvers
            ),
            grid=view.problem.grid(states.shape[3:]) if isinstance(view.problem, Evolves | Recorded) else None,
            observed=_stack(truth, seen) if set(seen) <= set(truth) else None,
        )


def _field_names(truth: xarray.Dataset, problem: Problem | None) -> list[str]:
    """Fields in channel order, or as they come when the problem is not there to say; empty if nothing moves in time."""
    arrays = {str(name): array for name, array in truth.items() if "role" not in array.attrs}
    moving = [name for name, array in arrays.items() if array.dims[:2] == ("sample", "time")]
    known = [field.name for field in problem.fields] if problem else []
    return known if moving and set(known) == set(moving) else moving


def _field_view(truth: xarray.Dataset, name: str, problem: Problem | None) -> FieldView:
    for field in problem.fields if problem else ():
        if field.name == name:
            return FieldView(field.name, field.symbol, field.units, field.long_name)
    attrs = truth[name].attrs
    return FieldView(name, name, str(attrs.get("units", "1")), str(attrs.get("long_name", name)))


def _rollout(entry: Competitor, data: xarray.Dataset, names: Sequence[str], truth: xarray.Dataset) -> Rollout:
    states, error = _stack(data, names), data["relative_l2"].to_numpy()
    expected = (truth.sizes["sample"], truth.sizes["time"] - int(truth.attrs.get("history", 1)))
    if states.shape[:2] != expected or error.shape != expected:
        raise ValueError(f"a rollout of {states.shape[:2]} samples and steps where {expected} follow the context")
    vrmse, evaluations = (data[name].to_numpy() if name in data else None for name in ("vrmse", "evaluations"))
    return Rollout(entry.key, entry.title, states, error, vrmse, evaluations)


def _stack(data: xarray.Dataset, names: Sequence[str]) -> np.ndarray:
    return np.stack([data[name].to_numpy() for name in names], axis=2)


def spectra(forecasts: Forecasts) -> list[Figure]:
    """Radially averaged power spectrum per field, reference against the solver, at the first and the last step."""
    if not forecasts.rank:
        return []
    rollout = forecasts.rollouts[0]
    truth = forecasts.truth[:, forecasts.history :]
    extents = [axis.extent for axis in forecasts.grid.axes] if forecasts.grid else None
    ends = [0, truth.shape[1] - 1]
    true, predicted = (
        metrics.power_spectrum(
            torch.as_tensor(states[:, ends]).double(), extents=extents, dims="sample time channel *space"
        ).numpy()
        for states in (truth, rollout.states)
    )
    finite = np.isfinite(predicted).all((1, 2, 3))
    if not finite.any():
        return []
    return [
        draw.spectrum(field, true[finite, :, channel], predicted[finite, :, channel], rollout.title)
        for channel, field in enumerate(forecasts.fields)
        if np.ptp(truth[:, ends, channel]) > 0  # a constant has no spectrum
    ]


def conserved(forecasts: Forecasts, problem: Problem | None) -> list[Figure]:
    """Relative drift of every invariant of the problem, reference against every competitor."""
    if problem is None or forecasts.grid is None:
        return []
    params = {name: torch.as_tensor(values).double() for name, values in forecasts.parameters.items()}
    first = max(0, forecasts.history - 1)
    start, times = forecasts.truth[:, first : forecasts.history], forecasts.times[first:]
    series = [("reference", forecasts.truth[:, first:])]
    series += [(rollout.title, np.concatenate([start, rollout.states], 1)) for rollout in forecasts.rollouts]
    figures = []
    for invariant in problem.invariants:
        drifts = []
        for title, states in series:
            values = invariant.compute(torch.as_tensor(states).double(), params, forecasts.grid)
            drifts.append((title, 100 * metrics.drift(values, dims="sample time").numpy()))
        figures.append(draw.drift(invariant.name, invariant.long_name, times, drifts))
    return figures
