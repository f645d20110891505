"""Turning a template and its values into one HTML file: escaped, self-contained, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from sciml.core import paths
from sciml.core.errors import DataError
from sciml.draw import Figure, Picture, format_bytes, format_count, format_number, format_power, format_seconds
from sciml.report._tables import format_metric
from sciml.report._tasks import view_of

_TASK = "task:"


def task_template(task: str) -> str:
    """The name of the template of a task's runs: its own, found beside its view, or the page of every run."""
    return f"{_TASK}{task}" if view_of(task).template else "run.html.j2"


def write_page(path: Path, template: str, values: dict[str, Any]) -> Path:  # Any: what a template may show
    """Render a template of this package, or one named by `task_template`, to `path`."""
    paths.write_text(path, _environment().get_template(template).render(values))
    return path


def write_figures(folder: Path, items: Iterable[Figure | Picture]) -> None:
    """Every figure and picture of a page as its own file, for slides and papers."""
    paths.make_folder(folder)
    for item in items:
        if Path(item.name).name != item.name:  # names come from files that may be somebody else's
            raise DataError("a figure would be written outside of its folder", got=repr(item.name))
        if isinstance(item, Figure):
            paths.write_text(folder / f"{item.name}.svg", item.svg)
        else:
            with paths.atomic_write(folder / item.name) as temporary:
                temporary.write_bytes(item.content)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader("sciml.report"), jinja2.FunctionLoader(_load_task)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=format_number,
        bytes=format_bytes,
        count=format_count,
        seconds=format_seconds,
        measured=format_metric,
        power=format_power,
        plain=_plain,
        capitalize_first=_capitalize_first,
    )
    return environment


def _load_task(name: str) -> tuple[str, str, Callable[[], bool]] | None:
    """The source of a task's template; never taken from Jinja's cache, since another task may come by its key."""
    path = view_of(name.removeprefix(_TASK)).template if name.startswith(_TASK) else None
    if path is None or not path.is_file():
        return None
    return path.read_text(encoding="utf-8"), str(path), lambda: False


def _capitalize_first(words: str) -> str:
    return words[:1].upper() + words[1:]


_SETTINGS = {"draw": "random draw", "dense": "places examined on each trajectory"}
"""Settings of data whose keys are no words by themselves."""


def _plain(value: Any) -> str:
    """Nested settings as one readable line."""
    if isinstance(value, dict):
        return ", ".join(
            f"{_SETTINGS.get(key, str(key).replace('_', ' '))} {_plain(entry)}"
            for key, entry in value.items()
            if entry not in (None, [], {}, "")
        )
    if isinstance(value, list | tuple):
        return " × ".join(map(_plain, value))
    return str(value)
