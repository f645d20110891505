"""Which variables are fields over time, which are parameters, and what is left out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sciml.core.errors import DataError, UnknownNameError
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._source import Index, Source, Variable


class Roles(NamedTuple):
    """The variables of one source.

    Fields:
        fields: on ``time``, the spatial axes and perhaps ``sample``, in the file's order of dimensions.
        scalars: one value per sample, or one for all of them.
        space: the spatial dimensions in the order in which they are stored here.
        notes: what was left out, and why.
    """

    fields: dict[str, Variable]
    scalars: dict[str, Variable]
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
    moving = {name: entry for name, entry in narrow.items() if "time" in entry.dims and (not stated or name in stated)}
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
    scalars, left_out = _scalars(source, narrow, choices)
    first = next(iter(fields.values()))
    return Roles(fields, scalars, _in_order(first.dims), (*source.notes, *notes, *left_out))


def without_channels(source: Source, choices: ImportChoices) -> dict[str, Variable]:
    """The variables with one for each place of a dimension `channel`, named by the user's fields if as many."""
    parted = [name for name, entry in source.variables.items() if "channel" in entry.dims]
    wanted = [name for name in choices.stated_fields() if name not in source.variables]
    found = {}
    for name, entry in source.variables.items():
        if name not in parted:
            found[name] = entry
            continue
        count = entry.sizes["channel"]
        names = [name] if count == 1 else [f"{name}_{i}" for i in range(count)]
        if len(parted) == 1 and wanted and not set(wanted) <= set(names):
            if len(wanted) != count:
                raise DataError(f"--fields does not name every channel of {name!r} in {source.label}",
                                got=", ".join(wanted), expected=f"{count} names")  # fmt: skip
            names = wanted
        found |= {title: entry.at("channel", i) for i, title in enumerate(names)}
    return found


def _scalars(
    source: Source, variables: dict[str, Variable], choices: ImportChoices
) -> tuple[dict[str, Variable], list[str]]:
    """Values per sample; what else does not vary in time is left out with a note."""
    found, notes = {}, []
    for name, entry in variables.items():
        if "time" in entry.dims or name in choices.stated_fields():
            continue
        if entry.kind in "fiu" and entry.dims in ((), ("sample",)):
            found[name] = entry
        else:
            notes.append(f"{name} ({entry.words}) is neither a field over time nor a number per sample: left out")
    if choices.parameters is None:
        return found, notes
    if missing := [name for name in choices.parameters if name not in found]:
        raise UnknownNameError(f"parameter of {source.label}", missing[0], found)
    return {name: found[name] for name in choices.parameters}, notes


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
    values = values.transpose([kept.index(dim) for dim in ("time", *space)])
    return np.flip(values, tuple(1 + axis for axis, dim in enumerate(space) if dim in reversed))
