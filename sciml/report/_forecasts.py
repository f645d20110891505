"""States over time, reference and predicted: what the pages of forecasts, trajectories and series show.

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

Spectra and conserved quantities are computed from the fields by the report, not stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray

from sciml.core.capabilities import Evolves
from sciml.core.problem import Problem
from sciml.core.types import Grid
from sciml.report._run import PREDICTIONS, Competitor, RunView, layout_errors
from sciml.report._words import format_number


@dataclass(frozen=True)
class FieldView:
    """A field as the page names it."""

    name: str
    symbol: str
    units: str
    long_name: str

    @property
    def label(self) -> str:
        """``layer thickness h [m]``; the bracket is left out for a field without units."""
        words = self.long_name if self.symbol in ("", self.long_name) else f"{self.long_name} {self.symbol}"
        return words if self.units in ("", "1") else f"{words} [{self.units}]"


@dataclass(frozen=True)
class Rollout:
    """What one competitor predicted.

    Arguments:
        states: predicted frames, ``sample time channel *space``.
        relative_l2: error per step, ``sample time``.
        vrmse: error per step and field, ``sample time channel``; None if not stored.
        evaluations: of the right-hand side, per sample; None if not stored.
    """

    states: np.ndarray
    relative_l2: np.ndarray
    vrmse: np.ndarray | None
    evaluations: np.ndarray | None

    @property
    def diverged(self) -> int:
        """Samples whose error is not finite at some step."""
        return int((~np.isfinite(self.relative_l2)).any(1).sum())

    @cached_property
    def scores(self) -> np.ndarray:
        """Rollout error per sample, the mean over steps; inf where it diverged."""
        with np.errstate(invalid="ignore", over="ignore"):
            mean = self.relative_l2.astype(np.float64).mean(1)
        return np.where(np.isfinite(mean), mean, np.inf)


@dataclass(frozen=True)
class Forecasts:
    """Reference trajectories of test samples, and every competitor's rollout of them.

    Arguments:
        fields: in channel order.
        truth: ``sample time channel *space``.
        times: physical time of the frames of `truth`.
        samples: index in the test split of each sample.
        parameters: physical parameters by name, one value per sample.
        history: context frames; predictions begin at this frame.
        rolled_out: the competitors whose predictions are stored, the solver first, with them.
        grid: the grid of the fields, when the problem can tell.
        observed: what the competitors saw, ``sample time channel``, NaN where nothing; None if it was whole frames.
    """

    fields: tuple[FieldView, ...]
    truth: np.ndarray
    times: np.ndarray
    samples: np.ndarray
    parameters: Mapping[str, np.ndarray]
    history: int
    rolled_out: tuple[tuple[Competitor, Rollout], ...]
    grid: Grid | None
    observed: np.ndarray | None = None

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return self.truth.ndim - 3


def typical_sample(rollout: Rollout) -> int:
    """The median sample by error."""
    order = np.argsort(rollout.scores, kind="stable")
    return int(order[(len(order) - 1) // 2])


def sample_words(forecasts: Forecasts, rollout: Rollout, sample: int) -> str:
    """Which sample it is, its error and its parameters."""
    score, kind = rollout.scores[sample], "rollout error" if forecasts.history else "error"
    error = f"{kind} {format_number(float(score))}" if math.isfinite(score) else "diverged"
    values = [f"{name} {format_number(float(values[sample]))}" for name, values in forecasts.parameters.items()]
    return ", ".join([f"test sample {forecasts.samples[sample]}", error, *values])


def read_forecasts(view: RunView) -> Forecasts | None:
    """The states over time of a run; None if it stored none of its solver.

    Raises: DataError for a file in another layout.
    """
    if view.predictions is None:
        return None
    truth, solvers = view.predictions.truth, view.predictions.solvers
    with layout_errors(view.folder / PREDICTIONS):
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
            rolled_out=tuple(
                (entry, _rollout(solvers[entry.key], names, truth))
                for entry in view.competitors
                if entry.key in solvers
            ),
            grid=view.problem.grid(states.shape[3:]) if isinstance(view.problem, Evolves) else None,
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


def _rollout(data: xarray.Dataset, names: list[str], truth: xarray.Dataset) -> Rollout:
    states, error = _stack(data, names), data["relative_l2"].to_numpy()
    expected = (truth.sizes["sample"], truth.sizes["time"] - int(truth.attrs.get("history", 1)))
    if states.shape[:2] != expected or error.shape != expected:
        raise ValueError(f"a rollout of {states.shape[:2]} samples and steps where {expected} follow the context")
    vrmse, evaluations = (data[name].to_numpy() if name in data else None for name in ("vrmse", "evaluations"))
    return Rollout(states, error, vrmse, evaluations)


def _stack(data: xarray.Dataset, names: list[str]) -> np.ndarray:
    return np.stack([data[name].to_numpy() for name in names], axis=2)
