"""Parameter-matched comparison as a function."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from sciml.core.config import Config
from sciml.core.errors import UnsupportedError
from sciml.core.problem import Problem
from sciml.train._solver import Solver, Spec


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars; a complex weight counts as two."""
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in module.parameters() if p.requires_grad)


def match_parameters(solver: Solver, problem: Problem, spec: Spec[Any], parameters: int) -> Config:
    """The solver's configuration whose parameter count is nearest to `parameters`.

    Bisects ``solver.knob`` on modules built without memory (device ``meta``); the count must grow with the knob.

    Arguments:
        solver: whose size is to be set.
        problem, spec: what the module is built for; ``spec.model`` gives every other hyper-parameter.
        parameters: the count to come near to.

    Returns: ``spec.model`` with the knob replaced.

    Raises: UnsupportedError if the solver has no knob or the count is out of the knob's range.
    """
    knob = solver.knob
    if knob is None:
        raise UnsupportedError(
            f"solver {solver.key!r} has no size, so it cannot be matched to {parameters:,} parameters"
        )

    def sized(value: float) -> Config:
        return spec.model.model_copy(update={knob.name: value})

    def size(value: float) -> int:
        with torch.device("meta"):
            return count_parameters(solver.build(problem, replace(spec, model=sized(value))))

    low, high = knob.low, knob.high
    if not size(low) <= parameters <= size(high):
        raise UnsupportedError(
            f"solver {solver.key!r} cannot be built with about {parameters:,} parameters",
            expected=f"between {size(low):,} ({knob.name}={low}) and {size(high):,} ({knob.name}={high})",
        )
    if isinstance(low, int) and isinstance(high, int):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if size(middle) <= parameters else (low, middle)
    else:
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if size(middle) <= parameters else (low, middle)
    return sized(min((low, high), key=lambda value: abs(size(value) - parameters)))
