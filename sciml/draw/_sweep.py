"""Sweeps over tolerances: metrics ``tolerance_<t>/<name>`` as curves against the tolerance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from sciml.draw._svg import Figure, plot, scale_axis, style
from sciml.draw._words import format_number, format_power

Sweep = Sequence[tuple[float, Mapping[str, float]]]
"""Metrics by name at every tolerance, the coarsest first."""

_AXIS = {"evaluations": "function evaluations (NFE)", "difference": "relative difference"}
_MOST_IN_WORDS = 3
_DRAWN = (("evaluations", "Evaluations"), ("difference", "Difference of the answers"))


def sweep_of(metrics: Mapping[str, float]) -> Sweep:
    """The sweep among flat metrics; empty if there is none."""
    points: dict[float, dict[str, float]] = {}
    for key, value in metrics.items():
        if match := re.fullmatch(r"tolerance_([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)/(\w+)", key):
            points.setdefault(float(match[1]), {})[match[2]] = value
    return sorted(points.items(), key=lambda point: -point[0])


def sweep_figures(sweeps: Sequence[tuple[str, Sweep]]) -> list[Figure]:
    """What changes with the tolerance, a line for each sweep: evaluations, and how far answers are from tight ones.

    Arguments:
        sweeps: with the words for whose they are.
    """
    figures = []
    for name, title in _DRAWN:
        lines = []
        for index, (label, points) in enumerate(sweeps):
            values = np.array([(t, point[name]) for t, point in points if name in point])
            if len(values) > 1:
                lines.append((index, label, values))
        if lines:
            figures.append(_figure(name, title, lines))
    return figures


def _figure(name: str, title: str, lines: Sequence[tuple[int, str, np.ndarray]]) -> Figure:
    def paint(axes) -> None:
        for index, label, values in lines:
            axes.plot(*values.T, label=label, **style(index))
        axes.set(xlabel="tolerance", ylabel=_AXIS[name])
        scale_axis(axes.xaxis, log=True)
        axes.invert_xaxis()
        scale_axis(axes.yaxis, log=True)

    ends = "; ".join(
        f"{label}: {format_number(values[0, 1])} at {format_power(values[0, 0])}, "
        f"{format_number(values[-1, 1])} at {format_power(values[-1, 0])}"
        for _, label, values in lines
    )
    alt = f"{title} against the tolerance. {ends}."
    return plot(
        f"tolerance-{name}", paint, title=title, caption=f"{ends}." if len(lines) <= _MOST_IN_WORDS else "", alt=alt
    )
