"""``sciml data``: generate, import, verify, describe and export data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from sciml.cli import _import_options as options
from sciml.cli._app import app
from sciml.cli._print import JSON, as_json, table
from sciml.core.text import flat

data = typer.Typer(no_args_is_help=True, help="Generate, import, verify, describe and export data.")
app.add_typer(data, name="data")

PROBLEM = typer.Argument(help="A registered problem or the path of a problem folder.")
PRESET = typer.Option("tiny", "--preset", "-p", help="tiny, small or paper.")


@data.command()
def generate(
    problem: str = PROBLEM,
    preset: str = PRESET,
    workers: int = typer.Option(0, min=0, max=1024, help="Processes; 0: as many as there are cores, where they pay."),
    scheduler: str = typer.Option("", help="Address of a Dask scheduler (tcp://…) to use instead of local processes."),
    json: bool = JSON,
) -> None:
    """Make what is missing of a dataset; a killed generation goes on where it was."""
    from sciml import data as layer
    from sciml.cli._cluster import executor
    from sciml.core import registry
    from sciml.core.progress import make_progress
    from sciml.core.recorded import Imported
    from sciml.tasks import card_tables, describe_data

    subject = registry.find_problem(problem)
    tables = card_tables(subject, preset)
    stored = [table for table in tables.values() if isinstance(table, layer.StoredCard)]
    if isinstance(subject, Imported):
        if not json:
            typer.echo(f"Nothing to generate: the data of {subject.name} was imported.")
    elif stored or layer.PresetCard.key in tables:
        with executor(scheduler) as pool:
            progress = make_progress(quiet=json)
            if layer.PresetCard.key in tables:
                layer.generate(subject, preset, workers=workers, executor=pool, progress=progress)
            for table in stored:
                table.generate(subject, workers=workers, executor=pool, progress=progress)
    elif not json:
        typer.echo(f"Nothing to generate: the data of {subject.name} is made in memory where it is used.")
    _describe(describe_data(subject, preset), json)


@data.command("import")
def import_data(
    files: list[Path] = typer.Argument(help="Files, Zarr stores, or folders of files; several are joined."),
    name: str = typer.Option("", help="What the dataset is called; by default as the first file."),
    out: Path | None = typer.Option(None, "--out", "-o", help="The folder to make; by default in the cache folder."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print what is recognised and stop."),
    title: str = typer.Option("", help="A title for pages."),
    licence: str = typer.Option("", help="Licence of the data."),
    citation: str = typer.Option("", help="Where the data comes from."),
    format: str = options.FORMAT,
    dims: str = options.DIMS,
    fields: list[str] = options.FIELDS,
    parameters: list[str] = options.PARAMETERS,
    forcings: list[str] = options.FORCINGS,
    mask: str = options.MASK,
    units: list[str] = options.UNITS,
    rename: list[str] = options.RENAME,
    dt: float | None = options.DT,
    range: list[str] = options.RANGE,
    boundary: list[str] = options.BOUNDARY,
    odd: list[str] = options.ODD,
    split: str = options.SPLIT,
    split_seed: int = options.SPLIT_SEED,
    cut: int | None = options.CUT,
    layout: str = options.LAYOUT,
    time: str = options.TIME,
    case: str = options.CASE,
    times: str = options.TIMES,
    decimal: str = options.DECIMAL,
    separator: str = options.SEPARATOR,
    sheet: str = options.SHEET,
    functions: list[str] = options.FUNCTIONS,
    targets: list[str] = options.TARGETS,
    label: str = options.LABEL,
    ahead: int | None = options.AHEAD,
    json: bool = JSON,
) -> None:
    """Import trajectories on a grid from files of your own; every verb takes the result like a problem."""
    from sciml import data as layer
    from sciml.core.config import parse
    from sciml.core.progress import make_progress

    stated = options.choices_of(
        format=format,
        dims=dims,
        fields=fields,
        parameters=parameters,
        forcings=forcings,
        mask=mask,
        units=units,
        rename=rename,
        dt=dt,
        range=range,
        boundary=boundary,
        odd=odd,
        split=split,
        split_seed=split_seed,
        cut=cut,
        layout=layout,
        time=time,
        case=case,
        times=times,
        decimal=decimal,
        separator=separator,
        sheet=sheet,
        functions=functions,
        targets=targets,
        label=label,
        ahead=ahead,
    )
    about = {"name": name or None, "title": title, "licence": licence, "citation": citation}
    choices = parse(layer.ImportChoices, stated | about, "this command")
    recognised: list[str] = []

    def announce(plan: layer.AnyPlan) -> None:
        recognised.extend(plan.words())
        if not json:
            typer.echo("\n".join(recognised))

    imported = layer.import_files(
        files, choices, out=out, announce=announce, dry=dry_run, progress=make_progress(quiet=json)
    )
    if json:
        dataset = None if imported is None else {"name": imported.name, "folder": str(imported.folder)}
        as_json({"recognised": recognised, "dataset": dataset})
    elif imported is not None:
        known = "" if recognised else " before, from the same files"
        typer.echo(f"imported{known} as {imported.name}: {imported.folder}")
        typer.echo(f"next: sciml run {imported.name if out is None else imported.folder}")


@data.command()
def info(problem: str = PROBLEM, preset: str = PRESET, json: bool = JSON) -> None:
    """Sizes, statistics and outcomes of a generated dataset, or of data that is made in memory."""
    from sciml.core import registry
    from sciml.tasks import describe_data

    _describe(describe_data(registry.find_problem(problem), preset), json)


@data.command()
def verify(problem: str = PROBLEM, preset: str = PRESET, json: bool = JSON) -> None:
    """Check hashes, units, splits, invariants and one re-simulated trajectory; exit 2 if anything is wrong."""
    from sciml.core import registry
    from sciml.tasks import check_data

    checks = check_data(registry.find_problem(problem), preset)
    if json:
        as_json([{"table": key, **vars(check)} for key, results in checks.items() for check in results])
    else:
        for key, results in checks.items():
            rows = [(check.name, "ok" if check.ok else "FAILED", check.detail) for check in results]
            table(f"{problem} {preset}: {key}", ["check", "result", "detail"], rows)
    if not all(check.ok for results in checks.values() for check in results):
        raise typer.Exit(2)


@data.command()
def export(
    problem: str = PROBLEM,
    preset: str = PRESET,
    format: str = typer.Option(
        "netcdf", "--format", "-f", help="netcdf; well or zarr for trajectories, npz for pairs of functions."
    ),
    out: Path = typer.Option(..., "--out", "-o", help="The folder to write."),
    json: bool = JSON,
) -> None:
    """Write a generated dataset in another format, for other people's loaders."""
    from sciml import data as layer
    from sciml.core import registry
    from sciml.tasks import card_tables

    subject = registry.find_problem(problem)
    tables = card_tables(subject, preset)
    described = [table for table in tables.values() if isinstance(table, layer.DescribedCard)]
    if described and layer.PresetCard.key not in tables:
        written = [path for table in described for path in table.export(subject, format, out, preset=preset)]
    else:
        written = layer.export(layer.open_dataset(subject, preset), format, out)
    if json:
        as_json({"format": format, "paths": list(map(str, written))})
    else:
        typer.echo("\n".join(f"wrote {path}" for path in written))


def _describe(tables: dict[str, dict[str, Any]], json: bool) -> None:
    if json:
        as_json(tables)
    else:
        for key, numbers in tables.items():
            table(f"Data for {key}", ["", ""], list(flat(numbers).items()))
