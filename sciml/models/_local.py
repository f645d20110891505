"""The error of one step somewhere along a solution: a penalty that needs no gradient through the solve."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode


def local_error(
    field: nn.Module,
    time: Float[Tensor, " batch"],
    state: Float[Tensor, "batch ..."],
    end: Float[Tensor, " batch"],
    length: Float[Tensor, " batch"] | None,
    args: tuple[Tensor, ...],
    *,
    method: ode.Method,
    tolerance: ode.Tolerance,
) -> Float[Tensor, " batch"]:
    """E |h| of one step from z(t), not beyond `end`.

    Arguments:
        field: f, ``(time, state, *args)``.
        time, state: t and z(t), constants: nothing flows back to where they come from.
        end: where the solve ends, ahead of or behind `time`.
        length: of the step; None for the first one that a solve from z(t) would try.
        args: of the field; they too are constants.
        method: which step; it must estimate its error.
        tolerance: what the error is measured against.
    """
    assert method.error_order is not None
    shape, sign = state.shape[1:], torch.where(end > time, 1.0, -1.0)
    constants = tuple(a.detach() for a in args)
    forward = partial(_forward, field, sign, shape, constants)
    with torch.no_grad():
        start, longest = (sign * time).to(state.dtype), (end - time).abs().double()
        begin = state.detach().flatten(1)
        if length is None:
            slope = forward(start, begin)
            length = ode.first_step(forward, start, begin, slope, tolerance, method.error_order, longest)
        size = torch.minimum(length, longest).to(state.dtype)
    step = method.step(forward, start, size, begin, forward(start, begin))
    assert step.error is not None
    return tolerance.ratio(step.error, begin, step.state) * size


def _forward(
    field: nn.Module,
    sign: Tensor,
    shape: Sequence[int],
    args: tuple[Tensor, ...],
    time: Tensor,
    flat: Tensor,
) -> Tensor:
    """The field for flat states in time s = ±t, which runs forward."""
    way = sign.to(flat.dtype)
    return field(way * time, flat.view(-1, *shape), *args).flatten(1) * way[:, None]
