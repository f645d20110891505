"""The page of a discovery: equations, identifiability, fits, hidden term, front of formulas, held-out forecast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from sciml.core.errors import DataError
from sciml.report._page import write_figures, write_page
from sciml.report._svg import INK, Figure, draw, scale_axis, style
from sciml.report._words import format_number
from sciml.study import DISCOVERY, read_discovery

PAGE = "report.html"
_DOTS = {"linestyle": "none", "marker": "o", "markersize": 5.0, "color": INK, "zorder": 4}
_SHOWN = 3  # times of a field in space that are drawn


def write_discovery(folder: Path) -> Path:
    """Write ``report.html`` and ``figures/`` from ``discovery.json`` in `folder`. Raises DataError if that is amiss."""
    found = read_discovery(folder)
    try:
        plots = {"fits": _fits(found), "hidden": _hidden(found), "front": _fronts(found), "forecast": _forecast(found)}
        rows = [found, *([found["baseline"]] if found["baseline"] else [])]
        keys = list(dict.fromkeys(key for row in rows for key in row["errors"]))
        values = {"title": f"What is hidden in {found['title']}", "found": found, "plots": plots, "rows": rows,
                  "keys": keys, "source": DISCOVERY}  # fmt: skip
        page = write_page(folder / PAGE, "discovery.html.j2", values)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, jinja2.UndefinedError) as error:
        raise DataError(f"{folder / DISCOVERY} is not complete", got=f"{type(error).__name__}: {error}") from None
    write_figures(folder / "figures", [figure for group in plots.values() for figure in group])
    return page


def _fits(found: dict[str, Any]) -> list[Figure]:
    """Observations and the method's idea of the state: over time, or true against fitted where there is space."""
    arrays = found["arrays"]
    if arrays["axes"]:
        return []
    which, at = np.array(arrays["trajectory"]), np.array(arrays["coordinates"])[:, 0]
    state = np.array(arrays["state"])
    figures = []
    for c, field in enumerate(arrays["fields"]):

        def paint(axes, c=c, field=field) -> None:
            for k in range(len(arrays["observed"])):
                rows = which == k
                look = {**style(k), "marker": "none"}
                axes.plot(at[rows], state[rows, c], label=f"trajectory {k + 1}", **look)
                seen = arrays["observed"][k]
                label = {"label": "observed"} if k == 0 else {}
                axes.plot(np.array(seen["coordinates"])[:, 0], np.array(seen["values"])[:, c], **label, **_DOTS)
            axes.set(xlabel="time", ylabel=field["symbol"])
            scale_axis(axes.yaxis)

        words = f"{field['long_name']} over time: observations and the fitted curves"
        figures.append(draw(f"fit-{field['name']}", paint, title=field["long_name"], caption=f"{words}.", alt=words))
    return figures


def _hidden(found: dict[str, Any]) -> list[Figure]:
    """The measured hidden term at visited places against the formula there, and against the truth where known."""
    arrays, figures = found["arrays"], []
    measured = np.array(arrays["hidden"])
    for c, field in enumerate(arrays["fields"]):
        component = found["components"].get(field["name"])
        formula = None if component is None else np.array(component["values"], dtype=float)
        true = None if arrays["true_hidden"] is None else np.array(arrays["true_hidden"])[:, c]
        if formula is None and true is None:
            continue

        def paint(axes, c=c, formula=formula, true=true) -> None:
            ends = [float(np.nanmin(measured[:, c])), float(np.nanmax(measured[:, c]))]
            axes.plot(ends, ends, color=INK, alpha=0.5, label="equal")
            for index, (label, values) in enumerate((("formula", formula), ("truth", true))):
                if values is not None:
                    look = {**style(index), "linestyle": "none", "markersize": 3.0, "alpha": 0.6}
                    axes.plot(measured[:, c], values, label=label, **look)
            axes.set(xlabel="measured hidden term", ylabel="formula, truth")
            scale_axis(axes.xaxis)
            scale_axis(axes.yaxis)

        words = f"Hidden part of the rate of {field['long_name']} at {len(measured)} visited places"
        figures.append(
            draw(f"hidden-{field['name']}", paint, title=f"Hidden term of {field['symbol']}", caption=f"{words}.",
                 alt=words)
        )  # fmt: skip
    return figures


def _fronts(found: dict[str, Any]) -> list[Figure]:
    """Held-out error against complexity."""
    figures = []
    for name, component in found["components"].items():
        entries = component["pareto"]

        def paint(axes, entries=entries) -> None:
            look = {**style(0), "linestyle": "-"}
            x, y = [e["complexity"] for e in entries], [max(e["held_out"], 1e-30) for e in entries]
            axes.plot(x, y, label="front", **look)
            chosen = [e for e in entries if e["chosen"]]
            axes.plot([e["complexity"] for e in chosen], [max(e["held_out"], 1e-30) for e in chosen], label="chosen",
                      **{**_DOTS, "markersize": 8.0})  # fmt: skip
            axes.set(xlabel="nodes of the formula", ylabel="held-out squared error")
            scale_axis(axes.yaxis, log=True)
            scale_axis(axes.xaxis)

        words = f"Error against complexity of {len(entries)} formulas for the hidden term of {name}"
        figures.append(draw(f"front-{name}", paint, title=f"Front of {name}", caption=f"{words}.", alt=words))
    return figures


def _forecast(found: dict[str, Any]) -> list[Figure]:
    """The held-out trajectory: truth and simulation of the equation found; along the middle of further axes."""
    trial, arrays = found["trial"], found["arrays"]
    if trial is None:
        return []
    times = np.array(trial["times"])
    true, states = np.array(trial["true"], dtype=float), np.array(trial["states"], dtype=float)
    middle = true.ndim > 3
    while true.ndim > 3:
        true, states = (values[..., values.shape[-1] // 2] for values in (true, states))
    figures = []
    for c, field in enumerate(arrays["fields"]):

        def paint(axes, c=c, field=field) -> None:
            if true.ndim == 2:
                axes.plot(times, true[:, c], label="truth", **_DOTS)
                axes.plot(times, states[:, c], label="found equation", **{**style(0), "marker": "none"})
                axes.set(xlabel="time", ylabel=field["symbol"])
            else:
                for index, row in enumerate(np.linspace(0, len(times) - 1, _SHOWN).astype(int)):
                    label = f"t = {format_number(float(times[row]))}"
                    points = np.arange(true.shape[2])
                    axes.plot(points, true[row, c], color=INK, alpha=0.5, linewidth=4.0)
                    axes.plot(points, states[row, c], label=label, **{**style(index), "marker": "none"})
                axes.set(xlabel="grid point of the first axis" if middle else "grid point", ylabel=field["symbol"])
            scale_axis(axes.yaxis)

        error = found["forecast"]["relative_l2"]
        end = "it broke down" if error is None else f"relative L2 error {format_number(100 * error)} %"
        words = f"{field['long_name']} from an initial condition that was not observed; {end}"
        caption = f"{words}." + (" In the middle of the other axes." if middle else "")
        caption += " Broad grey lines are the truth." if true.ndim > 2 else ""
        figures.append(draw(f"forecast-{field['name']}", paint, title=field["long_name"], caption=caption, alt=words))
    return figures
