"""PDEBench's HDF5 files: one array per field with its coordinates, or one group per sample.

One dimension: ``tensor`` (sample, time, x). More: ``Vx``, ``density``, ... (sample, time, x, y[, z]). Coordinates are
``x-coordinate`` and ``t-coordinate``; the latter may have one entry more than there are frames. Groups ``0000``,
``0001``, ...: ``data`` (time, x, y, channel) and ``grid/x``, ``grid/y``, ``grid/t``.

Reference: Takamoto et al., PDEBench, NeurIPS 2022, arXiv:2210.07182.
"""

from contextlib import ExitStack
from itertools import permutations
from pathlib import Path

import h5py
import numpy as np

from sciml.core.errors import DataError
from sciml.data._heaps import hdf5_file
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._hdf5_file import datasets, group_in, hdf5_variable, is_hdf5, members, open_hdf5
from sciml.data.importing._source import Index, Source, Variable, variable

_LETTERS = "xyz"


def recognises(path: Path) -> bool:
    """Whether a file has PDEBench's coordinates, ``tensor`` or numbered groups."""
    if not is_hdf5(path):
        return False
    try:
        with hdf5_file(path) as file:
            names = members(file)
            return "tensor" in names or any(name.endswith("-coordinate") for name in names) or bool(_numbered(file))
    except (OSError, RuntimeError, ValueError):
        return False


def read(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """The fields of a file of either kind."""
    file = open_hdf5(path, stack)
    groups = _numbered(file)
    return [_grouped(path, file, groups, choices) if groups else _separate(path, file, choices)]


def _numbered(file: h5py.File) -> list[str]:
    return sorted((name for name in members(file) if name.isdecimal()), key=int)


def _separate(path: Path, file: h5py.File, choices: ImportChoices) -> Source:
    arrays = datasets(file)
    points = {letter: arrays[f"{letter}-coordinate"] for letter in _LETTERS if f"{letter}-coordinate" in arrays}
    times = np.asarray(arrays["t-coordinate"][...]).ravel() if "t-coordinate" in arrays else None
    fields = {name: node for name, node in arrays.items() if not name.endswith("-coordinate") and node.ndim > 1}
    if not fields:
        raise DataError(
            f"{path} has no field", got=", ".join(arrays) or "no arrays", expected="`tensor`, or one array per field"
        )
    deepest = max(node.ndim for node in fields.values())
    space = tuple(points) or tuple(_LETTERS[: deepest - 2])
    dims = choices.dims or ("sample", "time", *space)
    for name, node in fields.items():
        fits = len(node.shape) == len(dims)
        sizes = dict(zip(dims, node.shape, strict=False))
        fits = fits and all(sizes[letter] == points[letter].size for letter in points)
        fits = fits and (times is None or sizes["time"] in (times.size, times.size - 1))
        if not fits:
            wanted = [f"{letter} {points[letter].size}" if letter in points else letter for letter in space]
            frames = "time" if times is None else f"time {times.size - 1} or {times.size}"
            raise DataError(
                f"{name!r} in {path} has a shape that does not fit its coordinates",
                got=f"{tuple(node.shape)}",
                expected=f"({', '.join(['sample', frames, *wanted])})",
                fix="Name its dimensions with --dims, or mend the file.",
            )
    frames = next(iter(fields.values())).shape[dims.index("time")]
    coordinates = {letter: variable(np.asarray(node[...]).ravel(), (letter,)) for letter, node in points.items()}
    if times is not None:
        coordinates["time"] = variable(times[:frames], ("time",))
    longer = times is not None and times.size == frames + 1
    samples = next(iter(fields.values())).shape[dims.index("sample")] if "sample" in dims else 1
    scalars = {
        name: hdf5_variable(node, ("sample",))
        for name, node in arrays.items()
        if node.shape == (samples,) and not name.endswith("-coordinate")
    }
    return Source(
        label=str(path),
        format="pdebench",
        variables={name: hdf5_variable(node, dims) for name, node in fields.items()} | scalars,
        coordinates=coordinates,
        boundary={},
        notes=("t-coordinate has one entry more than there are frames; the last is left out",) if longer else (),
    )


def _grouped(path: Path, file: h5py.File, groups: list[str], choices: ImportChoices) -> Source:
    nodes = []
    for name in groups:
        group = group_in(file, name)
        node = None if group is None else datasets(group).get("data")
        if node is None:
            raise DataError(f"group {name} of {path} has no array `data`", expected="`data` in every numbered group")
        if nodes and node.shape != nodes[0].shape:
            raise DataError(
                f"the samples of {path} differ in shape", got=f"{node.shape} in group {name}", expected=nodes[0].shape
            )
        nodes.append(node)
    first = group_in(file, groups[0])
    grid = None if first is None else group_in(first, "grid")
    points = {} if grid is None else datasets(grid)
    coordinates = {
        "time" if name == "t" else name: variable(np.asarray(node[...]).ravel(), ("time" if name == "t" else name,))
        for name, node in points.items()
        if name in ("t", *_LETTERS)
    }
    dims = choices.dims or _dims_of(path, nodes[0].shape, coordinates)
    if len(dims) != len(nodes[0].shape):
        raise DataError(f"--dims does not fit `data` in {path}", got=f"{dims} for the shape {nodes[0].shape}")
    frames = nodes[0].shape[dims.index("time")] if "time" in dims else 0
    if "time" in coordinates and coordinates["time"].shape[0] == frames + 1:
        coordinates["time"] = variable(coordinates["time"].values()[:frames], ("time",))

    def read_piece(index: Index) -> np.ndarray:
        sample, *rest = index
        if isinstance(sample, slice):
            return np.stack([nodes[i][tuple(rest)] for i in range(*sample.indices(len(nodes)))])
        return nodes[sample][tuple(rest)]

    data = Variable(("sample", *dims), (len(nodes), *nodes[0].shape), nodes[0].dtype.kind, read_piece)
    return Source(str(path), "pdebench", {"data": data}, coordinates, {})


def _dims_of(path: Path, shape: tuple[int, ...], coordinates: dict[str, Variable]) -> tuple[str, ...]:
    """Names of the dimensions of one sample, by the sizes of its coordinates.

    Raises: DataError where none fits, or where channels could come first as well as last.
    """
    space = [letter for letter in _LETTERS if letter in coordinates]
    if not space or "time" not in coordinates:
        raise DataError(
            f"{path} has no grid to tell its axes by",
            got=f"`data` of shape {shape}",
            expected="grid/t and grid/x, ...",
            fix="Name the axes, for example --dims time,x,y,channel.",
        )
    size = {name: entry.shape[0] for name, entry in coordinates.items()}
    fitting = []
    for order in permutations(space):
        for dims in (("time", *order, "channel"), ("time", "channel", *order)):
            by_dim = {name: n for name, n in zip(dims, shape, strict=False) if name != "channel"}
            fits = len(shape) == len(dims) and all(by_dim[name] == size[name] for name in space)
            if fits and by_dim["time"] in (size["time"], size["time"] - 1):
                fitting.append(dims)
    if not fitting:
        sizes = ", ".join(f"{name} {n}" for name, n in size.items())
        raise DataError(
            f"`data` in {path} does not fit its grid",
            got=f"shape {shape} and {sizes}",
            expected="(time, x, y, channel)",
            fix="Name the axes, for example --dims time,x,y,channel.",
        )
    if len({dims.index("channel") for dims in fitting}) > 1:
        raise DataError(
            f"`data` in {path} may have its channels first or last",
            got=f"shape {shape}",
            fix=f"Say which: --dims {','.join(fitting[0])} or --dims {','.join(fitting[1])}.",
        )
    return fitting[0]
