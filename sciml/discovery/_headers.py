"""From header cells to names, units and roles: which column is the time, which the trajectory, which an error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sciml.core.errors import DataError, nearest
from sciml.core.formulas import NAMES, spelt, unified
from sciml.data.tables import TIME_NAMES, TIME_UNITS, as_name, split_header
from sciml.discovery._dimensions import dimension

RESERVED = frozenset({"t", "time", "trajectory", "sample", "status", "spread", *NAMES})
"""What cannot be the name of a column: functions of formulas, and names in the files of a run."""
_TRAJECTORIES = ("trajectory", "run", "id", "experiment", "replicate", "trial")
_DEVIATION = "(?:sigma|σ|std|sd|err|error|unc|uncertainty)"
_ERRORS = re.compile(rf"{_DEVIATION}_(.+)|(.+)_{_DEVIATION}", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """A column of a file: the name that formulas use, its units, and where it stands."""

    name: str
    units: str
    at: int


@dataclass(frozen=True)
class Roles:
    """What every column of a file is.

    Arguments:
        time: when.
        time_units: in which units times are to be counted, where they are dates; those of the header otherwise.
        trajectory: where a label of the trajectory stands; None for a single one.
        columns: quantities.
        sigmas: positions of columns of standard deviations, by the name of what they belong to.
        notes: what was decided, one sentence each.
    """

    time: Named
    time_units: str
    trajectory: int | None
    columns: tuple[Named, ...]
    sigmas: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def header_of(cell: str) -> tuple[str, str, str]:
    """Name and units of ``T (K)``, ``T [K]``, ``T / K`` or ``T``, and what is to be said of the units."""
    name, stated = split_header(cell)
    units = {"%": "percent", "": "1"}.get(stated, stated)
    try:
        dimension(units)
    except DataError:
        return _as_written(name), "1", f"the units {units!r} of {name!r} cannot be read and are left out"
    return _as_written(name), units, ""


def _as_written(text: str) -> str:
    """A name as formulas are read, but with the letters of the file: a column ``µ`` is no ``μ``."""
    name = as_name(text)
    plain = re.sub(r"[\s\-./]+", "_", text.strip()).strip("_")
    return plain if plain.isidentifier() else name


def roles_of(path: Path, header: Sequence[str], time: str = "", trajectory: str = "") -> Roles:
    """Which column is what.

    Arguments:
        path: named in errors.
        header: cells of the header.
        time: the column of times, perhaps with units ``Date [h]``; empty to find it.
        trajectory: the column that tells trajectories apart; empty to find it.

    Raises: DataError for names that are empty, repeated or cannot be used, and where a choice is open.
    """
    if not all(header):
        raise DataError(f"{path} has a header with empty or repeated names", got=", ".join(map(repr, header)),
                        fix="Give every column a name.")  # fmt: skip
    read = [header_of(cell) for cell in header]
    every = [Named(name, units, i) for i, (name, units, _) in enumerate(read)]
    notes = [note for _, _, note in read if note]
    names = [entry.name for entry in every]
    if len(set(map(unified, names))) < len(names):
        raise DataError(f"{path} has a header with empty or repeated names", got=", ".join(header),
                        fix="Names that differ by compatibility forms only (µ, μ) are the same name.")  # fmt: skip
    when = _time(path, every, time)
    group = _group(path, every, trajectory, when)
    if when.name not in ("t", "time"):
        notes.append(f"{header[when.at]!r} is the time, t in formulas")
    if group is not None and group.name != "trajectory":
        notes.append(f"{header[group.at]!r} tells trajectories apart")
    left = [entry for entry in every if entry is not when and entry is not group]
    sigmas = {owner: entry.at for entry in left if (owner := _owner(entry.name, left)) is not None}
    columns = tuple(entry for entry in left if entry.at not in sigmas.values())
    notes += [f"{header[at]!r} is taken for the standard deviation of {name}" for name, at in sigmas.items()]
    _check_names(path, header, columns)
    notes += [
        f"{header[entry.at]!r} is called {entry.name} in formulas"
        for entry in columns
        if not header[entry.at].startswith(entry.name)
    ]
    asked = header_of(time)[1] if time else "1"
    units = asked if asked != "1" else when.units if when.units != "1" else TIME_UNITS.get(when.name.lower(), "1")
    return Roles(when, units, None if group is None else group.at, columns, sigmas, tuple(notes))


def without_role(roles: Roles, note: str) -> Roles:
    """The same with the column of trajectories left out."""
    return Roles(roles.time, roles.time_units, None, roles.columns, roles.sigmas, (*roles.notes, note))


def _time(path: Path, every: Sequence[Named], asked: str) -> Named:
    names = [entry.name for entry in every]
    if asked:
        return _named(path, every, asked, "--time")
    exact = [entry for entry in every if entry.name == "t"] or [e for e in every if e.name.lower() == "time"]
    likely = exact or [entry for entry in every if entry.name.lower() in TIME_NAMES]
    if len(likely) > 1:
        raise DataError(f"{path} has several columns that may be the times", got=", ".join(e.name for e in likely),
                        fix=f"Say which one: --time {likely[0].name}.")  # fmt: skip
    if not likely:
        fix = "Separate the cells by commas, semicolons or tabs." if len(every) == 1 else \
            "Say which one it is with --time NAME."  # fmt: skip
        raise DataError(f"{path} has no column of times", got=", ".join(names), expected="a column called t or time",
                        fix=fix)  # fmt: skip
    return likely[0]


def _group(path: Path, every: Sequence[Named], asked: str, when: Named) -> Named | None:
    if asked:
        return _named(path, every, asked, "--trajectory")
    for word in _TRAJECTORIES:
        for entry in every:
            if entry.name.lower() == word and entry is not when:
                return entry
    return None


def _named(path: Path, every: Sequence[Named], asked: str, option: str) -> Named:
    names = [entry.name for entry in every]
    name = spelt(header_of(asked)[0], names)
    if name not in names:
        hint = nearest(name, names)
        raise DataError(f"{path} has no column {name!r} for {option}", expected=f"one of: {', '.join(names)}",
                        fix=f"Did you mean {hint!r}?" if hint else "")  # fmt: skip
    return every[names.index(name)]


def _owner(name: str, others: Sequence[Named]) -> str | None:
    """The column whose standard deviation a column of this name has."""
    match = _ERRORS.fullmatch(name)
    names = [entry.name for entry in others]
    owner = spelt(match[1] or match[2], names) if match else None
    return owner if owner in names and owner != name else None


def _check_names(path: Path, header: Sequence[str], columns: Sequence[Named]) -> None:
    bad = [header[e.at] for e in columns if not e.name.isidentifier() or e.name.startswith("_")]
    if not columns or bad:
        raise DataError(f"{path} has no usable columns besides the times", got=", ".join(bad) or "none",
                        expected="names of letters, digits and _, no digit first")  # fmt: skip
    taken = [entry.name for entry in columns if entry.name in RESERVED]
    if taken:
        raise DataError(f"{path}: a column cannot be called {taken[0]!r}, which has another meaning here",
                        fix=f"Call it {taken[0]}_ in the header and in the known part.")  # fmt: skip
