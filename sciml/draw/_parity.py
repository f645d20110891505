"""One number per sample, predicted against true."""

from __future__ import annotations

import numpy as np

from sciml.draw._forecasts import FieldView
from sciml.draw._svg import INK, Figure, plot, scale_axis, style
from sciml.draw._words import format_number

_MISS = "#d55e00"


def parity(
    name: str,
    field: FieldView,
    true: np.ndarray,
    predicted: np.ndarray,
    title: str,
    *,
    outcome_missed: np.ndarray | None = None,
    spread: np.ndarray | None = None,
) -> Figure:
    """Dots on a line where the prediction is exact; the mean absolute error in units stands below.

    Arguments:
        name: of the figure.
        field: what the numbers are.
        true, predicted: one per sample; NaN where a sample has none.
        title: of the solver.
        outcome_missed: samples to be marked.
        spread: standard deviations that the solver states, drawn as bars of two of them.
    """
    both = np.isfinite(true) & np.isfinite(predicted)
    wrong = np.zeros(len(true), bool) if outcome_missed is None else outcome_missed
    units = "" if field.units in ("", "1") else f" [{field.units}]"
    ends = [float(f(true[both])) for f in (np.min, np.max)]

    def paint(axes) -> None:
        axes.plot(ends, ends, color=INK, linewidth=1.0, label="exact")
        if spread is not None:
            axes.errorbar(
                true[both], predicted[both], yerr=2 * spread[both], fmt="none", ecolor="#9a9a9a", elinewidth=0.8
            )
        for chosen, words, look in (
            (both & ~wrong, "test case", style(0)),
            (both & wrong, "outcome missed", {"color": _MISS, "marker": "X", "markersize": 7.0}),
        ):
            if chosen.any():
                axes.plot(true[chosen], predicted[chosen], label=words, alpha=0.8, **{**look, "linestyle": "none"})
        axes.set(xlabel=f"reference{units}", ylabel=f"predicted{units}")
        scale_axis(axes.xaxis)
        scale_axis(axes.yaxis)

    error = float(np.abs(predicted - true)[both].mean())
    size = f"{format_number(error)} {field.units if units else ''}".rstrip()
    notes = [f"Mean absolute error {size} over {both.sum()} test cases."]
    only_true, only_predicted = (np.isfinite(a) & ~np.isfinite(b) for a, b in ((true, predicted), (predicted, true)))
    if only_true.any():
        notes.append(f"{only_true.sum()} more have it in truth only.")
    if only_predicted.any():
        notes.append(f"{only_predicted.sum()} more have it in the prediction only.")
    if spread is not None:
        notes.append("Bars are two stated standard deviations to each side.")
    words = " ".join(notes)
    alt = f"{field.long_name}, as {title} predicts it against the reference. {words}"
    return plot(name, paint, title=field.long_name[:1].upper() + field.long_name[1:], caption=words, alt=alt)
