"""What a tool found, as files of a run keep it: the entry of the record, arrays beside the predictions."""

import math
from collections.abc import Sequence
from pathlib import Path

import xarray

from sciml.core import paths
from sciml.data import hdf5_file, netcdf_bytes
from sciml.study._record import FigureEntry, FindingsEntry, PicturesEntry, TableEntry, finite
from sciml.tools import Findings


def findings_entry(findings: Findings) -> FindingsEntry:
    """What a tool found, as the record holds it."""
    return FindingsEntry(
        metrics=finite(dict(findings.metrics)),
        words=findings.words,
        tables=tuple(
            TableEntry(title=entry.title, columns=entry.columns, rows=entry.rows, bars=entry.bars)
            for entry in findings.tables
        ),
        figures=tuple(
            FigureEntry(
                title=entry.title,
                x=entry.x,
                y=entry.y,
                lines={name: (_finite_values(x), _finite_values(y)) for name, (x, y) in entry.lines.items()},
                points=entry.points,
                log=entry.log,
                caption=entry.caption,
            )
            for entry in findings.figures
        ),
        pictures=tuple(
            PicturesEntry(title=entry.title, variable=entry.variable, captions=entry.captions)
            for entry in findings.pictures
        ),
    )


def _finite_values(values: Sequence[float]) -> tuple[float | None, ...]:
    """Numbers as JSON can hold them: None for what is not finite."""
    return tuple(float(value) if math.isfinite(value) else None for value in values)


def add_arrays(path: Path, tool: str, arrays: xarray.Dataset) -> None:
    """Put what a tool found beside the predictions, as the group ``tools/<key>``."""
    if not arrays.variables:
        return
    groups: dict[str, xarray.Dataset] = {}
    if path.is_file():
        hdf5_file(path).close()
        with xarray.open_datatree(path, engine="h5netcdf", decode_times=False) as stored:
            groups = {name: group.load() for name, group in stored.to_dict().items()}
    with paths.atomic_write(path) as temporary:
        temporary.write_bytes(netcdf_bytes(xarray.DataTree.from_dict({**groups, f"/tools/{tool}": arrays})))
