"""What will be imported of pairs of functions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sciml.core.errors import DataError
from sciml.core.recorded import RecordedCoordinate, RecordedField, RecordedFunction, Recording
from sciml.core.units import check_units
from sciml.data._layout import SPLITS
from sciml.data._stored_pairs import StoredPairs, StoredSplit, save_pairs
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._pair_arrays import without_channel
from sciml.data.importing._pair_description import with_description
from sciml.data.importing._pair_shapes import Rows, check_arrays, rows_of
from sciml.data.importing._pair_splits import split_functions
from sciml.data.importing._plan import about_of
from sciml.data.importing._source import FoundPairs, PairArrays, Source

_AXES = "xyzwabcdefgh"
_LATTICE_AXES = {1: ("x",), 2: ("y", "x"), 3: ("z", "y", "x")}


@dataclass(frozen=True)
class PairsPlan:
    """Pairs as they will be stored.

    Fields:
        formats: keys of the readers.
        inputs, fields, axes: as in ``problem.json``.
        lattice: points per axis where everything is on one lattice.
        stored: the numbers.
        notes: what was understood, assumed and left out.
        about: title, licence, citation where the user states them.
    """

    formats: tuple[str, ...]
    inputs: tuple[RecordedFunction, ...]
    fields: tuple[RecordedField, ...]
    axes: tuple[RecordedCoordinate, ...]
    lattice: tuple[int, ...] | None
    stored: StoredPairs
    notes: tuple[str, ...]
    about: Mapping[str, str]

    @property
    def solver(self) -> str:
        """The solver for pairs of this kind: a network of fields for fields, else one that answers anywhere."""
        if self.lattice is not None and len(self.lattice) > 1 and min(self.lattice) >= 12:
            return "fno_map"
        return "mionet" if len(self.inputs) > 1 else "deeponet"

    def words(self) -> list[str]:
        """What was recognised, line by line."""
        splits = self.stored.splits
        counts = ", ".join(f"{len(splits[name].functions)} {name}" for name in SPLITS)
        total = sum(len(split.functions) for split in splits.values())
        where = "all queries known for all functions" if splits["train"].query is None else "queries by function"
        box = ", ".join(
            f"{a.name} in [{a.lower:g}, {a.upper:g}]" + ("" if a.units == "1" else f" {a.units}") for a in self.axes
        )
        sizes = [len(points) for points in self.stored.sensors]
        return [
            f"format: {', '.join(dict.fromkeys(self.formats))}, pairs of functions",
            f"functions: {total} ({counts})",
            "inputs: "
            + ", ".join(f"{f.name} [{f.units}] at {n} sensors" for f, n in zip(self.inputs, sizes, strict=True)),
            f"queries: {len(self.stored.queries)}, {where}; {box}",
            "fields: " + ", ".join(f"{field.name} [{field.units}]" for field in self.fields),
            *(f"note: {note}" for note in self.notes),
        ]

    def write(self, folder: Path, recording: Recording) -> None:
        """The pairs into the folder of their problem."""
        save_pairs(folder, self.stored)

    def table(self) -> list[str]:
        """Lines of the card's table."""
        counts = ", ".join(f"{name} = {len(self.stored.splits[name].functions)}" for name in SPLITS)
        sensors = ", ".join(
            f"{entry.name} = [{len(points)}]" for entry, points in zip(self.inputs, self.stored.sensors, strict=True)
        )
        return [f"functions = {{ {counts} }}", f"sensors = {{ {sensors} }}", f"queries = [{len(self.stored.queries)}]"]


def make_pairs_plan(sources: Sequence[Source], choices: ImportChoices) -> PairsPlan:
    """Recognise what files of pairs hold; the user's choices come first.

    Raises: DataError for arrays that do not pair, named by their roles, before anything is written.
    """
    if len(sources) > 1:
        raise DataError("pairs of functions are imported from one file", got=f"{len(sources)} files",
                        fix="Join the arrays first.")  # fmt: skip
    pairs = sources[0].pairs
    assert pairs is not None
    if pairs.said is not None:
        choices = with_description(choices, pairs.said)
    notes = [f"{name} is left out" for name in pairs.unused]
    parts = {split: _split_functions(part, choices) for split, part in pairs.parts.items()}
    first = next(iter(parts.values()))
    for part in parts.values():
        check_arrays(part, sources[0].label)
    lattice: tuple[int, ...] | None = None
    queries: np.ndarray | None = None
    axes: tuple[RecordedCoordinate, ...] = ()
    if first.queries is None:
        lattice = without_channel(first.values).shape[1:]
        axes, queries = _lattice_axes(lattice, choices, notes)
    rows = {split: rows_of(part, queries, sources[0].label) for split, part in parts.items()}
    axes = axes or _query_axes(parts, choices, notes)  # of arrays that pair
    sensors = [
        _sensors(i, name, pairs, rows, axes, queries, choices, notes) for i, (name, _) in enumerate(first.functions)
    ]
    inputs = tuple(
        RecordedFunction(name=name, units=_units(name, choices, "functions"), axes=its_axes)
        for (name, _), (its_axes, _) in zip(first.functions, sensors, strict=True)
    )
    fields = _fields(next(iter(rows.values())).values.shape[2], pairs, choices)
    _check_names(inputs, fields, axes)
    stored = _stored(rows, tuple(torch.from_numpy(points) for _, points in sensors), choices, notes)
    if lattice is None and all(_same(points, stored.queries) for points in stored.sensors):
        lattice = _lattice_of(stored.queries)
    silent = [entry.name for entry in (*inputs, *fields) if not _told(entry.name, choices)]
    if silent:
        notes.append(f"units of {', '.join(silent)} are not stated: 1 (--units {silent[0]}=...)")
    return PairsPlan(
        formats=(sources[0].format,),
        inputs=inputs,
        fields=fields,
        axes=axes,
        lattice=lattice,
        stored=stored,
        notes=tuple(notes),
        about=about_of(sources, choices),
    )


def _split_functions(part: PairArrays, choices: ImportChoices) -> PairArrays:
    """Functions that stand side by side in one array, taken apart as the user says."""
    if len(choices.functions) < 2 or len(part.functions) > 1 or part.queries is None:
        if choices.functions and len(choices.functions) != len(part.functions):
            raise DataError("--function names another number of functions than the file has",
                            got=len(choices.functions), expected=len(part.functions))  # fmt: skip
        return part
    stated = [entry.partition("=")[0].partition(":") for entry in choices.functions]
    whole = next(iter(part.functions))[1]
    width = whole.shape[1]
    sizes = [int(size) if size.isdigit() else width // len(stated) for _, _, size in stated]
    if sum(sizes) != width:
        raise DataError(
            "the functions side by side do not fill the columns of the array",
            got=" + ".join(map(str, sizes)) + f" of {width} columns",
            expected="sizes that add up: --function u:20 --function v:20",
        )
    pieces = np.split(whole, np.cumsum(sizes)[:-1], axis=1)
    names = [name.strip() for name, _, _ in stated]
    key = next(key for role, key in part.names.items() if role.startswith("function"))
    return replace(
        part,
        functions=tuple(zip(names, pieces, strict=True)),
        names={**{f"function {name}": key for name in names},
               **{role: key for role, key in part.names.items() if not role.startswith("function")}},
    )  # fmt: skip


def _axis_names(count: int, usual: Sequence[str], choices: ImportChoices) -> tuple[str, ...]:
    stated = tuple(name for name in choices.dims if name not in ("sample", "channel"))
    if stated and len(stated) != count:
        raise DataError("--dims names another number of axes than the queries have", got=", ".join(stated),
                        expected=f"{count} names")  # fmt: skip
    names = stated or tuple(usual[:count])
    if len(names) < count or len(set(names)) < count or any(len(name) != 1 or not name.isalpha() for name in names):
        raise DataError("axes of queries have different one-letter names", got=", ".join(names), expected="--dims x,t")
    return names


def _query_axes(
    parts: Mapping[str, PairArrays], choices: ImportChoices, notes: list[str]
) -> tuple[RecordedCoordinate, ...]:
    """Names, ends and units of the coordinates of the queries."""
    tables = [as_table(part.queries) for part in parts.values() if part.queries is not None]
    if len({table.shape[1] for table in tables}) > 1:
        raise DataError("the queries of training and test have different numbers of coordinates",
                        got=" and ".join(str(table.shape[1]) for table in tables))  # fmt: skip
    points = np.concatenate(tables)
    names = _axis_names(points.shape[1], _AXES, choices)
    axes = []
    for name, column in zip(names, points.T, strict=True):
        lower, upper = choices.ranges.get(name, (float(column.min()), float(column.max())))
        if not lower < upper or column.min() < lower or column.max() > upper:
            raise DataError(
                f"the queries do not span the axis {name!r}",
                got=f"from {column.min():g} to {column.max():g}, range [{lower:g}, {upper:g}]",
                expected="different values within the range",
                fix=f"State the range: --range {name}=0:1.",
            )
        if name not in choices.ranges:
            notes.append(
                f"the ends of {name} are not stated: those of the queries, from {lower:g} to {upper:g}, beyond which "
                f"nothing can be asked for (--range {name}=FIRST:LAST)"
            )
        axes.append(_coordinate(name, lower, upper, choices))
    return tuple(axes)


def _coordinate(name: str, lower: float, upper: float, choices: ImportChoices) -> RecordedCoordinate:
    return RecordedCoordinate(
        name=name,
        lower=lower,
        upper=upper,
        periodic=choices.boundary.get(name) == "periodic",
        units=check_units(choices.units.get(name, "1"), f"axis {name!r}"),
    )


def _lattice_axes(
    shape: tuple[int, ...], choices: ImportChoices, notes: list[str]
) -> tuple[tuple[RecordedCoordinate, ...], np.ndarray]:
    """Axes and points of a lattice whose coordinates the file does not have."""
    if not 1 <= len(shape) <= 3:
        raise DataError("functions on a lattice have one to three axes", got=f"shape {shape} without the sample axis")
    names = _axis_names(len(shape), _LATTICE_AXES[len(shape)], choices)
    axes, lines = [], []
    for name, size in zip(names, shape, strict=True):
        first, last = choices.ranges.get(name, (0.0, 1.0))
        periodic = choices.boundary.get(name) == "periodic"
        has_range = name in choices.ranges
        upper = last + (last - first) / (size - 1) if periodic and has_range else last
        lines.append(np.linspace(first, upper, size + 1)[:-1] if periodic else np.linspace(first, last, size))
        axes.append(_coordinate(name, first, upper, choices))
        if not has_range:
            ends = "without its right end" if periodic else "with its ends"
            notes.append(f"points along {name} are not stated: {size} in [0, 1], {ends} (--range {name}=FIRST:LAST)")
    mesh = np.stack([axis.ravel() for axis in np.meshgrid(*lines, indexing="ij")], axis=1)
    return tuple(axes), mesh


def _sensors(
    number: int,
    name: str,
    pairs: FoundPairs,
    rows: Mapping[str, Rows],
    axes: tuple[RecordedCoordinate, ...],
    lattice: np.ndarray | None,
    choices: ImportChoices,
    notes: list[str],
) -> tuple[tuple[RecordedCoordinate, ...], np.ndarray]:
    """Axes and coordinates of a function's sensors: the file's, those of the lattice, else equidistant."""
    sizes = {split: part.functions[number].shape[1] for split, part in rows.items()}
    size = next(iter(sizes.values()))
    if set(sizes.values()) != {size}:
        raise DataError(f"function {name!r} has another number of sensors in the test than in the training",
                        got=sizes)  # fmt: skip
    stored = pairs.sensors.get(name, pairs.sensors.get(""))
    if stored is not None:
        points = as_table(stored)
        if len(points) != size:
            raise DataError(f"the sensors of function {name!r} do not fit its values", got=f"{len(points)} coordinates",
                            expected=f"{size}, one per column")  # fmt: skip
        if len(np.unique(points, axis=0)) < size:
            raise DataError(f"two sensors of function {name!r} lie at the same place",
                            got=f"{size - len(np.unique(points, axis=0))} coordinates that repeat others",
                            fix="Keep one column of the values, and its coordinate.")  # fmt: skip
        letters = [axis.name for axis in axes] if points.shape[1] <= len(axes) else list(_AXES)
        sensor_axes = tuple(
            _coordinate(letter, *choices.ranges.get(f"{name}_{letter}", _ends(column)), choices)
            for letter, column in zip(letters, points.T, strict=False)
        )
        return sensor_axes, points
    if lattice is not None:
        return axes, lattice
    axis = axes[0]
    lower, upper = choices.ranges.get(f"{name}_{axis.name}", (axis.lower, axis.upper))
    sensor_axes = axis.model_copy(update={"lower": lower, "upper": upper})
    notes.append(
        f"sensors of {name} are not stated: {size} equidistant ones with {axis.name} from {lower:g} to {upper:g} "
        f"(an array `sensors`, or --range {name}_{axis.name}=FIRST:LAST)"
    )
    return (sensor_axes,), np.linspace(lower, upper, size)[:, None]


def _ends(column: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(column).all() or column.min() == column.max():
        raise DataError("the sensors do not span their axis", got=f"{column.min():g} to {column.max():g}")
    return float(column.min()), float(column.max())


def _fields(count: int, pairs: FoundPairs, choices: ImportChoices) -> tuple[RecordedField, ...]:
    stated = choices.stated_fields()
    names = list(stated) or ([pairs.field] if count == 1 else [f"{pairs.field}_{i + 1}" for i in range(count)])
    if len(names) != count:
        raise DataError("--fields names another number of fields than the values have", got=", ".join(names),
                        expected=f"{count} names")  # fmt: skip
    return tuple(
        RecordedField(name=name, units=check_units(stated.get(name) or choices.units.get(name, "1"), repr(name)))
        for name in names
    )


def _units(name: str, choices: ImportChoices, option: str) -> str:
    stated = {entry.partition("=")[0].partition(":")[0].strip(): entry.partition("=")[2] for entry in choices.functions}
    return check_units(stated.get(name) or choices.units.get(name, "1"), f"function {name!r}")


def _told(name: str, choices: ImportChoices) -> bool:
    stated = {entry.partition("=")[0].partition(":")[0].strip() for entry in choices.functions if "=" in entry}
    return name in choices.units or name in stated or bool(choices.stated_fields().get(name))


def _check_names(
    inputs: Sequence[RecordedFunction], fields: Sequence[RecordedField], axes: Sequence[RecordedCoordinate]
) -> None:
    names = [entry.name for entry in (*inputs, *fields, *axes)]
    names += [f"{entry.name}_{axis.name}" for entry in inputs for axis in entry.axes]
    taken = {"sample", "query", "status", "relative_l2"}
    if bad := [name for i, name in enumerate(names) if name in names[:i] or name in taken]:
        raise DataError(
            f"the name {bad[0]!r} stands for two things here",
            got=f"functions {', '.join(e.name for e in inputs)}; fields {', '.join(e.name for e in fields)}; "
            f"axes {', '.join(a.name for a in axes)}",
            fix="Choose others with --function, --fields and --dims.",
        )


def _stored(
    rows: Mapping[str, Rows], sensors: tuple[torch.Tensor, ...], choices: ImportChoices, notes: list[str]
) -> StoredPairs:
    """The rows with queries in one pool, in three splits by function."""
    pool = np.unique(np.concatenate([part.queries for part in rows.values()]), axis=0)
    first = next(iter(rows.values()))
    if first.query is None and len(pool) == len(first.queries):
        pool = first.queries  # aligned data keeps its order
    order = {tuple(point): number for number, point in enumerate(pool.tolist())}
    pieces: dict[str, StoredSplit] = {}
    for split, part in rows.items():
        numbers = np.array([order[tuple(point)] for point in part.queries.tolist()])
        aligned = part.query is None and np.array_equal(numbers, np.arange(len(pool)))
        chosen = None if aligned else (numbers[part.query] if part.query is not None else
                                       np.broadcast_to(numbers, (len(part.row), len(numbers))))  # fmt: skip
        pieces[split] = StoredSplit(
            torch.from_numpy(np.concatenate(part.functions, axis=1).astype(np.float32)),
            torch.from_numpy(part.row),
            None if chosen is None else torch.from_numpy(np.ascontiguousarray(chosen)),
            torch.from_numpy(part.values.astype(np.float32)),
        )
    return StoredPairs(sensors, torch.from_numpy(pool), split_functions(pieces, choices, notes))


def _same(points: torch.Tensor, queries: torch.Tensor) -> bool:
    return points.shape == queries.shape and bool(torch.allclose(points, queries, rtol=0, atol=1e-6 * float(
        queries.max() - queries.min()) if math.isfinite(float(queries.max())) else 0.0))  # fmt: skip


def _lattice_of(points: torch.Tensor) -> tuple[int, ...] | None:
    """Points per axis where points are an equidistant lattice in the order of its axes; networks of fields need one."""
    lines = [column.unique() for column in points.unbind(1)]
    size = tuple(len(line) for line in lines)
    if math.prod(size) != len(points) or min(size) < 2:
        return None
    even = [torch.linspace(float(line[0]), float(line[-1]), len(line), dtype=points.dtype) for line in lines]
    return size if _same(torch.cartesian_prod(*even).reshape(len(points), -1), points) else None


def as_table(points: np.ndarray) -> np.ndarray:
    """Coordinates as ``point dim``: a line has one, those of each function lie below each other."""
    is_line = points.ndim == 1 or (points.ndim == 2 and 1 in points.shape)
    return points.reshape(-1, 1 if is_line else points.shape[-1])
