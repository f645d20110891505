"""Where a recurrent network steps along a series: at moments of its own and at the observations, whatever is asked."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sciml.core.errors import UserError

_SAME = 1e-3
"""Share of a step within which two moments are one."""
_MOST = 100_000
"""Steps that are taken at most."""


class Moments(NamedTuple):
    """A series at all moments that matter: those of the network, those observed, those that are asked for.

    Fields:
        times: increasing.
        values: what was observed, anything where nothing was.
        mask: whether a series was observed.
        steps: whether the network steps there in a series; elsewhere an answer is only looked up.
        gaps: time since the step before in that series; zero at the first moment.
        asked: the numbers of the moments that are asked for, one for each given time.
    """

    times: Float[Tensor, " moment"]
    values: Float[Tensor, "batch moment channel"]
    mask: Bool[Tensor, "batch moment"]
    steps: Bool[Tensor, "batch moment"]
    gaps: Float[Tensor, "batch moment"]
    asked: Int[Tensor, " time"]


def moments_of(
    times: Float[Tensor, " time"],
    values: Float[Tensor, "batch time channel"],
    mask: Bool[Tensor, "batch time"],
    step: float | None,
) -> Moments:
    """The moments t_0 + k `step` up to the last time, merged with the given times.

    A network that steps at the former and at the observations of each series answers the same at a time whatever other
    times are asked for. The first time is part of the question: it says where the series begins. A given time that is
    one of these moments but for rounding stands for it.

    Arguments:
        times: strictly increasing.
        values: what was observed, anything where nothing was.
        mask: whether a time of a series was observed.
        step: between two moments of the network, in the units of `times`; None: it steps at every given time.

    Raises: UserError where there would be too many of them.
    """
    if step is None:
        steps = torch.ones_like(mask)
        return Moments(times, values, mask, steps, _gaps(times, steps), torch.arange(len(times), device=times.device))
    exact = times.double()
    share = (exact - exact[0]) / step
    count = float(share[-1])
    if not count < _MOST:
        raise UserError(
            "the times asked for span too many steps of the network",
            got=f"{count:.3g} steps of {step:g}",
            expected=f"fewer than {_MOST:,}",
            fix="Ask for a shorter span, or check the units of the times.",
        )
    nearest = share.round()
    regular = (share - nearest).abs() <= _SAME
    grid = torch.arange(int(count + _SAME) + 1, dtype=torch.float64, device=times.device)
    missing = grid[~torch.isin(grid, nearest[regular])]
    every, order = torch.cat((exact, exact[0] + step * missing)).to(times.dtype).sort(stable=True)
    places = order.argsort()
    asked, added = places[: len(times)], places[len(times) :]
    if not len(missing):
        steps = regular | mask
        return Moments(times, values, mask, steps, _gaps(times, steps), asked)
    wide_values = values.new_zeros(len(values), len(every), values.shape[2])
    wide_mask = mask.new_zeros(len(mask), len(every))
    wide_values[:, asked], wide_mask[:, asked] = values, mask
    always = regular.new_zeros(len(every))
    always[asked], always[added] = regular, True
    steps = always | wide_mask
    return Moments(every, wide_values, wide_mask, steps, _gaps(every, steps), asked)


def _gaps(times: Float[Tensor, " moment"], steps: Bool[Tensor, "batch moment"]) -> Float[Tensor, "batch moment"]:
    """Time since the last step before each moment; the first moment is one."""
    last = torch.where(steps, times, times[0]).cummax(1).values
    before = torch.cat((last[:, :1], last[:, :-1]), dim=1)
    return times - before
