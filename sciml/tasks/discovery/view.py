"""What the page of a discovery shows: the fits, the hidden term and, where it was named, formulas and their trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from sciml import draw
from sciml.core.errors import DataError
from sciml.draw import INK, Figure, format_number, plot, scale_axis, style
from sciml.train import RunView, Shown, View

_DOTS = {"linestyle": "none", "marker": "o", "markersize": 5.0, "color": INK, "zorder": 4}
_FRAMES = 3  # times of a field in space that are drawn
_HIDDEN, _FORMULA, _TRIAL, _HELD = "hidden_", "formula_", "trial_", "held_"


def show(view: RunView) -> Shown:
    """Figures of the solver's own term and formulas; only what the record holds if no predictions are stored."""
    details = view.solver.conclusion
    plots: dict[str, list[Figure]] = {name: [] for name in ("fits", "hidden", "front", "forecast")}
    plots["training"] = draw.training(view.log, view.solver.best_step)
    if details is not None:
        with _checked():
            plots["front"] = _fronts(details)
    if view.predictions is not None and view.solver.key in view.predictions.solvers:
        with view.predictions.reading():
            measured, truth = view.predictions.solvers[view.solver.key], view.predictions.truth
            fields = _fields(view, measured)
            plots["fits"] = _fits(fields, measured, truth)
            plots["hidden"] = _hidden(fields, measured, truth)
            plots["forecast"] = _forecast(fields, measured, _trial_words(details))
    values: dict[str, Any] = {"plots": plots, "named": details, "naming": _naming_rows(view)}
    if details is not None:
        values["title"] = f"Hidden term of {view.problem_title}"
    return Shown(values, [figure for group in plots.values() for figure in group])


@contextmanager
def _checked() -> Iterator[None]:
    """Turn what reading a foreign conclusion raises into a DataError."""
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError("the conclusion of the record is not that of a discovery",
                        got=f"{type(error).__name__}: {error}", fix="Run it again.") from None  # fmt: skip


@dataclass(frozen=True)
class _Field:
    """A field with a hidden term, as it is stored and as it is written."""

    name: str
    symbol: str
    long_name: str


def _fields(view: RunView, measured: xarray.Dataset) -> list[_Field]:
    """The fields of the stored hidden terms, in the words of the problem where it is here."""
    words = {field.name: field for field in view.problem.fields} if view.problem else {}
    names = [str(name).removeprefix(_HIDDEN) for name in measured.data_vars if str(name).startswith(_HIDDEN)]
    return [
        _Field(name, words[name].symbol, words[name].long_name) if name in words else _Field(name, name, name)
        for name in names
    ]


def _fits(fields: list[_Field], measured: xarray.Dataset, truth: xarray.Dataset) -> list[Figure]:
    """Observations and the solver's idea of the state over time; nothing where there is space."""
    axes_observed = [str(name) for name in truth.data_vars if str(name).startswith("observed_at_")]
    if axes_observed != ["observed_at_time"]:
        return []
    trajectory, times = measured["trajectory"].values, measured["time"].values
    seen, seen_times = truth["observed_trajectory"].values, truth["observed_at_time"].values
    figures = []
    for field in fields:

        def paint(axes, field=field) -> None:
            for k in np.unique(seen):
                rows, dots = trajectory == k, seen == k
                label = f"trajectory {k + 1}"
                axes.plot(
                    times[rows], measured[field.name].values[rows], label=label, **{**style(int(k)), "marker": "none"}
                )
                observed = truth[f"observed_{field.name}"].values[dots]
                axes.plot(seen_times[dots], observed, **({"label": "observed"} if k == 0 else {}), **_DOTS)
            axes.set(xlabel="time", ylabel=field.symbol)
            scale_axis(axes.yaxis)

        words = f"{field.long_name} over time: observations and the fitted curves"
        figures.append(plot(f"fit-{field.name}", paint, title=field.long_name, caption=f"{words}.", alt=words))
    return figures


def _hidden(fields: list[_Field], measured: xarray.Dataset, truth: xarray.Dataset) -> list[Figure]:
    """The measured hidden term along the trajectories against the formula there, and against the truth where known."""
    figures = []
    for field in fields:
        terms = measured[_HIDDEN + field.name].values
        baselines = {
            "formula": measured[_FORMULA + field.name].values if _FORMULA + field.name in measured else None,
            "truth": truth[_HIDDEN + field.name].values if _HIDDEN + field.name in truth else None,
        }
        if not any(values is not None for values in baselines.values()):
            continue

        def paint(axes, terms=terms, baselines=baselines) -> None:
            ends = [float(np.nanmin(terms)), float(np.nanmax(terms))]
            axes.plot(ends, ends, color=INK, alpha=0.5, label="equal")
            for index, (label, values) in enumerate(baselines.items()):
                if values is not None:
                    look = {**style(index), "linestyle": "none", "markersize": 3.0, "alpha": 0.6}
                    axes.plot(terms, values, label=label, **look)
            axes.set(xlabel="measured hidden term", ylabel="formula, truth")
            scale_axis(axes.xaxis)
            scale_axis(axes.yaxis)

        words = f"Hidden part of the rate of {field.long_name} at {len(terms)} points of the trajectories"
        title = f"Hidden term of {field.symbol}"
        figures.append(plot(f"hidden-{field.name}", paint, title=title, caption=f"{words}.", alt=words))
    return figures


def _fronts(details: Mapping[str, Any]) -> list[Figure]:
    """Held-out error against complexity."""
    figures = []
    for name, component in details["components"].items():
        entries = component["front"]["entries"]
        chosen = [entries[row] for row in component["chosen_rows"]]

        def paint(axes, entries=entries, chosen=chosen) -> None:
            axes.plot(*_complexity_and_error(entries), label="front", **{**style(0), "linestyle": "-"})
            axes.plot(*_complexity_and_error(chosen), label="chosen", **{**_DOTS, "markersize": 8.0})
            axes.set(xlabel="nodes of the formula", ylabel="held-out squared error")
            scale_axis(axes.yaxis, log=True)
            scale_axis(axes.xaxis)

        words = f"Error against complexity of {len(entries)} formulas for the hidden term of {name}"
        figures.append(plot(f"front-{name}", paint, title=f"Front of {name}", caption=f"{words}.", alt=words))
    return figures


def _complexity_and_error(entries: list[dict[str, Any]]) -> tuple[list[int], list[float]]:
    return [e["complexity"] for e in entries], [max(e["loss_heldout"], 1e-30) for e in entries]


def _trial_words(details: Mapping[str, Any] | None) -> str:
    trial = details and details["forecast"]
    if not trial or trial["relative_l2"] is None:
        return "it broke down"
    return f"relative L2 error {format_number(100 * trial['relative_l2'])} %"


def _forecast(fields: list[_Field], measured: xarray.Dataset, outcome: str) -> list[Figure]:
    """The held-out trajectory: truth and simulation of the equation found; along the middle of further axes."""
    figures = []
    for field in fields:
        if _TRIAL + field.name not in measured:
            continue
        times = measured["held_time"].values
        states, true = measured[_TRIAL + field.name].values, measured[_HELD + field.name].values
        is_cut = true.ndim > 2
        while true.ndim > 2:
            true, states = (values[..., values.shape[-1] // 2] for values in (true, states))

        def paint(axes, field=field, times=times, true=true, states=states, is_cut=is_cut) -> None:
            if true.ndim == 1:
                axes.plot(times, true, label="truth", **_DOTS)
                axes.plot(times, states, label="equation found", **{**style(0), "marker": "none"})
                axes.set(xlabel="time", ylabel=field.symbol)
            else:
                for index, row in enumerate(np.linspace(0, len(times) - 1, _FRAMES).astype(int)):
                    label = f"t = {format_number(float(times[row]))}"
                    points = np.arange(true.shape[1])
                    axes.plot(points, true[row], color=INK, alpha=0.5, linewidth=4.0)
                    axes.plot(points, states[row], label=label, **{**style(index), "marker": "none"})
                axes.set(xlabel="grid point of the first axis" if is_cut else "grid point", ylabel=field.symbol)
            scale_axis(axes.yaxis)

        words = f"{field.long_name} from an initial condition that was not observed; {outcome}"
        caption = f"{words}." + (" In the middle of the other axes." if is_cut else "")
        caption += " Broad grey lines are the truth." if true.ndim > 1 else ""
        figures.append(plot(f"forecast-{field.name}", paint, title=field.long_name, caption=caption, alt=words))
    return figures


def _naming_rows(view: RunView) -> list[dict[str, Any]]:
    """Formulas of every competitor that named the term, with the forecast by them."""
    rows = []
    for entry in view.competitors:
        if entry.conclusion is not None:
            forecast, equations = entry.conclusion["forecast"], entry.conclusion["equations"]
            error = forecast["relative_l2"] if forecast else None
            rows.append({"title": entry.title, "equations": equations, "forecast": error})
    return rows


VIEW = View(
    show,
    Path(__file__).with_name("view.html.j2"),
    samples="places",
    counted="place",
    timed="place",
    batched="in a batch of places",
)
