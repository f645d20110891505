"""What will be imported: everything that is decided before a file is written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sciml.core.errors import DataError
from sciml.core.recorded import RESERVED_NAMES, VARIABLE_NAME, RecordedAxis, RecordedField, RecordedParameter
from sciml.core.units import check_units
from sciml.data.importing._axes import check_named, read_axis, read_times
from sciml.data.importing._checks import check_alike, check_values
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._fields import Roles, read_trajectory, roles_of
from sciml.data.importing._source import Source, Variable, with_usual_names
from sciml.data.importing._splits import Sample, samples_of, splits_of

_MOST_AXES = 3


@dataclass(frozen=True)
class Plan:
    """What the files hold, as it will be stored.

    Fields:
        fields, parameters, axes: as in ``problem.json``.
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

    def words(self) -> list[str]:
        """What was recognised, line by line."""
        units = "" if self.time_units == "1" else f" {self.time_units}"
        space = ", ".join(
            f"{axis.name} {axis.size} points in [{axis.lower:g}, {axis.upper:g}] {axis.units}, {axis.boundary}"
            for axis in self.axes
        )
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in self.splits.items())
        return [
            f"format: {', '.join(dict.fromkeys(self.formats))}",
            f"samples: {len(self.samples)} ({counts})",
            f"time: {self.frames} frames, {self.dt:g}{units} apart",
            f"space: {space or 'none'}",
            "fields: " + ", ".join(f"{field.name} [{field.units}]" for field in self.fields),
            "parameters: "
            + (", ".join(f"{p.name} [{p.units}] {p.low:g} to {p.high:g}" for p in self.parameters) or "none"),
            *(f"note: {note}" for note in self.notes),
        ]


def make_plan(found: Sequence[Source], choices: ImportChoices) -> Plan:
    """Recognise what the sources hold; the user's choices come first.

    Raises: UserError for everything that cannot be imported, before anything is written.
    """
    sources = [with_usual_names(source, choices.rename) for source in found]
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
    times = read_times(sources[0].coordinates.get("time"), sources[0].label, choices)
    read = [
        read_axis(dim, head.sizes[dim], sources[0].coordinates, sources[0].boundary, sources[0].label, choices)
        for dim in first.space
    ]
    for option, named in (("--boundary", choices.boundary), ("--range", choices.ranges)):
        check_named(named, first.space, option)
    notes += [note for entry in (times, *read) for note in entry.notes]
    if assumed := [entry.axis.name for entry in read if entry.assumed]:
        notes.append(f"boundaries along {', '.join(assumed)} are not stated: open (--boundary {assumed[0]}=periodic)")
    samples, frames = samples_of(roles, choices, notes)
    splits = splits_of(samples, sources, choices, notes)
    proper = _proper([*first.fields, *first.scalars, *first.space], notes)
    parameters, columns = _parameters(roles, samples, choices, proper)
    fields = tuple(
        RecordedField(name=proper[name], units=_units(name, entry, choices), long_name=entry.long_name)
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
        axes=tuple(entry.axis.model_copy(update={"name": proper[entry.axis.name]}) for entry in read),
        reversed=frozenset(entry.axis.name for entry in read if entry.reversed),
        dt=times.dt,
        frames=frames,
        time_units=times.units,
        samples=samples,
        splits=splits,
        notes=tuple(notes),
        about=_about(sources, choices),
    )
    check_values([plan.states(0), plan.states(len(samples) - 1)], plan.names, plan.axes)
    return plan


def _proper(names: Sequence[str], notes: list[str]) -> dict[str, str]:
    """Names as we can store them. Raises DataError for those that are taken."""
    found = {}
    for name in names:
        proper = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "u"
        proper = proper if VARIABLE_NAME.fullmatch(proper) else f"v_{proper}"[:64]
        if proper != name:
            notes.append(f"{name!r} is called {proper} here")
        if proper in RESERVED_NAMES or proper in found.values():
            raise DataError(
                f"the name {name!r} cannot be used here",
                got="a name that our files use themselves" if proper in RESERVED_NAMES else f"{proper!r} twice",
                fix=f"Give it another one: --rename {name}=NEW.",
            )
        found[name] = proper
    return found


def _units(name: str, entry: Variable, choices: ImportChoices) -> str:
    units = choices.stated_fields().get(name) or choices.units.get(name) or entry.units
    return check_units(units or "1", repr(name))


def _parameters(
    roles: Sequence[Roles], samples: Sequence[Sample], choices: ImportChoices, proper: Mapping[str, str]
) -> tuple[tuple[RecordedParameter, ...], np.ndarray]:
    """Parameters with their ranges, and their values for every sample."""
    found, columns = [], []
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
        found.append(
            RecordedParameter(
                name=proper[name],
                units=units,
                long_name=head.long_name,
                low=float(column.min()),
                high=float(column.max()),
            )
        )
        columns.append(column)
    return tuple(found), np.stack(columns, axis=1) if columns else np.zeros((len(samples), 0))


def _about(sources: Sequence[Source], choices: ImportChoices) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in sources:
        for key, value in (source.about or {}).items():
            found.setdefault(key, value)
    return found | {key: text for key in ("title", "licence", "citation") if (text := getattr(choices, key))}
