"""Line figures: error growth, spectra, conserved quantities, training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sciml.draw._forecasts import FieldView, Forecasts
from sciml.draw._svg import INK, Figure, plot, scale_axis, style
from sciml.draw._words import format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAND = (10, 90)  # percentiles over samples that a shaded band spans


def error_growth(forecasts: Forecasts, *, over_time: bool = False, seen_until: float | None = None) -> list[Figure]:
    """Relative L2 error of every method.

    Arguments:
        over_time: draw it against physical time instead of the rollout step.
        seen_until: time after which nothing was observed and the frame is shaded; None for no shade.
    """
    curves = [(rollout.title, rollout.relative_l2) for rollout in forecasts.rollouts]
    if not any(np.isfinite(error).any() for _, error in curves):
        return []
    limit = 3 * max(1.0, _largest(curves[0][1].mean(0)))
    along = "time" if over_time else "rollout step"

    def paint(axes) -> None:
        for index, (title, error) in enumerate(curves):
            steps = forecasts.times[forecasts.history :] if over_time else np.arange(1, error.shape[1] + 1)
            look = style(index)
            axes.plot(steps, finite(error.mean(0)), label=title, markevery=max(1, len(steps) // 8), **look)
            low, high = _band(error)
            axes.fill_between(steps, low, high, color=look["color"], alpha=0.14, linewidth=0)
        if seen_until is not None:
            shade_after(axes, seen_until, forecasts.times[-1])
        axes.set(xlabel=along, ylabel="relative L2 error")
        scale_axis(axes.yaxis, log=True, limit=limit)
        scale_axis(axes.xaxis)
        if not over_time:
            axes.xaxis.get_major_locator().set_params(integer=True)

    count = len(curves[0][1])
    notes = [
        f"{rollout.title} fails in {rollout.diverged} of {count} samples; its mean ends there."
        for rollout in forecasts.rollouts
        if rollout.diverged
    ]
    caption = f"Mean over {count} test samples; the shaded band spans their {_BAND[0]}th to {_BAND[1]}th percentile."
    outside = _outside([(title, _largest(error.mean(0))) for title, error in curves], limit)
    ends = ", ".join(f"{title} {format_number(float(error.mean(0)[-1]))}" for title, error in curves)
    alt = f"Relative L2 error against the {along}. At the end: {ends}."
    caption = " ".join([caption, *notes, *outside])
    title = "Error over time" if over_time else "Error growth"
    return [plot("error-growth", paint, title=title, caption=caption, alt=alt)]


def spectrum(field: FieldView, true: np.ndarray, predicted: np.ndarray, title: str) -> Figure:
    """Power by wavenumber of one field, mean over samples, reference against prediction.

    Arguments:
        true, predicted: power at the first and the last step, ``sample 2 wavenumber``, finite.
        title: of the method that predicts.
    """
    lines = {
        "reference, last step": (true[:, 1], {"color": INK, "linestyle": "-"}),
        f"{title}, last step": (predicted[:, 1], {**style(0), "linestyle": "--"}),
        "reference, first step": (true[:, 0], {"color": INK, "linestyle": ":", "alpha": 0.55}),
        f"{title}, first step": (predicted[:, 0], {**style(0), "linestyle": "-.", "alpha": 0.55}),
    }
    means = {words: (values.mean(0)[1:], look) for words, (values, look) in lines.items()}
    floor = max(float(means["reference, last step"][0].max()) * 1e-12, 1e-300)

    def paint(axes) -> None:
        for words, (values, look) in means.items():
            k = np.arange(1, len(values) + 1)
            visible = np.where(values > floor, values, np.nan)
            axes.plot(k, visible, label=words, markevery=max(1, len(k) // 6), **look)
        axes.set(xlabel="wavenumber (cycles per domain)", ylabel="power")
        scale_axis(axes.xaxis, log=True)
        scale_axis(axes.yaxis, log=True)

    last_true, last_predicted = (values for words, (values, _) in means.items() if "last" in words)
    smallest = int((last_true > floor).sum()) // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(last_predicted[smallest:].sum() / last_true[smallest:].sum())
    finding = (
        f"At the last step the prediction has {format_number(ratio)} times the reference’s power "
        f"at wavenumbers above {smallest}."
    )
    label = field.label
    alt = f"Power spectrum of {label}. {finding}"
    return plot(f"spectrum-{field.name}", paint, title=label, caption=finding, alt=alt)


def drift(name: str, long_name: str, times: np.ndarray, drifts: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Change of a conserved quantity over time.

    Arguments:
        name, long_name: of the quantity.
        drifts: titles with percent of change, ``sample time``; the reference first, then the method that the page is
            about. These two set the frame.
    """
    low, high = _band(drifts[1][1])
    limit = 2 * max(map(_largest, (low, high, drifts[0][1].mean(0), drifts[1][1].mean(0)))) or math.inf

    def paint(axes) -> None:
        for index, (title, values) in enumerate(drifts):
            look = {"color": INK, "linestyle": "-", "linewidth": 2.6} if index == 0 else style(index - 1)
            axes.plot(times, finite(values.mean(0)), label=title, markevery=max(1, len(times) // 8), **look)
        axes.fill_between(times, low, high, color=style(0)["color"], alpha=0.14, linewidth=0)
        axes.set(xlabel="time", ylabel="change since the start [%]")
        scale_axis(axes.yaxis, limit=limit)

    last = [(title, float(np.abs(values[:, -1]).mean())) for title, values in drifts]
    words = "; ".join(
        f"{title} {format_number(value)} %" if math.isfinite(value) else f"{title} failed" for title, value in last
    )
    outside = _outside([(title, _largest(values.mean(0))) for title, values in drifts], limit)
    return plot(
        f"conserved-{name}",
        paint,
        title=long_name,
        caption=" ".join([f"Mean size of the change at the end: {words}.", *outside]),
        alt=f"Relative change of {long_name} over time. At the end: {words}.",
    )


def training(log: Sequence[Mapping[str, Any]], best_step: int | None) -> list[Figure]:  # Any: JSON
    """Loss and validation score against the step; nothing if fewer than two of either were logged.

    Arguments:
        log: lines with ``step`` and any of ``loss`` and ``validation``; Any, because lines may hold more.
        best_step: whose weights were kept; None if no step was.
    """
    series = {
        words: np.array(
            [(entry["step"], entry[key]) for entry in log if _is_number(entry.get(key)) and "step" in entry]
        )
        for key, words in (("loss", "training loss"), ("validation", "validation error"))
    }
    series = {words: values for words, values in series.items() if len(values) > 1}
    if not series:
        return []

    def paint(axes) -> None:
        for index, (words, values) in enumerate(series.items()):
            axes.plot(*values.T, label=words, markevery=max(1, len(values) // 8), **style(index))
        if best_step is not None and best_step >= 0:
            axes.axvline(best_step, color=INK, alpha=0.5, linewidth=1, linestyle=":", label="weights kept")
        axes.set(xlabel="optimiser step", ylabel="loss, error")
        scale_axis(axes.yaxis, log=True)
        scale_axis(axes.xaxis)

    ends = "; ".join(
        f"{words} from {format_number(v[0, 1])} to {format_number(v[-1, 1])}" for words, v in series.items()
    )
    kept = f" The weights of step {best_step:,} were kept: they had the lowest validation error." if best_step else ""
    return [
        plot(
            "training", paint, title="Training", caption=f"From the training log.{kept}", alt=f"Training curve: {ends}."
        )
    ]


def shade_after(axes: Axes, begin: float, end: float) -> None:
    """Shade the part of the frame between two times, where nothing was observed."""
    axes.axvspan(begin, end, color=INK, alpha=0.07, linewidth=0, label="nothing observed")


def finite(values: np.ndarray) -> np.ndarray:
    """`values` with NaN in place of infinities, so that lines end there."""
    return np.where(np.isfinite(values), values, np.nan)


def _largest(values: np.ndarray) -> float:
    """Largest finite size; 0 if nothing is finite."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _outside(largest: Sequence[tuple[str, float]], limit: float) -> list[str]:
    """The sentence that names the curves which leave the frame, if any do."""
    titles = [title for title, value in largest if value > limit]
    return [f"Leaving the frame: {', '.join(titles)}."] if titles else []


def _band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.percentile(np.where(np.isfinite(values), values, np.inf), _BAND, axis=0, method="nearest")
    return finite(low), finite(high)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
