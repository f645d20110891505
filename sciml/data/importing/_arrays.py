"""Arrays without names of dimensions: NumPy, MATLAB, PyTorch, plain HDF5.

The dimensions are the user's (``--dims``), or follow from one-dimensional arrays ``x``, ``t``, ... whose sizes fit in
one way only. What could be read in two ways is asked, not guessed.
"""

import pickle
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sciml.core.errors import DataError
from sciml.core.memory import machine_memory, said
from sciml.data.importing._choices import ImportChoices
from sciml.data.importing._hdf5_file import datasets, hdf5_variable, is_hdf5, open_hdf5
from sciml.data.importing._pair_arrays import find_pairs
from sciml.data.importing._source import Source, Variable, variable

_COORDINATES = {
    **dict.fromkeys(("t", "time", "times", "t_grid", "tspan"), "time"),
    **{name: name for name in ("x", "y", "z", "lat", "lon", "lev")},
    **{f"{name}_grid": name for name in "xyz"},
}
"""Usual names of one-dimensional arrays of coordinates, and the dimensions they belong to."""

_ARCHIVE = b"PK\x03\x04"
"""What an archive begins with."""


def read_npy(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """One array, mapped into memory and read in pieces."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_ARCHIVE))
        values = None if start == _ARCHIVE else np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise _unreadable(path, "a NumPy array", error) from None
    if values is None:
        raise DataError(f"{path} is not one NumPy array", fix="Give an archive the ending .npz.")
    return [sorted_out({_stem(path): _nameless(values)}, str(path), "npy", choices)]


def read_npz(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """The arrays of an archive; every one is read whole where it is needed."""
    try:
        check_unpacked(path)
        archive = stack.enter_context(np.load(path, allow_pickle=False))
        arrays = {name: _nameless(np.asarray(archive[name])) for name in archive.files}
    except DataError:
        raise
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise _unreadable(path, "an archive of NumPy arrays", error) from None
    return [sorted_out(arrays, str(path), "npz", choices)]


def check_unpacked(path: Path) -> None:
    """Refuse an archive whose contents say that they are larger than the memory. Raises DataError."""
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > machine_memory() / 2:
        raise DataError(f"{path} unpacks into more than the memory", got=said(size),
                        expected=f"at most {said(machine_memory() / 2)}")  # fmt: skip


def read_pt(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """A tensor, or a dictionary of tensors, of a file that holds nothing else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a pickle may fail in any way
        raise _unreadable(path, "tensors and nothing else", error) from None
    if isinstance(content, torch.Tensor):
        content = {_stem(path): content}
    if not isinstance(content, dict) or not all(isinstance(entry, torch.Tensor) for entry in content.values()):
        raise DataError(f"{path} does not hold a tensor or a dictionary of tensors", got=type(content).__name__)
    arrays = {str(name): _nameless(_of_tensor(path, str(name), entry)) for name, entry in content.items()}
    return [sorted_out(arrays, str(path), "pt", choices)]


def _of_tensor(path: Path, name: str, tensor: torch.Tensor) -> np.ndarray:
    """The numbers of a tensor; types that NumPy does not have, such as bfloat16, as float32."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise DataError(
            f"the tensor {name!r} of {path} does not hold its numbers one by one",
            got=f"{tensor.layout}, {tensor.dtype}",
            fix="Save tensor.dequantize() or tensor.to_dense().",
        )
    plain = tensor.detach().resolve_conj().resolve_neg()
    short = plain.is_floating_point() and plain.dtype not in (torch.float16, torch.float32, torch.float64)
    return (plain.float() if short else plain).numpy()


def read_mat(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """The numeric arrays of a MATLAB file, version 5 or 7.3, under MATLAB's order of dimensions."""
    if is_hdf5(path):
        by_name = {}
        for name, node in datasets(open_hdf5(path, stack)).items():
            turned = hdf5_variable(node, tuple(f"axis {i}" for i in range(node.ndim)))
            by_name[name] = Variable(  # MATLAB stores by columns, so HDF5 sees its dimensions reversed
                turned.dims, turned.shape[::-1], turned.kind, lambda index, node=node: node[index[::-1]].T
            )
        return [sorted_out(by_name, str(path), "mat", choices)]
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise _unreadable(path, "a MATLAB file", error) from None
    arrays = {name: _nameless(values) for name, values in content.items() if not name.startswith("__")}
    return [sorted_out(arrays, str(path), "mat", choices)]


def read_hdf5(path: Path, choices: ImportChoices, stack: ExitStack) -> list[Source]:
    """The arrays at the top of an HDF5 file that is none of the known kinds."""
    file = open_hdf5(path, stack)
    arrays = datasets(file)
    if not arrays:
        raise DataError(
            f"{path} is none of the HDF5 layouts that are known, and has no array at its top",
            got=", ".join(file) or "an empty file",
            expected="the layout of PDEBench, The Well or PDEArena, NetCDF-4, or arrays at the top",
        )
    named = {name: hdf5_variable(node, tuple(f"axis {i}" for i in range(node.ndim))) for name, node in arrays.items()}
    return [sorted_out(named, str(path), "hdf5", choices)]


def read_memory(arrays: Mapping[str, Any], choices: ImportChoices) -> Source:  # Any: NumPy arrays or tensors
    """Arrays of a notebook, by name."""
    by_name = {}
    for name, values in arrays.items():
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu().numpy()
        by_name[str(name)] = _nameless(np.asarray(values))
    return sorted_out(by_name, "this call", "memory", choices)


def _nameless(values: np.ndarray) -> Variable:
    return variable(values, tuple(f"axis {i}" for i in range(values.ndim)))


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _unreadable(path: Path, what: str, error: Exception) -> DataError:
    detail = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, KeyError | IndexError | EOFError):  # their words are numbers of bytes, or none
        detail = "something else, or a part of it"
    if isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path):  # torch advises to load it all the same
        detail = "a file of torch with more than tensors"
    if (
        isinstance(error, pickle.UnpicklingError)
        or "pickle" in str(error).lower()
        or "allow_pickle" in str(error)
        or "WeightsUnpickler" in str(error)
    ):
        return DataError(
            f"{path} holds Python objects (a pickle), which are never loaded",
            got=detail[:200],
            expected=what,
            fix="Save plain numeric arrays; pairs X, y of functions as numpy.savez(F, branch=X[0], trunk=X[1], y=y).",
        )
    return DataError(f"{path} cannot be read as {what}", got=detail[:200])


def sorted_out(arrays: Mapping[str, Variable], label: str, format: str, choices: ImportChoices) -> Source:
    """Coordinates, fields and parameters among nameless arrays, or pairs of functions where their names say so.

    Raises: DataError where dimensions could be understood in no way, or in several.
    """
    if (pairs := find_pairs(arrays, label, choices)) is not None:
        return Source(label, format, {}, {}, {}, pairs=pairs)
    renamed = {choices.rename.get(name, name): entry for name, entry in arrays.items()}
    known = {**_COORDINATES, **{dim: dim for dim in choices.dims if dim not in ("sample", "channel")}}
    points = {
        known[name]: _line(entry, known[name]) for name, entry in renamed.items() if name in known and _is_line(entry)
    }
    rest = {name: entry for name, entry in renamed.items() if not (name in known and _is_line(entry))}
    mask = rest.pop(choices.mask_variable, None) if choices.mask_variable else None
    times = {name: rest.pop(name) for name in list(rest) if known.get(name) == "time" and len(rest[name].shape) == 2}
    for entry in times.values():  # one row per sample
        points["time"] = entry.at(entry.dims[0], 0).renamed({entry.dims[1]: "time"})
    chosen = choices.rename.get(choices.label, choices.label)
    classes = rest.pop(chosen) if chosen in rest and rest[chosen].kind not in "fiu" else None  # texts
    notes = [f"{name} holds no numbers: left out" for name, entry in rest.items() if entry.kind not in "fiu"]
    numeric = {name: entry for name, entry in rest.items() if entry.kind in "fiu"}
    stated = choices.stated_fields()
    wanted = {name: entry for name, entry in numeric.items() if name in stated} or {
        name: entry for name, entry in numeric.items() if len(entry.shape) > 1 and not _is_line(entry)
    }
    deepest = max((len(entry.shape) for entry in wanted.values()), default=0)
    courses = {} if deepest < 3 else {
        name: wanted.pop(name) for name in list(wanted) if len(wanted[name].shape) == 2 and name not in stated
    }  # fmt: skip
    if not wanted:
        raise DataError(
            f"{label} has no array that may be a field",
            got=", ".join(f"{name} {entry.shape}" for name, entry in renamed.items()) or "nothing",
            expected="numbers with at least two dimensions",
            fix=" ".join(notes),
        )
    variables: dict[str, Variable] = {}
    for name, entry in wanted.items():
        dims = _dims(name, entry, points, label, choices)
        lone = len(wanted) == len(stated) == 1 and "channel" not in dims
        variables[next(iter(stated)) if lone else name] = entry.renamed(dict(zip(entry.dims, dims, strict=True)))
    sizes = next(iter(variables.values())).sizes
    samples, frames = sizes.get("sample", 1), sizes.get("time", 0)
    for name, entry in numeric.items():
        if name in wanted or not _is_line(entry):
            continue
        size = max(entry.shape, default=0)
        if size in (samples, frames):
            variables[name] = _line(entry, "sample" if size == samples else "time")
        else:
            notes.append(f"{name} has as many numbers as there are neither samples nor frames ({size}): left out")
    if classes is not None:
        if classes.shape not in ((samples,), (samples, 1), (1, samples)):
            raise DataError(f"{chosen!r} in {label} is no class for every sequence", got=classes.words,
                            expected=f"{samples} texts, one per sequence")  # fmt: skip
        variables[chosen] = _line(classes, "sample")
    for name, entry in (courses | times).items():
        if entry.shape == (samples, frames):
            dims: tuple[str, ...] = ("sample", "time")
        elif name in courses:
            dims = _dims(name, entry, points, label, choices)
        else:
            raise DataError(
                f"the times {name!r} in {label} do not fit the fields",
                got=f"{entry.shape}",
                expected=f"({samples}, {frames}): one row per sample",
            )
        (points if name in times else variables)[known.get(name, name)] = entry.renamed(
            dict(zip(entry.dims, dims, strict=True))
        )
    if mask is not None and choices.mask_variable is not None:
        space = [dim for dim in next(iter(variables.values())).dims if dim not in ("sample", "time", "channel")]
        if mask.shape != tuple(sizes[dim] for dim in space):
            raise DataError(
                f"the mask {choices.mask_variable!r} in {label} has another shape than the grid of the fields",
                got=f"{mask.shape}",
                expected=", ".join(f"{dim} {sizes[dim]}" for dim in space),
            )
        variables[choices.mask_variable] = mask.renamed(dict(zip(mask.dims, space, strict=True)))
    return Source(label, format, variables, points, {}, notes=tuple(notes))


def _is_line(entry: Variable) -> bool:
    """Whether an array has one dimension, others of size one aside."""
    return sum(size != 1 for size in entry.shape) == 1 and entry.kind in "fiu"


def _line(entry: Variable, dim: str) -> Variable:
    return variable(entry.values().ravel(), (dim,))


def _dims(
    name: str, entry: Variable, points: Mapping[str, Variable], label: str, choices: ImportChoices
) -> tuple[str, ...]:
    shape = entry.shape
    if choices.dims:
        if len(choices.dims) != len(shape):
            raise DataError(
                f"--dims does not fit {name!r} in {label}",
                got=f"{', '.join(choices.dims)} for the shape {shape}",
                expected=f"{len(shape)} names",
                fix="Choose the arrays to read with --fields.",
            )
        if len(set(choices.dims)) < len(choices.dims):
            raise DataError("--dims repeats a dimension", got=", ".join(choices.dims), expected="every dimension once")
        return choices.dims
    size = {dim: line.shape[0] for dim, line in points.items()}
    fitting: set[tuple[str, ...]] = set()
    for count in range(len(size), 0, -1):
        if fitting:
            break  # an understanding that leaves fewer coordinates unused comes first
        for order in permutations(size, count):
            for lead in ((), ("sample",)):
                dims = (*lead, *order)
                if len(dims) == len(shape) and all(
                    size[dim] == n for dim, n in zip(order, shape[len(lead) :], strict=True)
                ):
                    fitting.add(dims)
    if len(fitting) == 1:
        return fitting.pop()
    examples = {2: "time,x", 3: "sample,time,x", 4: "sample,time,y,x"}
    example = examples.get(len(shape), "sample,time,channel,y,x")
    raise DataError(
        f"the dimensions of {name!r} in {label} cannot be told from its shape",
        got=f"{shape}"
        + (f", which fits {' and '.join(','.join(dims) for dims in sorted(fitting))}" if fitting else ""),
        expected="their names, in this order",
        fix=f"For example --dims {example}; `channel` marks an axis of several fields, first or last.",
    )
