"""``run``, ``evaluate``, ``predict``, ``export``, ``pack``: the verbs about runs."""

from __future__ import annotations

import warnings
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sciml import DEFAULT_PROBLEM
from sciml.cli import _import_options as options
from sciml.cli._app import app
from sciml.cli._print import JSON, as_json, table

if TYPE_CHECKING:
    import xarray

    from sciml.study import Run

RUN = typer.Argument(help="A run folder, as `sciml run` printed it, or a packed run (.zip).")
PROBLEM = typer.Option("", "--problem", help="The folder of the run's problem, if that is not a registered one.")


@app.command()
def run(
    problem: str = typer.Argument("", help="A registered problem or the path of a problem folder; shallow_water."),
    data: list[Path] = typer.Option(
        [], "--data", "-d", help="A file of your own instead: imported, then run; repeatable, files are joined."
    ),
    solver: str = typer.Option(
        "", "--solver", "-s", help="Solver key, see `sciml list`; by default the problem's own."
    ),
    preset: str = typer.Option("tiny", "--preset", "-p", help="tiny (seconds to minutes), small or paper."),
    seed: int = typer.Option(0, min=0, help="Seed of initialisation, batch order and noise."),
    settings: list[str] = typer.Option([], "--set", help="key=value, for example train.steps=100; repeatable."),
    conformal: float | None = typer.Option(
        None, help="Share of the values that bands around predictions shall hold, 0.9 say; by default no bands."
    ),
    parameters: int | None = typer.Option(
        None, min=1, help="Re-size the solver to this parameter count; by default it keeps its size."
    ),
    out: Path = typer.Option(Path("runs"), "--out", "-o", help="Folder for run folders."),
    resume: bool = typer.Option(False, "--resume", help="Go on with the newest run of this name."),
    start: Path | None = typer.Option(
        None, "--start", help="Folder of a finished run whose weights to begin with: continuation, fine-tuning."
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    threads: int = typer.Option(1, min=1, help="Torch threads; one is reproducible to the bit."),
    workers: int = typer.Option(
        0, min=0, help="Processes that generate data and train baselines at the same time; 0: as many as cores."
    ),
    open_page: bool = typer.Option(False, "--open", help="Open the page when done."),
    format: str = options.FORMAT,
    dims: str = options.DIMS,
    fields: list[str] = options.FIELDS,
    input_parameters: list[str] = options.PARAMETERS,
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
    """Make data, train a solver and its baselines, compare them, write a page with pictures."""
    from sciml import api
    from sciml.core import registry
    from sciml.core.progress import make_progress

    choices = options.choices_of(
        format=format,
        dims=dims,
        fields=fields,
        parameters=input_parameters,
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
    finished = api.run(
        problem or None,
        data=data or None,
        choices=choices,
        solver=solver or None,
        preset=preset,
        seed=seed,
        settings=tuple(settings),
        conformal=conformal,
        parameters=parameters,
        out=out,
        resume=resume,
        start=start,
        device=device,
        threads=threads,
        workers=workers,
        progress=make_progress(quiet=json),
    )
    if finished is None:  # a process of torchrun that does not lead
        return
    subject = registry.problem(finished.record.problem) if data else registry.find_problem(problem or DEFAULT_PROBLEM)
    _summarise(finished, subject.metrics, json)
    if open_page:
        webbrowser.open((finished.folder / "report.html").resolve().as_uri())


@app.command()
def evaluate(
    folder: Path = RUN,
    metrics: list[str] = typer.Option(
        [],
        "--metrics",
        "-m",
        help="Also the numbers of a benchmark as it defines them: pdebench, the_well; repeatable.",
    ),
    problem: str = PROBLEM,
    json: bool = JSON,
) -> None:
    """Examine a finished run again on its test data and compare with its record."""
    from sciml import api

    examined = api.evaluate(folder, problem=problem or None, metrics=metrics)
    if json:
        as_json(examined._asdict())
        return
    rows = [(key, now, examined.recorded.get(key)) for key, now in examined.metrics.items()]
    table(str(folder), ["metric", "now", "recorded"], rows)


@app.command()
def predict(
    folder: Path = RUN,
    inputs: Path | None = typer.Option(
        None, "--input", "-i", help="NetCDF file, or a table with a row per case or a column per function."
    ),
    output: Path | None = typer.Option(
        None,
        "--output",
        "-o",
        help="File to write, .nc, or .csv for a row per case, or per case and time; prediction.nc or example.nc.",
    ),
    example: bool = typer.Option(False, "--example", help="Write a file of inputs to start from instead."),
    steps: int | None = typer.Option(
        None, min=1, help="Steps to forecast; by default as many as the run's own rollouts."
    ),
    extrapolate: bool = typer.Option(False, "--extrapolate", help="Allow parameters outside of their ranges."),
    resample: bool = typer.Option(False, "--resample", help="Interpolate fields on other points of the run's domain."),
    problem: str = PROBLEM,
    json: bool = JSON,
) -> None:
    """Apply a finished run to a file of your own."""
    from sciml import api
    from sciml.core.paths import check_writable

    if example == (inputs is not None):
        raise typer.BadParameter("give either --input FILE, or --example for a file to start from")
    if example and (steps or extrapolate or resample):
        raise typer.BadParameter("--example writes inputs; --steps, --extrapolate and --resample are about predictions")
    if output is not None and output.suffix.lower() not in (".nc", ".csv"):
        raise typer.BadParameter(f"--output takes a name in .nc or .csv, which says what is written; got {output.name}")
    check_writable(output or Path("prediction.nc"), read=inputs)
    if inputs is None:
        as_table = output is not None and output.suffix.lower() == ".csv"
        _write(api.example(folder, table=as_table), output or Path("example.nc"), json)
        return
    with warnings.catch_warnings(record=True) as cautions:
        warnings.simplefilter("always", UserWarning)
        predicted = api.predict(
            folder,
            inputs,
            steps=steps,
            problem=problem or None,
            extrapolate=extrapolate,
            resample=resample,
        )
    ignored = predicted.attrs.get("ignored")
    for words in [*(str(entry.message) for entry in cautions), *([f"{inputs}: {ignored}"] if ignored else [])]:
        typer.echo(typer.style("warning: ", fg=typer.colors.YELLOW, bold=True) + words, err=True)
    _write(predicted, output or Path("prediction.nc"), json)
    if "status" in predicted and (predicted["status"] != 0).all():
        raise typer.Exit(3)


@app.command()
def export(
    folder: Path = RUN,
    formats: list[str] = typer.Option(["torch", "onnx"], "--format", "-f", help="torch or onnx; repeatable."),
    problem: str = PROBLEM,
    json: bool = JSON,
) -> None:
    """Write a run's network as torch.export and ONNX programs and check that they give the same answers."""
    from sciml import api

    exported = api.export(folder, formats, problem=problem or None)
    if json:
        as_json([entry._asdict() for entry in exported])
    else:
        rows = [(e.format, e.state, str(e.path or "–"), e.difference, e.detail) for e in exported]
        table("Export", ["format", "state", "file", "largest difference", "detail"], rows)
    if not any(entry.state == "ok" for entry in exported):
        raise typer.Exit(2)


@app.command()
def pack(
    folder: Path = typer.Argument(help="A run folder, as `sciml run` printed it."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The file; by default RUN.zip beside the folder."),
    problem: str = PROBLEM,
    json: bool = JSON,
) -> None:
    """Write a run as one file with a model card; every verb takes it where it takes a run folder."""
    from sciml import api

    path = api.pack(folder, output, problem=problem or None)
    if json:
        as_json({"pack": str(path), "bytes": path.stat().st_size})
    else:
        typer.echo(f"wrote {path}: {path.stat().st_size / 2**20:.1f} MiB, with a model card (README.md)")


def _write(content: xarray.Dataset, output: Path, json: bool) -> None:
    """Write named arrays to a NetCDF file or a table and say so."""
    from sciml.core import paths
    from sciml.data import netcdf_bytes, table_bytes

    paths.make_folder(output.parent)
    encoded = table_bytes(content, str(output)) if output.suffix.lower() == ".csv" else netcdf_bytes(content)
    with paths.atomic_write(output) as temporary:
        temporary.write_bytes(encoded)
    described = {"output": str(output), "sizes": dict(content.sizes), "fields": list(content.data_vars)}
    as_json(described) if json else typer.echo(f"wrote {output}: {dict(content.sizes)}")


def _summarise(finished: Run, headline: tuple[str, ...], json: bool) -> None:
    from sciml.metrics import headline_metrics
    from sciml.train import find_task

    record = finished.record
    if json:
        as_json({"folder": str(finished.folder), "record": record.model_dump(mode="json", by_alias=True)})
        return
    columns = headline_metrics(find_task(record.task).metrics, finished.metrics, first=headline)
    keys = [metric.key for metric in columns if metric.units != "s"]
    rows = [
        (entry.title, entry.parameters, round(entry.train.seconds, 1), *(entry.metrics["test"].get(k) for k in keys))
        for entry in (record, *record.baselines.values())
    ]
    table(f"{record.problem}, {record.preset}", ["solver", "parameters", "train s", *keys], rows)
    for line in record.conclusion.words if record.conclusion else ():
        typer.echo(line)
    typer.echo(f"page: {finished.folder / 'report.html'}")
