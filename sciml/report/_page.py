"""Turning a template and its values into one HTML file: escaped, self-contained, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from sciml.core import paths
from sciml.report._pictures import Picture
from sciml.report._svg import Figure
from sciml.report._words import format_count, format_metric, format_number, format_power, format_seconds, metric_label


def write_page(path: Path, template: str, values: dict[str, Any]) -> Path:
    """Render a template of this package to `path`."""
    paths.write_text(path, _environment().get_template(template).render(values))
    return path


def write_figures(folder: Path, items: Iterable[Figure | Picture]) -> None:
    """Every figure and picture of a page as its own file, for slides and papers."""
    paths.make_folder(folder)
    for item in items:
        if isinstance(item, Figure):
            paths.write_text(folder / f"{item.name}.svg", item.svg)
        else:
            with paths.atomic_write(folder / item.name) as temporary:
                temporary.write_bytes(item.content)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sciml.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=format_number,
        count=format_count,
        seconds=format_seconds,
        metric=metric_label,
        measured=format_metric,
        power=format_power,
        plain=_plain,
        capitalize_first=_capitalize_first,
    )
    return environment


def _capitalize_first(words: str) -> str:
    return words[:1].upper() + words[1:]


def _plain(value: Any) -> str:
    """Nested settings as one readable line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(entry)}" for key, entry in value.items() if entry not in (None, [], {}))
    if isinstance(value, list | tuple):
        return " × ".join(map(_plain, value))
    return str(value)
