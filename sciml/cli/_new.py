"""``sciml new problem|solver|task|tool NAME``: a working folder or package to start from."""

from __future__ import annotations

import importlib.resources
import importlib.util
import keyword
import string
from importlib.resources.abc import Traversable
from pathlib import Path

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json
from sciml.core import paths
from sciml.core.errors import UnknownNameError, UserError

_SUFFIX = ".template"
_WORDS = "Write a working skeleton of your own problem, solver, task or tool."

_SKELETONS = importlib.resources.files("sciml.cli").joinpath("skeleton")
KINDS = {folder.name for folder in _SKELETONS.joinpath("problem").iterdir() if folder.is_dir()}
"""Skeletons of problems, one folder each."""

NAME = typer.Argument(help="Lower snake case; the folder NAME is made in the current folder.")
OUT = typer.Option(Path(), "--out", "-o", help="Where the folder is made.")

new = typer.Typer(no_args_is_help=True, help=_WORDS)
app.add_typer(new, name="new")


@new.callback()
def group() -> None:
    """Write a working skeleton of your own problem, solver, task or tool."""


@new.command()
def problem(
    name: str = NAME,
    kind: str = typer.Option("evolves", "--kind", "-k", help=f"What it can do: {', '.join(sorted(KINDS))}."),
    out: Path = OUT,
    json: bool = JSON,
) -> None:
    """Write a folder NAME that runs unchanged with `sciml run ./NAME`."""
    if kind not in KINDS:
        raise UnknownNameError("kind of problem", kind, KINDS)
    folder = _write(f"problem/{kind}", name, out)
    _tell(folder, f"sciml {'discover' if kind == 'hidden' else 'run'} {_as_path(folder)}", json)


@new.command()
def solver(name: str = NAME, out: Path = OUT, json: bool = JSON) -> None:
    """Write a package NAME with a solver of trajectories, found by its entry point once it is installed."""
    folder = _write_package("solver", name, out)
    _tell(folder, f"{_install(folder)} && sciml run lotka_volterra --solver {name}", json)


@new.command()
def task(name: str = NAME, out: Path = OUT, json: bool = JSON) -> None:
    """Write a package NAME with a task, its metrics and page, and the solver NAME_mlp."""
    folder = _write_package("task", name, out)
    _tell(folder, f"{_install(folder)} && sciml run lotka_volterra --solver {name}_mlp", json)


@new.command()
def tool(name: str = NAME, out: Path = OUT, json: bool = JSON) -> None:
    """Write a package NAME with a tool that measures the network of a run."""
    folder = _write_package("tool", name, out)
    _tell(folder, f"{_install(folder)} && sciml tool {name} RUN", json)


def _write_package(kind: str, name: str, out: Path) -> Path:
    """Write the skeleton of a package that will be imported as `name`, unless something else is."""
    paths.check_name(name, kind)
    if keyword.iskeyword(name):
        raise UserError(f"a package cannot be called {name!r}, which is a word of Python", fix="Choose another name.")
    if importlib.util.find_spec(name) is not None:
        raise UserError(f"there is a package or module {name!r} already", fix="Choose another name.")
    if name in _keys(kind):
        raise UserError(f"there is a {kind} {name!r} already", fix="Choose another name; `sciml list` has them all.")
    return _write(kind, name, out)


def _keys(kind: str) -> set[str]:
    """The keys that entries of a kind have already."""
    from sciml.tools import registered_tools
    from sciml.train import registered_solvers, registered_tasks

    return set({"solver": registered_solvers, "task": registered_tasks, "tool": registered_tools}[kind]())


def _write(kind: str, name: str, out: Path) -> Path:
    folder = out / paths.check_name(name, kind.partition("/")[0])
    if folder.exists():
        raise UserError(f"{folder} exists already", fix="Choose another name; nothing was changed.")
    words = {
        "name": name,
        "title": name.replace("_", " ").strip().capitalize(),
        "distribution": name.replace("_", "-").strip("-"),
    }
    _fill(_SKELETONS.joinpath(*kind.split("/")), folder, words)
    return folder


def _fill(templates: Traversable, folder: Path, words: dict[str, str]) -> None:
    """Write the templates of a folder and its subfolders; ``package`` in their names stands for the name."""
    paths.make_folder(folder)
    for template in sorted(templates.iterdir(), key=lambda entry: entry.name):
        target = folder / template.name.removesuffix(_SUFFIX).replace("package", words["name"])
        if template.is_dir():
            _fill(template, target, words)
        elif template.name.endswith(_SUFFIX):
            paths.write_text(target, string.Template(template.read_text(encoding="utf-8")).substitute(words))


def _tell(folder: Path, command: str, json: bool) -> None:
    if json:
        as_json({"folder": str(folder)})
    else:
        typer.echo(f"wrote {folder}; try it with:  {command}")


def _install(folder: Path) -> str:
    return f"python -m pip install -e {_as_path(folder)}"


def _as_path(folder: Path) -> str:
    return str(folder) if folder.is_absolute() else f"./{folder}"
