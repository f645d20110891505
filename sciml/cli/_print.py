"""Printing results: tables for people, JSON for machines."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

JSON = typer.Option(False, "--json", help="Print machine-readable JSON instead.")


def as_json(value: object) -> None:
    """Print one JSON document to standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables as one, with dotted keys."""
    pairs: dict[str, Any] = {}
    for key, value in values.items():
        pairs |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return pairs


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table to standard output; long cells wrap, in a pipe only very long ones."""
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
    console = Console(width=None if sys.stdout.isatty() else 200)
    with console.capture() as captured:
        console.print(drawn)
    typer.echo(captured.get(), nl=False)


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
