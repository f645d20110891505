"""``tool``: do something to a finished run and compare before with after."""

from __future__ import annotations

from pathlib import Path

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json
from sciml.cli._runs import PROBLEM, RUN


@app.command()
def tool(
    name: str = typer.Argument(help="A tool, see `sciml list`; `sciml show NAME` lists its settings."),
    folder: Path = RUN,
    settings: list[str] = typer.Option([], "--set", help="key=value, for example flops=0.5; repeatable."),
    others: list[Path] = typer.Option([], "--with", help="A further run, for a tool that merges runs; repeatable."),
    resume: bool = typer.Option(False, "--resume", help="Go on with the newest child run of this name."),
    problem: str = PROBLEM,
    json: bool = JSON,
) -> None:
    """Apply a tool to a run: a child run beside it, and a table of before and after."""
    from sciml import api
    from sciml.core import registry
    from sciml.core.progress import make_progress

    child = api.tool(
        name,
        folder,
        settings=tuple(settings),
        others=tuple(others),
        resume=resume,
        problem=problem or None,
        progress=make_progress(quiet=json),
    )
    record = child.record
    if json:
        as_json({"folder": str(child.folder), "record": record.model_dump(mode="json", by_alias=True)})
        return
    if problem:
        first = registry.find_problem(problem).metrics
    else:  # a run on a table has a problem of its own
        first = registry.problem(record.problem).metrics if record.problem in registry.problem_folders() else ()
    typer.echo(api.after_tools(record, first), nl=False)
    typer.echo(f"page: {child.folder / 'report.html'}")
