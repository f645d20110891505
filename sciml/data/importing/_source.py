"""What a reader finds in a file: arrays with named dimensions, none of them read yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sciml.core.config import Config
from sciml.core.errors import DataError
from sciml.core.recorded import RecordedCoordinate, RecordedField, RecordedFunction
from sciml.data._store import EVEN, TIME_STEP

Index = tuple[int | slice, ...]
"""One entry per dimension of a variable, as NumPy takes it."""

MASK = "mask"
"""The role of a variable that is 1 where a cell is active, as our own files and CF's flags have it."""

_SAMPLE = ("sample", "trajectory", "case", "ensemble", "member", "realization", "realisation", "simulation", "batch")
_TIME = ("time", "t", "times", "valid_time", "frame")


@dataclass(frozen=True)
class Variable:
    """One array of a file.

    Fields:
        dims, shape: its dimensions as the file names them, and their sizes.
        kind: NumPy's letter for the kind of its values (``f`` real, ``i`` and ``u`` whole, others are refused).
        read: a piece of it.
        units: as the file states them; None if it does not.
        long_name: in words, if the file has any.
        role: what the file says it is: `MASK`, `TIME_STEP`, or nothing.
        odd: axes in whose walls' mirror it changes its sign, as the file states them; None if it does not.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    kind: str
    read: Callable[[Index], np.ndarray]
    units: str | None = None
    long_name: str = ""
    role: str = ""
    odd: tuple[str, ...] | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Size by dimension."""
        return dict(zip(self.dims, self.shape, strict=True))

    @property
    def words(self) -> str:
        """Dimensions and sizes for people."""
        return ", ".join(f"{name} {size}" for name, size in self.sizes.items()) or "a single value"

    def values(self) -> np.ndarray:
        """All of it, for small arrays."""
        return np.asarray(self.read(tuple(slice(None) for _ in self.dims)))

    def at(self, dim: str, place: int) -> "Variable":
        """The part at one place of a dimension, which goes."""
        axis = self.dims.index(dim)

        def read(index: Index) -> np.ndarray:
            return self.read((*index[:axis], place, *index[axis:]))

        rest = [i for i in range(len(self.dims)) if i != axis]
        return replace(
            self, dims=tuple(self.dims[i] for i in rest), shape=tuple(self.shape[i] for i in rest), read=read
        )

    def renamed(self, names: Mapping[str, str]) -> "Variable":
        """The same with other names of dimensions."""
        odd = None if self.odd is None else tuple(names.get(axis, axis) for axis in self.odd)
        return replace(self, dims=tuple(names.get(dim, dim) for dim in self.dims), odd=odd)


def variable(values: np.ndarray, dims: tuple[str, ...], units: str | None = None, long_name: str = "") -> Variable:
    """A variable that is in memory, or mapped there."""
    return Variable(dims, values.shape, values.dtype.kind, lambda index: values[index], units, long_name)


def parity_of(odd: object) -> tuple[str, ...] | None:
    """The axes of an attribute ``odd``; None where there is none."""
    return tuple(name for name in odd.split() if name != EVEN) if isinstance(odd, str) and odd else None


def role_of(flag_meanings: object, role: object) -> str:
    """The role of a variable by its attributes ``flag_meanings`` and ``role``."""
    return MASK if flag_meanings == "inactive active" else TIME_STEP if role == TIME_STEP else ""


class PairDescription(Config):
    """What an exported file of pairs says of itself: names, units and ends of axes."""

    functions: tuple[RecordedFunction, ...]
    fields: tuple[RecordedField, ...]
    axes: tuple[RecordedCoordinate, ...]


@dataclass(frozen=True)
class PairArrays:
    """Arrays of one split, each with its name in the file.

    Fields:
        functions: per input function, ``row sensor`` (``row *lattice`` for lattice data), with the name it gets.
        queries: ``query dim`` or ``row dim``; None for lattice data.
        values: ``row query``, ``row query field``, ``row field`` or ``row *lattice``.
        names: of the arrays in the file by role, for messages.
        row, query: function of every row and numbers of the queries of its points, in files that store these and
            never tile; None where rows and columns say so themselves.
    """

    functions: tuple[tuple[str, np.ndarray], ...]
    queries: np.ndarray | None
    values: np.ndarray
    names: Mapping[str, str]
    row: np.ndarray | None = None
    query: np.ndarray | None = None


@dataclass(frozen=True)
class FoundPairs:
    """What a file holds of pairs.

    Fields:
        parts: by split: ``all`` where the file has no splits of its own, else ``train`` and ``test``.
        sensors: coordinates by name of the function (or ``""`` for all), where the file has them.
        field: what the values are called.
        unused: arrays that are left out.
        said: names, units and axes, where the file says them.
    """

    parts: Mapping[str, PairArrays]
    sensors: Mapping[str, np.ndarray]
    field: str
    unused: tuple[str, ...]
    said: PairDescription | None = None


@dataclass(frozen=True)
class Source:
    """One file, or one split of a file, as its reader understands it.

    Fields:
        label: what messages call it.
        format: key of the reader.
        variables: fields and parameters by name, not told apart yet.
        coordinates: one-dimensional ones by dimension; that of ``time`` may differ by ``sample``.
        boundary: kind per axis, where the file states it.
        split: the split that the file says it is; None for none.
        notes: what was understood or left out, in words.
        about: title, licence, citation and the like, where the file has them.
        targets: variables that follow from the others, where there is no time.
        pairs: functions with their images, where the file holds these and nothing else.
    """

    label: str
    format: str
    variables: Mapping[str, Variable]
    coordinates: Mapping[str, Variable]
    boundary: Mapping[str, str]
    split: str | None = None
    notes: tuple[str, ...] = ()
    about: Mapping[str, str] | None = None
    targets: tuple[str, ...] = ()
    pairs: FoundPairs | None = None


def with_usual_names(source: Source, rename: Mapping[str, str]) -> Source:
    """The source with the user's names of dimensions and variables, then ours for samples and time."""
    dims = {dim for entry in source.variables.values() for dim in entry.dims} | set(source.coordinates)
    names = {dim: rename.get(dim, dim) for dim in dims}
    for ours, usual in (("sample", _SAMPLE), ("time", _TIME)):
        present = [dim for dim, name in names.items() if name == ours]
        aliases = [dim for dim, name in names.items() if name.lower() in usual]
        if not present and len(aliases) == 1:
            names[aliases[0]] = ours
        elif not present and aliases:
            raise DataError(
                f"more than one dimension of {source.label} may be the {ours}",
                got=", ".join(sorted(aliases)),
                fix=f"Say which: --rename {aliases[0]}={ours} and a name of another kind for the others.",
            )
    renamed = {}
    for name, entry in source.variables.items():
        mapped = entry.renamed(names)
        if len(set(mapped.dims)) < len(mapped.dims):
            raise DataError(
                f"{name!r} in {source.label} repeats a dimension",
                got=mapped.words,
                expected="every dimension once",
                fix="Name its dimensions apart with --dims or --rename.",
            )
        renamed[rename.get(name, name)] = mapped
    coordinates = {names.get(dim, dim): entry.renamed(names) for dim, entry in source.coordinates.items()}
    for name in [name for name in renamed if name.lower() in _TIME and "time" not in coordinates]:
        if set(renamed[name].dims) == {"sample", "time"}:  # times of each sample
            coordinates["time"] = renamed.pop(name)
    boundary = {names.get(dim, rename.get(dim, dim)): kind for dim, kind in source.boundary.items()}
    return replace(source, variables=renamed, coordinates=coordinates, boundary=boundary)
