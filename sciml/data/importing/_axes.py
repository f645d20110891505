"""Coordinates of a file as uniform axes and a time step."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sciml.core.errors import DataError, UserError
from sciml.core.recorded import RecordedAxis
from sciml.core.units import check_units
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._source import Variable

_UNEVEN = 1e-3
"""Share of a step by which the distances of neighbouring points may differ."""


class Times(NamedTuple):
    """The time axis: step, units, and what was understood."""

    dt: float
    units: str
    notes: tuple[str, ...]


def step_of(values: np.ndarray, label: str) -> float:
    """The distance of the frames at these times. Raises DataError where it is not the same everywhere, and positive."""
    if values.dtype.kind == "M":
        values = (values - values[0]) / np.timedelta64(1, "s")
    step = _step(values, "time", label, fix="Interpolate the frames, or state their distance with --dt.")
    if step < 0:
        raise DataError(
            f"the times of {label} decrease",
            got=f"from {values[0]} to {values[-1]}",
            expected="increasing times",
            fix="Reverse the frames.",
        )
    return step


class SpatialAxis(NamedTuple):
    """One spatial axis, whether its points are stored from high to low, and what was understood.

    `assumed`: the kind of boundary is not stated anywhere.
    """

    axis: RecordedAxis
    reversed: bool
    assumed: bool
    notes: tuple[str, ...]


def read_times(entry: Variable | None, label: str, choices: ImportChoices) -> Times:
    """Step and units of time. Raises DataError for times that are not evenly spaced and increasing."""
    notes: list[str] = []
    stated = choices.units.get("time")
    units = stated
    if entry is not None and units is None and entry.units is not None:
        since = re.fullmatch(r"\s*(\w+)\s+since\s+(.*)", entry.units)
        units = since[1] if since else entry.units
        if since:
            notes.append(f"time is counted {entry.units}: its origin is left out")
    if choices.dt is not None:
        return Times(choices.dt, check_units(units or "1", "time"), tuple(notes))
    if entry is None:
        notes.append("times are not stated: frames are 1 apart (--dt)")
        return Times(1.0, check_units(units or "1", "time"), tuple(notes))
    values = entry.values()
    if values.dtype.kind == "M":
        values, units = (values - values[0]) / np.timedelta64(1, "s"), stated or "s"
    step = step_of(values, label)
    if units is None:
        notes.append("units of time are not stated: 1 (--units time=s)")
    if abs(float(values[0])) > _UNEVEN * step:
        notes.append(f"times begin at {float(values[0]):g}: they are counted from the first frame")
    return Times(step, check_units(units or "1", "time"), tuple(notes))


def read_axis(
    name: str,
    size: int,
    coordinates: Mapping[str, Variable],
    boundary: Mapping[str, str],
    label: str,
    choices: ImportChoices,
) -> SpatialAxis:
    """One axis of the grid. Raises DataError for points that are not evenly spaced."""
    notes: list[str] = []
    entry = coordinates.get(name)
    if name in choices.ranges:
        first, last = choices.ranges[name]
        values = np.linspace(first, last, size)
    elif entry is None:
        values = np.arange(size, dtype=np.float64)
        notes.append(f"the points of {name} are not stated: numbered 0, 1, ... (--range {name}=0:1)")
    else:
        values = entry.values()
    if values.shape != (size,):
        raise DataError(
            f"the coordinate {name!r} of {label} does not fit the fields",
            got=f"{values.size} points",
            expected=f"{size}",
        )
    step = _step(
        values, name, label, fix=f"Interpolate the fields, or take the points as even with --range {name}=0:1."
    )
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    kind = choices.boundary.get(name) or boundary.get(name)
    spacing, periodic = abs(step), kind == "periodic"
    lower = ordered[0] if periodic else ordered[0] - spacing / 2
    units = choices.units.get(name) or (entry.units if entry is not None else None) or "1"
    if step < 0:
        notes.append(f"{name} decreases in the file: turned round, values with it")
    axis = RecordedAxis(
        name=name,
        size=size,
        lower=float(lower),
        upper=float(lower + size * spacing),
        boundary="periodic" if periodic else "wall" if kind == "wall" else "open",
        units=check_units(units, f"the coordinate {name!r}"),
    )
    return SpatialAxis(axis, step < 0, kind is None, tuple(notes))


def _step(values: np.ndarray, name: str, label: str, fix: str) -> float:
    """The distance between neighbours, negative where they decrease; DataError where it is not the same everywhere."""
    if values.dtype.kind not in "fiu" or values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise DataError(
            f"the coordinate {name!r} of {label} cannot be used",
            got=f"{values.size} values of type {values.dtype}",
            expected="at least two finite numbers",
            fix=fix,
        )
    points = values.astype(np.float64)
    step = float((points[-1] - points[0]) / (points.size - 1))
    rounding = 4 * float(np.finfo(values.dtype).eps) * float(np.abs(points).max()) if values.dtype.kind == "f" else 0.0
    distances = np.diff(points)
    if step == 0 or np.abs(distances - step).max() > _UNEVEN * abs(step) + rounding:
        increasing = bool((distances > 0).all() or (distances < 0).all())
        raise DataError(
            f"the coordinate {name!r} of {label} is not {'evenly spaced' if increasing else 'strictly monotonic'}",
            got=f"distances from {distances.min():g} to {distances.max():g}",
            expected="the same distance between all neighbours",
            fix=fix,
        )
    return step


def check_named(names: Mapping[str, object], axes: tuple[str, ...], option: str) -> None:
    """Raise UserError if an option names an axis that is not there."""
    strays = [name for name in names if name not in axes]
    if strays:
        raise UserError(
            f"{option} names an axis that the data does not have",
            got=", ".join(strays),
            expected=", ".join(axes) or "none: the data has no space",
        )
