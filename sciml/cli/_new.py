"""``sciml new problem NAME``: a working problem folder to start from."""

from __future__ import annotations

import importlib.resources
import string
from pathlib import Path

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json
from sciml.core import paths
from sciml.core.errors import UserError

new = typer.Typer(no_args_is_help=True, help="Write a working skeleton of your own problem.")
app.add_typer(new, name="new")


@new.callback()
def group() -> None:
    """Write a working skeleton of your own problem."""


@new.command()
def problem(
    name: str = typer.Argument(help="Lower snake case; the folder NAME is made in the current folder."),
    out: Path = typer.Option(Path(), "--out", "-o", help="Where the folder is made."),
    json: bool = JSON,
) -> None:
    """Write a folder NAME that runs unchanged with `sciml run ./NAME`."""
    folder = out / paths.check_name(name, "problem")
    if folder.exists():
        raise UserError(f"{folder} exists already", fix="Choose another name; nothing was changed.")
    paths.make_folder(folder)
    words = {"name": name, "title": name.replace("_", " ").capitalize(), "cls": name.title().replace("_", "")}
    for template in sorted(importlib.resources.files("sciml.cli").joinpath("skeleton").iterdir(), key=lambda f: f.name):
        if template.name.endswith(".template"):
            text = string.Template(template.read_text(encoding="utf-8")).substitute(words)
            paths.write_text(folder / template.name.removesuffix(".template"), text)
    if json:
        as_json({"folder": str(folder)})
    else:
        path = folder if folder.is_absolute() else f"./{folder}"
        typer.echo(f"wrote {folder}; try it with:  sciml run {path}")
