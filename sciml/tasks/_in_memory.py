"""What the tasks on data without trajectories share: opening the card, reading tables of points, broken predictions."""

from pathlib import Path
from typing import TypeVar

import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import DataError, UnsupportedError
from sciml.core.problem import Problem
from sciml.data import CardTable, read_card
from sciml.tasks._inputs import check_finite, numbers, open_inputs, shape_words
from sciml.tasks._labels import Labelled

K = TypeVar("K", bound=CardTable)
P = TypeVar("P", bound=Problem)


def card_for(problem: Problem, preset: str, capability: type[Problem], kind: type[K]) -> K:
    """The table of a preset for a problem that must have `capability`.

    Raises: UnsupportedError for a problem that cannot be used so; ConfigError and UnknownNameError for a faulty card.
    """
    return read_card(having(problem, capability)).table(preset, kind)


def having(problem: Problem, capability: type[P]) -> P:
    """The problem as one that has a capability. Raises UnsupportedError if it has not."""
    if not isinstance(problem, capability):
        raise UnsupportedError(
            f"problem {problem.name!r} does not provide what this task needs ({capability.__name__})"
        )
    return problem


def refuse_steps(path: Path, steps: int | None) -> None:
    """Raise DataError if somebody asks for steps where there is no time."""
    if steps is not None:
        raise DataError(f"{path} holds samples without a time axis", got=f"{steps} steps",
                        fix="Leave out the number of steps.")  # fmt: skip


def read_table(path: Path, problem: Problem, what: str, dtype: str = "float32") -> Float[Tensor, "sample channel"]:
    """One column per field of the problem from a user's NetCDF file of variables on ``sample``.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    source = open_inputs(path, problem, what, [field.name for field in problem.fields])
    return torch.stack([column(path, source[field.name], dtype) for field in problem.fields], dim=1)


def labelled_table(
    problem: Problem, values: Float[Tensor, "sample channel"], dim: str = "sample", prefix: str = ""
) -> Labelled:
    """One variable on `dim` per field, with units; the inverse of `read_table`."""
    return {
        prefix + field.name: (dim, values[:, i].numpy(), {"units": field.units, "long_name": field.long_name})
        for i, field in enumerate(problem.fields)
    }


def column(path: Path, array: xarray.DataArray, dtype: str = "float32") -> Float[Tensor, " sample"]:
    """The finite values of a variable on ``sample``."""
    if array.dims != ("sample",):
        raise DataError(
            f"field {array.name!r} in {path} has the wrong shape",
            got=shape_words(array),
            expected="one value for each sample",
        )
    values = numbers(path, array, dtype)
    check_finite(path, str(array.name), values)
    return values


def bad_channels(problem: Problem, values: Float[Tensor, "sample channel *space"]) -> str:
    """Names of the fields that are not finite somewhere; empty if all are."""
    bad = ~values.isfinite().transpose(0, 1).flatten(1).all(1)
    return ", ".join(field.name for field, is_bad in zip(problem.fields, bad.tolist(), strict=True) if is_bad)
