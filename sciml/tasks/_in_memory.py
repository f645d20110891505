"""What the tasks on data without trajectories share: opening the card, reading tables of points, broken predictions."""

from pathlib import Path
from typing import TypeVar

import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from sciml import data
from sciml.core.config import Config
from sciml.core.errors import DataError, UnsupportedError
from sciml.core.problem import Problem
from sciml.tasks._inputs import check_finite, numbers, open_inputs, shape_words

C = TypeVar("C", bound=Config)


def card_for(problem: Problem, preset: str, capability: type, kind: type[C]) -> C:
    """The table of a preset for a problem that must have `capability`, and whose card must be of `kind`.

    Raises: UnsupportedError for a problem that cannot be used so; ConfigError and UnknownNameError for a faulty card.
    """
    if not isinstance(problem, capability):
        raise UnsupportedError(f"problem {problem.name!r} does not fit this task (it is not a {capability.__name__})")
    card = data.read_card(problem).preset(preset)
    if not isinstance(card, kind):
        raise UnsupportedError(
            f"the card of problem {problem.name!r} describes another kind of data",
            got=type(card).__name__,
            expected=kind.__name__,
            fix="A problem that is simulated in time has a card of trajectories; split it into two problems.",
        )
    return card


def refuse_steps(path: Path, steps: int | None) -> None:
    """Raise DataError if somebody asks for steps where there is no time."""
    if steps is not None:
        raise DataError(f"{path} holds samples, for which there are no steps in time", got=f"{steps} steps",
                        fix="Leave out the number of steps.")  # fmt: skip


def read_table(path: Path, problem: Problem, what: str) -> Float[Tensor, "sample channel"]:
    """One column per field of the problem from a user's NetCDF file of variables on ``sample``.

    Raises: DataError for a file that cannot be read or does not fit.
    """
    source = open_inputs(path, problem, what)
    return torch.stack([column(path, source[field.name]) for field in problem.fields], dim=1)


def column(path: Path, array: xarray.DataArray) -> Float[Tensor, " sample"]:
    """The finite values of a variable on ``sample``."""
    if array.dims != ("sample",):
        raise DataError(
            f"field {array.name!r} in {path} has the wrong shape",
            got=shape_words(array),
            expected="one value for each sample",
        )
    values = numbers(path, array)
    check_finite(path, str(array.name), values)
    return values


def bad_channels(problem: Problem, values: Float[Tensor, "sample channel *space"]) -> str:
    """Names of the fields that are not finite somewhere; empty if all are."""
    bad = ~values.isfinite().transpose(0, 1).flatten(1).all(1)
    return ", ".join(field.name for field, is_bad in zip(problem.fields, bad.tolist(), strict=True) if is_bad)
