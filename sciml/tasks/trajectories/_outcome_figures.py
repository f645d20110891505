"""Figures of trajectories in their problem's own terms: quantities, predicted against true, and a map of outcomes.

Read from ``/truth`` and ``/solvers/<key>``, all optional: ``chance`` on ``sample``, whose ``long_name`` says of what,
and variables ``summary_<name>`` on ``sample``, NaN where a sample has none, all with the attribute ``role``; and from
the latter only ``chance_map`` on two parameters, with their values as coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray

from sciml.draw import INK, FieldView, Figure, Forecasts, parity, plot, scale_axis
from sciml.train import RunView

_MISS = "#d55e00"
_SHADE = "#e69f00"
_LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST_MAPS = 4


@dataclass(frozen=True)
class Outcomes:
    """What the problem's own terms say of the test samples.

    Arguments:
        word: what happens or does not; empty for a problem without an outcome.
        happened: in truth, per sample; empty without an outcome.
        chances: predicted, per sample, by competitor.
        maps: ``chance_map`` by competitor.
        quantities: by name, with the true values and those that the solver predicts.
    """

    word: str
    happened: np.ndarray
    chances: Mapping[str, np.ndarray]
    maps: Mapping[str, xarray.DataArray]
    quantities: Mapping[str, tuple[FieldView, np.ndarray, np.ndarray]]

    def missed(self, key: str) -> np.ndarray:
        """The samples whose outcome a competitor gets wrong; a prediction that is not finite is wrong."""
        chance = self.chances[key]
        return ~np.isfinite(chance) | ((chance > 0.5) != self.happened)


def read_outcomes(view: RunView) -> Outcomes | None:
    """What a run stored of outcomes and quantities; None if nothing. Raises DataError for a file in another layout."""
    if view.predictions is None or not view.predicted:
        return None
    truth, solvers = view.predictions.truth, view.predictions.solvers
    with view.predictions.reading():
        outputs = solvers[view.solver.key]
        names = [str(name) for name, array in truth.items() if array.attrs.get("role") == "summary"]
        quantities = {
            name.removeprefix("summary_"): (_view(truth[name], name), truth[name].to_numpy(), outputs[name].to_numpy())
            for name in names
            if name in outputs
        }
        has_outcome = "chance" in truth and "chance" in outputs
        if not has_outcome and not quantities:
            return None
        return Outcomes(
            word=str(truth["chance"].attrs.get("long_name", "the outcome")) if has_outcome else "",
            happened=truth["chance"].to_numpy() > 0.5 if has_outcome else np.zeros(0, bool),
            chances={
                key: data["chance"].to_numpy() for key, data in solvers.items() if has_outcome and "chance" in data
            },
            maps={key: data["chance_map"] for key, data in solvers.items() if has_outcome and "chance_map" in data},
            quantities=quantities,
        )


def quantity_figures(view: RunView, outcomes: Outcomes) -> list[Figure]:
    """Every quantity of the test samples, predicted against true; samples whose outcome is missed are marked."""
    key = view.solver.key
    missed = outcomes.missed(key) if outcomes.word else None
    figures = []
    for name, (field, true, predicted) in outcomes.quantities.items():
        both = np.isfinite(true) & np.isfinite(predicted)
        if both.any():
            wrong = np.zeros(len(true), bool) if missed is None else missed
            figures.append(parity(f"quantity-{name}", field, true, predicted, view.solver.title, outcome_missed=wrong))
    return figures


def outcome_maps(view: RunView, forecasts: Forecasts, outcomes: Outcomes) -> list[Figure]:
    """True outcomes of the test cases over two parameters, above the chance that each competitor predicts there."""
    shown = [entry for entry in view.competitors if entry.key in outcomes.maps and entry.key in outcomes.chances]
    return [
        _map(entry.key, entry.title, forecasts, outcomes)
        for entry in shown[:_MOST_MAPS]
        if set(map(str, outcomes.maps[entry.key].dims)) <= set(forecasts.parameters)
    ]


def _map(key: str, title: str, forecasts: Forecasts, outcomes: Outcomes) -> Figure:
    chance = outcomes.maps[key]
    vertical, horizontal = map(str, chance.dims)
    x, y = (chance[name].to_numpy() for name in (horizontal, vertical))
    at = [forecasts.parameters[name] for name in (horizontal, vertical)]
    missed, happened = outcomes.missed(key), outcomes.happened

    def paint(axes) -> None:
        shade = [(_SHADE, alpha) for alpha in (0.0, 0.2, 0.4, 0.6)]
        values = np.ma.masked_invalid(chance.to_numpy())
        axes.contourf(x, y, values, levels=_LEVELS, colors=shade)
        if values.count() and values.min() < 0.5 < values.max():
            axes.contour(x, y, values, levels=[0.5], colors=[_SHADE], linewidths=1.5)
        dots = {"linestyle": "none", "marker": "o", "color": INK, "markersize": 5.0, "clip_on": False}
        for chosen, words, look in (
            (happened, outcomes.word, dots),
            (~happened, f"no {outcomes.word}", {**dots, "markerfacecolor": "none"}),
            (missed, "missed", {**dots, "color": _MISS, "markerfacecolor": "none", "markersize": 10.0}),
        ):
            if chosen.any():
                axes.plot(*(values[chosen] for values in at), label=words, **look)
        axes.set(xlabel=_parameter(chance[horizontal]), ylabel=_parameter(chance[vertical]))
        scale_axis(axes.xaxis, log=_is_log(x))
        scale_axis(axes.yaxis, log=_is_log(y))

    count = f"{title} misses {missed.sum()} of {len(missed)} outcomes"
    words = (
        f"{count}. Dots are test cases, with all of their parameters; the shade is the chance of {outcomes.word} that "
        "it predicts with the other parameters in the middle of their ranges, in quarters, with a line at one half."
    )
    return plot(f"outcomes-{key}", paint, title=title, caption=words, alt=f"Map of outcomes. {count}.")


def outcome_words(view: RunView, outcomes: Outcomes) -> str:
    """How many outcomes the solver gets wrong, and which way; empty without an outcome."""
    if not outcomes.word:
        return ""
    missed = outcomes.missed(view.solver.key)
    if not missed.any():
        return f"Outcome ({outcomes.word} or not) right in all {len(missed)} test cases."
    unseen, false = int((missed & outcomes.happened).sum()), int((missed & ~outcomes.happened).sum())
    return (
        f"Outcome wrong in {missed.sum()} of {len(missed)} test cases: {unseen} with {outcomes.word}, {false} without."
    )


def _view(array: xarray.DataArray, name: str) -> FieldView:
    attrs = array.attrs
    units, words = str(attrs.get("units", "1")), str(attrs.get("long_name", name))
    return FieldView(name, str(attrs.get("symbol", "")), units, words)


def _parameter(array: xarray.DataArray) -> str:
    """``laser_x x₀ [m]``: the name by which a user sets it."""
    view = _view(array, str(array.name))
    return FieldView(view.name, view.symbol, view.units, view.name.replace("_", " ")).label


def _is_log(values: np.ndarray) -> bool:
    """Whether values are equally spaced in their logarithm, and not in themselves."""
    if len(values) < 3 or (values <= 0).any():
        return False
    plain, logs = np.diff(values), np.diff(np.log(values))
    return not np.allclose(plain, plain[0], rtol=1e-2) and np.allclose(logs, logs[0], rtol=1e-2)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
