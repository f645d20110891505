"""What a user may say of files of his own: options that ``run --data`` and ``data import`` share."""

from __future__ import annotations

from typing import Any

import typer

_PANEL = "Data of your own"

FORMAT = typer.Option(
    "", help="Reader of the files; by default the first that recognises them.", rich_help_panel=_PANEL
)
DIMS = typer.Option(
    "", help="Dimensions of nameless arrays in their order: sample,time,channel,y,x.", rich_help_panel=_PANEL
)
FIELDS = typer.Option([], "--fields", help="A field to take, NAME or NAME=UNITS; repeatable.", rich_help_panel=_PANEL)
PARAMETERS = typer.Option(
    [], "--parameter", help="A parameter to take; repeatable, by default all.", rich_help_panel=_PANEL
)
FORCINGS = typer.Option(
    [], "--forcing", help="A number that varies by time to take; repeatable, by default all.", rich_help_panel=_PANEL
)
MASK = typer.Option("", help="Cells to leave out: VARIABLE=VALUE, any (NaN anywhere), or none.", rich_help_panel=_PANEL)
UNITS = typer.Option([], help="NAME=UNITS of a field, parameter, axis or of time; repeatable.", rich_help_panel=_PANEL)
RENAME = typer.Option([], help="OLD=NEW name of a variable or dimension; repeatable.", rich_help_panel=_PANEL)
DT = typer.Option(None, help="Time between frames; by default that of the file.", rich_help_panel=_PANEL)
RANGE = typer.Option([], help="AXIS=FIRST:LAST point, instead of the file's; repeatable.", rich_help_panel=_PANEL)
BOUNDARY = typer.Option([], help="AXIS=periodic, wall or open; repeatable.", rich_help_panel=_PANEL)
ODD = typer.Option(
    [], help="FIELD=AXIS at whose walls its mirror image changes sign, or none; repeatable.", rich_help_panel=_PANEL
)
SPLIT = typer.Option("", help="Shares of train, valid and test, such as 0.7,0.15,0.15.", rich_help_panel=_PANEL)
SPLIT_SEED = typer.Option(0, min=0, help="Seed of the split.", rich_help_panel=_PANEL)
CUT = typer.Option(None, min=2, help="Cut trajectories into pieces of so many frames.", rich_help_panel=_PANEL)
LAYOUT = typer.Option(
    "",
    help="Of a table: long, wide, index or rows; pairs of functions: pairs; by default found out.",
    rich_help_panel=_PANEL,
)
TIME = typer.Option("", "--time", help="Column of times of a table.", rich_help_panel=_PANEL)
CASE = typer.Option("", "--case", help="Column that labels the cases of a table.", rich_help_panel=_PANEL)
TIMES = typer.Option(
    "",
    help="FIRST:LAST:COUNT or T1,T2,...: times of numbered columns; of other tables those to interpolate to.",
    rich_help_panel=_PANEL,
)
DECIMAL = typer.Option("", help="Decimal mark of a table, . or , .", rich_help_panel=_PANEL)
SEPARATOR = typer.Option("", help="Between the cells of a table.", rich_help_panel=_PANEL)
FUNCTIONS = typer.Option(
    [],
    "--function",
    help="Input function of pairs: NAME, NAME=UNITS or NAME:SENSORS; repeatable.",
    rich_help_panel=_PANEL,
)
TARGETS = typer.Option(
    [],
    "--target",
    help="What signals are answered with, a signal or a number per case: makes the data sequences; repeatable.",
    rich_help_panel=_PANEL,
)
LABEL = typer.Option("", "--label", help="Column of the class of every sequence.", rich_help_panel=_PANEL)
AHEAD = typer.Option(None, "--ahead", min=1, help="Forecast signals so many times ahead.", rich_help_panel=_PANEL)
SHEET = typer.Option("", help="Sheet of a workbook.", rich_help_panel=_PANEL)


def choices_of(
    *,
    format: str,
    dims: str,
    fields: list[str],
    parameters: list[str],
    forcings: list[str],
    mask: str,
    units: list[str],
    rename: list[str],
    dt: float | None,
    range: list[str],
    boundary: list[str],
    odd: list[str],
    split: str,
    split_seed: int,
    cut: int | None,
    layout: str,
    time: str,
    case: str,
    times: str,
    decimal: str,
    separator: str,
    sheet: str,
    functions: list[str],
    targets: list[str],
    label: str,
    ahead: int | None,
) -> dict[str, Any]:  # Any: the fields of ImportChoices
    """The options as `sciml.data.ImportChoices` has them; what was not given is left out."""
    from sciml.data.importing import pairs

    stated: dict[str, Any] = {
        "format": format or None,
        "dims": tuple(filter(None, (name.strip() for name in dims.split(",")))),
        "fields": tuple(fields),
        "parameters": tuple(parameters) or None,
        "forcings": tuple(forcings) or None,
        "mask": mask or None,
        "units": pairs(units, "--units", "u='m s-1'"),
        "rename": pairs(rename, "--rename", "lat=y"),
        "dt": dt,
        "ranges": {name: _numbers(ends, ":", "--range") for name, ends in pairs(range, "--range", "x=0:1").items()},
        "boundary": pairs(boundary, "--boundary", "x=periodic"),
        "odd": pairs(odd, "--odd", "u=x"),
        "split": _numbers(split, ",", "--split") if split else None,
        "seed": split_seed or None,
        "cut": cut,
        "layout": layout,
        "time": time,
        "case": case,
        "times": _times(times),
        "decimal": decimal,
        "separator": {"tab": "\t", "\\t": "\t"}.get(separator, separator),
        "sheet": sheet,
        "functions": tuple(functions),
        "targets": tuple(targets),
        "label": label,
        "ahead": ahead,
    }
    return {name: value for name, value in stated.items() if value not in (None, "", (), {})}


def _times(text: str) -> tuple[float, ...]:
    """``0:1:11`` as eleven even times, ``0,0.1,0.3`` as these."""
    from sciml.core.errors import ConfigError

    if ":" not in text:
        return _numbers(text, ",", "--times") if text else ()
    parts = _numbers(text, ":", "--times")
    if len(parts) != 3 or parts[2] != int(parts[2]) or not 2 <= parts[2] <= 10**6:
        raise ConfigError("--times takes FIRST:LAST:COUNT", got=repr(text), expected="for example 0:1:101")
    first, last, count = parts[0], parts[1], int(parts[2])
    return tuple(first + (last - first) * i / (count - 1) for i in range(count))


def _numbers(text: str, separator: str, option: str) -> tuple[float, ...]:
    from sciml.core.errors import ConfigError

    try:
        return tuple(float(part) for part in text.split(separator))
    except ValueError:
        raise ConfigError(f"{option} takes numbers", got=repr(text), expected=f"separated by {separator!r}") from None
