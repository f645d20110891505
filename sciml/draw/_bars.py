"""Bars of one number per named thing."""

from __future__ import annotations

from collections.abc import Sequence

from sciml.draw._svg import Figure, plot, style
from sciml.draw._words import format_number


def bars(
    name: str, labels: Sequence[str], values: Sequence[float], *, title: str, quantity: str, things: str
) -> Figure:
    """One bar per row of a table, in its order and numbered from 1: names of layers are too long for an axis.

    Arguments:
        name: file name without suffix.
        labels: of the rows, for the caption.
        values: of the bars, at least one.
        title: above it.
        quantity: what the bars show, with its unit.
        things: what a row is, such as "weight".
    """

    def paint(axes) -> None:
        axes.bar(range(1, len(values) + 1), values, color=style(0)["color"])
        axes.set(xlabel=f"{things}, in the order of the table", ylabel=quantity)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=False, axis="x")

    least, most = min(values), max(values)
    unit = "\N{NO-BREAK SPACE}%" if quantity.endswith(" in %") else ""
    ends = (
        f"Least in {labels[values.index(least)]}: {format_number(least)}{unit}; "
        f"most in {labels[values.index(most)]}: {format_number(most)}{unit}."
    )
    return plot(name, paint, title=title, caption=ends, alt=f"{quantity} of {len(values)} rows. {ends}")
