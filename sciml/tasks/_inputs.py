"""Reading a user's table or NetCDF file: open it, find what is needed, name what does not fit."""

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import DataError, InputWarning, UserError, nearest
from sciml.core.files import check_plain
from sciml.core.paths import shown
from sciml.core.problem import Parameter, Problem, is_possible
from sciml.core.units import conversion, plain_units
from sciml.data import load_netcdf
from sciml.data.tables import TABLE_ENDINGS, read_raw, table_of_columns
from sciml.tasks._possible import check_possible

_SLACK = 1e-3
"""Share of a step in time by which single precision may change it."""


_LABELS = ("case", "sample")
"""What a column with labels of the samples is called in a table of inputs."""
_BOOKKEEPING = ("status", "trajectory")
"""What the files of a dataset say of their samples beside the fields; no prediction depends on it."""


def open_inputs(
    path: Path,
    problem: Problem,
    what: str,
    names: Sequence[str] | None = None,
    *,
    also: Mapping[str, str | None] = MappingProxyType({}),
) -> xarray.Dataset:
    """The file's variables in memory, with a dimension ``sample`` added if it has none.

    A table (CSV, Excel, Parquet) has one row per sample and a column per variable; a column of texts called ``case`` or
    ``sample`` labels them.

    Nothing in a file goes unread: a variable that the task does not know is refused. Values in other units than the
    problem's are converted in double precision, with an `InputWarning`, or refused where `sciml.core.units` does not
    say how. A variable without the attribute ``units`` is in those of the problem.

    Arguments:
        path: the file.
        problem: whose fields and parameters must all be there.
        what: what the file should hold, for the error of a missing one.
        names: the variables it must have instead.
        also: units (None where they are not told) of variables it may have, and of `names` that are neither fields nor
            parameters.

    Raises: DataError for a file that is missing, unreadable or incomplete, or that holds what is not understood.
    """
    try:
        source = _from_table(check_plain(path)) if _is_table(path) else load_netcdf(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"there is no file {shown(path)}", fix=f"Give a table or a NetCDF file with {what}.") from None
    return checked_inputs(path, source, problem, names, also=also)


def checked_inputs(
    path: Path,
    source: xarray.Dataset,
    problem: Problem,
    names: Sequence[str] | None = None,
    *,
    also: Mapping[str, str | None] = MappingProxyType({}),
) -> xarray.Dataset:
    """What was read from a file, complete, without strays and in the units of the problem; as `open_inputs`."""
    wanted = list(names or [entry.name for entry in (*problem.fields, *problem.parameters)])
    if missing := [name for name in wanted if name not in source]:
        raise DataError(
            f"{path} lacks {', '.join(missing)}",
            got="variables " + (", ".join(map(str, source.data_vars)) or "(none)"),
            expected=", ".join(wanted),
        )
    units = {entry.name: entry.units for entry in (*problem.fields, *problem.parameters)} | dict(also)
    _refuse_strays(path, source, [*wanted, *also, "sample", *_BOOKKEEPING])
    for name, variable in source.variables.items():
        units_in_file, expected = variable.attrs.get("units"), units.get(str(name))
        if units_in_file is not None and expected is not None:
            source = _in_units(path, source, str(name), str(units_in_file), expected)
    check_possible(path, source, problem)
    if source.sizes.get("sample") == 0:
        raise DataError(f"{path} holds no samples", got="a dimension sample of length 0", expected="one sample or more")
    return source if "sample" in source.dims else source.expand_dims("sample")


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLE_ENDINGS


def _from_table(path: Path) -> xarray.Dataset:
    """Columns of a table as variables on ``sample``, with the units of their headers."""
    table = table_of_columns(read_raw(path), str(path))
    labels = next((name for name in table.columns if name.lower() in _LABELS), None)
    columns = {
        name: ("sample", table.numbers(name), {} if column.units is None else {"units": column.units})
        for name, column in table.columns.items()
        if name != labels
    }
    coords = {} if labels is None else {"sample": np.array(table.columns[labels].cells)}
    return xarray.Dataset(columns, coords)


def _refuse_strays(path: Path, source: xarray.Dataset, known: Sequence[str]) -> None:
    strays = [str(name) for name in source.variables if name not in known]
    if strays:
        match = nearest(strays[0], known)
        raise DataError(
            f"{path} holds variables that nothing is predicted from",
            got=", ".join(strays),
            expected="only " + ", ".join(known),
            fix=(f"Did you mean {match!r}? " if match else "") + "Rename or drop them, so that none is ignored unseen.",
        )


def _in_units(path: Path, source: xarray.Dataset, name: str, units_in_file: str, expected: str) -> xarray.Dataset:
    """The file with one variable in the units expected. Raises DataError where it is not known how."""
    since = re.fullmatch(r"\s*(\w+)\s+since\s.*", units_in_file)
    change = conversion(since[1] if since else units_in_file, expected)
    if change is None:
        raise DataError(
            f"{name!r} in {path} does not have the units the run was trained with",
            got=repr(units_in_file),
            expected=repr(expected),
            fix="Convert the values, or drop the attribute `units` if it is only misspelt.",
        )
    array = source[name]
    if not change.changes or array.dtype.kind not in "fiu":
        return source
    warnings.warn(f"{name!r} in {path} is converted from {units_in_file} to {expected}", InputWarning, stacklevel=3)
    values = change.factor * array.values.astype(np.float64) + change.offset
    return (
        source.assign_coords({name: (array.dims, values)})
        if name in source.coords
        else (source.assign({name: (array.dims, values)}))
    )


def same_units(one: str, other: str) -> bool:
    """Whether two units are the same but for differences that mean nothing."""
    return plain_units(one) == plain_units(other)


def numbers(path: Path, array: xarray.DataArray, dtype: str = "float32") -> Tensor:
    """The values of a variable; DataError if they are no real numbers."""
    if array.dtype.kind not in "fiu":
        raise DataError(f"{array.name!r} in {path} does not hold real numbers", got=f"values of type {array.dtype}")
    return torch.from_numpy(array.values.astype(dtype))


def parameter_columns(
    path: Path, source: xarray.Dataset, problem: Problem, samples: int
) -> Float[Tensor, "sample parameter"]:
    """Every parameter of the problem, one value per sample (a single one is used for all)."""
    columns = []
    for parameter in problem.parameters:
        array = source[parameter.name]
        if array.dims not in ((), ("sample",)):
            raise DataError(
                f"parameter {array.name!r} in {path} has the wrong shape",
                got=shape_words(array),
                expected=f"one value, or one for each of the {samples} samples",
            )
        columns.append(numbers(path, array).expand(samples))
        check_finite(path, parameter.name, columns[-1])
    return torch.stack(columns, dim=1) if columns else torch.zeros(samples, 0)


@runtime_checkable
class Parametrised(Protocol):
    """Inputs that carry physical parameters, in declaration order, in single precision."""

    parameters: Float[Tensor, "sample parameter"]


@runtime_checkable
class Forced(Protocol):
    """Inputs that may carry forcings, in declaration order, in single precision."""

    forcing: Float[Tensor, "sample moment forcing"] | None


def out_of_range(problem: Problem, inputs: Parametrised) -> list[UserError]:
    """An error for every parameter or forcing with a value outside of the range that the problem has it in.

    Ranges are closed and compared in single precision, as values are stored, so that an end of a range is inside.

    Raises: UserError for a value that is not physically possible, which no range would help.
    """
    errors = []
    columns = list(zip(problem.parameters, inputs.parameters.float().unbind(1), strict=True))
    if isinstance(inputs, Forced) and inputs.forcing is not None:
        columns += zip(problem.forcings, inputs.forcing.float().unbind(2), strict=True)
    for entry, values in columns:
        fault, fix = "is not physically possible", "Change it."
        if not is_possible(entry, values).all():
            low, high = torch.nextafter(values.new_tensor(entry.possible), values.new_tensor((math.inf, -math.inf)))
            ends = (float(low) if "least" in entry.open else entry.possible[0],
                    float(high) if "most" in entry.open else entry.possible[1])  # fmt: skip
            if error := _outside(entry, values, ends, fault, fix):
                raise error
        fault = "is outside the range the run was trained on"
        fix = (
            "Change it, or allow such values with --extrapolate (extrapolate=True in Python): nothing says how wrong a "
            "prediction is there."
        )
        errors += [_outside(entry, values, (entry.low, entry.high), fault, fix)]
    return [error for error in errors if error]


def _outside(
    entry: Parameter, values: Float[Tensor, "sample *moment"], ends: tuple[float, float], fault: str, fix: str
) -> UserError | None:
    low, high = values.new_tensor(ends)
    outside = torch.nonzero((values < low) | (values > high)).tolist()
    if not outside:
        return None
    more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
    units = "" if entry.units == "1" else f" {entry.units}"
    place = f"sample {outside[0][0]}" + "".join(f", moment {moment}" for moment in outside[0][1:])
    return UserError(
        f"{'forcing' if values.ndim > 1 else 'parameter'} {entry.name!r} {fault}",
        got=f"{float(values[tuple(outside[0])]):.6g}{units} ({place}{more})",
        expected=f"[{ends[0]:g}, {ends[1]:g}]{units}",
        fix=fix,
    )


def check_finite(path: Path, name: str, values: Tensor) -> None:
    """Raise DataError naming the variable if any of its values is not finite."""
    broken = values[~values.isfinite()]
    if len(broken):
        raise DataError(
            f"{name!r} in {path} holds values that are not finite",
            got=f"{float(broken[0]):g} as the first of {len(broken)} among {values.numel()}",
            fix="Fill or drop the bad samples first.",
        )


def halved(times: Float[Tensor, " time"]) -> Float[Tensor, " finer"]:
    """Times with another one in the middle between any two."""
    finer = times.new_empty(2 * len(times) - 1)
    finer[::2], finer[1::2] = times, times[:-1] + times.diff() / 2
    return finer


def shape_words(array: xarray.DataArray) -> str:
    """Dimensions and sizes of a variable, for an error message."""
    return ", ".join(f"{name} {size}" for name, size in array.sizes.items()) or "a single value"


class Times(NamedTuple):
    """Times of a file in single precision.

    Fields:
        values: counted from the origin.
        origin: by the clock of the file; zero where single precision holds the distances of its times anyhow.
    """

    values: Float[Tensor, " time"]
    origin: float = 0.0


def read_times(path: Path, source: xarray.Dataset) -> Times | None:
    """The coordinate (or variable) ``time`` of a file, checked; None if there is none.

    Times far from zero are counted from the first one, which is taken away in double precision.
    """
    if "time" not in source.variables:
        return None
    array = source["time"]
    if "sample" in array.dims and array.sizes["sample"] == 1:
        array = array.isel(sample=0)
    values = array.values
    sound = values.ndim == 1 and len(values) >= 2 and values.dtype.kind in "fiu"
    exact = values.astype(np.float64) if sound else np.zeros(1)
    sound = sound and bool(np.isfinite(exact).all())
    origin = float(exact[0]) if sound and not _holds_steps(exact) else 0.0
    if not sound or not _holds_steps(exact - origin):
        raise DataError(
            f"the times of {path} cannot be used",
            got=f"{shape_words(array)} of type {values.dtype}" if len(exact) < 2 else ", ".join(map(str, values[:6])),
            expected="at least two numbers on the dimension time, finite and strictly increasing in single precision",
        )
    return Times(torch.from_numpy((exact - origin).astype("float32")), origin)


def _holds_steps(times: np.ndarray) -> bool:
    """Whether times rise, and keep their distances in single precision, in which solvers compute."""
    if float(np.abs(times).max()) > float(np.finfo("float32").max):
        return False
    steps, kept = np.diff(times), np.diff(times.astype("float32").astype(np.float64))
    return bool((kept > 0).all() and (np.abs(kept - steps) <= _SLACK * steps).all())


def keep_sample_labels(path: Path, answer: xarray.Dataset) -> xarray.Dataset:
    """An answer with the labels that a file of inputs gives its samples, if it gives any.

    A table with several rows per sample, such as one of signals over time, names each of them many times; samples are
    in the order in which they first appear.
    """
    labels = _labels_of_table(path) if _is_table(path) else _labels_of_netcdf(path)
    if labels is not None and _is_table(path) and len(labels) != answer.sizes.get("sample"):
        labels = np.array(list(dict.fromkeys(labels.tolist())))
    if labels is None or len(labels) != answer.sizes.get("sample"):
        return answer
    words = {"long_name": "label of the sample"} | ({"units": "1"} if labels.dtype.kind in "fiu" else {})
    return answer.assign_coords(sample=("sample", labels, words))


def _labels_of_table(path: Path) -> np.ndarray | None:
    """The column of labels; None where there is none."""
    table = table_of_columns(read_raw(path), str(path))
    name = next((name for name in table.columns if name.lower() in _LABELS), None)
    return None if name is None else np.array(table.columns[name].cells)


def _labels_of_netcdf(path: Path) -> np.ndarray | None:
    source = load_netcdf(path)
    return source["sample"].to_numpy() if "sample" in source.indexes else None
