"""Inputs by way of a file, as a user gives them, and answers compared by label."""

import warnings
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import xarray

from sciml.core.errors import InputWarning, UserError
from sciml.core.types import Prediction
from sciml.data import netcdf_bytes
from sciml.testing._trial import Trial


class FileAnswer(NamedTuple):
    """What a solver answers to a file.

    Fields:
        prediction: as the solver gave it.
        labelled: as the user gets it.
    """

    prediction: Prediction
    labelled: xarray.Dataset


def input_file(trial: Trial, count: int = 4) -> xarray.Dataset:
    """Inputs of some training samples as the file of a user."""
    bench = trial.bench
    return trial.task.write_inputs(trial.inputs(count), bench.problem, bench.context)


def answer_file(trial: Trial, source: xarray.Dataset, folder: Path) -> FileAnswer:
    """Write a file, read it back as inputs, predict, describe. Raises UserError for a file that is refused."""
    path, bench = folder / "inputs.nc", trial.bench
    path.write_bytes(netcdf_bytes(source))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # what is put right must be right, which is what is tested
        inputs = trial.task.read_inputs(path, bench.problem, bench.context, None)
    prediction = trial.predict(inputs)
    return FileAnswer(prediction, trial.task.describe(inputs, prediction, bench.problem, bench.context))


@lru_cache
def file_answer(trial: Trial, count: int = 4) -> FileAnswer:
    """What a solver answers to the file of `input_file`; asked once, nobody changes it."""
    with TemporaryDirectory() as folder:
        return answer_file(trial, input_file(trial, count), Path(folder))


def answer_or_refusal(trial: Trial, source: xarray.Dataset, folder: Path) -> FileAnswer | UserError:
    """What a user gets for a file: an answer, or the error that refuses it."""
    try:
        return answer_file(trial, source, folder)
    except UserError as error:
        return error


def by_label(first: xarray.Dataset, second: xarray.Dataset, rtol: float = 1e-3) -> None:
    """Compare the variables of two answers at equal coordinates, in whatever order they come.

    Raises: AssertionError where coordinates or values differ by more than `rtol` of the largest value.
    """
    first, second = _in_order(first), _in_order(second)
    assert dict(first.sizes) == dict(second.sizes)
    assert set(first.variables) == set(second.variables)
    for name in first.variables:
        a, b = first[name], second[name].transpose(*first[name].dims)
        if a.dtype.kind in "fiu":
            scale = float(np.nanmax(np.abs(a.values), initial=0.0)) or 1.0
            np.testing.assert_allclose(b.values, a.values, rtol=0, atol=rtol * scale, err_msg=str(name))


def _in_order(labelled: xarray.Dataset) -> xarray.Dataset:
    return labelled.sortby([str(name) for name in labelled.indexes])
