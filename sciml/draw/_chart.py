"""Lines of numbers by name, such as what a tool found."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from sciml.draw._svg import Figure, plot, scale_axis, style

_FEW = 25  # points that are worth a marker each


def chart(
    name: str,
    lines: Mapping[str, tuple[Sequence[float | None], Sequence[float | None]]],
    *,
    title: str,
    x: str,
    y: str,
    points: Collection[str] = (),
    log: Collection[str] = (),
    caption: str = "",
) -> Figure:
    """One line, or row of points, per entry, named in the legend.

    Arguments:
        name: file name without suffix.
        lines: abscissae and ordinates by name; None leaves a gap.
        title: above it.
        x, y: what the axes show, with units.
        points: names of those that are points, not joined.
        log: axes with a logarithmic scale, of "x" and "y".
        caption: below it.
    """

    def paint(axes) -> None:
        for index, (label, (across, up)) in enumerate(lines.items()):
            look = style(index)
            if label in points:
                look |= {"linestyle": "none", "alpha": 0.8}
            elif len(across) > _FEW:
                look["marker"] = ""
            axes.plot(_gaps(across), _gaps(up), label=label, **look)
        axes.set(xlabel=x, ylabel=y)
        scale_axis(axes.xaxis, log="x" in log)
        scale_axis(axes.yaxis, log="y" in log)

    named = ", ".join(lines)
    return plot(name, paint, title=title, caption=caption, alt=f"{y} against {x}: {named}.")


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]
