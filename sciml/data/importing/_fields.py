"""Which variables are fields over time, which are parameters, and what is left out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sciml.core.errors import DataError, UnknownNameError
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._source import MASK, Index, Source, Variable


class Roles(NamedTuple):
    """The variables of one source.

    Fields:
        fields: on ``time``, the spatial axes and perhaps ``sample``, in the file's order of dimensions.
        scalars: one value per sample, or one for all of them.
        forcings: one value per time, or per sample and time.
        mask: what says which cells are active, if anything but the fields does.
        space: the spatial dimensions in the order in which they are stored here.
        notes: what was left out, and why.
    """

    fields: dict[str, Variable]
    scalars: dict[str, Variable]
    forcings: dict[str, Variable]
    mask: Variable | None
    space: tuple[str, ...]
    notes: tuple[str, ...]


def roles_of(source: Source, choices: ImportChoices) -> Roles:
    """Tell fields and parameters apart by their dimensions.

    Raises: DataError where nothing is a field over time, or a chosen field is none; UnknownNameError for a field that
        is not there.
    """
    notes, narrow = [], {}
    for name, entry in without_channels(source, choices).items():
        narrow[name] = entry
        for dim, size in entry.sizes.items():
            if size == 1 and dim not in ("sample", "time"):
                narrow[name] = narrow[name].at(dim, 0)
                notes.append(f"{name}: the axis {dim} has one point and is dropped")
    stated = choices.stated_fields()
    if missing := [name for name in stated if name not in narrow]:
        raise UnknownNameError(f"field of {source.label}", missing[0], narrow)
    mask_name, mask = _mask(source, narrow, choices)
    forcings = _forcings(source, narrow, choices)
    moving = {
        name: entry
        for name, entry in narrow.items()
        if "time" in entry.dims and (not stated or name in stated) and name not in (*forcings, mask_name)
    }
    if not moving:
        raise DataError(
            f"{source.label} has no field over time",
            got="; ".join(f"{name} ({entry.words})" for name, entry in narrow.items()) or "no arrays",
            expected="at least one array with a dimension `time`",
            fix="Name the dimension: --rename OLD=time, or --dims for arrays without names.",
        )
    shapes = [frozenset(entry.dims) for entry in moving.values()]
    widest = max(shapes, key=len)
    fields = {name: entry for name, entry in moving.items() if set(entry.dims) == widest}
    for name, entry in moving.items():
        if name in fields:
            continue
        if name in stated:
            raise DataError(
                f"the fields of {source.label} lie on different axes",
                got=f"{name} ({entry.words})",
                expected=next(iter(fields.values())).words,
                fix="Import them separately.",
            )
        notes.append(f"{name} ({entry.words}) lacks axes of the other fields: left out")
    for name, entry in fields.items():
        if entry.kind not in "fiu":
            kind = {"c": "complex numbers", "b": "truth values", "O": "objects"}.get(entry.kind, "texts")
            raise DataError(
                f"{name!r} in {source.label} does not hold real numbers",
                got=kind,
                expected="numbers",
                fix="Split complex fields into real and imaginary part; leave others out with --fields.",
            )
        if entry.sizes != next(iter(fields.values())).sizes:
            raise DataError(
                f"the fields of {source.label} differ in size",
                got=f"{name} ({entry.words})",
                expected=next(iter(fields.values())).words,
            )
    rest = {name: entry for name, entry in narrow.items() if name not in (*forcings, mask_name)}
    scalars, left_out = _scalars(source, rest, choices)
    first = next(iter(fields.values()))
    times = source.coordinates.get("time")
    courses = forcings if times is None or "sample" not in times.dims else forcings | {"time": times}
    for name, entry in courses.items():
        wanted = {dim: first.sizes[dim] for dim in ("sample", "time") if dim in entry.dims and dim in first.dims}
        if entry.sizes != wanted:
            raise DataError(
                f"{name!r} in {source.label} has another size than the fields", got=entry.words, expected=first.words
            )
    return Roles(fields, scalars, forcings, mask, _in_order(first.dims), (*source.notes, *notes, *left_out))


def _mask(source: Source, variables: dict[str, Variable], choices: ImportChoices) -> tuple[str | None, Variable | None]:
    """The variable that the user names as the mask, or that says so itself.

    Raises: UnknownNameError for one that is not there; DataError for one that varies.
    """
    name = choices.mask_variable
    if choices.mask is None:
        name = next((name for name, entry in variables.items() if entry.role == MASK), None)
    if name is None:
        return None, None
    if name not in variables:
        raise UnknownNameError(f"mask of {source.label}", name, variables, fix="`none` and `any` name no variable.")
    entry = variables[name]
    if varying := [dim for dim in ("sample", "time") if dim in entry.dims]:
        raise DataError(
            f"the mask {name!r} of {source.label} differs by {' and '.join(varying)}",
            got=entry.words,
            expected="one mask for all trajectories, on the axes of space alone",
            fix="Import trajectories with the same mask together, or leave out every cell that is NaN anywhere with "
            "--mask any.",
        )
    return name, entry


def _forcings(source: Source, variables: dict[str, Variable], choices: ImportChoices) -> dict[str, Variable]:
    """Numbers that vary by time, beside fields that vary in space as well, or those that the user names.

    Raises: UnknownNameError for one that is none.
    """
    by_time = {
        name: entry
        for name, entry in variables.items()
        if set(entry.dims) in ({"time"}, {"sample", "time"}) and entry.kind in "fiu"
    }
    if choices.forcings is not None:
        wanted = () if choices.forcings == ("none",) else choices.forcings
        if missing := [name for name in wanted if name not in by_time]:
            raise UnknownNameError(f"forcing of {source.label}", missing[0], by_time)
        return {name: by_time[name] for name in wanted}
    moving = [entry for entry in variables.values() if "time" in entry.dims]
    in_space = any(set(entry.dims) - {"sample", "time"} for entry in moving)
    return {name: entry for name, entry in by_time.items() if in_space and name not in choices.stated_fields()}


def without_channels(source: Source, choices: ImportChoices) -> dict[str, Variable]:
    """The variables with one for each place of a dimension `channel`, named by the user's fields if as many."""
    parted = [name for name, entry in source.variables.items() if "channel" in entry.dims]
    wanted = [name for name in choices.stated_fields() if name not in source.variables]
    plain = {}
    for name, entry in source.variables.items():
        if name not in parted:
            plain[name] = entry
            continue
        count = entry.sizes["channel"]
        names = [name] if count == 1 else [f"{name}_{i}" for i in range(count)]
        if len(parted) == 1 and wanted and not set(wanted) <= set(names):
            if len(wanted) != count:
                raise DataError(f"--fields does not name every channel of {name!r} in {source.label}",
                                got=", ".join(wanted), expected=f"{count} names")  # fmt: skip
            names = wanted
        plain |= {title: entry.at("channel", i) for i, title in enumerate(names)}
    return plain


def _scalars(
    source: Source, variables: dict[str, Variable], choices: ImportChoices
) -> tuple[dict[str, Variable], list[str]]:
    """Values per sample; what else does not vary in time is left out with a note."""
    scalars, notes = {}, []
    for name, entry in variables.items():
        if "time" in entry.dims or name in choices.stated_fields():
            continue
        if entry.kind in "fiu" and entry.dims in ((), ("sample",)):
            scalars[name] = entry
        else:
            notes.append(f"{name} ({entry.words}) is neither a field over time nor a number per sample: left out")
    if choices.parameters is None:
        return scalars, notes
    if missing := [name for name in choices.parameters if name not in scalars]:
        raise UnknownNameError(f"parameter of {source.label}", missing[0], scalars)
    return {name: scalars[name] for name in choices.parameters}, notes


def _in_order(dims: Sequence[str]) -> tuple[str, ...]:
    """Spatial dimensions as we store them: z, y, x where they are called so, else as they come."""
    space = [dim for dim in dims if dim not in ("sample", "time")]
    return tuple(sorted(space, reverse=True)) if set(space) <= {"x", "y", "z"} else tuple(space)


def read_trajectory(
    entry: Variable, space: Sequence[str], row: int, first: int, frames: int, reversed: frozenset[str]
) -> np.ndarray:
    """One trajectory of a field as ``time *space``, float64, in our order of axes."""
    index: Index = tuple(
        row if dim == "sample" else slice(first, first + frames) if dim == "time" else slice(None) for dim in entry.dims
    )
    values = np.asarray(entry.read(index), dtype=np.float64)
    kept = [dim for dim in entry.dims if dim != "sample"]
    return flipped(values.transpose([kept.index(dim) for dim in ("time", *space)]), space, reversed)


def flipped(values: np.ndarray, space: Sequence[str], reversed: frozenset[str]) -> np.ndarray:
    """Values whose last axes are `space`, with their points from low to high."""
    lead = values.ndim - len(space)
    return np.flip(values, tuple(lead + axis for axis, dim in enumerate(space) if dim in reversed))


def read_course(entry: Variable, row: int, first: int, frames: int) -> np.ndarray:
    """One trajectory of a forcing, float64 on ``time``."""
    index: Index = tuple(row if dim == "sample" else slice(first, first + frames) for dim in entry.dims)
    return np.asarray(entry.read(index), dtype=np.float64)
