"""When something happens on a trajectory."""

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError


def first_crossing(
    times: Float[Tensor, "*batch time"], values: Float[Tensor, "batch time"], level: float, *, from_below: bool = False
) -> Float[Tensor, " batch"]:
    """When a signal first exceeds `level`, between two samples by linear interpolation; NaN where it never does.

        t = t_i + (t_{i+1} − t_i) (level − v_i)/(v_{i+1} − v_i),   v_i <= level < v_{i+1},  i the first such

    A signal that begins above the level crosses it at the first of `times`; with `from_below` that is no crossing, and
    the first one after it has been at or below the level counts. What is not finite exceeds nothing.

    Arguments:
        times: of all signals, or one row each.
        values: the signals.
        level: that is crossed.
        from_below: whether only crossings from at or below the level to above it count.

    Raises:
        UserError: `values` are not ``batch time`` for these times.
    """
    if values.ndim != 2 or times.shape not in (values.shape, values.shape[1:]):
        raise UserError("signals do not fit their times", got=f"values {tuple(values.shape)}, times "
                        f"{tuple(times.shape)}", expected="values `batch time`, times `time`")  # fmt: skip
    above, times = values > level, times.expand_as(values)
    counted = above
    if from_below:
        counted = torch.cat((torch.zeros_like(above[:, :1]), above[:, 1:] & (values[:, :-1] <= level)), dim=1)
    last = counted.to(torch.int8).argmax(1).clamp_min(min(1, values.shape[1] - 1))
    rows = torch.arange(len(values), device=values.device)
    before, after = values[rows, last - 1], values[rows, last]
    share = ((level - before) / (after - before)).clamp(0.0, 1.0)
    early, late = times[rows, last - 1], times[rows, last]
    crossed = early + (late - early) * share
    crossed = torch.where(counted[:, 0], times[:, 0], crossed)
    return torch.where(counted.any(1), crossed, torch.nan)
