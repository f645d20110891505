"""Reading a user's NetCDF file: open it, find what is needed, name what does not fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import DataError, UserError
from sciml.core.problem import Parameter, Problem


def open_inputs(path: Path, problem: Problem, what: str, names: Sequence[str] | None = None) -> xarray.Dataset:
    """The file's variables in memory, with a dimension ``sample`` added if it has none.

    Arguments:
        path: the file.
        problem: whose fields and parameters must all be there.
        what: what the file should hold, for the error of a missing one.
        names: the variables it must have instead.

    Raises: DataError for a file that is missing, unreadable or incomplete.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}", fix=f"Give a NetCDF file with {what}.")
    try:
        with xarray.open_dataset(path, engine="h5netcdf", decode_times=False) as opened:
            source = opened.load()
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:  # what h5py raises for damaged files
        detail = " ".join(str(error).split())
        raise DataError(f"{path} is not a readable NetCDF-4 file", got=detail) from None
    wanted = list(names or [entry.name for entry in (*problem.fields, *problem.parameters)])
    if missing := [name for name in wanted if name not in source]:
        raise DataError(
            f"{path} lacks {', '.join(missing)}",
            got="variables " + (", ".join(map(str, source.data_vars)) or "(none)"),
            expected=", ".join(wanted),
        )
    return source if "sample" in source.dims else source.expand_dims("sample")


def numbers(path: Path, array: xarray.DataArray) -> Tensor:
    """The values of a variable as float32; DataError if they are no real numbers."""
    if array.dtype.kind not in "fiu":
        raise DataError(f"{array.name!r} in {path} does not hold real numbers", got=f"values of type {array.dtype}")
    return torch.from_numpy(array.values.astype("float32"))


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


def out_of_range(problem: Problem, inputs: Parametrised) -> list[UserError]:
    """An error for every parameter with a value outside of the range that the problem draws it from.

    Ranges are closed and compared in single precision, as values are stored, so that an end of a range is inside.

    Raises: UserError for a value that is not physically possible, which no range would help.
    """
    found = []
    for entry, values in zip(problem.parameters, inputs.parameters.float().unbind(1), strict=True):
        fault, fix = "is not physically possible", "Change it."
        if error := _outside(entry, values, entry.possible, fault, fix):
            raise error
        fault = "lies outside of the range that the run was trained on"
        fix = (
            "Change it, or allow such values with --extrapolate (extrapolate=True in Python): nothing says how wrong a "
            "prediction is there."
        )
        found += [_outside(entry, values, (entry.low, entry.high), fault, fix)]
    return [error for error in found if error]


def _outside(
    entry: Parameter, values: Float[Tensor, " sample"], ends: tuple[float, float], fault: str, fix: str
) -> UserError | None:
    low, high = values.new_tensor(ends)
    outside = torch.nonzero((values < low) | (values > high)).flatten().tolist()
    if not outside:
        return None
    more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
    units = "" if entry.units == "1" else f" {entry.units}"
    return UserError(
        f"parameter {entry.name!r} {fault}",
        got=f"{float(values[outside[0]]):.6g}{units} (sample {outside[0]}{more})",
        expected=f"[{ends[0]:g}, {ends[1]:g}]{units}",
        fix=fix,
    )


def check_finite(path: Path, name: str, values: Tensor) -> None:
    """Raise DataError naming the variable if any of its values is not finite."""
    if not values.isfinite().all():
        raise DataError(
            f"{name!r} in {path} holds values that are not finite", fix="Fill or drop the bad samples first."
        )


def shape_words(array: xarray.DataArray) -> str:
    """Dimensions and sizes of a variable, for an error message."""
    return ", ".join(f"{name} {size}" for name, size in array.sizes.items()) or "a single value"


def read_times(path: Path, source: xarray.Dataset) -> Float[Tensor, " time"] | None:
    """The coordinate (or variable) ``time`` of a file, checked; None if there is none."""
    if "time" not in source.variables:
        return None
    array = source["time"]
    if "sample" in array.dims and array.sizes["sample"] == 1:
        array = array.isel(sample=0)
    values = array.values
    sound = values.ndim == 1 and len(values) >= 2 and values.dtype.kind in "fiu"
    times = values.astype("float32") if sound else np.zeros(1)
    if not sound or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise DataError(
            f"the times of {path} cannot be used",
            got=f"{shape_words(array)} of type {values.dtype}" if not sound else ", ".join(map(str, values[:6])),
            expected="at least two numbers on the dimension time, finite and strictly increasing in single precision",
        )
    return torch.from_numpy(times)
