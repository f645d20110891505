"""What will be imported: everything that is decided before a file is written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sciml.core.errors import DataError, UnknownNameError, UserError
from sciml.core.recorded import ACTIVE, RESERVED_NAMES, VARIABLE_NAME, RecordedAxis, RecordedField, RecordedParameter
from sciml.core.units import check_units
from sciml.data._layout import BEYOND
from sciml.data.importing._axes import check_named, read_axis
from sciml.data.importing._checks import check_alike, check_values
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._fields import Roles, read_course, read_trajectory, roles_of
from sciml.data.importing._masks import read_mask
from sciml.data.importing._source import Source, Variable, with_usual_names
from sciml.data.importing._splits import Sample, samples_of, splits_of
from sciml.data.importing._steps import time_steps

_MOST_AXES = 3


@dataclass(frozen=True)
class Plan:
    """What the files hold, as it will be stored.

    Fields:
        fields, parameters, axes: as in ``problem.json``.
        forcings: as in ``problem.json``, and what they are read from, by source.
        time_step: the parameter that is the time between frames, where that differs between samples.
        active: cells that are part of the domain, ``*space``; None for all.
        names: of the fields in the files, in the same order.
        reversed: axes whose points are stored from high to low.
        dt, frames, time_units: of a trajectory.
        samples: all of them, with their parameters in `columns`, ``sample parameter``.
        splits: numbers of the samples of each split.
        notes: what was understood, assumed and left out.
        about: title, licence, citation where the files or the user state them.
    """

    sources: tuple[Roles, ...]
    labels: tuple[str, ...]
    formats: tuple[str, ...]
    fields: tuple[RecordedField, ...]
    names: tuple[str, ...]
    parameters: tuple[RecordedParameter, ...]
    columns: np.ndarray
    forcings: tuple[RecordedParameter, ...]
    time_step: str | None
    active: np.ndarray | None
    axes: tuple[RecordedAxis, ...]
    reversed: frozenset[str]
    dt: float
    frames: int
    time_units: str
    samples: tuple[Sample, ...]
    splits: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...]
    about: Mapping[str, str]

    @property
    def space(self) -> tuple[str, ...]:
        """Names of the spatial axes as the fields of the sources call them, in our order."""
        return self.sources[0].space

    def states(self, number: int) -> np.ndarray:
        """One sample as ``time channel *space``, float64."""
        sample = self.samples[number]
        fields = self.sources[sample.source].fields
        return np.stack(
            [
                read_trajectory(fields[name], self.space, sample.row, sample.first, self.frames, self.reversed)
                for name in self.names
            ],
            axis=1,
        )

    def forcing(self, number: int) -> np.ndarray:
        """The forcings of one sample as ``time forcing``, float64."""
        sample = self.samples[number]
        columns = [
            read_course(entry, sample.row, sample.first, self.frames)
            for entry in self.sources[sample.source].forcings.values()
        ]
        return np.stack(columns, axis=1) if columns else np.zeros((self.frames, 0))

    def words(self) -> list[str]:
        """What was recognised, line by line."""
        units = "" if self.time_units == "1" else f" {self.time_units}"
        steps = next((p for p in self.parameters if p.name == self.time_step), None)
        apart = f"{self.dt:g}{units}" if steps is None else f"{steps.low:g} to {steps.high:g} {steps.units}"
        space = ", ".join(
            f"{axis.name} {axis.size} points in [{axis.lower:g}, {axis.upper:g}] {axis.units}, {axis.boundary}"
            for axis in self.axes
        )
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in self.splits.items())
        return [
            f"format: {', '.join(dict.fromkeys(self.formats))}",
            f"samples: {len(self.samples)} ({counts})",
            f"time: {self.frames} frames, {apart} apart",
            f"space: {space or 'none'}",
            "fields: " + ", ".join(f"{field.name} [{field.units}]" for field in self.fields),
            "parameters: "
            + (", ".join(f"{p.name} [{p.units}] {p.low:g} to {p.high:g}" for p in self.parameters) or "none"),
            *(f"forcing: {p.name} [{p.units}] {p.low:g} to {p.high:g}, by time" for p in self.forcings),
            *(f"note: {note}" for note in self.notes),
        ]


def make_plan(files: Sequence[Source], choices: ImportChoices) -> Plan:
    """Recognise what the sources hold; the user's choices come first.

    Raises: UserError for everything that cannot be imported, before anything is written.
    """
    sources = [with_usual_names(source, choices.rename) for source in files]
    roles = [roles_of(source, choices) for source in sources]
    check_alike(sources, roles)
    first, head = roles[0], next(iter(roles[0].fields.values()))
    notes = list(dict.fromkeys(note for entry in roles for note in entry.notes))
    if len(first.space) > _MOST_AXES:
        raise DataError(
            f"the fields of {sources[0].label} have too many axes",
            got=head.words,
            expected=f"sample, time and at most {_MOST_AXES} of space",
            fix="Mark an axis of several fields as `channel` with --dims, or select a part of the file.",
        )
    read = [
        read_axis(dim, head.sizes[dim], sources[0].coordinates, sources[0].boundary, sources[0].label, choices)
        for dim in first.space
    ]
    for option, named in (("--boundary", choices.boundary), ("--range", choices.ranges)):
        check_named(named, first.space, option)
    samples, frames = samples_of(roles, choices, cut_notes := [])
    steps = time_steps(sources, roles, samples, choices)
    times = steps.times
    notes += [note for entry in (times, *read) for note in entry.notes]
    if assumed := [entry.axis.name for entry in read if entry.assumed]:
        notes.append(f"boundaries along {', '.join(assumed)} are not stated: open (--boundary {assumed[0]}=periodic)")
    notes += cut_notes
    splits = splits_of(samples, sources, choices, notes, keeps_beyond=True)
    proper = proper_names([*first.fields, *first.scalars, *first.forcings, *first.space], notes)
    inside = np.setdiff1d(np.arange(len(samples)), splits.get(BEYOND, ()))
    parameters, columns = parameters_of(roles, samples, choices, proper, inside)
    if steps.column is not None and steps.name is not None:
        low, high = float(steps.column[inside].min()), float(steps.column[inside].max())
        step = RecordedParameter(name=steps.name, units=steps.units, long_name="time step", low=low, high=high)
        parameters, columns = (*parameters, step), np.concatenate([columns, steps.column[:, None]], axis=1)
    if astray := [name for name in choices.odd if name not in first.fields]:
        raise UnknownNameError("field", astray[0], first.fields)
    walls = [entry.axis.name for entry in read if entry.axis.boundary == "wall"]
    fields = tuple(
        RecordedField(
            name=proper[name],
            units=units_of(name, entry, choices),
            long_name=entry.long_name,
            odd=_odd(name, entry, choices, walls, proper),
        )
        for name, entry in first.fields.items()
    )
    stated = {*choices.units, *(name for name, units in choices.stated_fields().items() if units)}
    if silent := [name for name, entry in first.fields.items() if entry.units is None and name not in stated]:
        notes.append(f"units of {', '.join(silent)} are not stated: 1 (--units {silent[0]}=...)")
    plan = Plan(
        sources=tuple(roles),
        labels=tuple(source.label for source in sources),
        formats=tuple(source.format for source in sources),
        fields=fields,
        names=tuple(first.fields),
        parameters=parameters,
        columns=columns,
        forcings=_forcings(roles, choices, proper),
        time_step=None if steps.name is None else proper.get(steps.name, steps.name),
        active=None,
        axes=tuple(entry.axis.model_copy(update={"name": proper[entry.axis.name]}) for entry in read),
        reversed=frozenset(entry.axis.name for entry in read if entry.reversed),
        dt=times.dt,
        frames=frames,
        time_units=times.units,
        samples=samples,
        splits=splits,
        notes=tuple(notes),
        about=about_of(sources, choices),
    )
    ends = [plan.states(0), plan.states(len(samples) - 1)]
    active = read_mask(roles, plan.names, ends, map(plan.states, range(len(samples))), plan.reversed, choices, notes)
    if active is not None and ACTIVE in proper.values():
        raise DataError(f"the name {ACTIVE!r} is that of the mask here", fix=f"Rename it: --rename {ACTIVE}=NEW.")
    check_values(ends, plan.names, plan.axes, active)
    return replace(plan, active=active, notes=tuple(notes))


def proper_names(names: Sequence[str], notes: list[str]) -> dict[str, str]:
    """Names as we can store them. Raises DataError for those that are taken."""
    proper_by_name = {}
    for name in names:
        proper = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "u"
        proper = proper if VARIABLE_NAME.fullmatch(proper) else f"v_{proper}"[:64]
        if proper != name:
            notes.append(f"{name!r} is called {proper} here")
        if proper in RESERVED_NAMES or proper in proper_by_name.values():
            raise DataError(
                f"the name {name!r} cannot be used here",
                got="a name that our files use themselves" if proper in RESERVED_NAMES else f"{proper!r} twice",
                fix=f"Give it another one: --rename {name}=NEW.",
            )
        proper_by_name[name] = proper
    return proper_by_name


def _odd(
    name: str, entry: Variable, choices: ImportChoices, walls: Sequence[str], proper: Mapping[str, str]
) -> tuple[str, ...] | None:
    """Axes in whose walls' mirror a field changes its sign, the user's first; None where nobody says it.

    Raises: UserError for an axis without walls that the user names.
    """
    if name in choices.odd:
        axes = tuple(axis.strip() for axis in choices.odd[name].split(",") if axis.strip() != "none")
        if astray := [axis for axis in axes if axis not in walls]:
            raise UserError(
                f"the field {name!r} cannot be odd along {astray[0]!r}",
                got=f"--odd {name}={choices.odd[name]}",
                expected=f"axes with walls, of {', '.join(walls) or 'which there are none'}, or none",
                fix=f"Fields have a parity at walls only: --boundary {astray[0]}=wall says that there are some.",
            )
        return tuple(proper[axis] for axis in axes)
    return None if entry.odd is None else tuple(proper[axis] for axis in entry.odd if axis in walls)


def units_of(name: str, entry: Variable, choices: ImportChoices) -> str:
    """Units of a field in plain form, the user's first."""
    units = choices.stated_fields().get(name) or choices.units.get(name) or entry.units
    return check_units(units or "1", repr(name))


def parameters_of(
    roles: Sequence[Roles],
    samples: Sequence[Sample],
    choices: ImportChoices,
    proper: Mapping[str, str],
    inside: np.ndarray | None = None,
) -> tuple[tuple[RecordedParameter, ...], np.ndarray]:
    """Parameters with their values for every sample, and their ranges over all samples or those of number `inside`."""
    inside = np.arange(len(samples)) if inside is None else inside
    parameters, columns = [], []
    for name, head in roles[0].scalars.items():
        if any(name not in entry.scalars for entry in roles):
            raise DataError(f"not every file has the parameter {name!r}", fix="Choose others with --parameters.")
        tables = [np.atleast_1d(entry.scalars[name].values()).astype(np.float64) for entry in roles]
        column = np.array([tables[s.source][s.row if tables[s.source].size > 1 else 0] for s in samples])
        if not np.isfinite(column).all():
            raise DataError(
                f"parameter {name!r} is not finite for every sample",
                got=f"{int((~np.isfinite(column)).sum())} samples",
                fix="Drop these samples, or choose other parameters with --parameters.",
            )
        if head.dims == () and column.min() == column.max() and choices.parameters is None:
            continue  # a constant of the file
        units = check_units(choices.units.get(name) or head.units or "1", f"parameter {name!r}")
        parameters.append(
            RecordedParameter(
                name=proper[name],
                units=units,
                long_name=head.long_name,
                low=float(column[inside].min()),
                high=float(column[inside].max()),
            )
        )
        columns.append(column)
    return tuple(parameters), np.stack(columns, axis=1) if columns else np.zeros((len(samples), 0))


def _forcings(
    roles: Sequence[Roles], choices: ImportChoices, proper: Mapping[str, str]
) -> tuple[RecordedParameter, ...]:
    """Forcings with their ranges over all samples and times."""
    forcings = []
    for name, head in roles[0].forcings.items():
        if any(name not in entry.forcings for entry in roles):
            raise DataError(f"not every file has the forcing {name!r}", fix="Choose others with --forcing.")
        values = np.concatenate([entry.forcings[name].values().astype(np.float64).ravel() for entry in roles])
        if not np.isfinite(values).all():
            raise DataError(
                f"forcing {name!r} is not finite at every time",
                got=f"{int((~np.isfinite(values)).sum())} gaps",
                fix="Fill the gaps, or choose other forcings with --forcing (none for none).",
            )
        units = check_units(choices.units.get(name) or head.units or "1", f"forcing {name!r}")
        low, high = float(values.min()), float(values.max())
        forcings.append(RecordedParameter(name=proper[name], units=units, long_name=head.long_name, low=low, high=high))
    return tuple(forcings)


def about_of(sources: Sequence[Source], choices: ImportChoices) -> dict[str, str]:
    """Title, licence and the like, the user's first."""
    about: dict[str, str] = {}
    for source in sources:
        for key, value in (source.about or {}).items():
            about.setdefault(key, value)
    return about | {key: text for key in ("title", "licence", "citation") if (text := getattr(choices, key))}
