"""Parameter-matched comparison as a function."""

import itertools
import math
from functools import partial

import torch
from torch import nn

from sciml.core.config import Config
from sciml.core.errors import UnsupportedError
from sciml.core.problem import Problem
from sciml.train._context import Context
from sciml.train._solver import AnySolver

_FINE = 1e-4
"""How closely a knob that is no whole number is set, relative to its value."""


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars; a complex weight counts as two."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in module.parameters() if p.requires_grad)


def match_parameters(solver: AnySolver, problem: Problem, model: Config, context: Context, parameters: int) -> Config:
    """The solver's configuration whose parameter count is nearest to `parameters`.

    Modules are built without memory (device ``meta``); their count must grow with ``solver.knob``.

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
    sizes: dict[float, int] = {low: smallest, high: largest}
    below, above = low, high
    for attempt in itertools.count(1):
        guess = _between(below, above, sizes, parameters, halve=attempt % 4 == 0)
        if guess is None or sizes[above] == sizes[below]:
            break
        sizes[guess] = size(guess)
        below, above = (guess, above) if sizes[guess] <= parameters else (below, guess)
    nearest = min(sizes, key=lambda value: abs(sizes[value] - parameters))
    return model.model_copy(update={knob.name: nearest})


def _between(below: float, above: float, sizes: dict[float, int], wanted: int, *, halve: bool) -> float | None:
    """A value between both where a power law through the two nearest sizes meets `wanted`; None where none is left.

    Counts of parameters nearly are powers of a width, so few modules are built. `halve` takes the geometric middle,
    which ends the search whatever the counts are like.
    """
    first, second = sorted(sizes, key=lambda value: abs(math.log(sizes[value] / wanted)))[:2]
    rise = math.log(sizes[second] / sizes[first]) / math.log(second / first)
    middle = (math.log(below) + math.log(above)) / 2
    guess = middle if halve or rise <= 0 else math.log(first) + math.log(wanted / sizes[first]) / rise
    guess = math.exp(min(max(guess, math.log(below)), math.log(above)))
    if isinstance(below, int):
        return min(max(round(guess), below + 1), above - 1) if above - below > 1 else None
    step = 1 + _FINE
    return min(max(guess, below * step), above / step) if above > below * step**2 else None


def _size_at(
    solver: AnySolver, problem: Problem, model: Config, context: Context, name: str, value: int | float
) -> int:
    """Parameters at a value of the knob `name`."""
    with torch.device("meta"):
        return count_parameters(solver.build(problem, model.model_copy(update={name: value}), context))
