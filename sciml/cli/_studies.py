"""``study`` and ``report``: the verbs about many runs and their pages."""

from __future__ import annotations

from pathlib import Path

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json
from sciml.cli._runs import PROBLEM


@app.command()
def study(
    files: list[Path] = typer.Argument(help="A study file (TOML); with --check, texts (Markdown)."),
    out: Path = typer.Option(Path("reports"), "--out", "-o", help="Folder under which the study's folder is made."),
    runs: Path | None = typer.Option(None, help="Where its run folders go; by default inside the study's folder."),
    preset: str = typer.Option("", "--preset", "-p", help="Another preset than the file's."),
    problem: str = PROBLEM,
    workers: int = typer.Option(1, min=1, max=1024, help="Runs at a time, one thread each."),
    scheduler: str = typer.Option("", help="Address of a Dask scheduler (tcp://…) to use instead of local processes."),
    draft: bool = typer.Option(False, "--draft", help="Run it in a checkout with local changes."),
    check: bool = typer.Option(False, "--check", help="Look the figures that texts quote up in the results."),
    json: bool = JSON,
) -> None:
    """Run many variants over seeds and write one page; a stopped study goes on where it was."""
    from sciml import api
    from sciml.cli._cluster import executor
    from sciml.core.errors import ConfigError
    from sciml.core.progress import make_progress
    from sciml.report import study_numbers

    if check:
        if runs or preset or problem or scheduler or draft or workers != 1:
            raise ConfigError("--check reads texts and runs nothing", fix="Leave out the other options but --out.")
        _check_figures(files, out, json)
        return
    if len(files) != 1:
        raise ConfigError("one study is run at a time", got=", ".join(map(str, files)))
    (file,) = files
    with executor(scheduler) as pool:
        done = api.study(
            file,
            out=out,
            runs=runs,
            preset=preset or None,
            problem=problem or None,
            workers=workers,
            executor=pool,
            draft=draft,
            progress=make_progress(quiet=json),
        )
    if json:
        as_json({"folder": str(done.folder), "page": str(done.page), **study_numbers(done.folder)})
    else:
        typer.echo(f"wrote {done.page}")


def _check_figures(texts: list[Path], reports: Path, json: bool) -> None:
    """Name every quoted figure that the linked results do not have; exit code 2 if there are any."""
    from sciml.report import stray_figures

    stray = stray_figures(texts, reports.absolute().parent)
    if json:
        as_json({"texts": len(texts), "stray": [figure._asdict() | {"path": str(figure.path)} for figure in stray]})
    else:
        for figure in stray:
            places = ", ".join(figure.sources)
            typer.echo(f"{figure.path}:{figure.line}: {figure.figure} is not in {places}: …{figure.words}…")
        typer.echo(f"{len(texts)} texts, {len(stray)} figures that no linked result has")
    if stray:
        raise typer.Exit(2)


@app.command()
def report(
    folder: Path = typer.Argument(Path(), help="A run folder, a study folder, or a folder that holds such folders."),
    problem: str = PROBLEM,
    json: bool = JSON,
) -> None:
    """Write the page of a run or a study again from its files, or the index of a folder of them."""
    from sciml import api

    page = api.report(folder, problem=problem or None)
    as_json({"page": str(page)}) if json else typer.echo(f"wrote {page}")
