"""``discover``: the hidden part of an equation, from a registered problem or from a table of your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json, table

if TYPE_CHECKING:
    from sciml.study import Run


@app.command()
def discover(
    problem: str = typer.Argument("", help="A problem with a hidden term, see `sciml list`; or give --data."),
    data: Path | None = typer.Option(
        None, help="A table (text, .xlsx, .parquet): a column t, columns of values, perhaps one `trajectory`."
    ),
    known: str = typer.Option("", help="What is known of the equations of --data: \"x' = 1.3*x; y' = -d*y\"."),
    value: list[str] = typer.Option([], help="Value of a scalar in --known, for example a=1.3; repeatable."),
    time: str = typer.Option("", help='The column of times of --data, perhaps with units: "Date [h]".'),
    trajectory: str = typer.Option("", help="The column of --data that tells trajectories apart."),
    names: str = typer.Option("", help="Names of the columns of --data, if it has no header: t,x,y."),
    decimal: str = typer.Option("", help="The decimal mark of --data, if it is not clear: . or ,"),
    space: str = typer.Option("", help="Columns of --data that are axes in space, of one letter each: x,y."),
    sheet: str = typer.Option("", help="The sheet of --data, if it is a workbook."),
    inputs: str = typer.Option("", help="Columns that have no equation and drive the others: u,T."),
    complete: str = typer.Option("", help="Rates whose equation is known exactly: \"a'; b'\"."),
    hidden: str = typer.Option("", help='Where the hidden part may be, and of what: "v: v; w: v, w".'),
    own: str = typer.Option("", help="Unknown scalars of --known with a value per trajectory: a,b."),
    operators: str = typer.Option("", help="What formulas may be made of: add,mul,div,exp."),
    library: str = typer.Option("", help='Candidate terms: "1, x, x*y, exp(-1/T)".'),
    noise: str = typer.Option("", help="Standard deviation of the values: 0.1, 2%, or x=0.1, y=2%."),
    fast: bool = typer.Option(False, "--fast", help="In seconds: smooth curves, sparse regression, then a search."),
    solver: str = typer.Option("", "--solver", "-s", help="What measures the hidden term; upinn by default."),
    engine: str = typer.Option("", "--engine", "-e", help="What looks for formulas: operon, sparse, auto or pysr."),
    seeds: int | None = typer.Option(
        None, min=1, help="Independent fits that must agree; by default as many as the recipe says."
    ),
    preset: str = typer.Option("tiny", "--preset", "-p", help="tiny, small or paper."),
    seed: int = typer.Option(0, min=0, help="Seed of initialisation."),
    settings: list[str] = typer.Option([], "--set", help="key=value, for example task.trajectories=1; repeatable."),
    anyway: bool = typer.Option(False, "--anyway", help="Look for formulas even where data do not determine them."),
    alone: bool = typer.Option(False, "--alone", help="Leave out the spline baseline."),
    out: Path = typer.Option(Path("runs"), "--out", "-o", help="Folder for run folders."),
    resume: bool = typer.Option(False, "--resume", help="Go on with the newest run of this name."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    threads: int = typer.Option(1, min=1, help="Torch threads; one is reproducible to the bit."),
    workers: int = typer.Option(0, min=0, help="Processes that train solvers at the same time; 0: as many as cores."),
    open_page: bool = typer.Option(False, "--open", help="Open the page when done."),
    json: bool = JSON,
) -> None:
    """Find the hidden part of an equation: is it identifiable, which formula, does it forecast.

    It is `sciml run` with a naming stage after the fit, in a run folder like any other.
    """
    from sciml import api
    from sciml.core.progress import make_progress
    from sciml.discovery import TableLayout, parse_prior, split_list

    finished = api.discover(
        problem or None,
        data=data,
        known=known,
        values=value,
        layout=TableLayout(
            time=time,
            trajectory=trajectory,
            names=split_list(names),
            decimal=decimal,
            space=split_list(space),
            sheet=sheet,
        ),
        prior=parse_prior(
            inputs=inputs, complete=complete, hidden=hidden, operators=operators, library=library, own=own
        ),
        noise=noise,
        solver=solver or None,
        engine=engine,
        fast=fast,
        members=seeds,
        preset=preset,
        seed=seed,
        settings=tuple(settings),
        anyway=anyway,
        compare=not alone,
        out=out,
        resume=resume,
        device=device,
        threads=threads,
        workers=workers,
        progress=make_progress(quiet=json),
    )
    if finished is None:  # a process of torchrun that does not lead
        return
    if json:
        as_json({"folder": str(finished.folder), "record": finished.record.model_dump(mode="json", by_alias=True)})
    else:
        _print(finished)
    if open_page:
        import webbrowser

        webbrowser.open((finished.folder / "report.html").resolve().as_uri())


def _print(finished: Run) -> None:
    record = finished.record
    if record.conclusion is not None:
        _print_conclusion(record.conclusion.details)
    entries = [record, *record.baselines.values()]
    shown = [
        entry.metrics["test"] | (entry.conclusion.metrics if entry.conclusion is not None else {}) for entry in entries
    ]
    prefixes = ("hidden/", "state/", "forecast/", "named/forecast")
    keys = [key for key in dict.fromkeys(key for metrics in shown for key in metrics) if key.startswith(prefixes)]
    if keys:
        rows = [
            [entry.title, *(metrics.get(key) for key in keys)] for entry, metrics in zip(entries, shown, strict=True)
        ]
        table("measured hidden term and held-out forecast", ["solver", *keys], rows)
    typer.echo(f"page: {finished.folder / 'report.html'}")


def _print_conclusion(details: dict[str, Any]) -> None:  # Any: JSON of a record
    """Identifiability, equations with their numbers, and the front of formulas of every field."""
    typer.echo(f"\nidentifiability: {details['identifiability']['words']}\n")
    components = details["components"]
    if not components:
        typer.echo("No formula is given, since these data do not determine one; --anyway looks for one regardless.")
    for line in [*details["full_equations"], *details["scalar_words"], *filter(None, [details.get("advice")])]:
        typer.echo(line)
    for field, component in components.items():
        for line in component["remarks"]:
            typer.echo(f"{field}: {line}")
    columns = ["formula", "complexity", "error²", "held-out error²", "description length", "chosen"]
    for field, component in components.items():
        rows: list[list[Any]] = []
        for number, entry in enumerate(component["front"]["entries"]):
            mark = "*" if number in component["chosen_rows"] else ""
            losses = (entry["loss_train"], entry["loss_heldout"], entry["mdl"])
            rows.append([entry["text"], entry["complexity"], *losses, mark])
        typer.echo()
        table(f"hidden part of {field}", columns, rows)
    misfit = next((c["misfit"] for c in components.values() if c["misfit"] is not None), None)
    if misfit is not None:
        typer.echo(f"misfit of the observations: {misfit:.3g} (1 = noise level, where that is known)")
