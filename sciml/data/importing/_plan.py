"""What will be imported: everything that is decided before a file is written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sciml.core.errors import DataError, UserError
from sciml.core.recorded import RESERVED_NAMES, VARIABLE_NAME, RecordedAxis, RecordedField, RecordedParameter
from sciml.core.rng import generator
from sciml.core.units import check_units
from sciml.data._layout import SPLITS
from sciml.data.importing._axes import check_named, read_axis, read_times
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._fields import Roles, read_trajectory, roles_of
from sciml.data.importing._source import Source, Variable, with_usual_names

_SHARES = (0.8, 0.1, 0.1)
_MOST_AXES = 3


@dataclass(frozen=True)
class Sample:
    """One sample: a row of a source, from a frame on."""

    source: int
    row: int
    first: int


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
    _check_alike(sources, roles)
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
    samples, frames = _samples(roles, choices, notes)
    splits = _splits(samples, sources, choices, notes)
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
    _look(plan)
    return plan


def _check_alike(sources: Sequence[Source], roles: Sequence[Roles]) -> None:
    """All files must have the same fields on the same grid, step and all."""
    first = roles[0]
    sizes = {dim: size for dim, size in next(iter(first.fields.values())).sizes.items() if dim != "sample"}
    for source, entry in zip(sources[1:], roles[1:], strict=True):
        if set(entry.fields) != set(first.fields):
            raise DataError(
                f"{source.label} has other fields than {sources[0].label}",
                got=", ".join(entry.fields),
                expected=", ".join(first.fields),
                fix="Choose common ones with --fields.",
            )
        other = {dim: size for dim, size in next(iter(entry.fields.values())).sizes.items() if dim != "sample"}
        if other != sizes:
            raise DataError(f"{source.label} has another size than {sources[0].label}", got=other, expected=sizes)
        for dim in sizes:
            one, two = sources[0].coordinates.get(dim), source.coordinates.get(dim)
            if (one is None) != (two is None) or (one and two and not _close(one.values(), two.values())):
                raise DataError(
                    f"the coordinate {dim!r} of {source.label} is not that of {sources[0].label}",
                    expected="the same points and times in all files",
                )
        for name, field in entry.fields.items():
            if field.units != first.fields[name].units:
                raise DataError(
                    f"{name!r} in {source.label} has other units than in {sources[0].label}",
                    got=field.units,
                    expected=first.fields[name].units,
                )


def _close(one: np.ndarray, two: np.ndarray) -> bool:
    if one.dtype.kind not in "fiu" or two.dtype.kind not in "fiu":
        return bool(np.array_equal(one, two))
    steps = np.abs(np.diff(one.astype(np.float64)))
    step = float(steps.min()) if steps.size else 1.0
    return one.shape == two.shape and bool(np.allclose(one, two, rtol=1e-6, atol=1e-3 * step))


def _samples(roles: Sequence[Roles], choices: ImportChoices, notes: list[str]) -> tuple[tuple[Sample, ...], int]:
    """All samples and the frames of each."""
    stored = next(iter(roles[0].fields.values())).sizes["time"]
    frames = choices.cut or stored
    if not 2 <= frames <= stored:
        raise DataError(
            "a trajectory needs at least two frames" if stored < 2 else "--cut is longer than a trajectory",
            got=f"{stored} frames" + (f", --cut {choices.cut}" if choices.cut else ""),
        )
    if stored % frames:
        notes.append(f"the last {stored % frames} frames of every trajectory do not fill a piece: left out")
    found = []
    for number, entry in enumerate(roles):
        rows = next(iter(entry.fields.values())).sizes.get("sample", 1)
        found += [Sample(number, row, first) for row in range(rows) for first in range(0, stored - frames + 1, frames)]
    if len(found) < len(SPLITS):
        head = next(iter(roles[0].fields.items()))
        raise DataError(
            f"there are too few trajectories to train, validate and test on: {head[0]} is read as {head[1].words}",
            got=f"{len(found)} in all, of shape {head[1].shape}",
            expected=f"at least {len(SPLITS)}",
            fix="Check the order of the axes (--dims, --rename), import more files at once, or cut long trajectories "
            "into pieces with --cut FRAMES.",
        )
    return tuple(found), frames


def _splits(
    samples: Sequence[Sample], sources: Sequence[Source], choices: ImportChoices, notes: list[str]
) -> dict[str, tuple[int, ...]]:
    """Samples by split: those of the files if these name all three, else drawn by trajectory, never by window."""
    stated = {source.split for source in sources}
    if choices.split is None and stated == set(SPLITS):
        notes.append("splits are those of the files")
        return {
            name: tuple(i for i, entry in enumerate(samples) if sources[entry.source].split == name) for name in SPLITS
        }
    if choices.split is None and stated & set(SPLITS):
        named = ", ".join(sorted(str(name) for name in stated if name))
        notes.append(f"the files name the splits {named} only: all trajectories are split anew")
    whole = list(dict.fromkeys((entry.source, entry.row) for entry in samples))
    if len(whole) >= len(SPLITS):
        order = torch.randperm(len(whole), generator=generator(choices.seed, "import", "split")).tolist()
        groups = (
            [[i for i, s in enumerate(samples) if (s.source, s.row) == whole[k]] for k in order]
            if (len(samples) > len(whole))
            else [[k] for k in order]
        )
    else:  # pieces of very few trajectories, in the order of time, so that neighbours share a split
        notes.append("pieces are split in the order of time: first training, then validation, then test")
        groups = [[i] for i in range(len(samples))]
    sizes = _sizes(len(groups), choices)
    found, start = {}, 0
    for name, size in zip(SPLITS, sizes, strict=True):
        found[name] = tuple(sorted(i for group in groups[start : start + size] for i in group))
        start += size
    return found


def _sizes(count: int, choices: ImportChoices) -> tuple[int, int, int]:
    """Trajectories per split. Raises UserError for shares that leave one of them empty."""
    shares = choices.split or _SHARES
    if min(shares) <= 0 or sum(shares) > 1 + 1e-9:
        raise UserError(
            "the shares of the splits are not possible",
            got=", ".join(map(str, shares)),
            expected="three positive numbers that add up to one at most",
        )
    if choices.split is None:
        valid, test = (max(1, round(share * count)) for share in shares[1:])
        return count - valid - test, valid, test
    train, valid, test = (int(share * count + 0.5) for share in shares)
    train = min(train, count - valid - test)
    if min(train, valid, test) < 1:
        raise UserError(
            "a split would be empty",
            got=f"{train} training, {valid} validation, {test} test of {count} trajectories",
            expected="at least one in each",
            fix="Change --split, or import more trajectories.",
        )
    return train, valid, test


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


def _look(plan: Plan) -> None:
    """Refuse fields that hold nothing in the first and the last sample, those with holes, and ends stored twice."""
    ends = [plan.states(0), plan.states(len(plan.samples) - 1)]
    for channel, name in enumerate(plan.names):
        finite = [np.isfinite(states[:, channel]) for states in ends]
        if not any(entry.any() for entry in finite):
            raise DataError(
                f"field {name!r} has no finite value",
                got="NaN in the first and the last trajectory",
                fix="Leave it out with --fields.",
            )
        holes = ~finite[0][0]
        if holes.any() and all((~entry == holes).all() for entry in finite):
            raise DataError(
                f"field {name!r} has no values on a part of the grid",
                got=f"NaN at the same {int(holes.sum())} of {holes.size} points in every frame (land, inactive cells)",
                expected="values at every point",
                fix="Fill these points before importing, for example with the mean of the field.",
            )
    for place, axis in enumerate(plan.axes, start=2):
        varied = any(
            not np.array_equal(states, np.broadcast_to(states.take([0], place), states.shape)) for states in ends
        )
        slices = [(states.take(0, place), states.take(-1, place)) for states in ends]
        same = all(np.allclose(one, two, rtol=1e-6, atol=0) for one, two in slices)
        if axis.boundary == "periodic" and varied and same:
            raise DataError(
                f"the first and the last point of the periodic axis {axis.name!r} hold the same values",
                got=f"{axis.size} points, the end point stored twice",
                expected="a periodic axis without its right end point",
                fix="Drop the last point along this axis before importing.",
            )
