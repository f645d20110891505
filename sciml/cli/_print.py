"""Printing results: tables for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence

import typer

from sciml.core import text

JSON = typer.Option(False, "--json", help="Print machine-readable JSON instead.")


def as_json(value: object) -> None:
    """Print one JSON document to standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table to standard output."""
    typer.echo(text.table(title, columns, rows), nl=False)
