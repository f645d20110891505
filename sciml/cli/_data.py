"""``sciml data``: generate, verify, describe and export the data of a problem."""

from __future__ import annotations

from pathlib import Path

import typer

from sciml.cli._app import app
from sciml.cli._print import JSON, as_json, flat, table

data = typer.Typer(no_args_is_help=True, help="Generate, verify, describe and export the data of a problem.")
app.add_typer(data, name="data")

PROBLEM = typer.Argument(help="A registered problem or the path of a problem folder.")
PRESET = typer.Option("tiny", "--preset", "-p", help="tiny, small or paper.")


@data.command()
def generate(
    problem: str = PROBLEM,
    preset: str = PRESET,
    workers: int = typer.Option(1, min=1, help="Processes."),
    scheduler: str = typer.Option("", help="Address of a Dask scheduler (tcp://…) to use instead of local processes."),
    json: bool = JSON,
) -> None:
    """Make what is missing of a dataset; a killed generation goes on where it was."""
    from sciml import data as layer
    from sciml.cli._cluster import executor
    from sciml.core import registry
    from sciml.core.progress import make_progress

    subject = registry.problem(problem)
    if layer.has_samples(subject):
        if not json:
            typer.echo(f"Nothing to generate: the data of {subject.name} is made in memory where it is used.")
        _describe(layer.samples_info(subject, preset), json)
        return
    with executor(scheduler) as pool:
        made = layer.generate(subject, preset, workers=workers, executor=pool, progress=make_progress(quiet=json))
    _describe(layer.info(made), json)


@data.command()
def info(problem: str = PROBLEM, preset: str = PRESET, json: bool = JSON) -> None:
    """Sizes, statistics and outcomes of a generated dataset, or of data that is made in memory."""
    from sciml import data as layer
    from sciml.core import registry

    subject = registry.problem(problem)
    in_memory = layer.has_samples(subject)
    _describe(
        layer.samples_info(subject, preset) if in_memory else layer.info(layer.open_dataset(subject, preset)), json
    )


@data.command()
def verify(problem: str = PROBLEM, preset: str = PRESET, json: bool = JSON) -> None:
    """Check hashes, units, splits, invariants and one re-simulated trajectory; exit 2 if anything is wrong."""
    from sciml import data as layer
    from sciml.core import registry

    checks = layer.verify(registry.problem(problem), preset)
    if json:
        as_json([vars(check) for check in checks])
    else:
        rows = [(check.name, "ok" if check.ok else "FAILED", check.detail) for check in checks]
        table(f"{problem} {preset}", ["check", "result", "detail"], rows)
    if not all(check.ok for check in checks):
        raise typer.Exit(2)


@data.command()
def export(
    problem: str = PROBLEM,
    preset: str = PRESET,
    format: str = typer.Option("netcdf", "--format", "-f", help="well, zarr or netcdf."),
    out: Path = typer.Option(..., "--out", "-o", help="The folder to write."),
    json: bool = JSON,
) -> None:
    """Write a generated dataset in another format, for other people's loaders."""
    from sciml import data as layer
    from sciml.core import registry

    written = layer.export(layer.open_dataset(registry.problem(problem), preset), format, out)
    if json:
        as_json({"format": format, "paths": list(map(str, written))})
    else:
        typer.echo("\n".join(f"wrote {path}" for path in written))


def _describe(found: dict[str, object], json: bool) -> None:
    if json:
        as_json(found)
    else:
        table("Dataset", ["", ""], list(flat(found).items()))
