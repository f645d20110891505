"""Whether the precision of the state can tell the times of an integration apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.ode._field import FlatField

_BLURRED = 1e-4  # of the whole duration: what rounding may move a time by


def check_clock(
    f: Callable[..., Any],  # Any: slopes, checked elsewhere
    y0: Float[Tensor, "batch ..."],
    times: Float[Tensor, "*batch time"],
    args: Sequence[Tensor],
) -> None:
    """UserError if `f`, which gets times in the precision of the state, depends on times that this rounds together.

    Float32 tells apart times 8 s from each other at 1e8 s: a rate that is a function of time would stand still. The
    same equation without time is not harmed. `f` is asked at three times, and only where times are so far from zero.
    """
    if y0.dtype in (torch.float64, torch.complex128):
        return
    rows = times.detach().double().expand(len(y0), -1)
    rows = torch.where(rows.isfinite(), rows, rows[:, :1])
    span, rounding = (rows - rows[:, :1]).abs().amax(1), torch.finfo(y0.dtype).eps * rows.abs().amax(1)
    blurred = ((rounding > _BLURRED * span) & (span > 0)).nonzero().flatten()
    if not len(blurred):
        return
    first, apart = rows[blurred, 0], torch.maximum(span, 8 * rounding)[blurred]
    flat = FlatField(f, tuple(y0.shape[1:]), 1, y0.dtype)
    state, chosen = y0.detach()[blurred].flatten(1), [a.detach()[blurred] for a in args]
    with torch.no_grad():
        slopes = [flat.evaluate((first + k * apart).to(y0.dtype), state, *chosen).nan_to_num() for k in (0, 1, 3)]
    if all(torch.equal(slopes[0], other) for other in slopes[1:]):
        return
    raise UserError(
        f"{y0.dtype} cannot tell the times of a right-hand side apart that depends on time",
        got=f"t = {float(first[0]):.10g} with a duration of {float(span[blurred][0]):.3g}",
        expected=f"steps well above the rounding of such times, {float(rounding[blurred][0]):.2g}",
        fix="Count times from the first one (times - times[0]), or give a state in float64.",
    )
