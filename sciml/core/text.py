"""Results as text for people: tables, numbers, and descriptions that show themselves."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


class Described(dict[str, Any]):  # Any: JSON
    """What there is to say as plain data, the same that ``--json`` prints; shown as the text of the command.

    Arguments:
        content: the data.
        text: makes the text of it. Any: JSON.
    """

    def __init__(self, content: Mapping[str, Any], text: Callable[[Mapping[str, Any]], str]) -> None:
        super().__init__(content)
        self._text = text

    def __repr__(self) -> str:
        return self._text(self)

    __str__ = __repr__


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as text; long cells wrap, in a pipe only very long ones."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], int | float) or row[i] is None for row in rows)
        drawn.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(number(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 200, force_jupyter=False)
    with console.capture() as captured:
        console.print(drawn)
    return captured.get()


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables as one, with dotted keys."""
    pairs: dict[str, Any] = {}
    for key, value in values.items():
        pairs |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return pairs


def counted(count: int, plural: str) -> str:
    """``1 seed``, ``5 seeds``, ``1 pair of seed and test case``: a count and the noun, given in the plural."""
    noun = plural if count != 1 else re.sub(r"s\b", "", plural, count=1)
    return f"{count:,} {noun}"


def number(value: object) -> str:
    """A cell: four significant digits for reals, thousands separators for counts, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "not finite"
    return f"{value:,}" if isinstance(value, int) else str(value)
