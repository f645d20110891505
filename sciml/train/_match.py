"""Parameter-matched comparison as a function."""

from functools import partial

import torch
from torch import nn

from sciml.core.config import Config
from sciml.core.errors import UnsupportedError
from sciml.core.problem import Problem
from sciml.train._context import Context
from sciml.train._solver import AnySolver


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars; a complex weight counts as two."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in module.parameters() if p.requires_grad)


def match_parameters(solver: AnySolver, problem: Problem, model: Config, context: Context, parameters: int) -> Config:
    """The solver's configuration whose parameter count is nearest to `parameters`.

    Bisects ``solver.knob`` on modules built without memory (device ``meta``); the count must grow with the knob.

    Arguments:
        solver: whose size is to be set.
        problem, context: what the module is built for.
        model: gives every other hyper-parameter.
        parameters: the count to come near to.

    Returns: `model` with the knob replaced.

    Raises: UnsupportedError if the solver has no knob or the count is out of the knob's range.
    """
    knob = solver.knob
    if knob is None:
        raise UnsupportedError(
            f"solver {solver.key!r} has no size, so it cannot be matched to {parameters:,} parameters"
        )
    size = partial(_size_at, solver, problem, model, context, knob.name)
    low, high = knob.low, knob.high
    smallest, largest = size(low), size(high)
    if not smallest <= parameters <= largest:
        raise UnsupportedError(
            f"solver {solver.key!r} cannot be built with about {parameters:,} parameters",
            expected=f"between {smallest:,} ({knob.name}={low}) and {largest:,} ({knob.name}={high})",
        )
    whole = isinstance(low, int) and isinstance(high, int)
    sizes = {low: smallest, high: largest}
    while sizes[high] > sizes[low] and high - low > (1 if whole else 1e-9 * high):
        middle = (low + high) // 2 if whole else (low + high) / 2
        sizes[middle] = size(middle)
        low, high = (middle, high) if sizes[middle] <= parameters else (low, middle)
    nearest = min(sizes, key=lambda value: abs(sizes[value] - parameters))
    return model.model_copy(update={knob.name: nearest})


def _size_at(
    solver: AnySolver, problem: Problem, model: Config, context: Context, name: str, value: int | float
) -> int:
    """Parameters at a value of the knob `name`."""
    with torch.device("meta"):
        return count_parameters(solver.build(problem, model.model_copy(update={name: value}), context))
