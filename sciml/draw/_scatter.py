"""Points over two axes, series by series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sciml.draw._svg import Figure, plot, scale_axis, style


class Points(NamedTuple):
    """One series.

    Fields:
        label: in the legend.
        x, y: of the points.
        line: whether they are joined.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    line: bool


def scatter(
    name: str, series: Sequence[Points], *, title: str, caption: str, x: str, y: str, log: bool = False
) -> Figure:
    """Points, joined or not; what is not finite is left out.

    Arguments:
        name: file name without suffix.
        series: at least one.
        title, caption: above and below it.
        x, y: labels of the axes, with units.
        log: whether both axes are logarithmic.
    """

    def paint(axes) -> None:
        for index, points in enumerate(series):
            look = style(index) if points.line else {**style(index), "linestyle": "none", "alpha": 0.8}
            axes.plot(np.asarray(points.x, float), np.asarray(points.y, float), label=points.label, **look)
        axes.set(xlabel=x, ylabel=y)
        scale_axis(axes.xaxis, log=log)
        scale_axis(axes.yaxis, log=log)

    counts = ", ".join(f"{points.label}: {len(points.x)} points" for points in series)
    return plot(name, paint, title=title, caption=caption, alt=f"{y} against {x}. {counts}. {caption}")
