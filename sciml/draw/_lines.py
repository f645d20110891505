"""Line figures of fields without space: values over time, the plane of two fields, error against work."""

from __future__ import annotations

import numpy as np

from sciml.draw._curves import finite, shade_after
from sciml.draw._forecasts import Forecasts
from sciml.draw._svg import INK, Figure, plot, scale_axis, style
from sciml.draw._words import format_number

_DOTS = {"linestyle": "none", "marker": "o", "markersize": 5.5, "color": INK, "zorder": 4}


def time_series(
    forecasts: Forecasts, sample: int, *, channels: int | None = None, seen_until: float | None = None, name: str = ""
) -> list[Figure]:
    """Fields over time, reference against every method, for one sample.

    Arguments:
        channels: how many fields, the first ones; None for all.
        seen_until: time after which nothing was observed and the frame is shaded; None for no shade.
        name: what the figures' names begin with.
    """
    shown = range(len(forecasts.fields))[:channels]
    return [_one_series(forecasts, sample, channel, seen_until, name) for channel in shown]


def _one_series(forecasts: Forecasts, sample: int, channel: int, seen_until: float | None, name: str) -> Figure:
    field, seen = forecasts.fields[channel], forecasts.observed
    truth = forecasts.truth[sample, :, channel]
    largest, anywhere = (_largest(values) for values in (truth, forecasts.truth[:, :, channel]))
    limit = max(4 * largest, anywhere) or np.inf
    left = []

    def paint(axes) -> None:
        axes.plot(forecasts.times, finite(truth), color=INK, label="reference")
        for index, rollout in enumerate(forecasts.rollouts):
            later = forecasts.times[forecasts.history :]
            values = finite(rollout.states[sample, :, channel])
            axes.plot(later, values, label=rollout.title, markevery=max(1, len(later) // 8), **style(index))
            if np.nanmax(np.abs(values), initial=0.0) > limit:
                left.append(rollout.title)
        if seen is not None:
            axes.plot(forecasts.times, seen[sample, :, channel], label="observed", **_DOTS)
        if seen_until is not None:
            shade_after(axes, seen_until, forecasts.times[-1])
        axes.set(xlabel="time", ylabel=field.label)
        scale_axis(axes.xaxis)
        scale_axis(axes.yaxis, limit=limit)

    words = f"{field.label} over time, test sample {forecasts.samples[sample]}"
    figure = plot(
        f"{name}series-{field.name}",
        paint,
        title=field.label,
        caption=f"{words}." if seen is None else f"{words}; dots are what was observed of it.",
        alt=f"{words}: reference and predictions.",
    )
    note = f" Leaving the frame: {', '.join(left)}." if left else ""
    return Figure(figure.name, figure.svg, figure.title, figure.caption + note, figure.alt)


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def phase_portrait(forecasts: Forecasts, sample: int, *, name: str, title: str) -> Figure:
    """The first two fields against each other for one sample, reference against every method."""
    (x, y), truth = forecasts.fields[:2], forecasts.truth[sample, :, :2]
    limit = 3 * float(np.abs(truth[np.isfinite(truth)]).max(initial=0.0)) or np.inf

    def paint(axes) -> None:
        axes.plot(*finite(truth).T, color=INK, label="reference")
        axes.plot(*truth[0], label="start", **_DOTS)
        for index, rollout in enumerate(forecasts.rollouts):
            states = finite(rollout.states[sample, :, :2])
            axes.plot(*states.T, label=rollout.title, markevery=max(1, len(states) // 8), **style(index))
        axes.set(xlabel=x.label, ylabel=y.label)
        scale_axis(axes.xaxis, limit=limit)
        scale_axis(axes.yaxis, limit=limit)

    words = f"{y.label} against {x.label}, test sample {forecasts.samples[sample]}"
    return plot(name, paint, title=title, caption=f"{words}.", alt=f"{words}: reference and predictions.")


def work(forecasts: Forecasts) -> list[Figure]:
    """Error of every test sample against the evaluations of the right-hand side it took; nothing if nobody counts."""
    counted = [
        (index, rollout.title, rollout.evaluations, rollout.scores)
        for index, rollout in enumerate(forecasts.rollouts)
        if rollout.evaluations is not None and np.isfinite(rollout.scores).any()
    ]
    if not counted:
        return []

    def paint(axes) -> None:
        for index, title, evaluations, scores in counted:
            look = {**style(index), "linestyle": "none"}
            axes.plot(evaluations, np.where(np.isfinite(scores), scores, np.nan), label=title, alpha=0.7, **look)
        axes.set(xlabel="function evaluations (NFE)", ylabel="error of the sample")
        scale_axis(axes.xaxis)
        scale_axis(axes.yaxis, log=True)

    words = "; ".join(
        f"{title} takes {format_number(float(evaluations.mean()))} evaluations on average, "
        f"{evaluations.min():,} to {evaluations.max():,}"
        for _, title, evaluations, _ in counted
    )
    caption = f"A dot per test sample. {words}."
    return [
        plot("work", paint, title="Error against work", caption=caption, alt=f"Error against evaluations. {words}.")
    ]
