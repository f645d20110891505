"""``list``, ``show``, ``doctor``: what there is, what it is, whether this machine can use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json, table

if TYPE_CHECKING:
    from sciml.core.text import Described


@app.command("list")
def list_all(json: bool = JSON) -> None:
    """List problems, solvers, tasks and tools, which solver applies to which problem, and what does not work."""
    from sciml import api

    _print(api.list(), json)


@app.command()
def show(
    name: str = typer.Argument(help="A problem, solver, task or tool, a run folder, or a problem folder."),
    json: bool = JSON,
) -> None:
    """Show a problem (equation, units), solver (recipes, claim), task, tool (settings) or run (metrics, lineage)."""
    from sciml import api

    _print(api.show(name), json)


@app.command()
def doctor(json: bool = JSON) -> None:
    """Check this installation: versions, device, cache folder, optional engines."""
    from sciml import api

    checks = api.doctor()
    if json:
        as_json([check._asdict() for check in checks])
    else:
        table("sciml doctor", ["check", "state", "detail"], [(c.name, c.state, c.detail) for c in checks])
    if any(check.state == "fail" for check in checks):
        raise typer.Exit(2)


@app.command()
def check(
    folder: Path = typer.Argument(help="A problem folder, or a package with a solver, task or tool."),
    json: bool = JSON,
) -> None:
    """Run the contract tests on a problem, solver, task or tool of your own; exit 2 if one fails."""
    from sciml import api

    checked = api.check(folder)
    if json:
        as_json({"keys": checked.keys, "ok": checked.ok, "tests": [test._asdict() for test in checked.tests]})
    else:
        typer.echo(str(checked))
    if not checked.ok:
        raise typer.Exit(2)


def _print(described: Described, json: bool) -> None:
    as_json(described) if json else typer.echo(str(described), nl=False)
