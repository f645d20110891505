"""The time between frames: one for all trajectories, or a parameter where it differs between them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sciml.core.errors import DataError
from sciml.core.units import check_units
from sciml.data._store import TIME_STEP
from sciml.data.importing._axes import Times, read_times, step_of
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._fields import Roles
from sciml.data.importing._source import Source, Variable, variable
from sciml.data.importing._splits import Sample

_SAME = 1e-3
"""Share of a step by which the steps of trajectories may differ and still be one."""


class TimeSteps(NamedTuple):
    """The time axis of all trajectories.

    Fields:
        times: step, units and notes; the step is 1 where it differs between trajectories.
        name: of the parameter that is the step, if any.
        column: its values by sample, where no scalar of the sources has them.
        units: of that parameter.
    """

    times: Times
    name: str | None = None
    column: np.ndarray | None = None
    units: str = "1"


def time_steps(
    sources: Sequence[Source], roles: Sequence[Roles], samples: Sequence[Sample], choices: ImportChoices
) -> TimeSteps:
    """The step of every trajectory; each of them is uniform.

    Raises: DataError for times that are uneven, do not increase, or have other units in another file.
    """
    first = sources[0].coordinates.get("time")
    stated = next((name for name, entry in roles[0].scalars.items() if entry.role == TIME_STEP), None)
    if stated is not None and choices.dt is None:
        units = check_units(choices.units.get(stated) or roles[0].scalars[stated].units or "1", repr(stated))
        return TimeSteps(Times(1.0, "1", (f"the time step is the parameter {stated}",)), stated, None, units)
    times = read_times(_row(first, 0), sources[0].label, choices)
    if choices.dt is not None or first is None or (len(sources) == 1 and first.dims == ("time",)):
        return TimeSteps(times)
    rows = [_steps(source, first, choices) for source in sources]
    column = np.array([rows[entry.source][entry.row if rows[entry.source].size > 1 else 0] for entry in samples])
    if (np.abs(column - times.dt) <= _SAME * times.dt).all():
        return TimeSteps(times)
    taken = {*roles[0].fields, *roles[0].scalars, *roles[0].forcings}
    name = next(name for name in ("dt", "time_step", "distance_of_frames") if name not in taken)
    words = f"the time step differs between trajectories, {column.min():g} to {column.max():g}: the parameter {name}"
    return TimeSteps(Times(1.0, "1", (*times.notes, words)), name, column, times.units)


def _steps(source: Source, first: Variable, choices: ImportChoices) -> np.ndarray:
    """The step of every row of a source, or one for all."""
    entry = source.coordinates.get("time")
    assert entry is not None  # checked before: all sources have times, or none
    if entry.units != first.units and "time" not in choices.units and _unit(entry) != _unit(first):
        raise DataError(
            f"the times of {source.label} have other units than those of the first file",
            got=entry.units,
            expected=first.units,
            fix="State them with --units time=... if they are the same.",
        )
    if "sample" not in entry.dims:
        return np.array([step_of(entry.values(), source.label)])
    values = entry.values() if entry.dims[0] == "sample" else entry.values().T
    return np.array([step_of(row, f"sample {number} of {source.label}") for number, row in enumerate(values)])


def _unit(entry: Variable) -> str | None:
    """Units without the origin of time."""
    return None if entry.units is None else entry.units.partition(" since ")[0].strip()


def _row(entry: Variable | None, number: int) -> Variable | None:
    """The times of one sample."""
    if entry is None or "sample" not in entry.dims:
        return entry
    row = entry.at("sample", number)
    return variable(row.values(), row.dims, entry.units, entry.long_name)
