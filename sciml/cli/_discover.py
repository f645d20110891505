"""``discover``: the hidden part of an equation, from a registered problem or from a table of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json, table

if TYPE_CHECKING:
    from sciml.study import Discovery


@app.command()
def discover(
    problem: str = typer.Argument("", help="A problem with a hidden term, see `sciml list`; or give --data."),
    data: Path | None = typer.Option(None, help="CSV file: a column t, columns of values, perhaps one `trajectory`."),
    known: str = typer.Option("", help="What is known of the equations of --data: \"x' = 1.3*x; y' = -d*y\"."),
    value: list[str] = typer.Option([], help="Value of a scalar in --known, for example a=1.3; repeatable."),
    solver: str = typer.Option("upinn", "--solver", "-s", help="What measures the hidden term."),
    engine: str = typer.Option("operon", "--engine", "-e", help="What looks for formulas: operon, sparse or pysr."),
    seeds: int = typer.Option(0, min=0, help="Independent fits that must agree; 0 for the recipe's."),
    preset: str = typer.Option("tiny", "--preset", "-p", help="tiny, small or paper."),
    seed: int = typer.Option(0, min=0, help="Seed of the networks."),
    settings: list[str] = typer.Option([], "--set", help="key=value, for example task.trajectories=1; repeatable."),
    anyway: bool = typer.Option(False, "--anyway", help="Look for formulas even where data do not determine them."),
    alone: bool = typer.Option(False, "--alone", help="Leave out the spline baseline."),
    out: Path = typer.Option(Path("runs"), "--out", "-o", help="Folder for run folders."),
    open_page: bool = typer.Option(False, "--open", help="Open the page when done."),
    json: bool = JSON,
) -> None:
    """Find the hidden part of an equation: is it identifiable, which formula, does it forecast."""
    from sciml import api
    from sciml.core.progress import make_progress

    found = api.discover(
        problem or None,
        data=data,
        known=known,
        values=value,
        solver=solver,
        engine=engine,
        members=seeds or None,
        preset=preset,
        seed=seed,
        settings=settings,
        anyway=anyway,
        compare=not alone,
        out=out,
        progress=make_progress(quiet=json),
    )
    if json:
        as_json({"folder": str(found.folder), **found.found.to_dict()})
    else:
        _print(found)
    if open_page:
        import webbrowser

        webbrowser.open((found.folder / "report.html").resolve().as_uri())


def _print(run: Discovery) -> None:
    from sciml.solvers.discovery import alike, format_expr, full_equations
    from sciml.study import remarks, scalars_of

    found = run.found
    typer.echo(f"\nidentifiability: {found.identifiability.words()}\n")
    if not found.components:
        typer.echo("No formula is given, since these data do not determine one; --anyway looks for one regardless.")
    for line in full_equations(found):
        typer.echo(line)
    for name, scalar in scalars_of(found).items():
        told = found.intervals[name].words() if name in found.intervals else scalar and f"{scalar:.4g}"
        typer.echo(f"{name} = {told}" if told is not None else f"{name} is not determined: no such term found")
    for component in found.components:
        for line in remarks(component):
            typer.echo(f"{component.field}: {line}")
    for component in found.components:
        rows: list[list[Any]] = []
        for e in component.front.entries:
            mark = "*" if alike(e.expr, component.expr) else ""
            rows.append([format_expr(e.expr), e.complexity, e.loss_train, e.loss_heldout, e.mdl, mark])
        typer.echo()
        heads = ["formula", "complexity", "error²", "held-out error²", "description length", "chosen"]
        table(f"hidden part of {component.field}", heads, rows)
    if found.components and found.components[0].misfit is not None:
        typer.echo(
            f"misfit of the observations: {found.components[0].misfit:.3g} (1 is nothing but noise, where known)"
        )
    scores = [found, *([run.baseline] if run.baseline else [])]
    keys = list(dict.fromkeys(key for entry in scores for key in entry.errors))
    heads = ["method", *keys, "forecast/relative_l2"]
    lines = [
        [s.solver, *(s.errors.get(k) for k in keys), None if s.forecast is None else s.forecast.error] for s in scores
    ]
    if keys or any(line[-1] is not None for line in lines):
        table("measured hidden term and held-out forecast", heads, lines)
    typer.echo(f"page: {run.folder / 'report.html'}")
