"""Whether dynamics depend on time itself, and whether they say when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_leaves

from sciml.core import rng
from sciml.core.capabilities import HasDynamics, HasReducedModel
from sciml.core.errors import ConfigError
from sciml.core.types import Params

_BLIND = ("zeros_like", "ones_like", "full_like", "new_", "__get__", "size", "expand_as")


class _Watch(TorchFunctionMode):
    """Notes whether a tensor is computed with, its shape and dtype aside."""

    def __init__(self, tensor: Tensor) -> None:
        super().__init__()
        self.tensor, self.used = tensor, False

    def __torch_function__(  # Any: whatever functions of torch take and give
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = resolve_name(func) or func.__name__
        if not any(word in name for word in _BLIND):
            self.used |= any(leaf is self.tensor for leaf in tree_leaves((args, kwargs or {})))
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def uses_time(problem: HasDynamics) -> bool:
    """Whether the right-hand side computes anything with the time."""
    drawn = problem.draw(rng.generator(0, "forcing"))
    params = {name: value.double().expand(1) for name, value in drawn.items()}
    state = torch.ones(1, len(problem.fields), dtype=torch.float64)
    if isinstance(problem, HasReducedModel):
        state = problem.encode(state, params)
    time = torch.zeros(1, dtype=torch.float64)
    with _Watch(time) as watch:
        problem.dynamics(time, state, params, problem.closures())
    return watch.used


def check_forcing(problem: HasDynamics) -> None:
    """Refuse dynamics that depend on time and do not say when something acts: a short pulse would be stepped over."""
    params = {name: value[None] for name, value in problem.draw(rng.generator(0, "forcing")).items()}
    if forcing_breaks(problem, params) is not None or not uses_time(problem):
        return
    raise ConfigError(
        f"the dynamics of problem {problem.name!r} depend on time and do not say when something acts",
        got="forcing_times(params) that returns None",
        expected="a tensor (sample, time): when each source, pulse, inflow or table begins, peaks, jumps or ends",
        fix="Implement forcing_times, so that no pulse is stepped over; return torch.empty(1, 0) where the forcing is "
        "as slow as the solution.",
    )


@torch.no_grad()
def forcing_breaks(problem: HasDynamics, params: Params) -> Float[Tensor, "batch break"] | None:
    """Times that no step may cross: those the problem names, and the ends of its uncertain sources' windows."""
    count = max((value.shape[0] for value in params.values()), default=1)
    uncertain = problem.uncertain if isinstance(problem, HasReducedModel) else ()
    windows = [end for entry in uncertain if entry.window is not None for end in entry.window(params)]
    named = problem.forcing_times(params)
    columns = [column.reshape(-1, 1).expand(count, 1) for column in windows]
    if named is not None:
        columns.append(named.reshape(-1, named.shape[-1]).expand(count, -1))
    return torch.cat([column.double() for column in columns], dim=1) if columns else None
