"""Fixed steps that no error chooses: the same operations for every sample, in a loop that exporters can write."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import ConfigError
from sciml.ode._explicit import Explicit
from sciml.ode._method import Method
from sciml.ode._solve import find_method
from sciml.ode._tableau import Tableau

_INSIDE = 4 * torch.finfo(torch.float64).eps
_MOST = 1_000_000


def fixed_steps(
    f: Callable[..., Tensor],
    y0: Float[Tensor, "batch dim"],
    times: Sequence[float],
    *,
    step: float,
    breaks: Float[Tensor, "batch break"] | None = None,
    args: Sequence[Tensor] = (),
    method: str | Method = "rk4",
) -> Float[Tensor, "batch time dim"]:
    """States at some times by steps of one length from the first time on, t_0 + k h, cut at the breaks of a sample.

    Where steps lie does not depend on the times asked for: these are read from the dense output of the step they fall
    in. What is done depends on no tensor's values, so that it can be written as a program: `torch.export` finds one
    loop (``scan``) in it.

    Arguments:
        f, y0, args: as for `solve`; states in float64.
        times: increasing, common to all samples; the first is the time of `y0`.
        step: h, in the unit of time. Nothing estimates its error.
        breaks: times of every sample that no step crosses, in any order, repeated or outside of the times as may be;
            `f` is asked strictly between them.
        method: an explicit one.

    Raises: ConfigError as `check_fixed` does.
    """
    tableau = check_fixed(method, step, times[-1] - times[0])
    grid = [times[0] + k * step for k in range(count_steps(step, times[-1] - times[0]) + 1)]
    moments = torch.tensor(list(times), dtype=torch.float64, device=y0.device)
    rows = torch.zeros_like(y0[:, :1])
    edges = rows + torch.tensor(grid, dtype=torch.float64, device=y0.device)
    number = rows.long() + torch.tensor([bisect_left(grid, t) for t in times], device=y0.device)
    if breaks is not None:
        inner = breaks.double().clamp(grid[0], grid[-1])
        edges = torch.cat((edges, inner), dim=1).sort(dim=1).values
        number = number + (inner[:, None, :] < moments[:, None]).long().sum(2)
    number = (number - 1).clamp(0, edges.shape[1] - 2)
    begin, end = edges[:, :-1], edges[:, 1:]

    def advance(state: Tensor, piece: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return _advance(tableau, f, state, *piece, args)

    states, *powers = _looped(advance, y0, (begin.t().contiguous(), end.t().contiguous()))
    start, length = begin.gather(1, number), (end - begin).gather(1, number)
    along = torch.where(length > 0, (moments - start) / torch.where(length > 0, length, 1.0), 0.0)[..., None]
    places = number.t()[:, :, None].expand(-1, -1, y0.shape[1])
    change = torch.zeros_like(along)
    for power in reversed(powers):
        change = (change + power.gather(0, places).transpose(0, 1)) * along
    return states.gather(0, places).transpose(0, 1) + change


def check_fixed(method: str | Method, step: float, span: float = 0.0) -> Tableau:
    """The tableau of an explicit method.

    Raises: ConfigError for a method that is not explicit, and for more than a million steps; UnknownNameError for an
        unknown one.
    """
    chosen = find_method(method)
    if not isinstance(chosen, Explicit) or chosen.lands:
        raise ConfigError(
            "fixed steps are those of an explicit method with dense output",
            got=chosen.name, expected="such as rk4, rk38, dopri5, tsit5, heun or euler",
        )  # fmt: skip
    if not (step > 0 and span / step <= _MOST):
        raise ConfigError("the fixed step is too short", got=f"{step:g} for a span of {span:g}",
                          expected=f"at most {_MOST:,} steps")  # fmt: skip
    return chosen.tableau


def count_steps(step: float, span: float) -> int:
    """Steps over a span of time; rounding makes no further one."""
    return max(1, math.ceil(span / step * (1 - 1e-9)))


def _looped(
    advance: Callable[..., tuple[Tensor, tuple[Tensor, ...]]], state: Tensor, pieces: tuple[Tensor, Tensor]
) -> tuple[Tensor, ...]:
    """Of every step what `advance` hands out, stacked."""
    if torch.compiler.is_exporting():
        from torch._higher_order_ops import scan  # slow to import, needed here only

        return scan(advance, state, pieces)[1]
    handed = []
    for piece in zip(*pieces, strict=True):
        state, out = advance(state, piece)
        handed.append(out)
    return tuple(torch.stack(column) for column in zip(*handed, strict=True))


def _advance(
    tableau: Tableau, f: Callable[..., Tensor], state: Tensor, begin: Tensor, end: Tensor, args: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The state after one step; the one before, and h Σ_i b_ij k_i for every power j of θ in the dense output."""
    size, edge = end - begin, _INSIDE * torch.maximum(begin.abs(), end.abs())
    lowest, highest = begin + edge, end - edge
    stages: list[Tensor] = []
    new = state
    for c, weights in zip(tableau.c, tableau.a, strict=True):
        if stages:
            new = state + size[:, None] * _sum(weights, stages)
        time = torch.minimum(torch.maximum(begin + c * size, lowest), highest)
        stages.append(f(time, new, *args))
    powers = [size[:, None] * _sum(weights, stages) for weights in zip(*tableau.dense, strict=True)]
    return new, (state.clone(), *powers)


def _sum(weights: Sequence[float], stages: Sequence[Tensor]) -> Tensor:
    """Σ weights_i k_i."""
    terms = [weight * stage for weight, stage in zip(weights, stages, strict=False) if weight]
    return sum(terms[1:], start=terms[0])
