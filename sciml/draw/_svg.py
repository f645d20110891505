"""Figures as inline SVG: real text, the page's own ink, identifiers of their own, the same bytes every time."""

from __future__ import annotations

import io
import math
import re
import textwrap
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sciml.draw._words import format_power

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Canvas

INK = "#010203"
"""Stands for the page's text colour; it becomes ``currentColor``, so that a figure follows light and dark."""

_STYLE = threading.RLock()
"""The style is the process's, so threads draw one after another, and each puts back what it found."""
_NO_STYLE = ("backend", "interactive", "keymap", "toolbar", "savefig.directory")
"""Settings of matplotlib that change no figure; all others are its own, whatever the user has set."""

_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito 2008, without the yellow
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)))
_MARKERS = ("o", "s", "^", "D", "v", "P")
_PAD = 3.0  # points around the axes and around the legend


@dataclass(frozen=True)
class Figure:
    """A finished figure.

    Arguments:
        name: file name without suffix.
        svg: the standalone document.
        title: shown above it, may be empty.
        caption: shown below it; a sentence or two.
        alt: what it shows, for those who do not see it.
    """

    name: str
    svg: str
    title: str
    caption: str
    alt: str

    @property
    def inline(self) -> str:
        """The ``<svg>`` element for an HTML page: no prolog, no style sheet, no identifiers that another figure has."""
        text = self.svg[self.svg.index("<svg") :]
        text = re.sub(r"<style.*?</style>", "", text, flags=re.S)
        text = re.sub(r' width="[^"]*pt"| height="[^"]*pt"| xmlns(:xlink)?="[^"]*"', "", text, count=4)
        text = re.sub(r'\bid="([^"]+)"', rf'id="{self.name}-\1"', text)
        text = re.sub(r'href="#([^"]+)"', rf'href="#{self.name}-\1"', text)
        text = re.sub(r"url\(#([^)]+)\)", rf"url(#{self.name}-\1)", text)
        return text.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


def style(index: int) -> dict[str, object]:
    """Colour, dash and marker number `index`: three differences, so that none is needed alone.

    After each round of colours the markers move on by one and alternate between full and hollow.
    """
    turn = index // len(_PALETTE)
    return {
        "color": _PALETTE[index % len(_PALETTE)],
        "linestyle": _DASHES[(index + turn) % len(_DASHES)],
        "marker": _MARKERS[(index + turn) % len(_MARKERS)],
        "markerfacecolor": "none" if turn % 2 else _PALETTE[index % len(_PALETTE)],
    }


def plot(name: str, paint: Callable[[Axes], None], *, caption: str, alt: str, title: str = "") -> Figure:
    """A figure of one axes with its legend above, sized to be read on a phone without zooming.

    Arguments:
        paint: draws on the axes; called within the figure style of the project.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    settings: dict[Any, object] = {  # Any: the stubs of matplotlib want its own literal names
        **{key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(_NO_STYLE)},
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "text.parse_math": False,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 10.5,
        "axes.formatter.use_mathtext": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.alpha": 0.15,
        "grid.linewidth": 0.8,
        "lines.linewidth": 2.0,
        "lines.markersize": 4.5,
        "legend.frameon": False,
        "legend.fontsize": 9.5,
        "legend.handlelength": 2.6,
        "savefig.transparent": True,
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color"), INK
        ),
    }
    with _STYLE, matplotlib.rc_context(settings):
        canvas = Canvas(figsize=(4.6, 3.25))
        FigureCanvasSVG(canvas)
        axes = canvas.add_subplot()
        paint(axes)
        upright = textwrap.fill(shorten(axes.get_ylabel(), 54), 24)  # a plot is lower than wide
        axes.set(xlabel=shorten(axes.get_xlabel()), ylabel=upright)
        handles, labels = axes.get_legend_handles_labels()
        words = [shorten(label) for label in labels]
        columns = 1 if _widest_pair(words) > 48 else 2
        canvas.set_size_inches(4.6, 3.25 + 0.23 * max(0, -(-len(words) // columns) - 4))  # a long legend adds height
        canvas.legend(handles, words, loc="outside upper left", ncols=columns)
        _lay_out(canvas, axes)
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    svg = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.S)
    return Figure(name, svg.replace(INK, "currentColor"), title, caption, alt)


def _lay_out(canvas: Canvas, axes: Axes) -> None:
    """Place the axes for good below the legend, by one look at what stands around them: drawing takes longest to
    measure text, and the layouts of matplotlib do so several times."""
    resolution = canvas.dpi
    canvas.set_dpi(72)  # what the SVG is drawn at
    width, height = 72 * canvas.get_size_inches()
    legend = sum(entry.get_window_extent().height + 2 * _PAD for entry in canvas.legends)
    outer, inner = axes.get_tightbbox(for_layout_only=True), axes.get_window_extent()
    assert outer is not None, "axes are visible"
    left, bottom = inner.x0 - outer.x0 + _PAD, inner.y0 - outer.y0 + _PAD
    right, top = outer.x1 - inner.x1 + _PAD, outer.y1 - inner.y1 + _PAD + legend
    axes.set_position((left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height))
    canvas.set_dpi(resolution)


def _widest_pair(words: Sequence[str]) -> int:
    """Letters that the entries of a legend need beside each other in two columns, which are filled one by one."""
    half = -(-len(words) // 2)
    return sum(max(map(len, row), default=0) for row in (words[:half], words[half:]))


def shorten(words: str, length: int = 44) -> str:
    """`words`, cut so that they fit beside a plot."""
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"


def scale_axis(axis: Axis, *, log: bool = False, limit: float = math.inf) -> None:
    """Few ticks in plain numbers; with `log` a logarithmic axis, unless its values lie within a factor of four.

    Arguments:
        limit: size beyond which values are left outside the frame.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    name = "x" if axis is axis.axes.xaxis else "y"
    low, high = axis.get_data_interval()
    if high > limit or low < -limit:
        low, high = max(low, -limit), min(high, limit)
        getattr(axis.axes, f"set_{name}lim")(low if log else low - 0.05 * (high - low), high)
    if log and high > 4 * low > 0:  # without data low is infinite
        getattr(axis.axes, f"set_{name}scale")("log")
        wide = high > (1e2 if name == "x" else 1e3) * low  # labels stand side by side there
        axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=6 if wide else 12))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(value: float) -> str:
    size, sign = abs(value), "−" if value < 0 else ""
    if size == 0 or 1e-3 <= size < 1e4:
        return f"{sign}{size:,.4g}"
    if 1e4 <= size < 1e9:
        return f"{sign}{size / 1e3:.4g} k" if size < 1e6 else f"{sign}{size / 1e6:.4g} M"
    return sign + format_power(size)
